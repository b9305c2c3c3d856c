# SPDX-License-Identifier: Apache-2.0
"""The process of `pyk8s node`: nodes and their pods, until a signal ends it."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

import pyk8s
from pyk8s.client import events, informer, kubeconfig, metrics, process, rest
from pyk8s.client.client import Client
from pyk8s.componentbase.serving import OnDemand
from pyk8s.node import server, stats
from pyk8s.node.attacher import Attacher
from pyk8s.node.auth import Auth
from pyk8s.node.kubelet import COMPONENT, Kubelet
from pyk8s.node.nodes import NodeKeeper, NodeOptions
from pyk8s.node.provisioner import Provisioner
from pyk8s.node.simulated import SimulatedRuntime
from pyk8s.node.tokens import Tokens
from pyk8s.serving import certificate, http

# Upstream's eventRecordQPS and eventBurst, for all nodes of the process together: what thousands
# of them would tell is not worth a slower control plane.
_EVENT_QPS = 50.0
_EVENT_BURST = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerOptions:
    """Where the kubelet's API is served; port 0 takes a free one. Without a certificate the
    server signs its own; without a CA no client certificate counts, only tokens do."""

    address: str = "127.0.0.1"
    port: int = 0
    client_ca_file: str = ""
    tls_cert_file: str = ""
    tls_private_key_file: str = ""


async def run(
    config_file: str, options: NodeOptions, serving: ServerOptions, is_ready: Callable[[], None]
) -> None:
    """Calls `is_ready` once all nodes are Ready. Raises KubeconfigError, StatusError and
    ServerUnreachable for nodes that cannot register, OSError for a server that cannot be."""
    agent = f"pyk8s-node/{pyk8s.__version__}"
    connection = rest.RESTClient(kubeconfig.load(config_file), user_agent=agent, qps=0)
    try:
        await process.run_until_signal(_run(Client(connection), options, serving, is_ready))
    finally:
        await connection.close()


async def _run(
    client: Client, options: NodeOptions, serving: ServerOptions, is_ready: Callable[[], None]
) -> None:
    tls = certificate.server_context(
        [options.node_ip, serving.address, "localhost", *options.names()[:_NAMES_MAX]],
        client_ca_file=serving.client_ca_file,
        cert_file=serving.tls_cert_file,
        key_file=serving.tls_private_key_file,
    )
    with http.listen(serving.address, serving.port) as listening:
        options = replace(options, kubelet_port=listening.getsockname()[1])
        runtime = SimulatedRuntime(time.time)
        keeper = NodeKeeper(client, options, f"{runtime.name}://{runtime.version}")
        telling = client.rest.named(client.rest.user_agent, qps=_EVENT_QPS, burst=_EVENT_BURST)
        recorder = events.EventRecorder(Client(telling), COMPONENT)
        kubelet = Kubelet(client, runtime, keeper, recorder)
        gauge = stats.Gauge(kubelet.run_of, round(time.time(), 3))
        kubelet.informer.add_event_handler(
            informer.Handler(
                on_update=lambda before, after: gauge.note_change(
                    before, after, round(time.time(), 3)
                )
            )
        )
        node_server = server.NodeServer(
            kubelet=kubelet,
            client=client,
            auth=Auth(client),
            gauge=gauge,
            metrics=OnDemand(
                client.rest.metrics.collect,
                metrics.of_queues(lambda: (kubelet.queue, keeper.queue)),
            ),
            tokens=Tokens(client),
            nodes=dict.fromkeys(options.names()),
        )
        runner = await http.serve(node_server.application(), listening, tls)
        try:
            await keeper.register()
            is_ready()
            async with asyncio.TaskGroup() as group:
                group.create_task(recorder.run())
                group.create_task(keeper.run())
                group.create_task(kubelet.run())
                if options.simulated_volumes:
                    group.create_task(Provisioner(client).run())
                    group.create_task(Attacher(client, keeper).run())
        finally:
            await runner.cleanup()


# A certificate is to stay of a size that every client reads.
_NAMES_MAX = 100


def say_ready(descriptor: int) -> None:
    """One byte to whoever waits at the other end."""
    os.write(descriptor, b"1")
    os.close(descriptor)
