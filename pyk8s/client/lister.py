# SPDX-License-Identifier: Apache-2.0
"""Cached reads of one resource, as fresh as the informer behind it."""

from __future__ import annotations

from pyk8s.apimachinery import labels, meta
from pyk8s.apimachinery.gvk import Object
from pyk8s.client.store import NAMESPACE_INDEX, Indexer


class Lister:
    """What the Indexer knows, by name or by labels. Objects are shared: never changed."""

    def __init__(self, indexer: Indexer) -> None:
        self._indexer = indexer

    def get(self, name: str, namespace: str = "") -> Object | None:
        return self._indexer.get((namespace, name))

    def list(
        self, namespace: str = "", selector: labels.Selector = labels.EVERYTHING
    ) -> list[Object]:
        """Those of one namespace, or of all for an empty one."""
        if namespace:
            found = [*self._indexer.by_index(NAMESPACE_INDEX, namespace)]
        else:
            found = self._indexer.list()
        if selector.is_everything:
            return found
        return [obj for obj in found if selector.matches(meta.labels(obj))]
