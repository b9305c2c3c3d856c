# SPDX-License-Identifier: Apache-2.0
"""The flags of `pyk8s up`."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field

from pyk8s.cli import flags, ranges
from pyk8s.cli.flags import UsageError
from pyk8s.cli.up_components import BUILT

PROGRAM = "pyk8s up"


@dataclass(frozen=True, slots=True, kw_only=True)
class UpOptions:
    data_dir: str = ""
    ephemeral: bool = False
    bind_address: str = "127.0.0.1"
    secure_port: int = 6443
    kubeconfig: str = ""
    etcd_servers: tuple[str, ...] = ()
    token_auth_file: str = ""
    scheduler_config: str = ""
    components: tuple[str, ...] = ()
    nodes: int = 1
    workers: int = 1
    ranges: ranges.Ranges = field(default_factory=ranges.Ranges)


def parse(arguments: Sequence[str]) -> UpOptions:
    """Raises UsageError. Prints and exits for --help."""
    values = vars(_parser().parse_args(arguments))
    for component in values["components"]:
        if component not in BUILT:
            raise UsageError(f"--components: there is no component {component!r}")
    if not values["nodes"]:
        values["components"] = tuple(name for name in values["components"] if name != "node")
    if values["ephemeral"] and values["data_dir"]:
        raise UsageError("--ephemeral makes a directory of its own: leave out --data-dir")
    token_file = values["token_auth_file"]
    if token_file:
        _check_readable(token_file)
        values["token_auth_file"] = os.path.abspath(token_file)
    if values["scheduler_config"]:
        values["scheduler_config"] = _checked_config(values["scheduler_config"])
    return UpOptions(ranges=ranges.take(values), **values)


def _check_readable(path: str) -> None:
    try:
        with open(path, "rb"):
            pass
    except OSError as error:
        raise UsageError(f"--token-auth-file: cannot read {path}: {error.strerror}") from error


def _checked_config(path: str) -> str:
    """What is wrong with it is known before anything is started."""
    from pyk8s.scheduler.config import loading
    from pyk8s.scheduler.config.decoding import ConfigError

    try:
        loading.load(path)
    except ConfigError as error:
        raise UsageError(f"--scheduler-config: {error}") from error
    return os.path.abspath(path)


def _parser() -> flags.Parser:
    parser = flags.Parser(PROGRAM, "Start a control plane and print how to reach it.")
    add = parser.add_argument
    add(
        "--data-dir",
        default="",
        metavar="DIR",
        help="where everything is kept (default: pyk8s in your data home)",
    )
    add(
        "--ephemeral",
        action="store_true",
        help="keep nothing: a fresh temporary directory, removed at the end",
    )
    add(
        "--bind-address",
        default="127.0.0.1",
        type=flags.ip_address,
        metavar="IP",
        help="address to listen on (default: 127.0.0.1)",
    )
    add(
        "--secure-port",
        default=6443,
        type=flags.port,
        metavar="PORT",
        help="port to listen on (default: 6443; 0 takes a free one)",
    )
    add(
        "--kubeconfig",
        default="",
        metavar="FILE",
        help="where to write the admin's kubeconfig (default: in the data directory)",
    )
    add(
        "--nodes",
        default=1,
        type=flags.natural,
        metavar="N",
        help="how many simulated nodes (default: 1)",
    )
    add(
        "--etcd-servers",
        default=(),
        type=flags.urls,
        metavar="URLS",
        help="use this etcd cluster instead of starting one",
    )
    add(
        "--token-auth-file",
        default="",
        metavar="CSV",
        help='static tokens: token,user,uid,"group1,group2"',
    )
    add(
        "--scheduler-config",
        default="",
        metavar="FILE",
        help="a KubeSchedulerConfiguration for the scheduler",
    )
    add(
        "--components",
        default=BUILT,
        type=flags.names,
        metavar="A,B",
        help="what to start; etcd and apiserver always are (default: all that is built: "
        f"{', '.join(BUILT)})",
    )
    add(
        "--workers",
        default=1,
        type=flags.positive,
        metavar="N",
        help="API server processes on the one port (default: 1)",
    )
    ranges.add(parser)
    return parser  # fmt: skip
