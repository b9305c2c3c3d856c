# SPDX-License-Identifier: Apache-2.0
"""Leases for objects that expire, shared so that a thousand events cost one lease.

A lease is granted a little longer than asked for, and used again while it still lasts long
enough: an object lives at least its TTL, and at most a minute (or a twentieth) longer. Mirrors
apiserver's `etcd3/lease_manager.go`.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass

from pyk8s.storage.etcd.keyspace import Keyspace

REUSE_SECONDS_MAX = 60
REUSE_SHARE = 0.05
# etcd revokes all objects of a lease in one transaction; upstream's bound keeps that small.
OBJECTS_PER_LEASE_MAX = 1000


@dataclass(slots=True)
class _Shared:
    lease: int
    usable_until: float
    objects: int = 0


class Leases:
    """One current lease per TTL."""

    def __init__(self, keyspace: Keyspace) -> None:
        self._keyspace = keyspace
        self._current: dict[int, _Shared] = {}
        self._granting = asyncio.Lock()

    async def lease_for(self, ttl_seconds: int | None) -> int:
        """A lease that lasts at least `ttl_seconds`; 0, which is no lease, for None."""
        if ttl_seconds is None:
            return 0
        async with self._granting:
            shared = self._current.get(ttl_seconds)
            if shared is None or not _usable(shared):
                shared = await self._grant(ttl_seconds)
            shared.objects += 1
            return shared.lease

    def forget(self, ttl_seconds: int | None) -> None:
        """The lease given last turned out to be gone."""
        if ttl_seconds is not None:
            self._current.pop(ttl_seconds, None)

    async def _grant(self, ttl_seconds: int) -> _Shared:
        reuse = min(int(ttl_seconds * REUSE_SHARE), REUSE_SECONDS_MAX)
        asked_at = time.monotonic()
        lease = await self._keyspace.grant_lease(ttl_seconds + reuse)
        shared = self._current[ttl_seconds] = _Shared(lease, asked_at + reuse)
        return shared


def _usable(shared: _Shared) -> bool:
    return shared.objects < OBJECTS_PER_LEASE_MAX and time.monotonic() < shared.usable_until
