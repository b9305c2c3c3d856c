# SPDX-License-Identifier: Apache-2.0
"""The controller manager: all controllers in one process, one leader among several.

kubeconfig -> client -> leader election -> informers -> controllers, each with its own name
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import pyk8s
from pyk8s.client import events, kubeconfig, leaderelection, process, rest
from pyk8s.client.client import Client
from pyk8s.client.informer import SharedInformers
from pyk8s.controllers import health, registry
from pyk8s.controllers.controller import Context, Controller
from pyk8s.controllers.options import Options
from pyk8s.controllers.serviceaccount import tokens

_log = logging.getLogger(__name__)


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
    bind_address: str = "127.0.0.1"
    port: int = 0
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

    async def run(self) -> None:
        """Raises LeadershipLost, UnknownController, and OSError for a taken health port."""
        kinds = registry.selected(self._options.controllers)
        async with contextlib.AsyncExitStack() as stack:
            stack.push_async_callback(self._rest.close)
            if self._options.port:
                await stack.enter_async_context(await self._serve_health())
            if self._options.leader_elect:
                await self._elector().run(lambda: self._lead(kinds))
            else:
                await self._lead(kinds)

    def _elector(self) -> leaderelection.LeaderElector:
        options = leaderelection.of_component("kube-controller-manager")
        return leaderelection.LeaderElector(self._client("leader-election"), options)

    async def _lead(self, kinds: Sequence[type[Controller[Any]]]) -> None:
        self._leads = True
        informers = SharedInformers(self._client("shared-informers"))
        settings = self._options.settings
        wanted = [kind for kind in kinds if kind.is_wanted(settings)]
        self._controllers = [self._make(kind, informers) for kind in wanted]
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

    # --- health

    async def _serve_health(self) -> asyncio.Server:
        pages: dict[str, Callable[[], str]] = {
            path: lambda: "ok" for path in ("/healthz", "/livez", "/readyz")
        }
        pages["/metrics"] = self._metrics
        return await health.serve(self._options.bind_address, self._options.port, pages)

    def _metrics(self) -> str:
        """Prometheus text, with upstream's names where it has them."""
        lines = [
            "# TYPE leader_election_master_status gauge",
            f'leader_election_master_status{{name="kube-controller-manager"}} {int(self._leads)}',
        ]
        for name, kind, value in _METRICS:
            lines.append(f"# TYPE {name} {kind}")
            for controller in self._controllers:
                lines.append(f'{name}{{name="{controller.name}"}} {value(controller)}')
        return "\n".join(lines) + "\n"


_METRICS: tuple[tuple[str, str, Callable[[Controller[Any]], int]], ...] = (
    ("workqueue_depth", "gauge", lambda c: len(c.queue)),
    ("workqueue_adds_total", "counter", lambda c: c.queue.statistics.adds),
    ("workqueue_retries_total", "counter", lambda c: c.queue.statistics.retries),
    ("controller_reconciles_total", "counter", lambda c: c.statistics.reconciled),
    ("controller_reconcile_errors_total", "counter", lambda c: c.statistics.failed),
)


async def run(options: ManagerOptions) -> None:
    """Until SIGINT or SIGTERM. Raises KubeconfigError and what Manager.run raises."""
    manager = Manager(options, kubeconfig.load(options.kubeconfig))
    await process.run_until_signal(manager.run())
