# SPDX-License-Identifier: Apache-2.0
"""Allocation: what a write takes from pools that all objects share.

etcd stores one object at a time, so what belongs together is taken before the object is written
and given back if that fails:

    async with store.allocation(context) as allocation:
        await allocation.take(obj, existing)    again for every attempt
        ... validate, write ...

Leaving the block cleanly keeps what was taken and gives back what the object no longer needs; an
error gives back what was taken. Where nobody knows whether the object was written, nothing is
given back: taken twice is worse than taken in vain, and repair finds out later. Mirrors
apiserver's `BeginCreate` and `BeginUpdate` hooks.
"""

from __future__ import annotations

import asyncio
from types import TracebackType

from pyk8s.apimachinery.gvk import Object
from pyk8s.storage import errors as storage_errors


class Allocation:
    """The rule of kinds that share nothing: every step does nothing."""

    async def take(self, obj: Object, existing: Object | None = None) -> None:
        """Take what `obj` needs beyond what `existing` has, and write it into `obj`. What an
        earlier attempt took goes back first. Raises StatusError."""

    async def keep(self) -> None:
        """The object is written."""

    async def give_back(self) -> None:
        """The object is not written."""

    async def __aenter__(self) -> Allocation:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if error is None:
            await self.keep()
        elif not isinstance(error, asyncio.CancelledError | storage_errors.OutcomeUnknown):
            await self.give_back()


NOTHING = Allocation()
