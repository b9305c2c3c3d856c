# SPDX-License-Identifier: Apache-2.0
"""Objects in memory, by identity and by whatever indexes are wanted.

As client-go's `tools/cache` thread_safe_store, without the locks: one event loop, and nothing
here suspends, so every read sees one moment.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping

from pyk8s.apimachinery import meta
from pyk8s.apimachinery.gvk import Object

# Who an object is among those of its resource: namespace (empty if it has none) and name.
Key = tuple[str, str]

# Under which values of the index an object is to be found; it may be none or several.
IndexFunction = Callable[[Object], Iterable[str]]

NAMESPACE_INDEX = "namespace"


def by_namespace(obj: Object) -> Iterable[str]:
    return (meta.namespace(obj),)


class Indexer:
    """Answers are in the order of insertion. Objects are shared with every other reader: to be
    read, never changed."""

    def __init__(self, indexes: Mapping[str, IndexFunction] | None = None) -> None:
        self._objects: dict[Key, Object] = {}
        self._functions: dict[str, IndexFunction] = {}
        self._indexes: dict[str, dict[str, dict[Key, None]]] = {}
        # The values an object is filed under, so that a changed one is found again.
        self._filed: dict[str, dict[Key, tuple[str, ...]]] = {}
        for name, function in (indexes or {}).items():
            self.add_index(name, function)

    def __len__(self) -> int:
        return len(self._objects)

    def __contains__(self, key: Key) -> bool:
        return key in self._objects

    def __iter__(self) -> Iterator[Key]:
        return iter(self._objects)

    def get(self, key: Key) -> Object | None:
        return self._objects.get(key)

    def list(self) -> list[Object]:
        return [*self._objects.values()]

    # --- indexes

    def add_index(self, name: str, function: IndexFunction) -> None:
        """Objects that are here already are filed too. Adding the same one again does nothing;
        another one of that name raises ValueError."""
        if name in self._functions:
            if self._functions[name] is not function:
                raise ValueError(f"there is another index {name!r}")
            return
        self._functions[name] = function
        self._indexes[name] = {}
        self._filed[name] = {}
        for key, obj in self._objects.items():
            self._file(name, key, obj)

    def by_index(self, name: str, value: str) -> tuple[Object, ...]:
        """Raises KeyError for an index that there is not."""
        return tuple(self._objects[key] for key in self._indexes[name].get(value, ()))

    def index_keys(self, name: str, value: str) -> tuple[Key, ...]:
        return tuple(self._indexes[name].get(value, ()))

    def index_values(self, name: str) -> tuple[str, ...]:
        """Every value under which there is an object."""
        return tuple(self._indexes[name])

    # --- writing, by who follows the server

    def put(self, key: Key, obj: Object) -> Object | None:
        """The object that was there before."""
        before = self._objects.get(key)
        self._objects[key] = obj
        for name in self._functions:
            self._file(name, key, obj)
        return before

    def remove(self, key: Key) -> Object | None:
        before = self._objects.pop(key, None)
        if before is not None:
            for name in self._functions:
                self._unfile(name, key, self._filed[name].pop(key, ()))
        return before

    def _file(self, name: str, key: Key, obj: Object) -> None:
        values = tuple(dict.fromkeys(self._functions[name](obj)))
        before = self._filed[name].get(key, ())
        if values == before:
            return
        self._unfile(name, key, before)
        index = self._indexes[name]
        for value in values:
            index.setdefault(value, {})[key] = None
        self._filed[name][key] = values

    def _unfile(self, name: str, key: Key, values: Iterable[str]) -> None:
        index = self._indexes[name]
        for value in values:
            keys = index[value]
            del keys[key]
            if not keys:
                del index[value]
