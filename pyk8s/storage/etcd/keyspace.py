# SPDX-License-Identifier: Apache-2.0
"""The operations on etcd's keys that Kubernetes needs, with plain values in and out.

Few shapes are enough: a range at a revision, a put or delete guarded by the revision of the key,
a watch, a lease, a compaction. Every method raises only storage errors.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from pyk8s.storage.etcd import messages as rpc
from pyk8s.storage.etcd.client import Client


class KeyValue(NamedTuple):
    """A key's state. `revision` is that of its last write."""

    key: str
    value: bytes
    revision: int


class Range(NamedTuple):
    """`total` counts all keys from the start of the range, `revision` is the store's."""

    key_values: Sequence[KeyValue]
    revision: int
    total: int
    more: bool


class WriteResult(NamedTuple):
    """`revision` is that of the write, or 0 when the guard failed; then `current` is the state
    that made it fail, None where the key does not exist."""

    revision: int
    current: KeyValue | None


# Any key that nobody writes: the answer is only read for the revision in its header.
_PROBE = rpc.RangeRequest(key=b"\0", count_only=True)


class Keyspace:
    """Bound to one client."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def revision(self) -> int:
        """The store's current revision, linearizable: at least that of any write acknowledged
        before the call."""
        response = await self._client.read(rpc.RANGE, _PROBE)
        return int(response.header.revision)

    async def get(self, key: str) -> tuple[KeyValue | None, int]:
        """The key's current state and the store's revision, linearizable."""
        response = await self._client.read(rpc.RANGE, rpc.RangeRequest(key=key.encode()))
        found = _key_value(response.kvs[0]) if response.kvs else None
        return found, response.header.revision

    async def range(self, start: str, end: bytes, *, limit: int = 0, revision: int = 0) -> Range:
        """Keys in order; at the current revision where `revision` is 0. Raises ResourceExpired
        and client.FutureRevision."""
        request = rpc.RangeRequest(
            key=start.encode(), range_end=end, limit=limit, revision=revision
        )
        response = await self._client.read(rpc.RANGE, request)
        key_values = [_key_value(kv) for kv in response.kvs]
        return Range(key_values, response.header.revision, response.count, response.more)

    async def count(self, prefix: str) -> int:
        request = rpc.RangeRequest(key=prefix.encode(), range_end=end_of(prefix), count_only=True)
        response = await self._client.read(rpc.RANGE, request)
        return int(response.count)

    async def put_if(self, key: str, value: bytes, *, revision: int, lease: int = 0) -> WriteResult:
        """Put if the key's last write is at `revision`, where 0 means that it does not exist."""
        encoded = key.encode()
        put = rpc.PutRequest(key=encoded, value=value, lease=lease)
        return await self._write_if(encoded, revision, rpc.RequestOp(request_put=put))

    async def delete_if(self, key: str, *, revision: int) -> WriteResult:
        encoded = key.encode()
        delete = rpc.DeleteRangeRequest(key=encoded)
        return await self._write_if(encoded, revision, rpc.RequestOp(request_delete_range=delete))

    async def _write_if(self, key: bytes, revision: int, operation: Any) -> WriteResult:
        request = rpc.TxnRequest(
            compare=[rpc.Compare(key=key, target=rpc.COMPARE_MOD_REVISION, mod_revision=revision)],
            success=[operation],
            failure=[rpc.RequestOp(request_range=rpc.RangeRequest(key=key))],
        )
        response = await self._client.write(rpc.TXN, request)
        if response.succeeded:
            return WriteResult(response.header.revision, None)
        found = response.responses[0].response_range.kvs
        return WriteResult(0, _key_value(found[0]) if found else None)

    async def put_if_version(self, key: str, value: bytes, version: int) -> tuple[bool, int, int]:
        """Put if the key was written `version` times. Says whether it did, how often the key is
        written now, and the store's revision."""
        encoded = key.encode()
        request = rpc.TxnRequest(
            compare=[rpc.Compare(key=encoded, target=rpc.COMPARE_VERSION, version=version)],
            success=[rpc.RequestOp(request_put=rpc.PutRequest(key=encoded, value=value))],
            failure=[rpc.RequestOp(request_range=rpc.RangeRequest(key=encoded))],
        )
        response = await self._client.write(rpc.TXN, request)
        if response.succeeded:
            return True, version + 1, response.header.revision
        found = response.responses[0].response_range.kvs
        return False, found[0].version if found else 0, response.header.revision

    async def compact(self, revision: int) -> None:
        """Forget what was overwritten before `revision`. Raises ResourceExpired where somebody
        was quicker."""
        await self._client.write(rpc.COMPACT, rpc.CompactionRequest(revision=revision))

    async def grant_lease(self, ttl_seconds: int) -> int:
        request = rpc.LeaseGrantRequest(TTL=ttl_seconds)
        response = await self._client.write(rpc.LEASE_GRANT, request)
        return int(response.ID)


def end_of(prefix: str) -> bytes:
    """The end of the range of all keys with a prefix. No key ends in 0xff: they are UTF-8."""
    encoded = prefix.encode()
    return encoded[:-1] + bytes((encoded[-1] + 1,))


def _key_value(kv: Any) -> KeyValue:
    return KeyValue(kv.key.decode(), kv.value, kv.mod_revision)
