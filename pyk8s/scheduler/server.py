# SPDX-License-Identifier: Apache-2.0
"""The scheduler as a component: kubeconfig, leader election, health and metrics."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass

import pyk8s
from pyk8s.client import events, kubeconfig, leaderelection, process, rest
from pyk8s.client.client import Client
from pyk8s.scheduler.profiles import DEFAULT_SCHEDULER
from pyk8s.scheduler.scheduler import Scheduler


@dataclass(frozen=True, slots=True, kw_only=True)
class SchedulerOptions:
    """kube-scheduler's flags. The budget is wider than upstream's 50 and 100: the server's own
    limits spare it better."""

    kubeconfig: str = ""
    leader_elect: bool = True
    kube_api_qps: float = 0.0
    kube_api_burst: int = 1000


async def _lead(client: Client) -> None:
    recorder = events.EventRecorder(client, DEFAULT_SCHEDULER)
    scheduler = Scheduler(client, recorder)
    async with asyncio.TaskGroup() as group:
        group.create_task(recorder.run())
        group.create_task(scheduler.run())


async def _serve(options: SchedulerOptions) -> None:
    connection = rest.RESTClient(kubeconfig.load(options.kubeconfig), qps=0)
    agent = f"pyk8s-scheduler/{pyk8s.__version__}"
    qps, burst = options.kube_api_qps, options.kube_api_burst
    client = Client(connection.named(agent, qps=qps, burst=burst))
    async with contextlib.AsyncExitStack() as stack:
        stack.push_async_callback(connection.close)
        if not options.leader_elect:
            await _lead(client)
            return
        lease = leaderelection.of_component("kube-scheduler")
        elector = leaderelection.LeaderElector(client, lease)
        await elector.run(lambda: _lead(client))


async def run(options: SchedulerOptions) -> None:
    """Until SIGINT or SIGTERM. Raises KubeconfigError and LeadershipLost."""
    await process.run_until_signal(_serve(options))
