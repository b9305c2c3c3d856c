# SPDX-License-Identifier: Apache-2.0
"""`pyk8s node`: nodes whose kubelets run nothing, any number of them in one process."""

from __future__ import annotations

import argparse
import os
from typing import TYPE_CHECKING

from pyk8s.cli import client_component, flags, supervisor
from pyk8s.cli.flags import UsageError

if TYPE_CHECKING:
    from pyk8s.node.nodes import NodeOptions
    from pyk8s.node.process import ServerOptions

PROGRAM = "pyk8s node"


def main(arguments: list[str]) -> int:
    """The exit status: 0 after SIGINT or SIGTERM, 1 with one line on stderr otherwise."""
    return client_component.main(_parser(), arguments, _run)


def _parser() -> flags.Parser:
    parser = flags.Parser(PROGRAM, "Run simulated nodes: their pods run, their containers do not.")
    add = parser.add_argument
    client_component.add_kubeconfig(parser)
    add("--simulated", default=0, type=flags.natural, metavar="N", help="how many nodes")
    add(
        "--simulated-volumes",
        action="store_true",
        help="make the default StorageClass `simulated`, and volumes for its claims",
    )
    add(
        "--node-name-prefix",
        default="node-",
        metavar="PREFIX",
        help="nodes are called PREFIX0, PREFIX1 and so on (default: node-)",
    )
    add(
        "--node-ip",
        default="127.0.0.1",
        type=flags.ip_address,
        metavar="IP",
        help="the InternalIP of the nodes (default: 127.0.0.1)",
    )
    add(
        "--address",
        default="",
        type=flags.ip_address,
        metavar="IP",
        help="address to serve the kubelet's API on (default: the node IP)",
    )
    add(
        "--port",
        default=0,
        type=flags.port,
        metavar="PORT",
        help="its port, the same for all nodes (default: 0, which takes a free one)",
    )
    client_component.add_tls(parser)
    for flag, default in (("cpu", "8"), ("memory", "32Gi"), ("pods", "110")):
        add(
            f"--{flag}",
            default=default,
            metavar="QUANTITY",
            help=f"capacity of each node (default: {default})",
        )
    add(
        "--node-lease-duration-seconds",
        default=40,
        type=flags.positive,
        metavar="N",
        help="how long a node's Lease holds; it is renewed four times as often (default: 40)",
    )
    return parser


def _options(parsed: argparse.Namespace) -> NodeOptions:
    from pyk8s.node.nodes import NodeOptions

    return NodeOptions(
        count=parsed.simulated,
        name_prefix=parsed.node_name_prefix,
        node_ip=parsed.node_ip,
        capacity={
            "cpu": parsed.cpu,
            "memory": parsed.memory,
            "ephemeral-storage": "100Gi",
            "pods": parsed.pods,
        },
        lease_duration_seconds=parsed.node_lease_duration_seconds,
        simulated_volumes=parsed.simulated_volumes,
    )


def _serving(parsed: argparse.Namespace) -> ServerOptions:
    from pyk8s.node.process import ServerOptions

    return ServerOptions(
        address=parsed.address or parsed.node_ip,
        port=parsed.port,
        client_ca_file=parsed.client_ca_file,
        tls_cert_file=parsed.tls_cert_file,
        tls_private_key_file=parsed.tls_private_key_file,
    )


def _run(parsed: argparse.Namespace) -> int:
    if not parsed.simulated:
        raise UsageError("--simulated: real containers are not built yet, so say how many")
    import uvloop

    from pyk8s.apimachinery.errors import StatusError
    from pyk8s.client.kubeconfig import KubeconfigError
    from pyk8s.client.rest import ServerUnreachable
    from pyk8s.node import process

    client_component.log()
    descriptor = int(os.environ.get(supervisor.READY_FD) or -1)

    def is_ready() -> None:
        if descriptor >= 0:
            process.say_ready(descriptor)

    try:
        running = process.run(parsed.kubeconfig, _options(parsed), _serving(parsed), is_ready)
        uvloop.run(running)
    except* (KubeconfigError, StatusError, ServerUnreachable, OSError) as group:
        status = client_component.failed(PROGRAM, group.exceptions[0])
    else:
        status = 0
    return status
