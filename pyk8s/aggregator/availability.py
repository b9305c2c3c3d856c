# SPDX-License-Identifier: Apache-2.0
"""Whether a Service that serves an API can be reached: the condition Available.

    APIService, its Service or EndpointSlices changed -> judged at once
    nothing changed                                   -> judged every 30 s
    discovery failed                                  -> after 5 ms, 10 ms, ... 30 s

Several API servers judge for themselves and write to the same object: they mostly agree, and
nothing is written where nothing changes. Mirrors kube-aggregator's `pkg/controllers/status`.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from pyk8s.aggregator import apiservice, transport
from pyk8s.aggregator.apiservice import APIService, ServiceReference
from pyk8s.aggregator.follow import Follower
from pyk8s.aggregator.resolver import (
    SERVICE_NAME_LABEL,
    ResolveError,
    Resolver,
    is_ready,
    ports_named,
)
from pyk8s.aggregator.transport import Transports
from pyk8s.apimachinery import errors, times
from pyk8s.apimachinery.gvk import Object
from pyk8s.auth import user
from pyk8s.endpoints import relay
from pyk8s.endpoints.dialing import DialError
from pyk8s.registry.builder import Stores
from pyk8s.registry.context import RequestContext
from pyk8s.registry.store import Existing
from pyk8s.storage import interface as storage

_log = logging.getLogger(__name__)

RESYNC_SECONDS = 30.0
_RETRY_SECONDS_MIN = 0.005
_RETRY_SECONDS_MAX = 30.0
# How long discovery may take; upstream's 5, and 6 with whatever came before it.
_CHECK_SECONDS_MAX = 6.0
# As many endpoints as may be dead while the API still counts as available, at the least.
_ATTEMPTS = 5
_ANSWER_BYTES_MAX = 16 * 1024 * 1024

_CHECKER = user.UserInfo("system:kube-aggregator", groups=(user.SYSTEM_MASTERS,))
_API_SERVER = user.UserInfo("system:apiserver", groups=(user.SYSTEM_MASTERS,))

LOCAL = ("True", "Local", "Local APIServices are always available")
_PASSED = ("True", "Passed", "all checks passed")

# Status, reason and message.
Verdict = tuple[str, str, str]

# The namespace and the name of a Service.
_Poke = Callable[[str, str], None]


class Availability:
    """Told of every APIService; keeps the condition of each up to date until `stop`."""

    def __init__(self, stores: Stores, resolver: Resolver, transports: Transports) -> None:
        self._stores = stores
        self._judge = Judge(resolver, transports)
        self._monitors: dict[str, _Monitor] = {}
        self._neighbours: dict[str, _Neighbours] = {}

    def changed(self, service: APIService) -> None:
        if service.service is None and service.available and service.reason == LOCAL[1]:
            self.removed(service.name)
            return
        monitor = self._monitors.get(service.name)
        if monitor is not None:
            monitor.update(service)
            self._follow()
            return
        monitor = self._monitors[service.name] = _Monitor(service)
        self._follow()
        monitor.task = asyncio.create_task(
            self._keep(monitor), name=f"availability of {service.name}"
        )

    def removed(self, name: str) -> None:
        monitor = self._monitors.pop(name, None)
        if monitor is not None and monitor.task is not None:
            monitor.task.cancel()
        self._follow()

    async def stop(self) -> None:
        tasks = [monitor.task for monitor in self._monitors.values() if monitor.task]
        for task in tasks:
            task.cancel()
        self._monitors.clear()
        await asyncio.gather(*tasks, return_exceptions=True)
        for neighbours in self._neighbours.values():
            await neighbours.stop()

    # --- one APIService

    async def _keep(self, monitor: _Monitor) -> None:
        failures = 0
        while True:
            monitor.poked.clear()
            retry = await self._judge_once(monitor.service)
            failures = failures + 1 if retry else 0
            wait = RESYNC_SECONDS
            if retry:
                wait = min(_RETRY_SECONDS_MIN * 2 ** min(failures - 1, 20), _RETRY_SECONDS_MAX)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(wait):
                    await monitor.poked.wait()

    async def _judge_once(self, service: APIService) -> bool:
        """Whether to try again soon."""
        verdict, retry = LOCAL, False
        if service.service is not None:
            verdict, retry = await self._judge.judge(service)
        try:
            await self._write(service, verdict)
        except errors.StatusError as error:
            if error.reason == errors.NOT_FOUND:
                return False
            _log.warning("condition of APIService %s not written: %s", service.name, error)
            return True
        return retry

    async def _write(self, service: APIService, verdict: Verdict) -> None:
        store = self._stores["apiregistration.k8s.io/apiservices"]
        status, reason, message = verdict
        condition = {
            "type": apiservice.AVAILABLE,
            "status": status,
            "lastTransitionTime": times.now(),
            "reason": reason,
            "message": message,
        }

        async def change(existing: Existing | None) -> Object:
            if existing is None:
                raise errors.not_found(store.resource.group_resource, service.name)
            if apiservice.read(existing.obj).service != service.service:
                # It leads elsewhere by now; that is judged anew.
                return existing.copy()
            return apiservice.with_condition(existing.copy(), condition)

        context = RequestContext(user=_API_SERVER)
        await store.update(context, service.name, change, subresource="status", may_create=False)

    # --- what they stand on

    def _follow(self) -> None:
        """Follow Services and EndpointSlices where there is an API that rests on them."""
        wanted = {
            monitor.service.service.namespace
            for monitor in self._monitors.values()
            if monitor.service.service is not None
        }
        for namespace in wanted - self._neighbours.keys():
            self._neighbours[namespace] = _Neighbours(self._stores, namespace, self._poke)
        for namespace in self._neighbours.keys() - wanted:
            self._neighbours.pop(namespace).cancel()

    def _poke(self, namespace: str, name: str) -> None:
        """Something about a Service has changed; about which is unknown without a name."""
        for monitor in self._monitors.values():
            reference = monitor.service.service
            if reference is None or reference.namespace != namespace:
                continue
            if name in ("", reference.name):
                monitor.poked.set()


@dataclass(slots=True)
class _Monitor:
    service: APIService
    poked: asyncio.Event = field(default_factory=asyncio.Event)
    task: asyncio.Task[None] | None = None

    def update(self, service: APIService) -> None:
        """Its own conditions are no news."""
        before, self.service = self.service, service
        told = replace(before, available=service.available, reason=service.reason)
        if told != service:
            self.poked.set()


class _Neighbours:
    """The Services and EndpointSlices of a namespace, followed from when it is made."""

    def __init__(self, stores: Stores, namespace: str, poke: _Poke) -> None:
        self._namespace = namespace
        self._poke = poke
        self._followers = [
            Follower(stores["services/specs"], self._service_changed, namespace),
            Follower(stores["endpointslices"], self._slice_changed, namespace),
        ]
        self._task = asyncio.create_task(self._run(), name=f"follow Services of {namespace}")

    async def _run(self) -> None:
        await asyncio.gather(*(follower.run() for follower in self._followers))

    def cancel(self) -> None:
        self._task.cancel()

    async def stop(self) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    def _service_changed(self, key: str, item: storage.Item | None) -> None:
        self._poke(self._namespace, key.rpartition("/")[2])

    def _slice_changed(self, key: str, item: storage.Item | None) -> None:
        name = item.labels.get(SERVICE_NAME_LABEL, "-") if item is not None else ""
        self._poke(self._namespace, name)


class Judge:
    """Finds out whether an API can be reached. Writes nothing."""

    def __init__(self, resolver: Resolver, transports: Transports) -> None:
        self._resolver = resolver
        self._transports = transports

    async def judge(self, service: APIService) -> tuple[Verdict, bool]:
        """The verdict, and whether it may be another in a moment though no object changes."""
        reference = service.service
        assert reference is not None
        verdict = await self._judge_objects(reference)
        if verdict is not None:
            return verdict, False
        fault = await self._discover(service, reference)
        if fault:
            return ("False", "FailedDiscoveryCheck", fault), True
        return _PASSED, False

    async def _judge_objects(self, reference: ServiceReference) -> Verdict | None:
        where = _where(reference)
        try:
            found = await self._resolver.service(reference)
        except errors.StatusError as error:
            return "Unknown", "ServiceAccessError", f"{where} cannot be checked due to: {error}"
        if found is None:
            return "False", "ServiceNotFound", f"{where} is not present"
        if (found["spec"].get("type") or "ClusterIP") != "ClusterIP":
            return None
        try:
            slices = await self._resolver.endpoint_slices(reference)
        except errors.StatusError as error:
            return "Unknown", "EndpointsAccessError", f"{where} cannot be checked due to: {error}"
        return judge_endpoints(reference, found, slices)

    async def _discover(self, service: APIService, reference: ServiceReference) -> str:
        """Empty if any endpoint serves the group version, else what one of them did."""
        way = self._transports.trusting(service)
        fault = await self._try(service, reference, way)
        if not fault:
            return ""
        others = [self._try(service, reference, way) for _ in range(_ATTEMPTS - 1)]
        faults = await asyncio.gather(*others)
        return fault if all(faults) else ""

    async def _try(self, service: APIService, reference: ServiceReference, way: relay.Relay) -> str:
        try:
            location = replace(await self._resolver.resolve(reference), path=service.path)
        except ResolveError as error:
            return str(error)
        headers = [(b"accept", b"application/json"), *transport.identity_headers(_CHECKER)]
        try:
            async with asyncio.timeout(_CHECK_SECONDS_MAX):
                answer = await way.fetch(location, headers, _ANSWER_BYTES_MAX)
        except TimeoutError:
            return f"timed out waiting for {location.url}"
        except DialError as error:
            fault = f'Get "{location.url}": {error}'
        else:
            if 200 <= answer.status < 300:
                return ""
            fault = f"bad status from {location.url}: {answer.status}"
        return f"failing or missing response from {location.url}: {fault}"


def _where(reference: ServiceReference) -> str:
    return f'service/{reference.name} in "{reference.namespace}"'


def judge_endpoints(
    reference: ServiceReference, service: Object, slices: Sequence[Object]
) -> Verdict | None:
    """What is wrong with a Service that has a cluster IP; None where nothing is."""
    where = _where(reference)
    ports = service["spec"].get("ports") or ()
    port = next((port for port in ports if port["port"] == reference.port), None)
    if port is None:
        message = f"{where} is not listening on port {reference.port}"
        return "False", "ServicePortError", message
    if not slices:
        return "False", "EndpointsNotFound", f"cannot find endpointslices for {where}"
    name = port.get("name") or ""
    if not any(
        ports_named(each, name) and any(map(is_ready, each.get("endpoints") or ()))
        for each in slices
    ):
        message = f'endpointslices for {where} have no addresses with port name "{name}"'
        return "False", "MissingEndpoints", message
    return None
