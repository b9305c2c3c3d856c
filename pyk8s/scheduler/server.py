# SPDX-License-Identifier: Apache-2.0
"""The scheduler as a component: kubeconfig, leader election, health and metrics."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass

import pyk8s
from pyk8s.client import eventsv1, kubeconfig, leaderelection, process, rest
from pyk8s.client import metrics as client_metrics
from pyk8s.client.client import Client
from pyk8s.componentbase import health, serving
from pyk8s.scheduler.metrics import SchedulerMetrics
from pyk8s.scheduler.profiles import DEFAULT_SCHEDULER
from pyk8s.scheduler.scheduler import Scheduler

COMPONENT = "kube-scheduler"


@dataclass(frozen=True, slots=True, kw_only=True)
class SchedulerOptions:
    """kube-scheduler's flags. The budget is wider than upstream's 50 and 100: the server's own
    limits spare it better. Health and metrics are served as plain HTTP, where upstream serves
    them by TLS on 10259; port 0 serves none."""

    kubeconfig: str = ""
    bind_address: str = "127.0.0.1"
    port: int = 0
    leader_elect: bool = True
    kube_api_qps: float = 0.0
    kube_api_burst: int = 1000


class Server:
    """One process. Made on a running loop."""

    def __init__(self, options: SchedulerOptions) -> None:
        self._options = options
        self._rest = rest.RESTClient(kubeconfig.load(options.kubeconfig), qps=0)
        agent = f"pyk8s-scheduler/{pyk8s.__version__}"
        qps, burst = options.kube_api_qps, options.kube_api_burst
        self._client = Client(self._rest.named(agent, qps=qps, burst=burst))
        self._recorder = eventsv1.EventRecorder(self._client, DEFAULT_SCHEDULER)
        self._metrics = SchedulerMetrics()
        self._metrics.register(self._recorder.dropped.collect)
        self._scheduler: Scheduler | None = None
        self._leads = False
        self._live: dict[str, health.Check] = {"ping": health.ping}
        self._ready: dict[str, health.Check] = {"ping": health.ping}
        self._elector: leaderelection.LeaderElector | None = None
        if options.leader_elect:
            lease = leaderelection.of_component(COMPONENT)
            self._elector = leaderelection.LeaderElector(self._client, lease)
            self._live["leaderElection"] = self._ready["leaderElection"] = self._elector.check

    async def run(self) -> None:
        """Raises LeadershipLost, and OSError for a taken port."""
        async with contextlib.AsyncExitStack() as stack:
            stack.push_async_callback(self._rest.close)
            if self._options.port:
                await stack.enter_async_context(await self._serve())
            if self._elector is None:
                await self._lead()
            else:
                await self._elector.run(self._lead)

    async def _lead(self) -> None:
        self._leads = True
        self._scheduler = scheduler = Scheduler(self._client, self._recorder, metrics=self._metrics)
        # As upstream, only who leads follows the cluster, and who waits to lead is ready too.
        self._ready["informer-sync"] = self._check_synced
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._recorder.run())
                group.create_task(scheduler.run(process.settle))
        finally:
            await self._recorder.drain()

    async def _check_synced(self) -> None:
        if self._scheduler is None or not self._scheduler.has_synced:
            raise health.NotHealthy("informers have not synced")

    async def _serve(self) -> asyncio.Server:
        # Here, for who serves no metrics need not load what tells them.
        from pyk8s.componentbase.exposition import Registry

        registry = Registry(self._rest.metrics.collect, self._metrics.collect)
        if self._elector is not None:
            registry.register(client_metrics.of_election(COMPONENT, lambda: self._leads))
        pages = serving.Pages(metrics=registry, live=self._live, ready=self._ready)
        return await serving.serve(self._options.bind_address, self._options.port, pages.answer)


async def _serve(options: SchedulerOptions) -> None:
    await Server(options).run()


async def run(options: SchedulerOptions) -> None:
    """Until SIGINT or SIGTERM. Raises KubeconfigError, LeadershipLost and OSError."""
    await process.run_until_signal(_serve(options))
