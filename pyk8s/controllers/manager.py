# SPDX-License-Identifier: Apache-2.0
"""The controller manager: all controllers in one process, one leader among several.

kubeconfig -> client -> leader election -> informers -> controllers, each with its own name
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import pyk8s
from pyk8s.client import events, kubeconfig, leaderelection, process, rest
from pyk8s.client import metrics as client_metrics
from pyk8s.client.client import Client
from pyk8s.client.informer import SharedInformers
from pyk8s.componentbase import health, serving
from pyk8s.componentbase.metrics import Collector, Family, Sample
from pyk8s.controllers import registry
from pyk8s.controllers.controller import Context, Controller, Statistics
from pyk8s.controllers.options import Options
from pyk8s.controllers.serviceaccount import tokens
from pyk8s.serving import component
from pyk8s.serving.component import SecureServing

_log = logging.getLogger(__name__)

COMPONENT = "kube-controller-manager"


@dataclass(frozen=True, slots=True, kw_only=True)
class ManagerOptions:
    """kube-controller-manager's flags; `settings` are those of single controllers. Budgets are
    per controller; ours are wider than upstream's 20 and 30, whose point, to spare the server,
    its own limits serve better."""

    kubeconfig: str = ""
    controllers: tuple[str, ...] = ("*",)
    leader_elect: bool = True
    kube_api_qps: float = 500.0
    kube_api_burst: int = 1000
    serving: SecureServing = field(default_factory=SecureServing)
    settings: Options = field(default_factory=Options)


class Manager:
    """Made on a running loop; `run` until cancelled, or until leadership is lost."""

    def __init__(self, options: ManagerOptions, config: kubeconfig.ClientConfig) -> None:
        self._options = options
        self._config = config
        self._rest = rest.RESTClient(config, qps=0)
        self._controllers: list[Controller[Any]] = []
        self._recorders: list[events.EventRecorder] = []
        self._leads = False
        self._live: dict[str, health.Check] = {}
        self._ready: dict[str, health.Check] = {}
        self._elector = self._new_elector() if options.leader_elect else None
        if self._elector is not None:
            self._check("leaderElection", self._elector.check)
        else:
            self._check("ping", health.ping)

    def _check(self, name: str, check: health.Check) -> None:
        self._live[name] = self._ready[name] = check

    async def run(self) -> None:
        """Raises LeadershipLost, UnknownController, and OSError for a taken health port."""
        async with contextlib.AsyncExitStack() as stack:
            stack.push_async_callback(self._rest.close)
            kinds = registry.selected(self._options.controllers)
            if self._options.serving.secure_port:
                await stack.enter_async_context(await self._serve_health())
            if self._elector is not None:
                await self._elector.run(lambda: self._lead(kinds))
            else:
                await self._lead(kinds)

    def _new_elector(self) -> leaderelection.LeaderElector:
        options = leaderelection.of_component(COMPONENT)
        return leaderelection.LeaderElector(self._client("leader-election"), options)

    async def _lead(self, kinds: Sequence[type[Controller[Any]]]) -> None:
        self._leads = True
        informers = SharedInformers(self._client("shared-informers"))
        settings = self._options.settings
        wanted = [kind for kind in kinds if kind.is_wanted(settings)]
        self._controllers = [self._make(kind, informers) for kind in wanted]
        self._ready["informer-sync"] = informers.check
        # A controller whose task ends ends the process, so one that is there works.
        self._live.update({controller.name: health.ping for controller in self._controllers})
        try:
            async with asyncio.TaskGroup() as group:
                for recorder in self._recorders:
                    group.create_task(recorder.run())
                informers.start(group)
                for controller in self._controllers:
                    group.create_task(controller.run(), name=controller.name)
        finally:
            self._leads = False

    def _make(self, kind: type[Controller[Any]], informers: SharedInformers) -> Controller[Any]:
        client = self._client(kind.name)
        recorder = events.EventRecorder(client, kind.component or kind.name)
        self._recorders.append(recorder)
        return kind(
            Context(
                client=client,
                informers=informers,
                recorder=recorder,
                ca=tokens.root_ca(self._options.settings) or self._config.ca,
                options=self._options.settings,
            )
        )

    def _client(self, name: str) -> Client:
        agent = f"pyk8s-controller-manager/{pyk8s.__version__} {name}"
        qps, burst = self._options.kube_api_qps, self._options.kube_api_burst
        return Client(self._rest.named(agent, qps=qps, burst=burst))

    # --- health and metrics

    async def _serve_health(self) -> asyncio.Server:
        collectors: list[Collector] = [
            self._rest.metrics.collect,
            client_metrics.of_queues(lambda: [c.queue for c in self._controllers]),
            self._reconciles,
        ]
        if self._options.leader_elect:
            collectors.append(client_metrics.of_election(COMPONENT, lambda: self._leads))
        metrics = serving.OnDemand(*collectors)
        pages = serving.Pages(metrics=metrics, live=self._live, ready=self._ready)
        client = self._client("delegated-auth")
        return await component.serve(self._options.serving, client, pages.answer)

    def _reconciles(self) -> Iterator[Family]:
        """How often each controller reconciled, and how often it could not, for another reason
        than that the world had moved on."""
        for name, text, value in _RECONCILES:
            samples = [Sample((c.name,), value(c.statistics)) for c in self._controllers]
            yield Family(name, "counter", text, ("name",), samples)


_RECONCILES: tuple[tuple[str, str, Callable[[Statistics], float]], ...] = (
    (
        "controller_reconciles_total",
        "Total number of reconciliations per controller",
        lambda statistics: statistics.reconciled,
    ),
    (
        "controller_reconcile_errors_total",
        "Total number of reconciliation errors per controller",
        lambda statistics: statistics.failed,
    ),
)


async def run(options: ManagerOptions) -> None:
    """Until SIGINT or SIGTERM. Raises KubeconfigError and what Manager.run raises."""
    manager = Manager(options, kubeconfig.load(options.kubeconfig))
    await process.run_until_signal(manager.run())
