# SPDX-License-Identifier: Apache-2.0
"""Create, update, delete: one transaction each, guarded by the revision of the key.

    suggested state -> preconditions, callback -> transaction -> done
          ^                     | raised                | lost the race
          '---- fresh state ----'<----------------------'

A write starts from what is at hand, which may be stale; only a verdict on fresh state is final.
A lost race brings the winner's state along, so trying again costs no read. Mirrors apiserver's
`etcd3/store.go`, `GuaranteedUpdate` and `conditionalDelete`.
"""

from __future__ import annotations

from typing import Protocol

from pyk8s.apimachinery.gvk import Object
from pyk8s.storage import encoding, errors
from pyk8s.storage.etcd import client
from pyk8s.storage.etcd.keyspace import Keyspace, KeyValue, WriteResult
from pyk8s.storage.etcd.leases import Leases
from pyk8s.storage.interface import (
    Item,
    Preconditions,
    ResourceConfig,
    UpdateFunction,
    ValidateDeletion,
)


class State(Protocol):
    """Where a write finds the state to start from, and leaves what it wrote."""

    def suggest(self, key: str) -> Item | None:
        """The state at hand, perhaps stale; None where there is none."""
        ...

    async def fresh(self, key: str) -> Item | None:
        """The state now, linearizable; None where the key does not exist."""
        ...

    def expect(self, key: str, stored: bytes, obj: Object) -> None:
        """A write of this is on its way: its event may well arrive before its answer."""
        ...

    def forget(self, key: str) -> None:
        """The write on its way was answered, one way or the other."""
        ...

    def written(self, key: str, stored: bytes, obj: Object, revision: int) -> Item:
        """The write succeeded; says which Item to answer with."""
        ...


class _Start:
    """The state a write starts from. A verdict on it is final once it is fresh."""

    __slots__ = ("_is_fresh", "_key", "_state", "item")

    def __init__(self, state: State, key: str, item: Item | None, is_fresh: bool) -> None:
        self._state = state
        self._key = key
        self._is_fresh = is_fresh
        self.item = item

    @classmethod
    async def of(cls, state: State, key: str) -> _Start:
        item = state.suggest(key)
        if item is not None:
            return cls(state, key, item, False)
        return cls(state, key, await state.fresh(key), True)

    async def moved(self) -> bool:
        """Bring the state up to date; True if it was stale and the verdict is to be repeated."""
        if self._is_fresh:
            return False
        before = self.item
        self.item = await self._state.fresh(self._key)
        self._is_fresh = True
        return _revision(self.item) != _revision(before)

    def lost_to(self, winner: KeyValue | None) -> None:
        self.item = item_of(winner)
        self._is_fresh = True


class Writer:
    """The writes of one resource."""

    def __init__(
        self, keyspace: Keyspace, leases: Leases, config: ResourceConfig, state: State
    ) -> None:
        self._keyspace = keyspace
        self._leases = leases
        self._ttl_seconds = config.ttl_seconds
        self._state = state

    async def create(self, key: str, obj: Object) -> Item:
        stored = encoding.encode(obj)
        result = await self._put(key, stored, obj, 0)
        if not result.revision:
            raise errors.KeyExists(key)
        return self._state.written(key, stored, obj, result.revision)

    async def guaranteed_update(
        self,
        key: str,
        update: UpdateFunction,
        *,
        ignore_not_found: bool = False,
        preconditions: Preconditions | None = None,
    ) -> Item:
        async def attempt(current: Item | None) -> Object:
            if current is None and not ignore_not_found:
                raise errors.KeyNotFound(key)
            _check(preconditions, key, current)
            return await update(current)

        start = await _Start.of(self._state, key)
        while True:
            try:
                updated = await attempt(start.item)
            except Exception:
                if await start.moved():
                    continue
                raise
            current = start.item
            stored = encoding.encode(updated)
            if current and encoding.same_object(current.data, current.revision, stored):
                if await start.moved():
                    continue
                return current
            result = await self._put(key, stored, updated, _revision(current))
            if result.revision:
                return self._state.written(key, stored, updated, result.revision)
            start.lost_to(result.current)

    async def delete(
        self,
        key: str,
        *,
        preconditions: Preconditions | None = None,
        validate: ValidateDeletion | None = None,
    ) -> Item:
        start = await _Start.of(self._state, key)
        while True:
            current = start.item
            if current is None:
                raise errors.KeyNotFound(key)
            try:
                _check(preconditions, key, current)
                if validate is not None:
                    await validate(current)
            except Exception:
                if await start.moved():
                    continue
                raise
            result = await self._keyspace.delete_if(key, revision=current.revision)
            if result.revision:
                return deleted(current, result.revision)
            start.lost_to(result.current)

    async def _put(self, key: str, stored: bytes, obj: Object, revision: int) -> WriteResult:
        self._state.expect(key, stored, obj)
        try:
            return await self._put_if(key, stored, revision)
        finally:
            self._state.forget(key)

    async def _put_if(self, key: str, stored: bytes, revision: int) -> WriteResult:
        lease = await self._leases.lease_for(self._ttl_seconds)
        try:
            return await self._keyspace.put_if(key, stored, revision=revision, lease=lease)
        except client.LeaseNotFound:
            self._leases.forget(self._ttl_seconds)
            lease = await self._leases.lease_for(self._ttl_seconds)
            return await self._keyspace.put_if(key, stored, revision=revision, lease=lease)


def _revision(item: Item | None) -> int:
    return item.revision if item else 0


def item_of(kv: KeyValue | None) -> Item | None:
    """Raises Corrupt."""
    if kv is None:
        return None
    return Item(kv.key, kv.revision, encoding.show_foreign(kv.key, kv.value, kv.revision))


def deleted(item: Item, revision: int) -> Item:
    """The last state of an object, carrying the revision that removed it."""
    return Item(item.key, revision, encoding.restamp(item.data, revision))


def _check(preconditions: Preconditions | None, key: str, current: Item | None) -> None:
    """The texts are those of upstream's `Preconditions.Check`, as its StorageError prints."""
    if preconditions is None:
        return
    if preconditions.resource_version:
        actual = str(current.revision) if current else ""
        _demand("ResourceVersion", preconditions.resource_version, actual, key)
    if preconditions.uid:
        actual = current.object()["metadata"].get("uid", "") if current else ""
        _demand("UID", preconditions.uid, actual, key)


def _demand(what: str, demanded: str, actual: str, key: str) -> None:
    if demanded != actual:
        raise errors.PreconditionFailed(
            f"StorageError: invalid object, Code: 4, Key: {key}, ResourceVersion: 0, "
            f"AdditionalErrorMsg: Precondition failed: {what} in precondition: {demanded}, "
            f"{what} in object meta: {actual}",
            key,
        )
