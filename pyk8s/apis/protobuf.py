# SPDX-License-Identifier: Apache-2.0
"""Objects of built-in kinds as `application/vnd.kubernetes.protobuf`, and back.

    k8s\\0  Unknown{1 TypeMeta{1 apiVersion, 2 kind}, 2 message, 3 encoding, 4 content type}

The kind stands in the envelope alone, so the items of a list have none. A message without its
envelope is called raw here: that is what can be kept per object and joined into lists and events.
Mirrors apimachinery's `runtime/serializer/protobuf`.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable
from typing import Any

from pyk8s.apimachinery import codec, gvk
from pyk8s.apimachinery.codec import DecodeError
from pyk8s.apimachinery.gvk import GroupVersionKind, Object
from pyk8s.apis import protobuf_decoding, protobuf_encoding
from pyk8s.apis import protobuf_types as types
from pyk8s.apis import protobuf_values as values
from pyk8s.apis import protobuf_wire as wire

PREFIX = b"k8s\x00"

# Every list of every group: metadata, items.
_METADATA = b"\x0a"
_ITEM = b"\x12"

_RAW = b"\x12"
# Encoding and content type, which Go writes though they are empty.
_TAIL = b"\x1a\x00\x22\x00"

_decoders = protobuf_decoding.Compiler()
_encoders = protobuf_encoding.Compiler()

# More kinds than there are: what a client claims to send must not fill the memory.
_KINDS_MAX = 2048


@functools.lru_cache(maxsize=_KINDS_MAX)
def has_protobuf(kind: GroupVersionKind) -> bool:
    """Whether the kind is one of those that a Go program sends and reads as protobuf."""
    try:
        types.definition_of(kind)
    except KeyError:
        return False
    return True


def decode(data: bytes, default: GroupVersionKind | None = None) -> Object:
    """The object in an envelope, as JSON decoding and `structural` would leave it.

    `default` fills in what the envelope does not say of the kind. Raises DecodeError for all that
    is not a valid encoding of a known kind, in time and memory that follow the length.
    """
    type_meta, raw = unwrap(data)
    kind = type_meta["kind"] or (default.kind if default else "")
    try:
        group_version = gvk.parse_group_version(type_meta["apiVersion"])
    except ValueError as error:
        raise DecodeError(str(error)) from None
    if default is not None and not group_version.version:
        group_version = default.group_version
    for name, value in (("Kind", kind), ("apiVersion", group_version.version)):
        if not value:
            raise DecodeError(f"Object '{name}' is missing in '{_shown(raw)}'")
    return decode_raw(raw, GroupVersionKind(*group_version, kind))


def unwrap(data: bytes) -> tuple[Object, bytes]:
    """`{"kind": …, "apiVersion": …}` as the envelope has them, perhaps empty, and the message.
    Raises DecodeError."""
    if not data:
        raise DecodeError("empty data")
    if not data.startswith(PREFIX):
        expected = " ".join(map(str, PREFIX))
        raise DecodeError(
            f"provided data does not appear to be a protobuf message, expected prefix [{expected}]"
        )
    if len(data) == len(PREFIX):
        raise DecodeError("empty body")
    api_version, kind, raw = _guarded(_open, data)
    return {"kind": kind, "apiVersion": api_version}, raw


def decode_raw(raw: bytes, kind: GroupVersionKind) -> Object:
    """The object in a message without envelope; raises DecodeError."""
    read, api_version, free_nesting_max = _reader(kind)
    obj: Object = {"kind": kind.kind, "apiVersion": api_version}
    _guarded(read, raw, 0, len(raw), obj)
    # Levels come from messages, and from JSON inside, which opens each with a sign.
    if raw.count(b"{") + raw.count(b"[") > free_nesting_max:
        codec.check_nesting(obj)
    return obj


def encode(obj: Object, kind: GroupVersionKind | None = None) -> bytes:
    """An object in its envelope, by default of the kind it names. Raises KeyError for one that
    has no protobuf form."""
    if kind is None:
        group_version = gvk.parse_group_version(obj.get("apiVersion", ""))
        kind = GroupVersionKind(*group_version, obj["kind"])
    return wrap(encode_raw(obj, kind), kind)


def encode_raw(obj: Object, kind: GroupVersionKind) -> bytes:
    """The message alone, for `wrap`, `encode_list` and whoever remembers it."""
    return _writer(kind)(obj)


def wrap(raw: bytes, kind: GroupVersionKind) -> bytes:
    """A message in its envelope."""
    return b"%b%b%b%b" % (_envelope_head(kind), wire.varint(len(raw)), raw, _TAIL)


def encode_list(metadata: Object, items: Iterable[bytes], kind: GroupVersionKind) -> bytes:
    """A list in its envelope, from raw items; `kind` is that of the list."""
    head = wire.delimited(_METADATA, _list_metadata(metadata))
    parts = [head]
    for raw in items:
        parts.append(_item_head(len(raw)))
        parts.append(raw)
    return wrap(b"".join(parts), kind)


def encode_watch_event(type: str, enveloped: bytes) -> bytes:
    """One frame of a stream: four bytes of length, and a WatchEvent around an object in its
    envelope."""
    body = wire.delimited(b"\x0a", type.encode()) + wire.delimited(
        b"\x12", wire.delimited(b"\x0a", enveloped)
    )
    return len(body).to_bytes(4, "big") + body


@functools.lru_cache(maxsize=_KINDS_MAX)
def _reader(kind: GroupVersionKind) -> tuple[protobuf_decoding.ReadInto, str, int]:
    """What reads the message, its apiVersion, and how many levels of JSON inside cannot make an
    object of that kind too deep; less than 0 where messages alone can."""
    try:
        definition = types.definition_of(kind)
    except KeyError:
        version = kind.group_version
        why = f'no kind "{kind.kind}" is registered for version "{version}"'
        raise DecodeError(why) from None
    levels = types.nesting(definition)
    free = -1 if levels is None else codec.NESTING_MAX - levels
    return _decoders.reader(definition), str(kind.group_version), free


@functools.lru_cache(maxsize=_KINDS_MAX)
def _writer(kind: GroupVersionKind) -> values.Write:
    # Some discovery documents name no version; they are of meta/v1, as is all that is unversioned.
    return _encoders.writer(
        types.definition_of(kind if kind.version else kind._replace(version="v1"))
    )


@functools.cache
def _list_metadata_writer() -> values.Write:
    return _encoders.writer(types.META + "ListMeta")


def _list_metadata(metadata: Object) -> bytes:
    return _list_metadata_writer()(metadata)


@functools.lru_cache(maxsize=4096)
def _item_head(size: int) -> bytes:
    return _ITEM + wire.varint(size)


@functools.lru_cache(maxsize=_KINDS_MAX)
def _envelope_head(kind: GroupVersionKind) -> bytes:
    api_version = wire.delimited(b"\x0a", str(kind.group_version).encode())
    type_meta = api_version + wire.delimited(b"\x12", kind.kind.encode())
    return PREFIX + wire.delimited(b"\x0a", type_meta) + _RAW


def _open(data: bytes) -> tuple[str, str, bytes]:
    found = _open_usual(data)
    if found is not None:
        return found
    api_version, kind, raw = "", "", b""
    for number, value in values.scan(data, len(PREFIX), len(data), "Unknown"):
        if number == 1:
            type_meta = values.expect(value, bytes, "TypeMeta")
            api_version, kind = _type_meta(type_meta)
        elif number == 2:
            raw = values.expect(value, bytes, "Raw")
    return api_version, kind, raw


def _open_usual(data: bytes) -> tuple[str, str, bytes] | None:
    """Of an envelope as Go writes it; None for any other."""
    size = data[5]
    behind = 6 + size
    if data[4] != 10 or size > 127 or data[behind : behind + 1] != _RAW:
        return None
    start, stop = wire.read_length(data, behind + 1, len(data))
    if data[stop:] != _TAIL:
        return None
    api_version, kind = _usual_type_meta(data[6:behind])
    return api_version, kind, data[start:stop]


def _type_meta(body: bytes) -> tuple[str, str]:
    api_version = kind = ""
    for number, value in values.scan(body, 0, len(body), "TypeMeta"):
        if number == 1:
            api_version = values.expect(value, bytes, "APIVersion").decode()
        elif number == 2:
            kind = values.expect(value, bytes, "Kind").decode()
    return api_version, kind


_usual_type_meta = functools.lru_cache(maxsize=_KINDS_MAX)(_type_meta)


def _guarded(read: Any, *arguments: Any) -> Any:
    """Every way in which bytes can be wrong is one error."""
    try:
        return read(*arguments)
    except UnicodeDecodeError:
        raise DecodeError("string field contains invalid UTF-8") from None
    except IndexError:
        raise DecodeError(wire.TRUNCATED) from None
    except RecursionError:
        raise DecodeError("exceeded max depth") from None


def _shown(raw: bytes) -> str:
    return raw[:100].decode("utf-8", "replace")
