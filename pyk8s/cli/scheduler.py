# SPDX-License-Identifier: Apache-2.0
"""`pyk8s scheduler`: gives pods their nodes, by the names of kube-scheduler's flags."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING

from pyk8s.cli import client_component, flags

if TYPE_CHECKING:
    from pyk8s.scheduler.server import SchedulerOptions

PROGRAM = "pyk8s scheduler"


def main(arguments: list[str]) -> int:
    """The exit status: 0 after SIGINT or SIGTERM, 1 with one line on stderr otherwise."""
    return client_component.main(_parser(), arguments, _run)


def parse(arguments: Sequence[str]) -> SchedulerOptions:
    """Raises UsageError. Prints and exits for --help."""
    return _options(_parser().parse_args(arguments))


def _options(parsed: argparse.Namespace) -> SchedulerOptions:
    from pyk8s.scheduler.server import SchedulerOptions

    values = vars(parsed)
    values.pop("v", None)
    return SchedulerOptions(**values)


def _parser() -> flags.Parser:
    parser = flags.Parser(PROGRAM, "Give the pods of a cluster their nodes.")
    add = parser.add_argument
    client_component.add_kubeconfig(parser)
    client_component.add_leader_elect(parser, "kube-scheduler")
    add(
        "--kube-api-qps",
        default=0.0,
        type=float,
        metavar="N",
        help="requests a second (default: 0, no limit)",
    )
    client_component.add_burst(parser)
    add(
        "--bind-address",
        default="127.0.0.1",
        type=flags.ip_address,
        metavar="IP",
        help="where health and metrics are served (default: 127.0.0.1)",
    )
    add(
        "--port",
        default=0,
        type=flags.port,
        metavar="PORT",
        help="serve /healthz, /livez, /readyz and /metrics as plain HTTP; 0 serves nothing"
        " (default: 0; upstream's --secure-port with TLS is not there)",
    )
    client_component.add_verbosity(parser)
    return parser


def _run(parsed: argparse.Namespace) -> int:
    import uvloop

    from pyk8s.client.kubeconfig import KubeconfigError
    from pyk8s.client.leaderelection import LeadershipLost
    from pyk8s.scheduler import server

    client_component.log(parsed.v)
    try:
        uvloop.run(server.run(_options(parsed)))
    except (KubeconfigError, LeadershipLost, OSError) as error:
        return client_component.failed(PROGRAM, error)
    return 0
