# SPDX-License-Identifier: Apache-2.0
"""`pyk8s controller-manager`: all controllers, by the names of kube-controller-manager's flags."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING

from pyk8s.cli import client_component, controller_flags, flags

if TYPE_CHECKING:
    from pyk8s.controllers.manager import ManagerOptions

PROGRAM = "pyk8s controller-manager"


def main(arguments: list[str]) -> int:
    """The exit status: 0 after SIGINT or SIGTERM, 1 with one line on stderr otherwise."""
    return client_component.main(_parser(), arguments, _run)


def parse(arguments: Sequence[str]) -> ManagerOptions:
    """Raises UsageError. Prints and exits for --help."""
    return _options(_parser().parse_args(arguments))


def _options(parsed: argparse.Namespace) -> ManagerOptions:
    from pyk8s.controllers.manager import ManagerOptions

    values = {key: value for key, value in vars(parsed).items() if key != "v"}
    settings = controller_flags.take(values)
    serving = client_component.take_secure_serving(values)
    return ManagerOptions(**values, serving=serving, settings=settings)


def _parser() -> flags.Parser:
    parser = flags.Parser(PROGRAM, "Run the controllers of a cluster.")
    add = parser.add_argument
    client_component.add_kubeconfig(parser)
    add(
        "--controllers",
        default=("*",),
        type=flags.names,
        metavar="LIST",
        help="which to run: '*' is all, 'name' adds one, '-name' takes one away (default: *)",
    )
    client_component.add_leader_elect(parser, "kube-controller-manager")
    add(
        "--kube-api-qps",
        default=500.0,
        type=float,
        metavar="N",
        help="requests a second and controller (default: 500; 0 for no limit)",
    )
    client_component.add_burst(parser)
    client_component.add_secure_serving(parser, 10257)
    controller_flags.add(parser)
    client_component.add_verbosity(parser)
    return parser


def _run(parsed: argparse.Namespace) -> int:
    import uvloop

    from pyk8s.client.kubeconfig import KubeconfigError
    from pyk8s.client.leaderelection import LeadershipLost
    from pyk8s.controllers import manager, registry

    client_component.log(parsed.v)
    try:
        uvloop.run(manager.run(_options(parsed)))
    except (
        KubeconfigError,
        LeadershipLost,
        registry.UnknownController,
        OSError,
    ) as error:
        return client_component.failed(PROGRAM, error)
    return 0
