# SPDX-License-Identifier: Apache-2.0
"""One of several is the leader: who holds a Lease and renews it in time.

    candidate -- acquired --> leader -- not renewed for renew_deadline --> LeadershipLost

As client-go's `tools/leaderelection`. It compares the time since it saw the Lease change, never
the clock of another machine, and tolerates clocks of different speed as far as lease_duration
and renew_deadline differ. It is no fence: a leader that was stopped and continued may act for a
moment beside the next one.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
import socket
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from pyk8s.apimachinery import errors, times
from pyk8s.apimachinery.gvk import Object
from pyk8s.client import resources, rest
from pyk8s.client.client import Client
from pyk8s.componentbase.health import NotHealthy

_log = logging.getLogger(__name__)

_JITTER = 1.2
# Upstream's: how much longer than its Lease a leader's loop may be stuck and count as healthy.
_HEALTH_SECONDS_TOLERATED = 20.0
# What may go wrong with one attempt and be well with the next.
_PASSING = (errors.StatusError, rest.ServerUnreachable, TimeoutError)


class LeadershipLost(Exception):
    """Another one may lead by now: whoever acts as leader must stop at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """The Lease, who wants it, and for how long; durations are the defaults of Kubernetes'
    components. lease_duration > renew_deadline > 1.2 retry_period, or ValueError."""

    namespace: str
    name: str
    identity: str
    lease_duration_seconds: int = 15
    renew_deadline_seconds: float = 10.0
    retry_period_seconds: float = 2.0
    release_on_cancel: bool = True

    def __post_init__(self) -> None:
        if self.lease_duration_seconds <= self.renew_deadline_seconds:
            raise ValueError("leaseDuration must be greater than renewDeadline")
        if self.renew_deadline_seconds <= _JITTER * self.retry_period_seconds:
            raise ValueError("renewDeadline must be greater than retryPeriod*JitterFactor")


def of_component(name: str) -> Options:
    """The Lease of that name in kube-system, for one of several processes of a component."""
    identity = f"{socket.gethostname()}_{uuid.uuid4()}"
    return Options(namespace="kube-system", name=name, identity=identity)


