# SPDX-License-Identifier: Apache-2.0
"""What a component knows better than its informer: its own writes, and what it means to write.

As kube-scheduler's `util/assumecache`. Resource versions of one resource are ordered, so what the
informer saw later than the assumed state counts, and the assumed state counts until then.
"""

from __future__ import annotations

from pyk8s.apimachinery import meta
from pyk8s.apimachinery.gvk import Object
from pyk8s.client.store import Indexer, Key


class AssumeCache:
    """Reads of an Indexer with assumed objects laid over it. An object that the informer does
    not know (any more) is not there, whatever was assumed of it."""

    def __init__(self, indexer: Indexer) -> None:
        self._indexer = indexer
        self._assumed: dict[Key, Object] = {}

    def get(self, key: Key) -> Object | None:
        seen = self._indexer.get(key)
        assumed = self._assumed.get(key)
        if assumed is None:
            return seen
        if seen is None or _is_newer(seen, assumed):
            del self._assumed[key]
            return seen
        return assumed

    def list(self) -> list[Object]:
        found = (self.get(key) for key in self._indexer)
        return [obj for obj in found if obj is not None]

    def assume(self, obj: Object) -> None:
        """`obj` has the resourceVersion of the state it is a change of, or its own once it is
        written."""
        self._assumed[meta.namespaced_name(obj)] = obj

    def restore(self, obj: Object) -> None:
        """Believe the informer again, unless something else was assumed since `obj` was."""
        key = meta.namespaced_name(obj)
        if self._assumed.get(key) is obj:
            del self._assumed[key]


def _is_newer(seen: Object, assumed: Object) -> bool:
    if meta.uid(seen) != meta.uid(assumed):
        return True
    return int(meta.resource_version(seen)) > int(meta.resource_version(assumed))
