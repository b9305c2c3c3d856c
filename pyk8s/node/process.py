# SPDX-License-Identifier: Apache-2.0
"""The process of `pyk8s node`: nodes and their pods, until a signal ends it."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Callable

import pyk8s
from pyk8s.client import events, kubeconfig, rest
from pyk8s.client.client import Client
from pyk8s.node.kubelet import COMPONENT, Kubelet
from pyk8s.node.nodes import NodeKeeper, NodeOptions
from pyk8s.node.simulated import SimulatedRuntime

# Upstream's eventRecordQPS and eventBurst, for all nodes of the process together: what thousands
# of them would tell is not worth a slower control plane.
_EVENT_QPS = 50.0
_EVENT_BURST = 100


async def run(config_file: str, options: NodeOptions, is_ready: Callable[[], None]) -> None:
    """Calls `is_ready` once all nodes are Ready. Raises KubeconfigError, StatusError and
    ServerUnreachable for nodes that cannot register."""
    agent = f"pyk8s-node/{pyk8s.__version__}"
    connection = rest.RESTClient(kubeconfig.load(config_file), user_agent=agent, qps=0)
    running = asyncio.ensure_future(_run(Client(connection), options, is_ready))
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, running.cancel)
    try:
        await running
    except asyncio.CancelledError:
        pass
    finally:
        await connection.close()


async def _run(client: Client, options: NodeOptions, is_ready: Callable[[], None]) -> None:
    runtime = SimulatedRuntime(time.time)
    keeper = NodeKeeper(client, options, f"{runtime.name}://{runtime.version}")
    await keeper.register()
    is_ready()
    telling = client.rest.named(client.rest.user_agent, qps=_EVENT_QPS, burst=_EVENT_BURST)
    recorder = events.EventRecorder(Client(telling), COMPONENT)
    kubelet = Kubelet(client, runtime, keeper, recorder)
    async with asyncio.TaskGroup() as group:
        group.create_task(recorder.run())
        group.create_task(keeper.run())
        group.create_task(kubelet.run())


def say_ready(descriptor: int) -> None:
    """One byte to whoever waits at the other end."""
    os.write(descriptor, b"1")
    os.close(descriptor)
