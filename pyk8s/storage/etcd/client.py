# SPDX-License-Identifier: Apache-2.0
"""The connection to an etcd cluster: one channel per endpoint, used one at a time.

A call goes to the current endpoint. When that one is unreachable, the next becomes current, and
the call is tried there too if it certainly had no effect. Every call ends: with an answer, or
with a storage error within its timeout. Once etcd is back, the next call finds it.
"""

from __future__ import annotations

from typing import Any

from pyk8s.storage import errors
from pyk8s.storage.etcd.channel import Channel
from pyk8s.storage.etcd.http2 import RpcError
from pyk8s.storage.etcd.messages import Method
from pyk8s.storage.interface import EtcdOptions

CALL_TIMEOUT_SECONDS = 10.0

# Refusals that etcd gives before anything is proposed to the cluster.
_NOT_ACTED = (
    "etcdserver: no leader",
    "etcdserver: not leader",
    "etcdserver: too many requests",
    "etcdserver: raft member is removed",
    "etcdserver: rpc not supported for learner",
)


class FutureRevision(errors.StorageError):
    """etcd has not come to the revision that a read asked for."""


class LeaseNotFound(errors.StorageError):
    """The lease of a put has run out; nothing was written."""


class Client:
    """Connects when first used. Used from one event loop."""

    def __init__(self, options: EtcdOptions, timeout_seconds: float = CALL_TIMEOUT_SECONDS) -> None:
        self.timeout_seconds = timeout_seconds
        self._channels = [Channel(url, options) for url in options.servers]
        self._current = 0

    @property
    def channel(self) -> Channel:
        """The current endpoint."""
        return self._channels[self._current]

    async def close(self) -> None:
        for channel in self._channels:
            await channel.close()

    def fail_over(self, failed: Channel) -> None:
        """Leave an endpoint that does not answer, unless somebody left it already."""
        if self.channel is failed:
            self._current = (self._current + 1) % len(self._channels)

    async def read(self, method: Method, request: Any) -> Any:
        """A call without effect; tried at each endpoint until one answers. Raises Unavailable."""
        return await self._call(method, request, is_write=False)

    async def write(self, method: Method, request: Any) -> Any:
        """A call with an effect; tried again only where it certainly had none. Raises
        OutcomeUnknown when it may have happened."""
        return await self._call(method, request, is_write=True)

    async def _call(self, method: Method, request: Any, *, is_write: bool) -> Any:
        encoded = request.SerializeToString()
        left = len(self._channels)
        while True:
            channel = self.channel
            try:
                answer = await channel.call(method.path, encoded, self.timeout_seconds)
            except RpcError as error:
                translated = translate(error, is_write=is_write)
                if isinstance(translated, errors.Unavailable | errors.OutcomeUnknown):
                    self.fail_over(channel)
                left -= 1
                if not left or not isinstance(translated, errors.Unavailable):
                    raise translated from error
            else:
                return method.response.FromString(answer)


def translate(error: RpcError, *, is_write: bool) -> errors.StorageError:
    """What a failed call means for the caller. The texts are etcd's `rpctypes`."""
    text = error.message
    for phrase, meaning in _MEANINGS.items():
        if phrase in text:
            return meaning(text)
    if is_write and error.acted and not text.startswith(_NOT_ACTED):
        return errors.OutcomeUnknown(f"etcd: {text or error.code}")
    return errors.Unavailable(f"etcd: {text or error.code}")


_MEANINGS: dict[str, type[errors.StorageError]] = {
    "required revision has been compacted": errors.ResourceExpired,
    "required revision is a future revision": FutureRevision,
    "request is too large": errors.TooLarge,
    "larger than max": errors.TooLarge,
    "database space exceeded": errors.OutOfSpace,
    "requested lease not found": LeaseNotFound,
}
