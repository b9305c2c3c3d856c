# SPDX-License-Identifier: Apache-2.0
"""The scheduler as a component: configuration, kubeconfig, leader election, health, metrics."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import functools
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pyk8s
from pyk8s.apimachinery import durations
from pyk8s.client import eventsv1, kubeconfig, leaderelection, process, rest
from pyk8s.client import metrics as client_metrics
from pyk8s.client.client import Client
from pyk8s.componentbase import health, serving
from pyk8s.scheduler import profiles, queue
from pyk8s.scheduler.config import loading
from pyk8s.scheduler.config.decoding import ConfigError
from pyk8s.scheduler.extender import Extenders, HTTPExtender
from pyk8s.scheduler.metrics import SchedulerMetrics
from pyk8s.scheduler.scheduler import Scheduler, Settings
from pyk8s.serving import component
from pyk8s.serving.component import SecureServing


@dataclass(frozen=True, slots=True, kw_only=True)
class SchedulerOptions:
    """kube-scheduler's flags. `leader_election` holds those that were given, under their names in
    the configuration; None for what was not given. As in kube-scheduler, only these and `serving`
    are heard beside a configuration file."""

    config: str = ""
    kubeconfig: str = ""
    leader_election: Mapping[str, Any] = field(default_factory=dict)
    kube_api_qps: float | None = None
    kube_api_burst: int | None = None
    serving: SecureServing = field(default_factory=SecureServing)


def configuration(options: SchedulerOptions) -> loading.Config:
    """What the flags and the file come to. Raises ConfigError."""
    if options.config:
        return loading.load(options.config, options.leader_election)
    connection = {
        "kubeconfig": options.kubeconfig,
        "qps": options.kube_api_qps,
        "burst": options.kube_api_burst,
    }
    given = {key: value for key, value in connection.items() if value is not None}
    return loading.complete({"clientConnection": given}, options.leader_election)


def write_configuration(options: SchedulerOptions, path: str) -> None:
    """Raises ConfigError, and OSError for a file that cannot be written."""
    config = configuration(options)
    profiles.check_profiles(config)
    with open(path, "wb") as file:
        file.write(loading.printed(config))


class Server:
    """One process, by its complete configuration. Made on a running loop."""

    def __init__(self, config: loading.Config, secure: SecureServing) -> None:
        connection = config["clientConnection"]
        self._config = config
        self._secure = secure
        self._rest = rest.RESTClient(kubeconfig.load(connection["kubeconfig"]), qps=0)
        agent = f"pyk8s-scheduler/{pyk8s.__version__}"
        # No limit is below zero here as in client-go, and zero to the connection.
        qps, burst = max(connection["qps"], 0), connection["burst"]
        self._client = Client(self._rest.named(agent, qps=qps, burst=burst))
        self._recorder = eventsv1.EventRecorder(self._client, profiles.DEFAULT_SCHEDULER)
        self._metrics = SchedulerMetrics()
        self._metrics.register(self._recorder.dropped.collect)
        self._scheduler: Scheduler | None = None
        self._elector: leaderelection.LeaderElector | None = None
        self._live: dict[str, health.Check] = {"ping": health.ping}
        self._ready: dict[str, health.Check] = {"ping": health.ping}
        if config["leaderElection"]["leaderElect"]:
            lease = lease_options(config["leaderElection"])
            self._elector = leaderelection.LeaderElector(self._client, lease)
            self._live["leaderElection"] = self._ready["leaderElection"] = self._elector.check

    async def run(self) -> None:
        """Raises ConfigError, LeadershipLost, and OSError for a taken port."""
        async with contextlib.AsyncExitStack() as stack:
            stack.push_async_callback(self._rest.close)
            if self._secure.secure_port:
                await stack.enter_async_context(await self._serve())
            if self._elector is None:
                await self._lead()
            else:
                await self._elector.run(self._lead)

    async def _lead(self) -> None:
        config = self._config
        extenders = Extenders([HTTPExtender(each) for each in config.get("extenders") or ()])
        settings = Settings(
            extenders=extenders,
            make_profiles=functools.partial(profiles.make_profiles, config),
            backoff=queue.Backoff(
                config["podInitialBackoffSeconds"], config["podMaxBackoffSeconds"]
            ),
        )
        scheduler = Scheduler(self._client, self._recorder, settings, self._metrics)
        self._scheduler = scheduler
        # Only who leads follows the cluster; who waits to lead is ready without.
        self._ready["informer-sync"] = self._check_synced
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._recorder.run())
                group.create_task(scheduler.run(process.settle))
        finally:
            await extenders.close()
            await self._recorder.drain()

    async def _check_synced(self) -> None:
        if self._scheduler is None or not self._scheduler.has_synced:
            raise health.NotHealthy("informers have not synced")

    async def _serve(self) -> asyncio.Server:
        # Here, for who serves no metrics need not load what tells them.
        from pyk8s.componentbase.exposition import Registry

        registry = Registry(self._rest.metrics.collect, self._metrics.collect)
        if self._elector is not None:
            name = self._config["leaderElection"]["resourceName"]
            of_lease = client_metrics.of_election(name, lambda: self._scheduler is not None)
            registry.register(of_lease)
        pages = serving.Pages(metrics=registry, live=self._live, ready=self._ready)
        return await component.serve(self._secure, self._client, pages.answer)


async def _serve(config: loading.Config, secure: SecureServing) -> None:
    await Server(config, secure).run()


def lease_options(election: Mapping[str, Any]) -> leaderelection.Options:
    """Raises ConfigError for durations that would let two lead at once."""

    def seconds(name: str) -> float:
        return durations.parse(election[name]) / durations.SECOND

    try:
        return dataclasses.replace(
            leaderelection.of_component(election["resourceName"]),
            namespace=election["resourceNamespace"],
            lease_duration_seconds=int(seconds("leaseDuration")),
            renew_deadline_seconds=seconds("renewDeadline"),
            retry_period_seconds=seconds("retryPeriod"),
        )
    except ValueError as error:
        raise ConfigError(str(error)) from error


async def run(options: SchedulerOptions) -> None:
    """Until SIGINT or SIGTERM. Raises ConfigError, KubeconfigError, LeadershipLost and
    OSError."""
    config = configuration(options)
    profiles.check_profiles(config)
    await process.run_until_signal(_serve(config, options.serving))
