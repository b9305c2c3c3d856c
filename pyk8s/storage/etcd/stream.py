# SPDX-License-Identifier: Apache-2.0
"""A watch on etcd: every change of a range after a revision, once, in order.

The stream asks for a leader: a member cut off from its cluster ends it rather than staying
silent. It does not resume by itself; whoever reads it knows from where to go on.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, NamedTuple

from pyk8s.storage import errors
from pyk8s.storage.etcd import client as etcd_client
from pyk8s.storage.etcd import http2, messages
from pyk8s.storage.etcd.channel import Channel
from pyk8s.storage.etcd.keyspace import KeyValue

# The range of every key there is.
ALL_KEYS = (b"\0", b"\0")

_METADATA = (("hasleader", "true"),)


class Change(NamedTuple):
    """One change of one key. `value` is None for a deletion. Changes of one transaction share
    their revision and always come in the same batch. `previous` only where asked for."""

    key: str
    value: bytes | None
    revision: int
    previous: KeyValue | None = None


class Stream:
    """One open watch, read by one task."""

    def __init__(self, client: etcd_client.Client, channel: Channel, answers: http2.Stream) -> None:
        self._client = client
        self._channel = channel
        self._answers = answers

    @classmethod
    async def open(
        cls,
        client: etcd_client.Client,
        key_range: tuple[bytes, bytes],
        start_revision: int,
        *,
        with_previous: bool = False,
    ) -> Stream:
        """Returns once etcd has taken the watch. Raises Unavailable."""
        create = messages.WatchCreateRequest(
            key=key_range[0],
            range_end=key_range[1],
            start_revision=start_revision,
            prev_kv=with_previous,
        )
        request = messages.WatchRequest(create_request=create).SerializeToString()
        channel = client.channel
        try:
            async with asyncio.timeout(client.timeout_seconds):
                answers = await channel.stream(messages.WATCH.path, request, _METADATA)
                stream = cls(client, channel, answers)
                try:
                    await stream.next()
                except BaseException:
                    stream.close()
                    raise
        except (TimeoutError, http2.RpcError) as error:
            client.fail_over(channel)
            raise errors.Unavailable(f"etcd: a watch could not be opened: {error}") from error
        return stream

    async def next(self) -> Sequence[Change]:
        """The next changes, complete up to the last one's revision. Raises ResourceExpired when
        the start is compacted, Unavailable when the connection or the leader is lost."""
        try:
            answer = await self._answers.read()
        except http2.RpcError as error:
            self._client.fail_over(self._channel)
            raise etcd_client.translate(error, is_write=False) from error
        if answer is None:
            raise errors.Unavailable("etcd: the watch ended")
        response = messages.WATCH.response.FromString(answer)
        if response.canceled:
            if response.compact_revision:
                raise errors.ResourceExpired("required revision has been compacted")
            raise errors.Unavailable(f"etcd: the watch was cancelled: {response.cancel_reason}")
        return [_change(event) for event in response.events]

    def close(self) -> None:
        """Wakes a waiting `next`, which then raises Unavailable."""
        self._answers.cancel()


def _change(event: Any) -> Change:
    kv = event.kv
    value = None if event.type == messages.EVENT_DELETE else kv.value
    previous = None
    if event.HasField("prev_kv"):
        old = event.prev_kv
        previous = KeyValue(old.key.decode(), old.value, old.mod_revision)
    return Change(kv.key.decode(), value, kv.mod_revision, previous)
