# SPDX-License-Identifier: Apache-2.0
"""`pyk8s metrics-server`: metrics.k8s.io, by the names of metrics-server's flags."""

from __future__ import annotations

import argparse
import os
from typing import TYPE_CHECKING

from pyk8s.cli import client_component, flags, supervisor
from pyk8s.cli.flags import UsageError

if TYPE_CHECKING:
    from pyk8s.apimachinery import labels
    from pyk8s.metricsserver.access import AccessOptions
    from pyk8s.metricsserver.process import KubeletTrust, MetricsServerOptions

PROGRAM = "pyk8s metrics-server"

# Upstream asks for 10 s, for kubelets measure no more often; simulated nodes do.
_RESOLUTION_SECONDS_MIN = 1.0

_REQUEST_HEADERS = (
    ("allowed-names", "NAMES", "who of its clients may speak for others; anyone without names"),
    ("username-headers", "NAMES", "headers that name the user"),
    ("uid-headers", "NAMES", "headers that hold the user's uid"),
    ("group-headers", "NAMES", "headers that name the user's groups"),
    ("extra-headers-prefix", "PREFIXES", "how headers with extra fields of the user begin"),
)


def main(arguments: list[str]) -> int:
    """The exit status: 0 after SIGINT or SIGTERM, 1 with one line on stderr otherwise."""
    return client_component.main(_parser(), arguments, _run)


def _parser() -> flags.Parser:
    parser = flags.Parser(PROGRAM, "Tell what nodes and pods use, as API group metrics.k8s.io.")
    client_component.add_kubeconfig(parser)
    _add_serving(parser)
    _add_access(parser)
    _add_kubelets(parser)
    client_component.add_verbosity(parser)
    return parser


def _add_serving(parser: flags.Parser) -> None:
    add = parser.add_argument
    add(
        "--bind-address",
        default="0.0.0.0",
        type=flags.ip_address,
        metavar="IP",
        help="address to listen on (default: 0.0.0.0)",
    )
    add(
        "--secure-port",
        default=443,
        type=flags.port,
        metavar="PORT",
        help="port to listen on (default: 443; 0 takes a free one)",
    )
    add(
        "--advertise-address",
        default="",
        type=flags.ip_address,
        metavar="IP",
        help="register Service kube-system/metrics-server and its APIService, leading here; a "
        "loopback address serves an API server on this host alone",
    )
    for flag, what in (
        ("--tls-cert-file", "certificate to serve with, signed by the cluster's authority "
         "(default: one it signs itself)"),
        ("--tls-private-key-file", "its key"),
    ):  # fmt: skip
        add(flag, default="", metavar="FILE", help=what)
    add(
        "--metric-resolution",
        default=15.0,
        type=_resolution,
        metavar="DURATION",
        help="how often kubelets are asked while somebody asks here (default: 15s)",
    )


def _add_access(parser: flags.Parser) -> None:
    add = parser.add_argument
    add(
        "--client-ca-file",
        default="",
        metavar="FILE",
        help="whose client certificates are let in (default: what the cluster says)",
    )
    add(
        "--requestheader-client-ca-file",
        default="",
        metavar="FILE",
        help="whose clients may speak for others in headers (default: what the cluster says)",
    )
    for name, value, what in _REQUEST_HEADERS:
        add(
            f"--requestheader-{name}",
            default=None,
            type=flags.words,
            metavar=value,
            help=f"{what}; with --requestheader-client-ca-file",
        )
    add(
        "--authentication-skip-lookup",
        default=False,
        type=flags.boolean,
        nargs="?",
        const=True,
        metavar="BOOL",
        help="do not read what the cluster says of clients",
    )
    add(
        "--authorization-always-allow-paths",
        default=("/healthz", "/readyz", "/livez"),
        type=flags.words,
        metavar="PATHS",
        help="open to everybody (default: /healthz,/readyz,/livez)",
    )


def _add_kubelets(parser: flags.Parser) -> None:
    add = parser.add_argument
    add(
        "--kubelet-preferred-address-types",
        default=("Hostname", "InternalDNS", "InternalIP", "ExternalDNS", "ExternalIP"),
        type=flags.names,
        metavar="TYPES",
        help="which address of a node to take",
    )
    add("--kubelet-port", default=10250, type=flags.port, metavar="PORT", help="default: 10250")
    for flag, what in (
        ("--kubelet-use-node-status-port", "take the port from the node's status"),
        ("--kubelet-insecure-tls", "take any certificate of a kubelet"),
    ):
        add(
            flag, default=False, type=flags.boolean, nargs="?", const=True, metavar="BOOL",
            help=what,
        )  # fmt: skip
    for flag, what in (
        ("--kubelet-certificate-authority", "who signs kubelets' certificates (default: the "
         "server's authority in the kubeconfig)"),
        ("--kubelet-client-certificate", "to show to kubelets (default: the kubeconfig's)"),
        ("--kubelet-client-key", "its key"),
    ):  # fmt: skip
        add(flag, default="", metavar="FILE", help=what)
    add(
        "--kubelet-request-timeout",
        default=10.0,
        type=flags.duration,
        metavar="DURATION",
        help="for how long to wait for a kubelet (default: 10s)",
    )
    add(
        "--node-selector",
        "-l",
        default="",
        metavar="SELECTOR",
        help="labels of the nodes to ask (default: all)",
    )


