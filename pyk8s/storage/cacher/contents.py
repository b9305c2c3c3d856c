# SPDX-License-Identifier: Apache-2.0
"""The objects of one resource at one moment, with the indexes that lists ask for.

Keys are sorted when somebody lists, not when somebody writes: sorting what is sorted but for a
few is cheap, and most writes come between two lists.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping, Sequence

from pyk8s.apimachinery import fields
from pyk8s.storage.interface import Item, Predicate, ResourceConfig


class KeyOrder:
    """A set of keys that can be had in order."""

    __slots__ = ("_added", "_keys", "_removed")

    def __init__(self) -> None:
        self._keys: list[str] = []
        # Not yet in `_keys`, and still in there: disjoint from and within `_keys` respectively.
        self._added: set[str] = set()
        self._removed: set[str] = set()

    def __len__(self) -> int:
        return len(self._keys) + len(self._added) - len(self._removed)

    def add(self, key: str) -> None:
        """A key that is not in the set."""
        if key in self._removed:
            self._removed.discard(key)
        else:
            self._added.add(key)

    def remove(self, key: str) -> None:
        """A key that is in the set."""
        if key in self._added:
            self._added.discard(key)
        else:
            self._removed.add(key)

    def in_order(self) -> Sequence[str]:
        """In order; valid until the next change."""
        if self._removed:
            self._keys = [key for key in self._keys if key not in self._removed]
            self._removed.clear()
        if self._added:
            self._keys.extend(self._added)
            self._keys.sort()
            self._added.clear()
        return self._keys


class Contents:
    """Objects by key, by namespace, and by the values of the indexed fields."""

    def __init__(self, config: ResourceConfig) -> None:
        self._config = config
        self._items: dict[str, Item] = {}
        self._namespaces: dict[str, KeyOrder] = {}
        # In the order of keys, where the slash behind the name counts: a-b/ comes before a/.
        self._namespace_order = KeyOrder()
        self._indexes: dict[str, dict[str, KeyOrder]] = {name: {} for name in config.indexes}

    def __len__(self) -> int:
        return len(self._items)

    def get(self, key: str) -> Item | None:
        return self._items.get(key)

    def put(self, item: Item) -> Item | None:
        """Returns the state that was replaced."""
        key = item.key
        previous = self._items.get(key)
        self._items[key] = item
        if previous is None:
            namespace = self.namespace_of(key)
            if namespace not in self._namespaces:
                self._namespace_order.add(namespace + "/")
            _add(self._namespaces, namespace, key)
        if self._indexes:
            self._reindex(key, previous, item)
        return previous

    def remove(self, key: str) -> Item | None:
        """Returns the state that was removed, None where there was none."""
        previous = self._items.pop(key, None)
        if previous is not None:
            namespace = self.namespace_of(key)
            _remove(self._namespaces, namespace, key)
            if namespace not in self._namespaces:
                self._namespace_order.remove(namespace + "/")
            if self._indexes:
                self._reindex(key, previous, None)
        return previous

    def namespace_of(self, key: str) -> str:
        """Empty where the resource has no namespaces."""
        if not self._config.namespaced:
            return ""
        start = len(self._config.key_prefix)
        return key[start : key.find("/", start)]

    def indexed_values(self, item: Item) -> Iterable[tuple[str, str]]:
        """The indexed fields of an object and their values."""
        return zip(self._indexes, item.indexed(self._config), strict=True)

    def key_of(self, namespace: str, predicate: Predicate) -> str | None:
        """The one key a selection can mean, where it names the object; else None."""
        name = fields.require_exact(predicate.field_selector, "metadata.name")
        if name is None or bool(namespace) != self._config.namespaced:
            return None
        prefix = self._config.key_prefix
        return f"{prefix}{namespace}/{name}" if namespace else prefix + name

    def index_of(self, predicate: Predicate) -> tuple[str, str] | None:
        """The indexed field and value a selection is confined to, if it is."""
        for name in self._indexes:
            value = fields.require_exact(predicate.field_selector, name)
            if value is not None:
                return name, value
        return None

    def candidates(self, namespace: str, predicate: Predicate, start: str) -> Sequence[Item]:
        """In key order, from the key `start` on, all objects that may be selected and as few
        others as the indexes allow. The sequence is the caller's."""
        get = self._items.__getitem__
        key = self.key_of(namespace, predicate)
        if key is not None:
            return [get(key)] if key in self._items and key >= start else []
        index = self.index_of(predicate)
        if index is not None:
            name, value = index
            order = self._indexes[name].get(value)
            keys = _from(order, start) if order else ()
            if namespace:
                prefix = f"{self._config.key_prefix}{namespace}/"
                keys = [key for key in keys if key.startswith(prefix)]
            return list(map(get, keys))
        if namespace or not self._config.namespaced:
            order = self._namespaces.get(namespace)
            return list(map(get, _from(order, start))) if order else []
        items: list[Item] = []
        for name in self._namespace_order.in_order():
            items.extend(map(get, _from(self._namespaces[name[:-1]], start)))
        return items

    def items(self) -> Mapping[str, Item]:
        """All objects by key, as they are now."""
        return dict(self._items)

    def faults(self) -> Iterator[str]:
        """Where the orders and indexes disagree with the objects; for self-checks."""
        prefix = self._config.key_prefix
        grouped: dict[str, dict[str, set[str]]] = {name: {} for name in ("", *self._indexes)}
        for key, item in self._items.items():
            grouped[""].setdefault(self.namespace_of(key), set()).add(key)
            for name, value in self.indexed_values(item) if self._indexes else ():
                grouped[name].setdefault(value, set()).add(key)
        for name, expected in grouped.items():
            orders = self._indexes[name] if name else self._namespaces
            held = {value: list(order.in_order()) for value, order in orders.items()}
            if held != {value: sorted(keys) for value, keys in expected.items()}:
                yield f"{prefix}: the index of {name or 'namespaces'} is not that of the objects"
        order = [namespace + "/" for namespace in grouped[""]]
        if list(self._namespace_order.in_order()) != sorted(order):
            yield f"{prefix}: the order of namespaces is wrong"

    def _reindex(self, key: str, previous: Item | None, item: Item | None) -> None:
        before = set(self.indexed_values(previous)) if previous else set()
        now = set(self.indexed_values(item)) if item else set()
        for name, value in before - now:
            _remove(self._indexes[name], value, key)
        for name, value in now - before:
            _add(self._indexes[name], value, key)


def _from(order: KeyOrder, start: str) -> Sequence[str]:
    keys = order.in_order()
    if not keys or keys[0] >= start:
        return keys
    return keys[bisect_left(keys, start) :]


def _add(groups: dict[str, KeyOrder], name: str, key: str) -> None:
    order = groups.get(name)
    if order is None:
        order = groups[name] = KeyOrder()
    order.add(key)


def _remove(groups: dict[str, KeyOrder], name: str, key: str) -> None:
    order = groups[name]
    order.remove(key)
    if not len(order):
        del groups[name]
