# SPDX-License-Identifier: Apache-2.0
"""`pyk8s apiserver`: the API server alone, by the names of kube-apiserver's flags.

A flag that kube-apiserver knows and this server has no use for yet is refused by name, for a
server that silently does without what it was asked for would be a worse surprise.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any, NamedTuple

from pyk8s.admission import plugins
from pyk8s.cli import flags, supervisor
from pyk8s.cli.flags import UsageError
from pyk8s.server.options import APIServerOptions

PROGRAM = "pyk8s apiserver"

# How `pyk8s up` tells its child what no flag says, beside what every child is told: a socket that
# listens, and which of the workers it is.
LISTEN_FD = "PYK8S_LISTEN_FD"
WORKER = "PYK8S_WORKER"

# Containers made and not freed before the collector looks at the young ones; Python's 700 are
# less than one request makes. As garbage they would be some ten megabytes.
_COLLECT_AFTER_OBJECTS = 50_000

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
    except UsageError as error:
        print(f"{PROGRAM}: {error}", file=sys.stderr)
        return 1
    _end_with_parent()
    try:
        return _run(prepare(options))
    except _operator_errors() as error:
        print(f"{PROGRAM}: {error}", file=sys.stderr)
    return 1


def parse(arguments: Sequence[str]) -> APIServerOptions:
    """Raises UsageError. Prints and exits for --help."""
    parsed, unknown = _parser().parse_known_args(arguments)
    if unknown:
        raise UsageError(_refusal(unknown[0]))
    values = vars(parsed)
    if "etcd_servers" not in values:
        raise UsageError("--etcd-servers must be specified")
    try:
        plugins.selected(
            values.get("enable_admission_plugins", ()), values.get("disable_admission_plugins", ())
        )
    except plugins.UnknownPlugin as error:
        raise UsageError(str(error)) from error
    for cert, key in _PAIRS:
        if bool(values.get(cert)) != bool(values.get(key)):
            names = [f"--{name.replace('_', '-')}" for name in (cert, key)]
            raise UsageError(f"{names[0]} and {names[1]} go together")
    values["service_account_key_files"] = tuple(values.get("service_account_key_files", ()))
    return APIServerOptions(
        **values,
        listen_fd=int(os.environ.get(LISTEN_FD, "-1")),
        worker=int(os.environ.get(WORKER, "0")),
    )


_PAIRS = (
    ("tls_cert_file", "tls_private_key_file"),
    ("etcd_certfile", "etcd_keyfile"),
    ("kubelet_client_certificate", "kubelet_client_key"),
    ("proxy_client_cert_file", "proxy_client_key_file"),
)


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


class _Flag(NamedTuple):
    """A flag and the field of APIServerOptions it sets; "" is the field of its own name."""

    name: str
    metavar: str
    text: str
    type: Callable[[str], Any] = str
    field: str = ""


_FLAGS = {
    "etcd": (
        _Flag("--etcd-servers", "URLS", "comma-separated URLs of etcd; required", flags.urls),
        _Flag("--etcd-prefix", "PATH", "what keys begin with"),
        _Flag("--etcd-cafile", "FILE", "CA that signed etcd's certificate"),
        _Flag("--etcd-certfile", "FILE", "client certificate for etcd"),
        _Flag("--etcd-keyfile", "FILE", "its key"),
        _Flag("--etcd-compaction-interval", "5m", "how often old revisions are dropped",
              flags.duration, "etcd_compaction_interval_seconds"),
        _Flag("--event-ttl", "1h", "how long events are kept",
              flags.duration, "event_ttl_seconds"),
    ),
    "serving": (
        _Flag("--bind-address", "IP", "address to listen on", flags.ip_address),
        _Flag("--secure-port", "PORT", "port to listen on; 0 takes a free one", flags.port),
        _Flag("--advertise-address", "IP", "where Service kubernetes leads to", flags.ip_address),
        _Flag("--tls-cert-file", "FILE", "serving certificate"),
        _Flag("--tls-private-key-file", "FILE", "its key"),
        _Flag("--cert-dir", "DIR", "where a certificate is made without one"),
    ),
    "who may ask, and the cluster": (
        _Flag("--client-ca-file", "FILE", "CA of client certificates"),
        _Flag("--token-auth-file", "FILE", "CSV file of tokens: token,user,uid,groups"),
        _Flag("--enable-bootstrap-token-auth", "BOOL", "take the tokens of new nodes",
              flags.boolean),
        _Flag("--requestheader-client-ca-file", "FILE",
              "CA of front proxies, which say in headers who asks"),
        _Flag("--requestheader-allowed-names", "NAMES",
              "common names of their certificates; any without this", flags.words),
        _Flag("--requestheader-username-headers", "NAMES", "where the user stands", flags.words),
        _Flag("--requestheader-uid-headers", "NAMES", "where the uid stands", flags.words),
        _Flag("--requestheader-group-headers", "NAMES", "where the groups stand", flags.words),
        _Flag("--requestheader-extra-headers-prefix", "PREFIXES",
              "what headers of extra begin with", flags.words),
        _Flag("--service-cluster-ip-range", "CIDR", "addresses of Services", flags.ip_range),
        _Flag("--service-node-port-range", "LOW-HIGH", "ports of Services of type NodePort",
              flags.port_range),
        _Flag("--service-account-issuer", "URL", "issuer of ServiceAccount tokens"),
        _Flag("--service-account-key-file", "FILE", "key that verifies them; may be repeated",
              field="service_account_key_files"),
        _Flag("--service-account-signing-key-file", "FILE", "key that signs them"),
    ),
    "aggregation": (
        _Flag("--proxy-client-cert-file", "FILE", "client certificate for aggregated servers"),
        _Flag("--proxy-client-key-file", "FILE", "its key"),
        _Flag("--enable-aggregator-routing", "BOOL",
              "pass requests on to endpoints; false: to the Service's cluster IP",
              flags.boolean),
        _Flag("--aggregator-reject-forwarding-redirect", "BOOL",
              "redirects of aggregated servers become errors", flags.boolean),
    ),
    "admission": (
        _Flag("--enable-admission-plugins", "NAMES", "plugins beside those on by default",
              flags.words),
        _Flag("--disable-admission-plugins", "NAMES", "plugins to leave out", flags.words),
        _Flag("--default-not-ready-toleration-seconds", "SECONDS",
              "how long Pods stay on a node that is not ready", flags.natural),
        _Flag("--default-unreachable-toleration-seconds", "SECONDS",
              "how long Pods stay on a node that is out of reach", flags.natural),
    ),
    "kubelets": (
        _Flag("--kubelet-certificate-authority", "FILE", "CA of kubelets; not checked without one"),
        _Flag("--kubelet-client-certificate", "FILE", "client certificate for kubelets"),
        _Flag("--kubelet-client-key", "FILE", "its key"),
        _Flag("--kubelet-preferred-address-types", "TYPES",
              "which of a node's addresses to take, the best first", flags.words),
    ),
    "limits": (
        _Flag("--request-timeout", "1m", "longest time of a request that is no watch",
              flags.duration, "request_timeout_seconds"),
        _Flag("--min-request-timeout", "SECONDS", "shortest time of a watch that names none",
              flags.natural, "min_request_timeout_seconds"),
        _Flag("--max-requests-inflight", "N", "reads at a time; 0 for no limit", flags.natural),
        _Flag("--max-mutating-requests-inflight", "N", "writes at a time; 0 for no limit",
              flags.natural),
        _Flag("--v", "LEVEL", "how much to log, 0 to 10", flags.natural, "log_level"),
    ),
}  # fmt: skip


def _parser() -> argparse.ArgumentParser:
    """A flag that is absent leaves its option at the default."""
    parser = flags.Parser(PROGRAM, "Serve the Kubernetes API from etcd.")
    defaults = {field.name: field.default for field in fields(APIServerOptions)}
    for title, members in _FLAGS.items():
        group = parser.add_argument_group(title)
        for flag in members:
            name = flag.field or flag.name.removeprefix("--").replace("-", "_")
            default = defaults[name]
            shown = f" (default: {default})" if isinstance(default, str | int) and default else ""
            more: dict[str, Any] = {}
            if flag.type is flags.boolean:
                more = {"nargs": "?", "const": True}
            group.add_argument(
                flag.name,
                *(["-v"] if flag.name == "--v" else []),
                dest=name,
                type=flag.type,
                metavar=flag.metavar,
                help=flag.text + shown,
                default=argparse.SUPPRESS,
                action="append" if name.endswith("_files") else "store",
                **more,
            )
    return parser


def _end_with_parent() -> None:
    if parent := os.environ.get(supervisor.PARENT_PID):
        from pyk8s.server import parent_death

        parent_death.end_with_parent(int(parent))


def _operator_errors() -> tuple[type[Exception], ...]:
    """What an operator can put right, so that one line says more than a traceback. Imported
    only when something failed."""
    from pyk8s.auth.requestheader import BundleError
    from pyk8s.auth.serviceaccount import KeyFileError
    from pyk8s.auth.tokenfile import TokenFileError
    from pyk8s.server.apiserver import StartError
    from pyk8s.server.certificates import CertificateError
    from pyk8s.server.listener import ListenError
    from pyk8s.server.serving import ServingError
    from pyk8s.storage.errors import StorageError

    serving_errors = (CertificateError, ListenError, ServingError)
    return (StartError, BundleError, KeyFileError, TokenFileError, StorageError, *serving_errors)


def _run(options: APIServerOptions) -> int:
    import gc
    import logging

    import uvloop

    # Starting makes much and drops little: looking for garbage meanwhile only takes time.
    gc.disable()
    from pyk8s.server import apiserver

    level = logging.DEBUG if options.log_level > 4 else logging.INFO
    form = "%(asctime)s %(levelname).1s %(name)s: %(message)s"
    logging.basicConfig(level=level, format=form)
    uvloop.run(apiserver.run(options, ready=_settle))
    return 0


def _settle() -> None:
    """Serving begins. What is there by now stays, so the collector need never look at it; and
    requests make trees by the hundred nodes that are freed without it, so it need not look often:
    at Python's own thresholds it takes a quarter of a create."""
    import gc

    gc.collect()
    gc.freeze()
    gc.set_threshold(_COLLECT_AFTER_OBJECTS, 10, 10)
    gc.enable()
    say_ready()


def say_ready() -> None:
    """Tell the supervisor, if there is one."""
    if descriptor := os.environ.get(supervisor.READY_FD):
        os.write(int(descriptor), b"r")
        os.close(int(descriptor))
