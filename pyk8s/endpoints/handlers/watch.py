# SPDX-License-Identifier: Apache-2.0
"""WATCH: events as they happen, one to a line or frame, until the client or the time is up.

    Watcher.next_batch -> shared encodings -> one send for all that is pending
    Watcher ---------> Outlet --^      the same without waking a task, while the client keeps up

The headers go out before the first event. Each event is encoded once per representation and
shared by every watcher that wants it so. Whoever does not read holds up only his own watcher,
which storage ends when its queue is full. Mirrors apiserver's `handlers/{get,watch}.go`.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Hashable
from dataclasses import dataclass

from pyk8s.apimachinery import codec, errors
from pyk8s.apimachinery.gvk import Object
from pyk8s.apis import protobuf
from pyk8s.apis.columns import table
from pyk8s.endpoints import negotiation, options, representation, response
from pyk8s.endpoints.endpoint import Endpoint
from pyk8s.endpoints.request import ON_DISCONNECT, PUSHED, Pushed, Request
from pyk8s.registry import translate
from pyk8s.storage import errors as storage_errors
from pyk8s.storage import interface as storage

# YAML has no framing for streams, here as upstream.
_STREAMED = (negotiation.JSON, negotiation.PROTOBUF)

_LAST_BOOKMARK_SECONDS_MIN = 2

Encode = Callable[[storage.WatchEvent], bytes]


@dataclass(frozen=True, slots=True)
class _Encoder:
    """What makes the wire form of an event. With a `memo` it is the same for all watchers that
    have the same, and so is what is joined of it."""

    encode: Encode
    memo: Hashable = None

    def join(self, batch: storage.Batch) -> bytes:
        if len(batch) == 1:
            return self.encode(batch[0])
        if self.memo is None:
            return b"".join(map(self.encode, batch))
        joined = batch.encodings.get(self.memo)
        if joined is None:
            joined = batch.encodings[self.memo] = b"".join(map(self.encode, batch))
        return joined


@dataclass(frozen=True, slots=True)
class _Outlet:
    """Events on their way to a client that keeps up. See `storage.Outlet`."""

    pushed: Pushed
    encoder: _Encoder

    @property
    def is_open(self) -> bool:
        return self.pushed.is_writable

    def put(self, batch: storage.Batch) -> None:
        self.pushed.push(self.encoder.join(batch))


@dataclass(slots=True)
class _Stream:
    request: Request
    watcher: storage.Watcher
    encoder: _Encoder
    endpoint: Endpoint
    media_type: str
    # What the bookmark at the end says; 0 for none.
    last_revision: int = 0


class Watches:
    """The watches being served, so that a stopping server can end them before all else.

    `min_request_timeout_seconds` is --min-request-timeout: a watch without timeoutSeconds ends
    at random between this and twice it, so that clients do not all come back at once.
    """

    def __init__(self, min_request_timeout_seconds: int) -> None:
        self._seconds_min = min_request_timeout_seconds
        self._watchers: set[storage.Watcher] = set()

    def __len__(self) -> int:
        return len(self._watchers)

    def close_all(self) -> None:
        for watcher in list(self._watchers):
            watcher.close()

    async def watch(self, request: Request, endpoint: Endpoint) -> None:
        # The old path /watch/…/NAME names one object; the field selector form names none.
        name = request.info.name if len(request.info.parts) > 1 else ""
        wanted = options.list_options(request.query, name, endpoint.convert_field, watch=True)
        form = negotiation.negotiate(
            request.headers.get("accept", ""),
            served=_STREAMED,
            plain=negotiation.media_types_of(endpoint.gvk),
        )
        encoder = _encoder(request, endpoint, form)
        try:
            watcher = await endpoint.store.watch(_watch_options(request, wanted))
        except errors.StatusError as error:
            if error.reason != errors.EXPIRED:
                raise
            await _send_expired(request, form, error)
            return
        self._watchers.add(watcher)
        try:
            await response.start_stream(request, _content_type(form))
            seconds = wanted.timeout_seconds or self._seconds_min * (1 + random.random())
            stream = _Stream(request, watcher, encoder, endpoint, form.media_type)
            await _run(stream, seconds, last_bookmark=wanted.allow_bookmarks)
        finally:
            self._watchers.discard(watcher)
            watcher.close()


def _watch_options(request: Request, wanted: options.ListOptions) -> storage.WatchOptions:
    return storage.WatchOptions(
        namespace=request.info.namespace,
        predicate=wanted.predicate,
        resource_version=wanted.resource_version,
        send_initial_events=wanted.send_initial_events,
        allow_bookmarks=wanted.allow_bookmarks,
    )


async def _run(stream: _Stream, seconds: float, *, last_bookmark: bool) -> None:
    """Pump until the watch ends, its time is up, or the client hangs up.

    A watch whose time is up ends with a bookmark where these are allowed, so that its client
    comes back from a recent revision. Upstream sends it two seconds earlier, hence none to a
    shorter watch: `nextBookmarkTime`.
    """
    on_disconnect = stream.request.scope["extensions"][ON_DISCONNECT]
    on_disconnect(stream.watcher.close)
    pushed = stream.request.scope["extensions"].get(PUSHED)
    if pushed is not None:
        stream.watcher.pass_to(_Outlet(pushed, stream.encoder))

    def time_is_up() -> None:
        if last_bookmark and seconds > _LAST_BOOKMARK_SECONDS_MIN:
            # Asked before the end: after it the watcher knows nothing of what is pending.
            stream.last_revision = stream.watcher.bookmark_revision()
        stream.watcher.close()

    timer = asyncio.get_running_loop().call_later(seconds, time_is_up)
    try:
        await _pump(stream)
        await response.end_stream(stream.request)
    finally:
        timer.cancel()


async def _pump(stream: _Stream) -> None:
    request, encoder = stream.request, stream.encoder
    try:
        while batch := await stream.watcher.next_batch():
            await response.send_chunk(request, encoder.join(batch))
        if stream.last_revision:
            bookmark = storage.WatchEvent(storage.BOOKMARK, stream.last_revision, None)
            await response.send_chunk(request, encoder.encode(bookmark))
    except storage_errors.StorageError as error:
        resource = stream.endpoint.resource.group_resource
        status = translate.status_error(error, resource, "", "watch").status
        await response.send_chunk(request, _encoded("ERROR", status, stream.media_type))


async def _send_expired(
    request: Request, form: negotiation.Negotiated, error: errors.StatusError
) -> None:
    """A start that lies before the kept history: upstream answers 200 and tells it inside."""
    await response.start_stream(request, _content_type(form))
    await response.send_chunk(request, _encoded("ERROR", error.status, form.media_type))
    await response.end_stream(request)


# --- encoding


def _content_type(form: negotiation.Negotiated) -> str:
    return (
        form.media_type
        if form.media_type == negotiation.JSON
        else f"{form.media_type};stream=watch"
    )


def _framed(type: str, obj: bytes, media_type: str) -> bytes:
    """A line of JSON, or a frame of protobuf."""
    if media_type == negotiation.PROTOBUF:
        return protobuf.encode_watch_event(type, obj)
    return b'{"type":"%b","object":%b}\n' % (type.encode(), obj)


def _encoded(type: str, obj: Object, media_type: str) -> bytes:
    return _framed(type, response.encode(obj, media_type), media_type)


def _encoder(request: Request, endpoint: Endpoint, form: negotiation.Negotiated) -> _Encoder:
    if form.target == "Table":
        return _Encoder(_TableEncoder(request, endpoint, form.target_version))
    if form.target == "PartialObjectMetadata":
        return _metadata_encoder(endpoint, form)
    if form.target:
        raise errors.not_acceptable(_STREAMED)
    return _object_encoder(endpoint, form.media_type)


def _object_encoder(endpoint: Endpoint, media_type: str) -> _Encoder:
    """One encoding for all watchers of this version, kept with the event."""
    show = _json_of(endpoint) if media_type == negotiation.JSON else _protobuf_of(endpoint)
    memo = (media_type, endpoint.resource.gvr)

    def encode(event: storage.WatchEvent) -> bytes:
        frame = event.encodings.get(memo)
        if frame is None:
            item = event.item
            if item is None:
                bookmark = _bookmark(event, endpoint.resource.kind, endpoint.resource.group_version)
                frame = _encoded(event.type, bookmark, media_type)
            else:
                frame = _framed(event.type, show(item), media_type)
            event.encodings[memo] = frame
        return frame

    return _Encoder(encode, memo)


def _json_of(endpoint: Endpoint) -> Callable[[storage.Item], bytes]:
    served = endpoint.from_storage
    if served is None:
        return lambda item: item.data
    return lambda item: codec.encode_json(served(item.object()))


def _protobuf_of(endpoint: Endpoint) -> Callable[[storage.Item], bytes]:
    kind = endpoint.gvk
    return lambda item: protobuf.wrap(representation.message(endpoint, item), kind)


def _metadata_encoder(endpoint: Endpoint, form: negotiation.Negotiated) -> _Encoder:
    version, media_type = form.target_version, form.media_type
    memo = ("PartialObjectMetadata", version, media_type)

    def encode(event: storage.WatchEvent) -> bytes:
        frame = event.encodings.get(memo)
        if frame is None:
            if event.item is None:
                kind, api_version = "PartialObjectMetadata", f"meta.k8s.io/{version}"
                obj = _bookmark(event, kind, api_version)
            else:
                obj = table.partial_object_metadata(event.item.object(), version)
            frame = event.encodings[memo] = _encoded(event.type, obj, media_type)
        return frame

    return _Encoder(encode, memo)


class _TableEncoder:
    """Rows hold ages, which change by the second, so they are made for each watcher; the
    column definitions go with the first event only."""

    def __init__(self, request: Request, endpoint: Endpoint, version: str) -> None:
        self._include = representation.include_object(request)
        self._endpoint = endpoint
        self._version = version
        self._described = False

    def __call__(self, event: storage.WatchEvent) -> bytes:
        shown = self._rows(event)
        if self._described:
            shown = table.without_headers(shown)
        self._described = True
        return _encoded(event.type, shown, negotiation.JSON)

    def _rows(self, event: storage.WatchEvent) -> Object:
        if event.item is not None:
            return table.table_for_object(
                self._endpoint.served(event.item.object()),
                self._endpoint.columns,
                include_object=self._include,
                now=time.time(),
                version=self._version,
            )
        metadata: Object = {"resourceVersion": str(event.revision)}
        if event.initial_events_end:
            metadata["annotations"] = {storage.INITIAL_EVENTS_END: "true"}
        return table.table_for(
            [],
            self._endpoint.columns,
            list_metadata=metadata,
            now=time.time(),
            version=self._version,
        )


def _bookmark(event: storage.WatchEvent, kind: str, api_version: object) -> Object:
    metadata: Object = {"resourceVersion": str(event.revision), "creationTimestamp": None}
    if event.initial_events_end:
        metadata["annotations"] = {storage.INITIAL_EVENTS_END: "true"}
    return {"kind": kind, "apiVersion": str(api_version), "metadata": metadata}
