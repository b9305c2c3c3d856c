# SPDX-License-Identifier: Apache-2.0
"""The node IPAM controller, with upstream's RangeAllocator. Mirrors `pkg/controller/nodeipam`."""

from __future__ import annotations

import ipaddress

from pyk8s.apimachinery import errors, meta
from pyk8s.apimachinery.gvk import Object
from pyk8s.client import events, informer, resources
from pyk8s.client.client import Patch
from pyk8s.client.store import Key
from pyk8s.controllers.controller import Context, ObjectController
from pyk8s.controllers.nodeipam.pools import Full, pools
from pyk8s.controllers.options import Options


class NodeIPAMController(ObjectController):
    name = "node-ipam-controller"
    component = "cidrAllocator"
    workers = 5
    resource = resources.NODES

    def __init__(self, context: Context) -> None:
        """Raises ValueError for flags that do not fit each other."""
        self._pools = pools(context.options)
        # What each node has, or is about to get.
        self._held: dict[str, tuple[str, ...]] = {}
        super().__init__(context)
        self.objects.add_event_handler(informer.Handler(on_delete=self._gone))

    @classmethod
    def is_wanted(cls, options: Options) -> bool:
        return options.allocate_node_cidrs

    def enqueue(self, obj: Object) -> None:
        if shown := _cidrs(obj):
            self._hold(meta.name(obj), shown)
        super().enqueue(obj)

    def _hold(self, name: str, cidrs: tuple[str, ...]) -> None:
        """These and no others are the node's."""
        before = self._held.pop(name, ())
        if cidrs:
            self._held[name] = cidrs
        for text in cidrs:
            for pool in self._pools:
                pool.occupy(ipaddress.ip_network(text, strict=False))
        for text in before:
            for pool in self._pools:
                pool.release(ipaddress.ip_network(text, strict=False))

    def _gone(self, deleted: informer.Deleted) -> None:
        self._hold(meta.name(informer.last_known(deleted)), ())

    async def reconcile(self, key: Key) -> None:
        node = self.objects.indexer.get(key)
        if node is None or _cidrs(node):
            return
        name = meta.name(node)
        if name not in self._held:
            try:
                self._held[name] = self._allocate()
            except Full:
                self._tell(node, "CIDRNotAvailable")
                raise
        cidrs = self._held[name]
        spec = {"podCIDR": cidrs[0], "podCIDRs": [*cidrs]}
        patch = Patch(content={"metadata": {"uid": meta.uid(node)}, "spec": spec})
        try:
            await self.client.patch(self.resource, key, patch)
        except errors.StatusError as error:
            if error.reason == errors.NOT_FOUND:
                return
            # It keeps what is held for it: whether the server wrote it nobody knows.
            self._tell(node, "CIDRAssignmentFailed")
            raise

    def _allocate(self) -> tuple[str, ...]:
        """One block of each pool, or none at all."""
        found = []
        try:
            for pool in self._pools:
                found.append(pool.allocate())
        except Full:
            for pool, block in zip(self._pools, found, strict=False):
                pool.release(block)
            raise
        return tuple(map(str, found))

    def _tell(self, node: Object, reason: str) -> None:
        said = f"Node {meta.name(node)} status is now: {reason}"
        self.context.recorder.event(node, events.NORMAL, reason, said)


def _cidrs(node: Object) -> tuple[str, ...]:
    return tuple(node["spec"].get("podCIDRs") or ()) if node.get("spec") else ()
