# SPDX-License-Identifier: Apache-2.0
"""Items in the form the client asked for: JSON as it is stored, YAML, Table, metadata alone.

The common case, JSON in the stored version, moves bytes and decodes nothing.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence

from pyk8s.apimachinery import codec, errors
from pyk8s.apimachinery.gvk import Object
from pyk8s.apis import columns, protobuf
from pyk8s.apis.columns import table
from pyk8s.endpoints import negotiation, response
from pyk8s.endpoints.endpoint import Endpoint
from pyk8s.endpoints.request import Request
from pyk8s.storage import interface as storage


def negotiated(request: Request, endpoint: Endpoint) -> negotiation.Negotiated:
    """What the client wants of this endpoint's objects; raises 406."""
    return negotiation.negotiate(
        request.headers.get("accept", ""), plain=negotiation.media_types_of(endpoint.gvk)
    )


def message(endpoint: Endpoint, item: storage.Item) -> bytes:
    """The object as protobuf without envelope, made once and kept with the item."""
    memo = (negotiation.PROTOBUF, endpoint.gvk)
    encoded = item.encodings.get(memo)
    if encoded is None:
        obj = endpoint.served(item.object())
        encoded = item.encodings[memo] = protobuf.encode_raw(obj, endpoint.gvk)
    return encoded


# About ten milliseconds of encoding; then others have their turn.
_MESSAGES_AT_A_TIME = 100


async def _messages(endpoint: Endpoint, items: Sequence[storage.Item]) -> list[bytes]:
    """The objects of a list, each made by the first who wants it, without holding up the rest."""
    memo = (negotiation.PROTOBUF, endpoint.gvk)
    messages: list[bytes] = []
    made = 0
    for item in items:
        encoded = item.encodings.get(memo)
        if encoded is None:
            encoded = message(endpoint, item)
            made += 1
            if made % _MESSAGES_AT_A_TIME == 0:
                await asyncio.sleep(0)
        messages.append(encoded)
    return messages


async def send_item(
    request: Request, endpoint: Endpoint, item: storage.Item, *, status_code: int = 200
) -> None:
    wanted = negotiated(request, endpoint)
    pretty = response.wants_pretty(request)
    if wanted.is_plain_json and not pretty and endpoint.from_storage is None:
        await response.send_bytes(request, item.data, status_code=status_code)
        return
    if wanted.is_plain_protobuf:
        body = protobuf.wrap(message(endpoint, item), endpoint.gvk)
        await response.send_bytes(
            request, body, status_code=status_code, content_type=wanted.media_type
        )
        return
    value = _transformed(request, endpoint.columns, wanted, endpoint.served(item.object()))
    await response.send_bytes(
        request,
        response.encode(value, wanted.media_type, pretty=pretty),
        status_code=status_code,
        content_type=wanted.media_type,
    )


async def send_object(
    request: Request, obj: Object, shown_as: columns.Columns, *, status_code: int = 200
) -> None:
    """An object that is not stored as it is shown, such as a Scale."""
    wanted = negotiation.negotiate(request.headers.get("accept", ""))
    await response.send_bytes(
        request,
        response.encode(
            _transformed(request, shown_as, wanted, obj),
            wanted.media_type,
            pretty=response.wants_pretty(request),
        ),
        status_code=status_code,
        content_type=wanted.media_type,
    )


def _transformed(
    request: Request, shown_as: columns.Columns, wanted: negotiation.Negotiated, obj: Object
) -> Object:
    if not wanted.target:
        return obj
    if wanted.target == "PartialObjectMetadata":
        return table.partial_object_metadata(obj, wanted.target_version)
    if wanted.target == "Table":
        return table.table_for_object(
            obj,
            shown_as,
            include_object=include_object(request),
            now=time.time(),
            version=wanted.target_version,
        )
    raise errors.not_acceptable(negotiation.SERVED)


def _table(
    request: Request,
    shown_as: columns.Columns,
    wanted: negotiation.Negotiated,
    objects: Sequence[Object],
    metadata: Object,
) -> Object:
    return table.table_for(
        objects,
        shown_as,
        include_object=include_object(request),
        list_metadata=metadata,
        now=time.time(),
        version=wanted.target_version,
    )


def include_object(request: Request) -> str:
    """Raises 400 for a value that is none of upstream's three."""
    value = request.parameter("includeObject") or table.METADATA
    table.check_include_object(value)
    return value


async def send_list(request: Request, endpoint: Endpoint, result: storage.ListResult) -> None:
    wanted = negotiated(request, endpoint)
    pretty = response.wants_pretty(request)
    metadata: Object = {"resourceVersion": str(result.revision)}
    if result.continue_token:
        metadata["continue"] = result.continue_token
        if result.remaining is not None:
            metadata["remainingItemCount"] = result.remaining
    if wanted.is_plain_json and not pretty and endpoint.from_storage is None:
        await response.send_bytes(request, _joined(endpoint, result.items, metadata))
        return
    if wanted.is_plain_protobuf:
        kind = endpoint.gvk._replace(kind=endpoint.resource.list_kind)
        messages = await _messages(endpoint, result.items)
        body = protobuf.encode_list(metadata, messages, kind)
        await response.send_bytes(request, body, content_type=wanted.media_type)
        return
    value = _transformed_list(request, endpoint, wanted, result.items, metadata)
    await response.send_bytes(
        request,
        response.encode(value, wanted.media_type, pretty=pretty),
        content_type=wanted.media_type,
    )


def type_prefix(endpoint: Endpoint) -> bytes:
    """How a stored object of this endpoint begins; items of a list leave it out, as upstream."""
    kind = codec.encode_json(endpoint.resource.kind)
    api_version = codec.encode_json(str(endpoint.resource.group_version))
    return b'{"kind":%b,"apiVersion":%b,' % (kind, api_version)


def _joined(endpoint: Endpoint, items: Sequence[storage.Item], metadata: Object) -> bytes:
    resource = endpoint.resource
    head = b'{"kind":"%b","apiVersion":"%b","metadata":%b,"items":[' % (
        resource.list_kind.encode(),
        str(resource.group_version).encode(),
        codec.encode_json(metadata),
    )
    prefix = type_prefix(endpoint)
    skip = len(prefix)
    parts = [item.data[skip:] if item.data.startswith(prefix) else _untyped(item) for item in items]
    if not parts:
        return head + b"]}"
    return b"".join((head, b"{", b",{".join(parts), b"]}"))


def _untyped(item: storage.Item) -> bytes:
    """The object without kind, apiVersion and the opening brace."""
    obj = item.object()
    obj.pop("kind", None)
    obj.pop("apiVersion", None)
    return codec.encode_json(obj)[1:]


def _transformed_list(
    request: Request,
    endpoint: Endpoint,
    wanted: negotiation.Negotiated,
    items: Sequence[storage.Item],
    metadata: Object,
) -> Object:
    objects = [endpoint.served(item.object()) for item in items]
    if wanted.target == "Table":
        return _table(request, endpoint.columns, wanted, objects, metadata)
    if wanted.target == "PartialObjectMetadataList":
        return table.partial_object_metadata_list(objects, metadata, wanted.target_version)
    if wanted.target:
        raise errors.not_acceptable(negotiation.SERVED)
    for obj in objects:
        obj.pop("kind", None)
        obj.pop("apiVersion", None)
    return {
        "kind": endpoint.resource.list_kind,
        "apiVersion": str(endpoint.resource.group_version),
        "metadata": metadata,
        "items": objects,
    }
