# SPDX-License-Identifier: Apache-2.0
"""A WATCH as the client sees it: events out of a stream of JSON lines."""

from __future__ import annotations

from types import TracebackType
from typing import Any, NamedTuple, Protocol

from pyk8s.apimachinery import codec, errors
from pyk8s.apimachinery.gvk import Object
from pyk8s.client import rest

ADDED = "ADDED"
MODIFIED = "MODIFIED"
DELETED = "DELETED"
BOOKMARK = "BOOKMARK"
ERROR = "ERROR"

# Marks the bookmark that ends the initial events of a watch that asked for them.
INITIAL_EVENTS_END = "k8s.io/initial-events-end"


class Event(NamedTuple):
    """One change. The object of a DELETED event is its last state, with the resourceVersion of
    the deletion; that of a BOOKMARK has nothing but a resourceVersion."""

    type: str
    object: Object


class ByteStream(Protocol):
    """What a Watch reads: `rest.Stream`."""

    async def read_some(self) -> bytes: ...

    def close(self) -> None: ...


class Watch:
    """The events of one watch, in the order of the server, each once, without gaps.

    Iteration ends when the server or the network ends the stream: the client goes on with a new
    watch from the last resourceVersion it saw. An ERROR event is raised as StatusError, with
    reason Expired when that resourceVersion is too old. The objects belong to the caller.
    """

    def __init__(self, stream: ByteStream) -> None:
        self._stream = stream
        self._rest = b""
        self._pending: list[Event] = []

    async def __aenter__(self) -> Watch:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def __aiter__(self) -> Watch:
        return self

    async def __anext__(self) -> Event:
        if not self._pending:
            self._pending = (await self.next_batch())[::-1]
        if not self._pending:
            raise StopAsyncIteration
        return self._pending.pop()

    async def next_batch(self) -> list[Event]:
        """All events that have arrived, at least one; empty at the end. Events before an ERROR
        are answered first, the error is raised by the next call."""
        if self._pending:
            batch, self._pending = self._pending[::-1], []
            return batch
        while True:
            lines = await self._lines()
            if lines is None:
                return []
            if events := [_event(line) for line in lines if line]:
                return self._before_error(events)

    async def _lines(self) -> list[bytes] | None:
        """The whole lines that have arrived; None at the end, where half a line is dropped."""
        pieces = [self._rest]
        while chunk := await self._stream.read_some():
            pieces.append(chunk)
            if b"\n" in chunk:
                *lines, self._rest = b"".join(pieces).split(b"\n")
                return lines
        return None

    def _before_error(self, events: list[Event]) -> list[Event]:
        for index, event in enumerate(events):
            if event.type == ERROR:
                if index == 0:
                    raise rest.status_error(event.object)
                self._pending = events[index:][::-1]
                return events[:index]
        return events

    def close(self) -> None:
        self._stream.close()


def _event(line: bytes) -> Event:
    try:
        decoded: Any = codec.decode_json(line)
        return Event(decoded["type"], decoded["object"])
    except (codec.DecodeError, KeyError, TypeError) as error:
        raise errors.internal_error(f"unable to decode an event from the watch: {error}") from error