class LeaderElector:
    """`is_leader` and `leader` say how it stands, as far as this process knows."""

    def __init__(self, client: Client, options: Options) -> None:
        self.leader = ""
        self._client = client
        self._options = options
        self._observed: Object | None = None
        self._observed_at = float("-inf")

    @property
    def is_leader(self) -> bool:
        return self.leader == self._options.identity

    async def check(self) -> None:
        """A health check: raises NotHealthy for a leader that neither renews nor resigns."""
        options = self._options
        seen_seconds = asyncio.get_running_loop().time() - self._observed_at
        tolerated_seconds = options.lease_duration_seconds + _HEALTH_SECONDS_TOLERATED
        if self.is_leader and seen_seconds > tolerated_seconds:
            raise NotHealthy(f"failed election to renew leadership on lease {options.name}")

    async def run(self, lead: Callable[[], Awaitable[None]]) -> None:
        """Wait until this one leads, then run `lead` for as long as it does. Returns when `lead`
        does; raises what it raises, and LeadershipLost once it has been cancelled for that. The
        Lease is given back at the end, so that the next one need not wait."""
        await self._acquire()
        _log.info("became leader: lease=%s identity=%s", self._options.name, self.leader)
        leading = asyncio.ensure_future(lead())
        renewing = asyncio.ensure_future(self._renew())
        try:
            await asyncio.wait({leading, renewing}, return_when=asyncio.FIRST_COMPLETED)
            if leading.done():
                leading.result()
            else:
                renewing.result()
        finally:
            for task in (leading, renewing):
                task.cancel()
            await asyncio.wait({leading, renewing})
            if self._options.release_on_cancel:
                await self._release()

    async def _acquire(self) -> None:
        while not await self._try_once():
            period = self._options.retry_period_seconds
            await asyncio.sleep(period * (1 + _JITTER * random.random()))

    async def _renew(self) -> None:
        """Raises LeadershipLost when no renewal came through within the deadline."""
        while True:
            try:
                async with asyncio.timeout(self._options.renew_deadline_seconds):
                    while not await self._try_once():  # noqa: ASYNC110 (no event crosses HTTP)
                        await asyncio.sleep(self._options.retry_period_seconds)
            except TimeoutError:
                raise LeadershipLost(f"failed to renew lease {self._options.name}") from None
            await asyncio.sleep(self._options.retry_period_seconds)

    async def _try_once(self) -> bool:
        """Whether this one leads now."""
        try:
            return await self._acquire_or_renew()
        except _PASSING as error:
            _log.warning("lease not updated: lease=%s error=%s", self._options.name, error)
            return False

    async def _acquire_or_renew(self) -> bool:
        options = self._options
        try:
            lease = await self._client.get(resources.LEASES, options.name, options.namespace)
        except errors.StatusError as error:
            if error.reason != errors.NOT_FOUND:
                raise
            created = await self._client.create(resources.LEASES, self._new_lease())
            self._observe(created)
            return True
        self._observe(lease)
        if not self.is_leader and self.leader and not self._has_run_out(lease):
            return False
        self._observe(await self._client.update(resources.LEASES, self._renewed(lease)))
        return True

    def _observe(self, lease: Object) -> None:
        if self._observed is None or lease.get("spec") != self._observed.get("spec"):
            self._observed_at = asyncio.get_running_loop().time()
        self._observed = lease
        self.leader = (lease.get("spec") or {}).get("holderIdentity") or ""

    def _has_run_out(self, lease: Object) -> bool:
        seconds = (lease.get("spec") or {}).get("leaseDurationSeconds") or 0
        return self._observed_at + seconds < asyncio.get_running_loop().time()

    def _new_lease(self) -> Object:
        now = times.now_micro()
        return {
            "apiVersion": "coordination.k8s.io/v1",
            "kind": "Lease",
            "metadata": {"name": self._options.name, "namespace": self._options.namespace},
            "spec": {
                "holderIdentity": self._options.identity,
                "leaseDurationSeconds": self._options.lease_duration_seconds,
                "acquireTime": now,
                "renewTime": now,
                "leaseTransitions": 0,
            },
        }

    def _renewed(self, lease: Object) -> Object:
        """The Lease of what was read, with its resourceVersion, so that of two only one wins."""
        spec = dict(lease.get("spec") or {})
        now = times.now_micro()
        if spec.get("holderIdentity") != self._options.identity:
            spec["acquireTime"] = now
            spec["leaseTransitions"] = (spec.get("leaseTransitions") or 0) + 1
        spec["holderIdentity"] = self._options.identity
        spec["leaseDurationSeconds"] = self._options.lease_duration_seconds
        spec["renewTime"] = now
        return {**lease, "spec": spec}

    async def _release(self) -> None:
        """Of what the Lease is now: a renewal that was cancelled may have come through."""
        options = self._options
        if not self.is_leader:
            return
        self.leader = ""
        with contextlib.suppress(*_PASSING):
            async with asyncio.timeout(options.renew_deadline_seconds):
                while not await self._given_back():  # noqa: ASYNC110 (no event crosses HTTP)
                    await asyncio.sleep(options.retry_period_seconds)
                _log.info("released: lease=%s", options.name)

    async def _given_back(self) -> bool:
        options = self._options
        lease = await self._client.get(resources.LEASES, options.name, options.namespace)
        if lease["spec"].get("holderIdentity") != options.identity:
            return True
        now = times.now_micro()
        spec = {**lease["spec"], "holderIdentity": "", "leaseDurationSeconds": 1, "renewTime": now}
        try:
            await self._client.update(resources.LEASES, {**lease, "spec": spec})
        except errors.StatusError as error:
            if error.reason != errors.CONFLICT:
                raise
            return False
        return True
