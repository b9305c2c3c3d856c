# SPDX-License-Identifier: Apache-2.0
"""`pyk8s apiserver`: the API server alone, by the names of kube-apiserver's flags.

A flag that kube-apiserver knows and this server has no use for yet is refused by name, for a
server that silently does without what it was asked for would be a worse surprise.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from pyk8s.cli import flags
from pyk8s.cli.flags import UsageError
from pyk8s.server.options import APIServerOptions

PROGRAM = "pyk8s apiserver"

# How `pyk8s up` tells its child what no flag says: a socket that listens, a pipe that wants one
# byte once the server is ready, and the process to end with.
LISTEN_FD = "PYK8S_LISTEN_FD"
READY_FD = "PYK8S_READY_FD"
PARENT_PID = "PYK8S_PARENT_PID"

# kube-apiserver's flags by prefix and by name, as far as they mean nothing here.
_FOREIGN_PREFIXES = (
    "audit-", "authentication-", "authorization-", "oidc-", "requestheader-", "proxy-client-",
    "kubelet-", "peer-", "tracing-", "encryption-provider-", "egress-selector-", "tls-",
    "watch-cache", "goaway-", "http2-", "storage-", "delete-collection-", "default-", "lease-",
    "etcd-", "livez-", "max-", "endpoint-reconciler", "external-", "service-account-", "enable-",
    "disable-", "shutdown-", "coordinated-", "emulat", "feature-", "strict-", "profiling",
    "contention-", "debug-socket-", "logging-", "log-", "runtime-config", "admission-",
    "allow-", "anonymous-", "api-audiences", "apiserver-count", "cors-", "aggregator-",
    "identity-lease-", "kubernetes-service-", "permit-", "show-hidden-", "vmodule", "cloud-",
    "node-", "min-", "event-", "event_ttl", "concurrent-", "flagz", "statusz", "v", "version",
)  # fmt: skip


def main(arguments: list[str]) -> int:
    """The exit status: 0 after SIGINT or SIGTERM, 1 with one line on stderr otherwise."""
    try:
        options = parse(arguments)
        _end_with_parent()
        return _run(prepare(options))
    except UsageError as error:
        print(f"{PROGRAM}: {error}", file=sys.stderr)
    except _operator_errors() as error:
        print(f"{PROGRAM}: {error}", file=sys.stderr)
    return 1


def parse(arguments: Sequence[str]) -> APIServerOptions:
    """Raises UsageError. Prints and exits for --help."""
    parsed, unknown = _parser().parse_known_args(arguments)
    if unknown:
        raise UsageError(_refusal(unknown[0]))
    values = vars(parsed)
    if not values["etcd_servers"]:
        raise UsageError("--etcd-servers must be specified")
    if bool(values["tls_cert_file"]) != bool(values["tls_private_key_file"]):
        raise UsageError("--tls-cert-file and --tls-private-key-file go together")
    if bool(values["etcd_certfile"]) != bool(values["etcd_keyfile"]):
        raise UsageError("--etcd-certfile and --etcd-keyfile go together")
    given = {field.name for field in fields(APIServerOptions)} & values.keys()
    options = APIServerOptions(**{name: values[name] for name in given})
    return replace(options, listen_fd=int(os.environ.get(LISTEN_FD, "-1")))


def _refusal(argument: str) -> str:
    if not argument.startswith("-"):
        return f"unknown argument {argument!r}: see {PROGRAM} --help"
    name = argument.partition("=")[0]
    if name.lstrip("-").startswith(_FOREIGN_PREFIXES):
        return f"kube-apiserver's {name} has no effect here yet: leave it out"
    return f"unknown flag {name}: see {PROGRAM} --help"


def prepare(options: APIServerOptions) -> APIServerOptions:
    """Without a certificate, one is made in --cert-dir, as upstream does. Raises
    CertificateError."""
    if options.tls_cert_file:
        return options
    from pyk8s.server import certificates

    names = certificates.serving_names(options.bind_address, options.service_cluster_ip_range)
    made = certificates.ensure(Path(options.cert_dir), names)
    return replace(
        options,
        tls_cert_file=str(made.serving_cert),
        tls_private_key_file=str(made.serving_key),
    )


def _parser() -> argparse.ArgumentParser:
    parser = flags.Parser(PROGRAM, "Serve the Kubernetes API from etcd.")
    _add_etcd_flags(parser.add_argument_group("etcd"))
    _add_serving_flags(parser.add_argument_group("serving"))
    _add_identity_flags(parser.add_argument_group("who may ask, and cluster settings"))
    _add_limit_flags(parser.add_argument_group("limits"))
    return parser


def _default(name: str) -> Any:
    return next(f.default for f in fields(APIServerOptions) if f.name == name)


def _add(group: Any, flag: str, text: str, **more: Any) -> None:
    """A flag whose default is that of the option of its name."""
    name = more.setdefault("dest", flag.removeprefix("--").replace("-", "_"))
    group.add_argument(flag, help=text, default=_default(name), **more)


def _add_etcd_flags(group: Any) -> None:
    group.add_argument("--etcd-servers", type=flags.urls, default=(), metavar="URLS",
                       help="comma-separated URLs of etcd; required")  # fmt: skip
    _add(group, "--etcd-prefix", "what keys begin with", metavar="PATH")
    _add(group, "--etcd-cafile", "CA that signed etcd's certificate", metavar="FILE")
    _add(group, "--etcd-certfile", "client certificate for etcd", metavar="FILE")
    _add(group, "--etcd-keyfile", "its key", metavar="FILE")
    _add(group, "--etcd-compaction-interval", "how often old revisions are dropped",
         dest="etcd_compaction_interval_seconds", type=flags.duration, metavar="5m")  # fmt: skip
    _add(group, "--event-ttl", "how long events are kept",
         dest="event_ttl_seconds", type=flags.duration, metavar="1h")  # fmt: skip


def _add_serving_flags(group: Any) -> None:
    _add(group, "--bind-address", "address to listen on", type=flags.ip_address, metavar="IP")
    _add(group, "--secure-port", "port to listen on; 0 takes a free one", type=flags.port,
         metavar="PORT")  # fmt: skip
    _add(group, "--advertise-address", "address of the Service kubernetes",
         type=flags.ip_address, metavar="IP")  # fmt: skip
    _add(group, "--tls-cert-file", "serving certificate", metavar="FILE")
    _add(group, "--tls-private-key-file", "its key", metavar="FILE")
    _add(group, "--cert-dir", "where a certificate is made without one", metavar="DIR")


def _add_identity_flags(group: Any) -> None:
    _add(group, "--client-ca-file", "CA of client certificates", metavar="FILE")
    _add(group, "--token-auth-file", "CSV file of tokens: token,user,uid,groups", metavar="FILE")
    _add(group, "--service-cluster-ip-range", "CIDR of Service addresses", type=flags.ip_range,
         metavar="CIDR")  # fmt: skip
    _add(group, "--service-node-port-range", "ports of Services of type NodePort",
         type=flags.port_range, metavar="30000-32767")  # fmt: skip
    _add(group, "--service-account-issuer", "issuer of ServiceAccount tokens", metavar="URL")
    group.add_argument("--service-account-key-file", dest="service_account_key_files",
                       action="append", default=[], metavar="FILE",
                       help="key that verifies their tokens; may be given more than once"
                       )  # fmt: skip
    _add(group, "--service-account-signing-key-file", "key that signs them", metavar="FILE")


def _add_limit_flags(group: Any) -> None:
    _add(group, "--request-timeout", "longest time of a request that is no watch",
         dest="request_timeout_seconds", type=flags.duration, metavar="1m")  # fmt: skip
    _add(group, "--min-request-timeout", "shortest time of a watch without timeoutSeconds",
         dest="min_request_timeout_seconds", type=flags.natural, metavar="SECONDS")  # fmt: skip
    _add(group, "--max-requests-inflight", "reads at a time; 0 for no limit", type=flags.natural,
         metavar="N")  # fmt: skip
    _add(group, "--max-mutating-requests-inflight", "writes at a time; 0 for no limit",
         type=flags.natural, metavar="N")  # fmt: skip
    group.add_argument("-v", "--v", dest="log_level", type=flags.natural, default=0,
                       metavar="LEVEL", help="how much to log: 0 to 10")  # fmt: skip


def _end_with_parent() -> None:
    if parent := os.environ.get(PARENT_PID):
        from pyk8s.server import parent_death

        parent_death.end_with_parent(int(parent))


def _operator_errors() -> tuple[type[Exception], ...]:
    """What an operator can put right, so that one line says more than a traceback. Imported
    only when something failed."""
    from pyk8s.auth.tokenfile import TokenFileError
    from pyk8s.server.apiserver import StartError
    from pyk8s.server.certificates import CertificateError
    from pyk8s.server.listener import ListenError
    from pyk8s.server.serving import ServingError
    from pyk8s.storage.errors import StorageError

    serving_errors = (CertificateError, ListenError, ServingError)
    return (StartError, TokenFileError, StorageError, *serving_errors)


def _run(options: APIServerOptions) -> int:
    import logging

    import uvloop

    from pyk8s.server import apiserver

    level = logging.DEBUG if options.log_level > 4 else logging.INFO
    form = "%(asctime)s %(levelname).1s %(name)s: %(message)s"
    logging.basicConfig(level=level, format=form)
    uvloop.run(apiserver.run(options, ready=say_ready))
    return 0


def say_ready() -> None:
    """Tell the supervisor, if there is one."""
    if descriptor := os.environ.get(READY_FD):
        os.write(int(descriptor), b"r")
        os.close(int(descriptor))
