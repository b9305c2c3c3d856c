# SPDX-License-Identifier: Apache-2.0
"""WATCH: events as they happen, one JSON object a line, until the client or the time is up.

    Watcher.next_batch -> shared encodings -> one send for all that is pending

The headers go out before the first event. Each event is encoded once per representation and
shared by every watcher that wants it so. Whoever does not read holds up only his own watcher,
which storage ends when its queue is full. Mirrors apiserver's `handlers/{get,watch}.go`.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable
from dataclasses import dataclass

from pyk8s.apimachinery import codec, errors
from pyk8s.apimachinery.gvk import Object
from pyk8s.apis.columns import table
from pyk8s.endpoints import negotiation, options, representation, response
from pyk8s.endpoints.endpoint import Endpoint
from pyk8s.endpoints.request import ON_DISCONNECT, Request
from pyk8s.registry import translate
from pyk8s.storage import errors as storage_errors
from pyk8s.storage import interface as storage

# Only JSON has a framing for streams here; YAML has none upstream either.
_STREAMED = (negotiation.JSON,)

Encode = Callable[[storage.WatchEvent], bytes]


@dataclass(slots=True)
class _Stream:
    request: Request
    watcher: storage.Watcher
    encode: Encode
    endpoint: Endpoint


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
        form = negotiation.negotiate(request.headers.get("accept", ""), served=_STREAMED)
        encode = _encoder(request, endpoint, form)
        try:
            watcher = await endpoint.store.watch(_watch_options(request, wanted))
        except errors.StatusError as error:
            if error.reason != errors.EXPIRED:
                raise
            await _send_expired(request, form, error)
            return
        self._watchers.add(watcher)
        try:
            await response.start_stream(request, form.media_type)
            seconds = wanted.timeout_seconds or self._seconds_min * (1 + random.random())
            await _run(_Stream(request, watcher, encode, endpoint), seconds)
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


async def _run(stream: _Stream, seconds: float) -> None:
    """Pump until the watch ends, its time is up, or the client hangs up."""
    on_disconnect = stream.request.scope["extensions"][ON_DISCONNECT]
    on_disconnect(stream.watcher.close)
    timer = asyncio.get_running_loop().call_later(seconds, stream.watcher.close)
    try:
        await _pump(stream)
        await response.end_stream(stream.request)
    finally:
        timer.cancel()


async def _pump(stream: _Stream) -> None:
    request, encode = stream.request, stream.encode
    try:
        while batch := await stream.watcher.next_batch():
            chunk = encode(batch[0]) if len(batch) == 1 else b"".join(map(encode, batch))
            await response.send_chunk(request, chunk)
    except storage_errors.StorageError as error:
        resource = stream.endpoint.resource.group_resource
        status = translate.status_error(error, resource, "", "watch").status
        await response.send_chunk(request, _line("ERROR", codec.encode_json(status)))


async def _send_expired(
    request: Request, form: negotiation.Negotiated, error: errors.StatusError
) -> None:
    """A start that lies before the kept history: upstream answers 200 and tells it inside."""
    await response.start_stream(request, form.media_type)
    await response.send_chunk(request, _line("ERROR", codec.encode_json(error.status)))
    await response.end_stream(request)


# --- encoding


def _line(type: str, obj: bytes) -> bytes:
    return b'{"type":"%b","object":%b}\n' % (type.encode(), obj)


def _encoder(request: Request, endpoint: Endpoint, form: negotiation.Negotiated) -> Encode:
    if form.target == "Table":
        return _TableEncoder(request, endpoint, form.target_version)
    if form.target == "PartialObjectMetadata":
        return _metadata_encoder(endpoint, form.target_version)
    if form.target:
        raise errors.not_acceptable(_STREAMED)
    return _json_encoder(endpoint)


def _json_encoder(endpoint: Endpoint) -> Encode:
    """One encoding for all watchers of this version, kept with the event."""
    served = endpoint.from_storage
    memo = endpoint.resource.gvr

    def encode(event: storage.WatchEvent) -> bytes:
        line = event.encodings.get(memo)
        if line is None:
            item = event.item
            if item is None:
                bookmark = _bookmark(event, endpoint.resource.kind, endpoint.resource.group_version)
                line = _line(event.type, codec.encode_json(bookmark))
            elif served is None:
                line = _line(event.type, item.data)
            else:
                line = _line(event.type, codec.encode_json(served(item.object())))
            event.encodings[memo] = line
        return line

    return encode


def _metadata_encoder(endpoint: Endpoint, version: str) -> Encode:
    memo = ("PartialObjectMetadata", version)

    def encode(event: storage.WatchEvent) -> bytes:
        line = event.encodings.get(memo)
        if line is None:
            if event.item is None:
                kind, api_version = "PartialObjectMetadata", f"meta.k8s.io/{version}"
                obj = _bookmark(event, kind, api_version)
            else:
                obj = table.partial_object_metadata(event.item.object(), version)
            line = event.encodings[memo] = _line(event.type, codec.encode_json(obj))
        return line

    return encode


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
        return _line(event.type, codec.encode_json(shown))

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
