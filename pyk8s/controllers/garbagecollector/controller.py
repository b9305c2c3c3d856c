# SPDX-License-Identifier: Apache-2.0
"""Decides, uid by uid, what has to go, and makes the server do it.

    an owner gone, or waiting -> its dependents are attempted:
      some owner stands           -> references to the others are cut
      an owner waits for this one -> deleted, in foreground if it has dependents itself
      none is left                -> deleted
    an owner with "orphan"        -> its dependents are cut loose, then it goes

Every write names the uid and the resourceVersion it was decided on, so what has changed since
is refused and looked at again. Mirrors upstream's `garbagecollector.go`.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from pyk8s.apimachinery import errors, meta
from pyk8s.apimachinery.gvk import GroupKind, GroupVersionResource, Object
from pyk8s.client import discovery
from pyk8s.client.client import DeleteOptions, Patch
from pyk8s.controllers.controller import Context, Controller, Task
from pyk8s.controllers.garbagecollector.graph import (
    FOREGROUND,
    ORPHAN,
    Graph,
    Node,
    Reference,
    is_meant,
    kind_of,
)
from pyk8s.controllers.garbagecollector.monitors import Monitors

_ABSENT_REMEMBERED_MAX = 10_000
# The server knows an owner that no informer has shown yet: it will.
_NOT_SHOWN_SECONDS = 1.0


class Item(NamedTuple):
    """What to look at: whether `uid` has to go, or who is to be cut loose from it."""

    uid: str
    orphans: bool = False


class _Absent(NamedTuple):
    """An owner that does not exist, as dependents name it from their namespace."""

    uid: str
    kind: GroupKind
    namespace: str
    name: str


@dataclass(slots=True)
class _Owners:
    """An object's references by what became of their owners."""

    solid: list[Reference] = field(default_factory=list)
    dangling: list[Reference] = field(default_factory=list)
    waiting: list[Reference] = field(default_factory=list)


