# SPDX-License-Identifier: Apache-2.0
"""The namespace controller: content first, pods before all else, then the namespace itself.

    Terminating -> pods gone? -> everything else gone? -> finalizer "kubernetes" off -> gone

Mirrors upstream's `pkg/controller/namespace/deletion`, ordered deletion (KEP-5080) included.
Where upstream sends a DELETE to every resource there is, this one asks first, all at once, and
deletes where something is left.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterable, Sequence

from pyk8s.apimachinery import errors, meta
from pyk8s.apimachinery.gvk import GroupVersionResource, Object
from pyk8s.client import discovery, informer, resources
from pyk8s.client.client import DeleteOptions, ListOptions
from pyk8s.client.store import NAMESPACE_INDEX, Key
from pyk8s.controllers.controller import Context, ObjectController
from pyk8s.controllers.namespace.conditions import Progress, conditions

FINALIZER = "kubernetes"

# Every API server must have seen that the namespace is terminating, so that nothing is created
# behind our back. Upstream waits 5 s; a watch cache here follows within milliseconds.
_SETTLE_SECONDS = 0.1
# Some content goes on its own time (finalizers, graceful pods): it is looked at again this soon,
# ever later while nothing changes, up to the bound, which is upstream's.
_LOOK_AGAIN_SECONDS = 0.1
_LOOK_AGAIN_SECONDS_MAX = 8.0

_REQUESTS_AT_ONCE = 16

_NEEDED_VERBS = frozenset(("list", "delete"))


class NamespaceController(ObjectController):
    name = "namespace-controller"
    workers = 10
    resource = resources.NAMESPACES

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self._rounds: Counter[Key] = Counter()
        self._slots = asyncio.Semaphore(_REQUESTS_AT_ONCE)
        self._left: dict[Key, int] = {}
        self._pods = self.informer(resources.PODS)
        self._pods.add_event_handler(informer.Handler(on_delete=self._pod_gone))

    def enqueue(self, obj: Object) -> None:
        if meta.is_being_deleted(obj):
            self.queue.add_after(meta.namespaced_name(obj), _SETTLE_SECONDS)

    def _pod_gone(self, deleted: informer.Deleted) -> None:
        """The last pod makes way for all the rest, whenever it has ended."""
        namespace = meta.namespace(informer.last_known(deleted))
        key = ("", namespace)
        if key in self._rounds and not self._pods.indexer.index_keys(NAMESPACE_INDEX, namespace):
            self.queue.add(key)

    async def reconcile(self, key: Key) -> None:
        _, name = key
        namespace = await self._live(name)
        if namespace is None or not meta.is_being_deleted(namespace):
            self._forget(key)
            return
        if (namespace.get("status") or {}).get("phase") != "Terminating":
            namespace = await self._update_status(namespace, {"phase": "Terminating"})
        if FINALIZER not in (namespace["spec"].get("finalizers") or ()):
            return
        progress = await self._delete_content(name)
        before = namespace["status"].get("conditions") or []
        after = conditions(before, progress)
        # A namespace that empties at once is not worth a write that says so.
        if before != after and (before or not progress.is_complete):
            namespace = await self._update_status(namespace, {"conditions": after})
        if progress.is_complete:
            self._forget(key)
            await self._finalize(namespace)
        else:
            self._look_again(key, sum(progress.remaining.values()))

    def _forget(self, key: Key) -> None:
        self._rounds.pop(key, None)
        self._left.pop(key, None)

    def _look_again(self, key: Key, left: int) -> None:
        if left < self._left.get(key, 0):
            self._rounds[key] = 0
        self._left[key] = left
        rounds = min(self._rounds[key], 20)
        self._rounds[key] += 1
        self.queue.add_after(key, min(_LOOK_AGAIN_SECONDS * 2**rounds, _LOOK_AGAIN_SECONDS_MAX))

    async def _live(self, name: str) -> Object | None:
        try:
            return await self.client.get(resources.NAMESPACES, name)
        except errors.StatusError as error:
            if error.reason != errors.NOT_FOUND:
                raise
            return None

    async def _update_status(self, namespace: Object, change: Object) -> Object:
        status = {**(namespace.get("status") or {}), **change}
        return await self.client.update_status(
            resources.NAMESPACES, {**namespace, "status": status}
        )

    async def _finalize(self, namespace: Object) -> None:
        left = [f for f in namespace["spec"]["finalizers"] if f != FINALIZER]
        finalized = {**namespace, "spec": {**namespace["spec"], "finalizers": left}}
        try:
            await self.client.update(resources.NAMESPACES, finalized, "finalize")
        except errors.StatusError as error:
            if error.reason != errors.NOT_FOUND:
                raise

    # --- content

    async def _delete_content(self, namespace: str) -> Progress:
        """One round over everything the server can list and delete."""
        served = await discovery.preferred_resources(self.client)
        progress = Progress(discovery_failures=served.failed)
        kinds = [
            resource for resource in served.resources
            if resource.namespaced and resource.verbs >= _NEEDED_VERBS
        ]  # fmt: skip
        pods = [resource for resource in kinds if resource.gvr == resources.PODS]
        await self._delete_all(pods, namespace, progress)
        if progress.remaining or progress.errors:
            return progress
        await self._delete_all([kind for kind in kinds if kind not in pods], namespace, progress)
        return progress

    async def _delete_all(
        self, kinds: Sequence[discovery.Resource], namespace: str, progress: Progress
    ) -> None:
        await asyncio.gather(*(self._delete_kind(kind, namespace, progress) for kind in kinds))

    async def _delete_kind(
        self, kind: discovery.Resource, namespace: str, progress: Progress
    ) -> None:
        async with self._slots:
            try:
                if not await self._list(kind.gvr, namespace, limit=1):
                    return
                await self._delete_each_or_all(kind, namespace)
                left = await self._list(kind.gvr, namespace)
            except errors.StatusError as error:
                if error.reason not in (errors.NOT_FOUND, errors.METHOD_NOT_ALLOWED):
                    progress.errors.append(error.message)
                return
        if left:
            progress.remaining[kind.gvr.group_resource] = len(left)
            for finalizer, count in _finalizers(left).items():
                progress.finalizers[finalizer] = progress.finalizers.get(finalizer, 0) + count

    async def _delete_each_or_all(self, kind: discovery.Resource, namespace: str) -> None:
        options = DeleteOptions(propagation_policy="Background")
        if "deletecollection" in kind.verbs:
            await self.client.delete_collection(kind.gvr, namespace, options)
            return
        for obj in await self._list(kind.gvr, namespace):
            try:
                await self.client.delete(kind.gvr, meta.name(obj), namespace, options)
            except errors.StatusError as error:
                if error.reason != errors.NOT_FOUND:
                    raise

    async def _list(
        self, resource: GroupVersionResource, namespace: str, limit: int = 0
    ) -> list[Object]:
        options = ListOptions(limit=limit, metadata_only=True)
        page = await self.client.list(resource, namespace, options)
        return page.get("items") or []


def _finalizers(objects: Iterable[Object]) -> Counter[str]:
    return Counter(finalizer for obj in objects for finalizer in meta.finalizers(obj))
