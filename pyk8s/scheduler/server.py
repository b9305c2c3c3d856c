# SPDX-License-Identifier: Apache-2.0
"""The scheduler as a component: configuration, kubeconfig, leader election."""

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
from pyk8s.client import events, kubeconfig, leaderelection, process, rest
from pyk8s.client.client import Client
from pyk8s.scheduler import profiles, queue
from pyk8s.scheduler.config import loading
from pyk8s.scheduler.config.decoding import ConfigError
from pyk8s.scheduler.scheduler import Scheduler


@dataclass(frozen=True, slots=True, kw_only=True)
class SchedulerOptions:
    """kube-scheduler's flags. `leader_election` holds those that were given, under their names in
    the configuration; None for what was not given. As in kube-scheduler, only these are heard
    beside a configuration file."""

    config: str = ""
    kubeconfig: str = ""
    leader_election: Mapping[str, Any] = field(default_factory=dict)
    kube_api_qps: float | None = None
    kube_api_burst: int | None = None


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


async def _lead(client: Client, config: loading.Config) -> None:
    recorder = events.EventRecorder(client, profiles.DEFAULT_SCHEDULER)
    scheduler = Scheduler(
        client,
        recorder,
        functools.partial(profiles.make_profiles, config),
        queue.Backoff(config["podInitialBackoffSeconds"], config["podMaxBackoffSeconds"]),
    )
    async with asyncio.TaskGroup() as group:
        group.create_task(recorder.run())
        group.create_task(scheduler.run())


async def _serve(config: loading.Config) -> None:
    connection_config = config["clientConnection"]
    connection = rest.RESTClient(kubeconfig.load(connection_config["kubeconfig"]), qps=0)
    agent = f"pyk8s-scheduler/{pyk8s.__version__}"
    # No limit is below zero here as in client-go, and zero to the connection.
    qps, burst = max(connection_config["qps"], 0), connection_config["burst"]
    client = Client(connection.named(agent, qps=qps, burst=burst))
    async with contextlib.AsyncExitStack() as stack:
        stack.push_async_callback(connection.close)
        if not config["leaderElection"]["leaderElect"]:
            await _lead(client, config)
            return
        elector = leaderelection.LeaderElector(client, lease_options(config["leaderElection"]))
        await elector.run(lambda: _lead(client, config))


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
    """Until SIGINT or SIGTERM. Raises ConfigError, KubeconfigError and LeadershipLost."""
    config = configuration(options)
    profiles.check_profiles(config)
    await process.run_until_signal(_serve(config))