class GarbageCollector(Controller[Item]):
    name = "garbage-collector-controller"
    workers = 20

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.graph = Graph(
            attempt=lambda uid: self.queue.add(Item(uid)),
            orphan=lambda uid: self.queue.add(Item(uid, orphans=True)),
        )
        self._monitors = Monitors(context.client, context.informers, self.graph)
        self._absent: OrderedDict[_Absent, None] = OrderedDict()

    def tasks(self) -> Iterable[Task]:
        return (self._monitors.run,)

    async def reconcile(self, key: Item) -> None:
        # Before everything has been told, most owners would have to be asked for one by one.
        await self._monitors.wait_until_synced()
        node = self.graph.get(key.uid)
        if node is None:
            return
        if key.orphans:
            await self._orphan_dependents(node)
        elif node.is_virtual:
            await self._verify(node, key)
        elif node.is_deleting_dependents:
            await self._delete_dependents_first(node)
        elif not node.is_being_deleted and node.owners:
            await self._delete_if_unowned(node)

    # --- owners nobody has shown

    async def _verify(self, node: Node, key: Item) -> None:
        """Ask the server about an owner that a reference names."""
        if await self._exists(node):
            self.queue.add_after(key, _NOT_SHOWN_SECONDS)
            return
        for uid in self.graph.drop_virtual(node.uid):
            self.queue.add(Item(uid))

    async def _exists(self, node: Node) -> bool:
        absent = _Absent(node.uid, node.kind, node.namespace, node.name)
        if absent in self._absent:
            self._absent.move_to_end(absent)
            return False
        resource = await self._resource(node.kind)
        if resource.namespaced and not node.namespace:
            # A cluster-scoped object with an owner in a namespace: never right, and whether
            # that owner lives cannot be told. Upstream leaves the object alone as well.
            return True
        namespace = node.namespace if resource.namespaced else ""
        try:
            found = await self.client.get_metadata(resource.gvr, node.name, namespace)
        except errors.StatusError as error:
            if error.reason != errors.NOT_FOUND:
                raise
            found = {}
        if meta.uid(found) == node.uid:
            return True
        self._remember_absent(absent)
        return False

    def _remember_absent(self, absent: _Absent) -> None:
        self._absent[absent] = None
        if len(self._absent) > _ABSENT_REMEMBERED_MAX:
            self._absent.popitem(last=False)

    async def _resource(self, kind: GroupKind) -> discovery.Resource:
        """Raises StatusError for a kind that is not served, or not yet."""
        if kind not in self._monitors.by_kind:
            await self._monitors.refresh()
        found = self._monitors.by_kind.get(kind)
        if found is None:
            raise errors.bad_request(f"no resource of kind {kind} is served")
        return found

    # --- foreground

    async def _delete_dependents_first(self, node: Node) -> None:
        blocking = [d for d in self.graph.dependents(node) if d.blocks(node.uid)]
        if not blocking:
            await self._remove_finalizer(node, FOREGROUND)
            return
        for dependent in blocking:
            if not dependent.is_deleting_dependents:
                self.queue.add(Item(dependent.uid))

    # --- orphan

    async def _orphan_dependents(self, node: Node) -> None:
        if not node.is_orphaning:
            return
        dependents = self.graph.dependents(node)
        await asyncio.gather(*(self._cut(dependent, {node.uid}) for dependent in dependents))
        await self._remove_finalizer(node, ORPHAN)

    # --- any object that has owners

    async def _delete_if_unowned(self, node: Node) -> None:
        owners = await self._classify(node)
        if owners.solid:
            gone = {reference["uid"] for reference in (*owners.dangling, *owners.waiting)}
            if gone:
                await self._cut(node, gone)
            return
        dependents = self.graph.dependents(node)
        if owners.waiting and dependents:
            if any(dependent.is_deleting_dependents for dependent in dependents):
                # A circle of owners that all wait would wait for ever.
                node = await self._unblock(node)
            await self._delete(node, "Foreground")
        elif ORPHAN in node.finalizers:
            await self._delete(node, "Orphan")
        elif FOREGROUND in node.finalizers:
            await self._delete(node, "Foreground")
        else:
            await self._delete(node, "Background")

    async def _classify(self, node: Node) -> _Owners:
        owners = _Owners()
        for reference in node.owners:
            owner = self.graph.get(reference["uid"])
            if owner is not None and _is_shown(owner, reference, node):
                found = owners.waiting if owner.is_deleting_dependents else owners.solid
            else:
                exists = await self._exists(_named(reference, node.namespace))
                found = owners.solid if exists else owners.dangling
            found.append(reference)
        return owners

    async def _cut(self, node: Node, uids: set[str]) -> None:
        """Take the references to these owners away."""
        kept = [reference for reference in node.owners if reference["uid"] not in uids]
        if len(kept) < len(node.owners):
            await self._patch(node, {"ownerReferences": kept or None})

    async def _unblock(self, node: Node) -> Node:
        """Its owners no longer wait for it; the node as it is then."""
        free = [{**reference, "blockOwnerDeletion": False} for reference in node.owners]
        patched = await self._patch(node, {"ownerReferences": free})
        return _at(node, meta.resource_version(patched), free)

    async def _remove_finalizer(self, node: Node, finalizer: str) -> None:
        kept = [name for name in node.finalizers if name != finalizer]
        if len(kept) < len(node.finalizers):
            await self._patch(node, {"finalizers": kept or None})

    async def _patch(self, node: Node, metadata: Object) -> Object:
        """Change the very state that the graph knows; well when it is gone."""
        assert node.resource is not None
        identity = {"uid": node.uid, "resourceVersion": node.resource_version}
        patch = Patch(content={"metadata": {**identity, **metadata}})
        try:
            return await self.client.patch(node.resource, (node.namespace, node.name), patch)
        except errors.StatusError as error:
            if error.reason != errors.NOT_FOUND:
                raise
            return {}

    async def _delete(self, node: Node, policy: str) -> None:
        assert node.resource is not None
        options = DeleteOptions(
            propagation_policy=policy, uid=node.uid, resource_version=node.resource_version
        )
        try:
            await self.client.delete(node.resource, node.name, node.namespace, options)
        except errors.StatusError as error:
            if error.reason != errors.NOT_FOUND:
                raise


def _is_shown(owner: Node, reference: Reference, dependent: Node) -> bool:
    return not owner.is_virtual and is_meant(reference, owner, dependent.namespace)


def _named(reference: Reference, namespace: str) -> Node:
    """The owner as its dependent in this namespace names it."""
    return Node(reference["uid"], kind_of(reference), namespace, reference.get("name") or "")


def _at(node: Node, resource_version: str, owners: Sequence[Reference]) -> Node:
    assert node.resource is not None
    resource: GroupVersionResource = node.resource
    return Node(
        node.uid, node.kind, node.namespace, node.name, resource, resource_version, owners,
        node.finalizers, node.is_being_deleted, node.dependents,
    )  # fmt: skip
