# SPDX-License-Identifier: Apache-2.0
"""`pyk8s scheduler`: gives pods their nodes, by the names of kube-scheduler's flags."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

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

    given = dict(vars(parsed))
    values: dict[str, Any] = {"serving": client_component.take_secure_serving(given)}
    election = {}
    for name, value in given.items():
        if name in _ELECTION_FIELDS:
            if value is not None:
                election[_ELECTION_FIELDS[name]] = value
        elif name not in ("v", "write_config_to"):
            values[name] = value
    return SchedulerOptions(leader_election=election, **values)


_ELECTION_FIELDS = {
    "leader_elect": "leaderElect",
    "leader_elect_lease_duration": "leaseDuration",
    "leader_elect_renew_deadline": "renewDeadline",
    "leader_elect_retry_period": "retryPeriod",
    "leader_elect_resource_lock": "resourceLock",
    "leader_elect_resource_name": "resourceName",
    "leader_elect_resource_namespace": "resourceNamespace",
}


def _parser() -> flags.Parser:
    parser = flags.Parser(PROGRAM, "Give the pods of a cluster their nodes.")
    add = parser.add_argument
    add("--config", default="", metavar="FILE", help="a KubeSchedulerConfiguration; see the docs")
    add(
        "--write-config-to",
        default="",
        metavar="FILE",
        help="write the whole configuration to this file, and end",
    )
    client_component.add_kubeconfig(parser)
    client_component.add_leader_elect(parser, "kube-scheduler")
    _add_election(parser)
    add(
        "--kube-api-qps",
        default=None,
        type=float,
        metavar="N",
        help="requests a second (default: no limit); not heard beside --config",
    )
    add(
        "--kube-api-burst",
        default=None,
        type=flags.natural,
        metavar="N",
        help="how many of them at once (default: 100)",
    )
    client_component.add_secure_serving(parser, 10259)
    client_component.add_verbosity(parser)
    # What was not given is no answer: the configuration may have one.
    parser.set_defaults(leader_elect=None)
    return parser


def _add_election(parser: flags.Parser) -> None:
    for name, about in (
        ("lease-duration", "how long a Lease holds that is not renewed (default: 15s)"),
        ("renew-deadline", "how long to try to renew it (default: 10s)"),
        ("retry-period", "how long between two tries (default: 2s)"),
    ):
        parser.add_argument(
            f"--leader-elect-{name}", default=None, type=_duration, metavar="D", help=about
        )
    for name, about in (
        ("resource-lock", "what is held: leases"),
        ("resource-name", "the name of the Lease (default: kube-scheduler)"),
        ("resource-namespace", "and its namespace (default: kube-system)"),
    ):
        parser.add_argument(f"--leader-elect-{name}", default=None, metavar="TEXT", help=about)


def _duration(text: str) -> str:
    flags.duration(text)
    return text


def _run(parsed: argparse.Namespace) -> int:
    import uvloop

    from pyk8s.client.kubeconfig import KubeconfigError
    from pyk8s.client.leaderelection import LeadershipLost
    from pyk8s.scheduler import server
    from pyk8s.scheduler.config.decoding import ConfigError
    from pyk8s.scheduler.framework.status import PluginError

    client_component.log(parsed.v)
    options = _options(parsed)
    try:
        if parsed.write_config_to:
            server.write_configuration(options, parsed.write_config_to)
            return 0
        uvloop.run(server.run(options))
    except (ConfigError, KubeconfigError, LeadershipLost, PluginError, OSError) as error:
        return client_component.failed(PROGRAM, error)
    return 0
