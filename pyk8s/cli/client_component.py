# SPDX-License-Identifier: Apache-2.0
"""What the commands of the client wing share: how they start, end and fail, and common flags."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable
from dataclasses import fields
from typing import TYPE_CHECKING, Any

from pyk8s.cli import flags, supervisor
from pyk8s.cli.flags import UsageError

if TYPE_CHECKING:
    from pyk8s.serving.component import SecureServing


def main(
    parser: flags.Parser, arguments: list[str], run: Callable[[argparse.Namespace], int]
) -> int:
    """Parse, tie the process to the `pyk8s up` that started it, and run. The exit status; 1 with
    one line on stderr for a UsageError of either."""
    try:
        parsed = parser.parse_args(arguments)
        if parent := os.environ.get(supervisor.PARENT_PID):
            from pyk8s.server import parent_death

            parent_death.end_with_parent(int(parent))
        return run(parsed)
    except UsageError as error:
        return failed(parser.prog, error)


def failed(program: str, error: BaseException) -> int:
    """The exit status of a component that says why in one line."""
    print(f"{program}: {error}", file=sys.stderr)
    return 1


def log(verbosity: int = 0) -> None:
    import logging

    form = "%(asctime)s %(levelname).1s %(name)s: %(message)s"
    logging.basicConfig(level=logging.DEBUG if verbosity > 4 else logging.INFO, format=form)


# --- flags


def add_kubeconfig(parser: flags.Parser) -> None:
    parser.add_argument(
        "--kubeconfig",
        default="",
        metavar="FILE",
        help="how to reach the API server (default: $KUBECONFIG, ~/.kube/config, in-cluster)",
    )


def add_leader_elect(parser: flags.Parser, lease: str) -> None:
    parser.add_argument(
        "--leader-elect",
        default=True,
        type=flags.boolean,
        nargs="?",
        const=True,
        metavar="BOOL",
        help=f"run only while holding the Lease kube-system/{lease}",
    )


def add_burst(parser: flags.Parser) -> None:
    parser.add_argument(
        "--kube-api-burst",
        default=1000,
        type=flags.natural,
        metavar="N",
        help="how many of them at once (default: 1000)",
    )


def add_tls(parser: flags.Parser) -> None:
    """How a component serves HTTPS."""
    for flag, what in (
        ("--tls-cert-file", "certificate to serve with (default: one it signs itself)"),
        ("--tls-private-key-file", "its key"),
        ("--client-ca-file", "whose client certificates are let in, beside tokens"),
    ):
        parser.add_argument(flag, default="", metavar="FILE", help=what)


def add_secure_serving(parser: flags.Parser, port: int) -> None:
    """What `take_secure_serving` takes; `port` is the component's own upstream."""
    add = parser.add_argument
    add(
        "--bind-address",
        default="127.0.0.1",
        type=flags.ip_address,
        metavar="IP",
        help="where health and metrics are served (default: 127.0.0.1)",
    )
    add(
        "--secure-port",
        default=0,
        type=flags.port,
        metavar="PORT",
        help=f"port of /healthz, /livez, /readyz and /metrics, over TLS (default: 0, not served;"
        f" upstream: {port})",
    )
    add_tls(parser)
    add(
        "--authorization-always-allow-paths",
        default=("/healthz", "/readyz", "/livez"),
        type=flags.names,
        metavar="PATHS",
        help="what everybody may ask for; all else as the API server's reviews allow it"
        " (default: /healthz,/readyz,/livez)",
    )


def take_secure_serving(values: dict[str, Any]) -> SecureServing:
    """The serving options among the parsed values, which are taken away."""
    from pyk8s.serving.component import SecureServing

    return SecureServing(**{each.name: values.pop(each.name) for each in fields(SecureServing)})


def add_verbosity(parser: flags.Parser) -> None:
    parser.add_argument(
        "--v", "-v", default=0, type=flags.natural, metavar="LEVEL", help="how much to log, 0 to 10"
    )
