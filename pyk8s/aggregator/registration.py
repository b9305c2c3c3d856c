# SPDX-License-Identifier: Apache-2.0
"""The APIServices of the groups this server serves itself.

Made, or brought back to what they should say, once when the server starts; what becomes of them
later is left to who has the rights, as upstream leaves it. Mirrors kube-aggregator's
`pkg/controllers/autoregister`.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable

from pyk8s.apimachinery import errors
from pyk8s.apimachinery.gvk import GroupVersion, Object
from pyk8s.apis import scheme
from pyk8s.auth import user
from pyk8s.registry.context import RequestContext
from pyk8s.registry.deletion import DeleteOptions
from pyk8s.registry.store import Existing, Store
from pyk8s.storage import interface as storage

_log = logging.getLogger(__name__)

MANAGED_LABEL = "kube-aggregator.kubernetes.io/automanaged"
ON_START = "onstart"
CONTINUOUSLY = "true"

_AGAIN_SECONDS = 1.0

_API_SERVER = user.UserInfo("system:apiserver", groups=(user.SYSTEM_MASTERS,))


def desired(group_version: GroupVersion) -> Object | None:
    """The APIService of a local group version; None for one that has no place in the order."""
    group, version = group_version
    group_priority, versions = scheme.PRIORITIES.get(group, (0, {}))
    if version not in versions:
        return None
    return {
        "kind": "APIService",
        "apiVersion": "apiregistration.k8s.io/v1",
        "metadata": {"name": f"{version}.{group}", "labels": {MANAGED_LABEL: ON_START}},
        "spec": {
            "group": group,
            "version": version,
            "groupPriorityMinimum": group_priority,
            "versionPriority": versions[version],
        },
    }


def is_managed(obj: Object) -> bool:
    return (obj["metadata"].get("labels") or {}).get(MANAGED_LABEL) in (ON_START, CONTINUOUSLY)


class Registration:
    """`complete` once every local APIService was seen to be there."""

    def __init__(self, store: Store, local: Callable[[], Iterable[GroupVersion]]) -> None:
        self._store = store
        self._local = local
        self._task: asyncio.Task[None] | None = None
        self.missing: tuple[str, ...] = ("all",)

    async def start(self) -> None:
        """Begins; the server need not wait for it."""
        self._task = asyncio.create_task(self._register_all(), name="register local APIs")

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    async def _register_all(self) -> None:
        wanted = [found for gv in self._local() if (found := desired(gv)) is not None]
        names = frozenset(obj["metadata"]["name"] for obj in wanted)
        self.missing = tuple(sorted(names))
        while wanted:
            done = await asyncio.gather(*map(self._registered, wanted))
            wanted = [obj for obj, there in zip(wanted, done, strict=True) if not there]
            self.missing = tuple(sorted(obj["metadata"]["name"] for obj in wanted))
            if wanted:
                await asyncio.sleep(_AGAIN_SECONDS)
        await self._remove_former(names)

    async def _remove_former(self, names: frozenset[str]) -> None:
        """Those that an earlier server made, of groups that this one has not."""
        try:
            found = await self._store.list(storage.ListOptions(resource_version="0"))
            for item in found.items:
                obj = item.object()
                name = obj["metadata"]["name"]
                labels = obj["metadata"].get("labels") or {}
                if labels.get(MANAGED_LABEL) == ON_START and name not in names:
                    await self._store.delete(_context(), name, DeleteOptions())
        except errors.StatusError as error:
            _log.warning("former APIServices not removed: %s", error)

    async def _registered(self, obj: Object) -> bool:
        name = obj["metadata"]["name"]
        try:
            item = await self._find(name)
            if item is None:
                await self._store.create(_context(), obj)
            elif is_managed(found := item.object()) and not _agree(found["spec"], obj["spec"]):
                await self._bring_back(name, obj["spec"])
        except errors.StatusError as error:
            # Another server may have been quicker.
            if error.reason in (errors.ALREADY_EXISTS, errors.CONFLICT):
                return True
            _log.warning("APIService %s not registered: %s", name, error)
            return False
        return True

    async def _find(self, name: str) -> storage.Item | None:
        try:
            return await self._store.get("", name, "0")
        except errors.StatusError as error:
            if error.reason != errors.NOT_FOUND:
                raise
            return None

    async def _bring_back(self, name: str, spec: Object) -> None:
        async def change(existing: Existing | None) -> Object:
            if existing is None:
                raise errors.not_found(self._store.resource.group_resource, name)
            return {**existing.copy(), "spec": spec}

        await self._store.update(_context(), name, change, may_create=False)


def _agree(spec: Object, wanted: Object) -> bool:
    return {key: value for key, value in spec.items() if value} == wanted


def _context() -> RequestContext:
    return RequestContext(user=_API_SERVER)
