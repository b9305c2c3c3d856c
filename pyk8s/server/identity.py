# SPDX-License-Identifier: Apache-2.0
"""Who serves this API: each server holds a Lease in kube-system, so that clients can count them.

    at the start    the Lease is made, or taken over from who had the name before
    10 seconds      it is renewed
    1 hour          the Leases of servers that were not renewed for an hour are removed

The name is made of where the server listens, so a server that is started again finds its own.
Figures and labels of upstream's `controlplane/apiserver/server.go`; there the name is made of the
hostname alone, here of the port and the worker's number too, for several may run on one host.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import logging
import uuid
from datetime import UTC, datetime, timedelta

from pyk8s.apimachinery import errors, labels, times
from pyk8s.apimachinery.gvk import Object
from pyk8s.auth import user
from pyk8s.registry.builder import Stores
from pyk8s.registry.context import RequestContext
from pyk8s.registry.deletion import DeleteOptions
from pyk8s.registry.store import Existing
from pyk8s.storage import interface as storage

NAMESPACE = "kube-system"
COMPONENT_LABEL = "apiserver.kubernetes.io/identity"
COMPONENT = "kube-apiserver"
HOSTNAME_LABEL = "kubernetes.io/hostname"
DURATION_SECONDS = 3600

_RENEW_SECONDS = 10.0
_REMOVE_SECONDS = 3600.0
_NAME_BYTES = 16

_log = logging.getLogger(__name__)

_API_SERVER = user.UserInfo("system:apiserver", groups=(user.SYSTEM_MASTERS,))
_ALL = storage.ListOptions(
    namespace=NAMESPACE,
    predicate=storage.Predicate(label_selector=labels.parse(f"{COMPONENT_LABEL}={COMPONENT}")),
)


def name_of(hostname: str, port: int, worker: int = 0) -> str:
    """The same for the same server whenever it is started."""
    where = f"{hostname}:{port}:{worker}".encode()
    digest = hashlib.sha256(where).digest()[:_NAME_BYTES]
    return "apiserver-" + base64.b32encode(digest).decode().rstrip("=").lower()


class IdentityLease:
    """Held from `start` to `stop`; afterwards it expires. A failure is logged and tried again."""

    def __init__(self, stores: Stores, name: str, hostname: str) -> None:
        self._store = stores["leases"]
        self._name = name
        self._hostname = hostname
        self._holder = f"{name}_{uuid.uuid4()}"
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Raises StatusError."""
        await self.renew()
        self._tasks = [
            asyncio.create_task(self._keep_renewing(), name="renew the identity lease"),
            asyncio.create_task(self._keep_removing(), name="remove expired identity leases"),
        ]

    async def stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)

    async def renew(self) -> None:
        """Raises StatusError."""
        now = times.now_micro()

        async def renewed(existing: Existing | None) -> Object:
            lease = existing.copy() if existing is not None else self._new(now)
            spec = lease.setdefault("spec", {})
            if spec.get("holderIdentity") != self._holder:
                spec["acquireTime"] = now
            spec.update(
                holderIdentity=self._holder, leaseDurationSeconds=DURATION_SECONDS, renewTime=now
            )
            return lease

        await self._store.update(_context(), self._name, renewed, may_create=True)

    async def remove_expired(self) -> None:
        """Raises StatusError."""
        found = await self._store.list(_ALL)
        for item in found.items:
            lease = item.object()
            if _is_expired(lease):
                await self._remove(lease["metadata"])

    async def _remove(self, metadata: Object) -> None:
        # Only as it was seen: its server may have come back.
        seen = DeleteOptions(uid=metadata["uid"], resource_version=metadata["resourceVersion"])
        try:
            await self._store.delete(_context(), metadata["name"], seen)
        except errors.StatusError as error:
            if error.reason not in (errors.NOT_FOUND, errors.CONFLICT):
                raise

    def _new(self, now: str) -> Object:
        values = {COMPONENT_LABEL: COMPONENT, HOSTNAME_LABEL: self._hostname}
        metadata = {"name": self._name, "namespace": NAMESPACE, "labels": values}
        return {
            "kind": "Lease",
            "apiVersion": "coordination.k8s.io/v1",
            "metadata": metadata,
            "spec": {"acquireTime": now},
        }

    async def _keep_renewing(self) -> None:
        while True:
            await asyncio.sleep(_RENEW_SECONDS)
            try:
                await self.renew()
            except errors.StatusError as error:
                _log.warning("identity lease not renewed: %s", error)

    async def _keep_removing(self) -> None:
        while True:
            await asyncio.sleep(_REMOVE_SECONDS)
            try:
                await self.remove_expired()
            except errors.StatusError as error:
                _log.warning("expired identity leases not removed: %s", error)


def _context() -> RequestContext:
    return RequestContext(user=_API_SERVER, namespace=NAMESPACE)


def _is_expired(lease: Object) -> bool:
    spec = lease.get("spec") or {}
    renewed, seconds = spec.get("renewTime"), spec.get("leaseDurationSeconds")
    if renewed is None or seconds is None:
        return True
    return times.parse_micro(renewed) + timedelta(seconds=seconds) < datetime.now(UTC)