def _resolution(text: str) -> float:
    seconds = flags.duration(text)
    if seconds < _RESOLUTION_SECONDS_MIN:
        raise argparse.ArgumentTypeError(
            f"should be a time duration at least {_RESOLUTION_SECONDS_MIN:g}s, but value {text} "
            "provided"
        )
    return seconds


# --- options


def _options(parsed: argparse.Namespace) -> MetricsServerOptions:
    """Raises UsageError."""
    from pyk8s.metricsserver.kubelets import KubeletOptions
    from pyk8s.metricsserver.process import MetricsServerOptions

    if parsed.kubelet_request_timeout <= 0:
        raise UsageError("--kubelet-request-timeout should be positive")
    return MetricsServerOptions(
        kubeconfig=parsed.kubeconfig,
        bind_address=parsed.bind_address,
        secure_port=parsed.secure_port,
        tls_cert_file=parsed.tls_cert_file,
        tls_private_key_file=parsed.tls_private_key_file,
        advertise_address=parsed.advertise_address,
        metric_resolution=parsed.metric_resolution,
        node_selector=_selector(parsed.node_selector),
        kubelets=KubeletOptions(
            address_types=parsed.kubelet_preferred_address_types,
            port=parsed.kubelet_port,
            use_node_status_port=parsed.kubelet_use_node_status_port,
            timeout_seconds=parsed.kubelet_request_timeout,
        ),
        trust=_trust(parsed),
        access=_access(parsed),
    )


def _selector(text: str) -> labels.Selector:
    from pyk8s.apimachinery import labels

    try:
        return labels.parse(text)
    except ValueError as error:
        raise UsageError(f"--node-selector: {error}") from error


def _trust(parsed: argparse.Namespace) -> KubeletTrust:
    from pyk8s.metricsserver.process import KubeletTrust

    if parsed.kubelet_certificate_authority and parsed.kubelet_insecure_tls:
        raise UsageError(
            "cannot use both --kubelet-certificate-authority and --kubelet-insecure-tls"
        )
    if bool(parsed.kubelet_client_key) != bool(parsed.kubelet_client_certificate):
        raise UsageError("need both --kubelet-client-key and --kubelet-client-certificate")
    return KubeletTrust(
        certificate_authority=parsed.kubelet_certificate_authority,
        client_certificate=parsed.kubelet_client_certificate,
        client_key=parsed.kubelet_client_key,
        insecure=parsed.kubelet_insecure_tls,
    )


def _access(parsed: argparse.Namespace) -> AccessOptions:
    from pyk8s.metricsserver.access import AccessOptions
    from pyk8s.serving.requestheader import Config

    values = vars(parsed)
    named = {
        "allowed_names": values["requestheader_allowed_names"],
        "username_headers": values["requestheader_username_headers"],
        "uid_headers": values["requestheader_uid_headers"],
        "group_headers": values["requestheader_group_headers"],
        "extra_prefixes": values["requestheader_extra_headers_prefix"],
    }
    given = {key: value for key, value in named.items() if value is not None}
    if given and not parsed.requestheader_client_ca_file:
        raise UsageError("--requestheader-* count with --requestheader-client-ca-file alone")
    return AccessOptions(
        given=Config(
            client_ca=_text(parsed.client_ca_file),
            proxy_ca=_text(parsed.requestheader_client_ca_file),
            **given,
        ),
        skip_lookup=parsed.authentication_skip_lookup,
        always_allowed_paths=parsed.authorization_always_allow_paths,
    )


def _text(path: str) -> str:
    if not path:
        return ""
    try:
        with open(path) as file:
            return file.read()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"cannot read {path}: {error}") from error


def _run(parsed: argparse.Namespace) -> int:
    options = _options(parsed)
    import uvloop

    from pyk8s.apimachinery.errors import StatusError
    from pyk8s.client.kubeconfig import KubeconfigError
    from pyk8s.client.rest import ServerUnreachable
    from pyk8s.metricsserver import process

    client_component.log(parsed.v)
    descriptor = int(os.environ.get(supervisor.READY_FD) or -1)

    def is_ready() -> None:
        if descriptor >= 0:
            os.write(descriptor, b"1")
            os.close(descriptor)

    try:
        uvloop.run(process.run(options, is_ready))
    except* (KubeconfigError, StatusError, ServerUnreachable, OSError) as group:
        status = client_component.failed(PROGRAM, group.exceptions[0])
    else:
        status = 0
    return status
