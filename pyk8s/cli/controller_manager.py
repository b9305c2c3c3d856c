# SPDX-License-Identifier: Apache-2.0
"""`pyk8s controller-manager`: all controllers, by the names of kube-controller-manager's flags."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from pyk8s.cli import controller_flags, flags
from pyk8s.cli.flags import UsageError

if TYPE_CHECKING:
    from pyk8s.controllers.manager import ManagerOptions

PROGRAM = "pyk8s controller-manager"

# How `pyk8s up` names the process this one ends with.
PARENT_PID = "PYK8S_PARENT_PID"


def main(arguments: list[str]) -> int:
    """The exit status: 0 after SIGINT or SIGTERM, 1 with one line on stderr otherwise."""
    try:
        parsed = _parser().parse_args(arguments)
    except UsageError as error:
        print(f"{PROGRAM}: {error}", file=sys.stderr)
        return 1
    if parent := os.environ.get(PARENT_PID):
        from pyk8s.server import parent_death

        parent_death.end_with_parent(int(parent))
    return _run(parsed)


def parse(arguments: Sequence[str]) -> ManagerOptions:
    """Raises UsageError. Prints and exits for --help."""
    return _options(_parser().parse_args(arguments))


def _options(parsed: argparse.Namespace) -> ManagerOptions:
    from pyk8s.controllers.manager import ManagerOptions

    values = {key: value for key, value in vars(parsed).items() if key != "v"}
    settings = controller_flags.take(values)
    return ManagerOptions(**values, settings=settings)


def _parser() -> flags.Parser:
    parser = flags.Parser(PROGRAM, "Run the controllers of a cluster.")
    add = parser.add_argument
    add(
        "--kubeconfig",
        default="",
        metavar="FILE",
        help="how to reach the API server (default: $KUBECONFIG, ~/.kube/config, in-cluster)",
    )
    add(
        "--controllers",
        default=("*",),
        type=flags.names,
        metavar="LIST",
        help="which to run: '*' is all, 'name' adds one, '-name' takes one away (default: *)",
    )
    add(
        "--leader-elect",
        default=True,
        type=flags.boolean,
        nargs="?",
        const=True,
        metavar="BOOL",
        help="run only while holding the Lease kube-system/kube-controller-manager",
    )
    add(
        "--kube-api-qps",
        default=500.0,
        type=float,
        metavar="N",
        help="requests a second and controller (default: 500; 0 for no limit)",
    )
    add(
        "--kube-api-burst",
        default=1000,
        type=flags.natural,
        metavar="N",
        help="how many of them at once (default: 1000)",
    )
    add(
        "--bind-address",
        default="127.0.0.1",
        type=flags.ip_address,
        metavar="IP",
        help="where /healthz and /metrics are served, over plain HTTP (default: 127.0.0.1)",
    )
    add(
        "--port",
        default=0,
        type=flags.port,
        metavar="PORT",
        help="port of /healthz and /metrics (default: 0, not served)",
    )
    controller_flags.add(parser)
    add(
        "--v", "-v", default=0, type=flags.natural, metavar="LEVEL", help="how much to log, 0 to 10"
    )
    return parser


def _run(parsed: argparse.Namespace) -> int:
    import logging

    import uvloop

    from pyk8s.client.kubeconfig import KubeconfigError
    from pyk8s.client.leaderelection import LeadershipLost
    from pyk8s.controllers import manager, registry

    form = "%(asctime)s %(levelname).1s %(name)s: %(message)s"
    logging.basicConfig(level=logging.DEBUG if parsed.v > 4 else logging.INFO, format=form)
    try:
        uvloop.run(manager.run(_options(parsed)))
    except (
        UsageError,
        KubeconfigError,
        LeadershipLost,
        registry.UnknownController,
        OSError,
    ) as error:
        print(f"{PROGRAM}: {error}", file=sys.stderr)
        return 1
    return 0
