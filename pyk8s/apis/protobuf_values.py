# SPDX-License-Identifier: Apache-2.0
"""Types whose protobuf form is not that of their JSON: both ways, one value at a time.

    Quantity     {1 text}
    IntOrString  {1 which of the two, 2 the number, 3 the text}, all three always written
    Time         {1 seconds since 1970, 2 nanoseconds, always 0}, empty for null
    MicroTime    the same, cut to microseconds
    raw JSON     {1 the JSON text}, empty for null
    texts        {1 each text}
    bytes        base64 in JSON, as they are on the wire

Readers take the bytes and where the value begins and ends, and raise DecodeError or ValueError;
writers give the message without tag and length.
"""

from __future__ import annotations

import base64
import functools
from calendar import timegm
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from pyk8s.apimachinery import codec, times
from pyk8s.apimachinery.codec import DecodeError
from pyk8s.apis import protobuf_wire as wire
from pyk8s.apis import structural_values
from pyk8s.apis.structural_errors import ValueFault

Read = Callable[[bytes, int, int], Any]
Write = Callable[[Any], bytes]

_FIRST_TEXT = b"\x0a"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def scan(data: bytes, pos: int, end: int, message: str) -> Iterator[tuple[int, Any]]:
    """Number and value of each field of a small message: varints as they are, the rest bytes."""
    while pos < end:
        key, pos = wire.read_varint(data, pos)
        number, wire_type = key >> 3, key & 7
        if wire_type == wire.VARINT and number:
            value, pos = wire.read_varint(data, pos)
            if pos <= end:
                yield number, value
        elif wire_type == wire.LENGTH and number:
            start, pos = wire.read_length(data, pos, end)
            yield number, data[start:pos]
        else:
            pos = wire.skip(data, pos, end, key, message)
    if pos != end:
        raise DecodeError(wire.TRUNCATED)


def expect(value: Any, wanted: type, name: str) -> Any:
    """The value, if it came in the wire type of that field."""
    if value.__class__ is not wanted:
        raise DecodeError(f"proto: wrong wireType for field {name}")
    return value


# What has been read before, by its bytes: the same few amounts, ports and moments stand in most
# objects. Long ones are not remembered: what a client sends must not fill the memory.
_REMEMBERED_MAX = 4096
_REMEMBERED_BYTES_MAX = 32


def _remembering(read: Callable[[bytes], Any]) -> Read:
    remembered = functools.lru_cache(maxsize=_REMEMBERED_MAX)(read)

    def recall(data: bytes, pos: int, end: int) -> Any:
        body = data[pos:end]
        return remembered(body) if end - pos <= _REMEMBERED_BYTES_MAX else read(body)

    return recall


# --- quantities and IntOrString


@_remembering
def read_quantity(body: bytes) -> str:
    # Absent means a zero Quantity; what is there must be one.
    text = "0"
    for number, value in scan(body, 0, len(body), "Quantity"):
        if number == 1:
            text = expect(value, bytes, "String_").decode()
    try:
        canonical: str = structural_values.quantity_text(text, [])
    except ValueFault as fault:
        raise DecodeError(fault.message) from None
    return canonical


def write_quantity(value: str) -> bytes:
    return wire.delimited(_FIRST_TEXT, value.encode())


@_remembering
def read_int_or_string(body: bytes) -> int | str:
    which, integer, text = 0, 0, ""
    for number, value in scan(body, 0, len(body), "IntOrString"):
        if number == 1:
            which = wire.signed(expect(value, int, "Type"), 64)
        elif number == 2:
            integer = wire.signed(expect(value, int, "IntVal"), 32)
        elif number == 3:
            text = expect(value, bytes, "StrVal").decode()
    if which not in (0, 1):
        raise DecodeError("impossible IntOrString.Type")
    return text if which else integer


def write_int_or_string(value: int | str) -> bytes:
    if isinstance(value, str):
        return wire.delimited(b"\x08\x01\x10\x00\x1a", value.encode())
    return b"\x08\x00\x10%b\x1a\x00" % wire.varint(value)


# --- times


@_remembering
def read_time(body: bytes) -> str | None:
    if not body:
        return None
    return times.canonical(times.format(_moment(_timestamp(body)[0], 0)))


@_remembering
def read_micro_time(body: bytes) -> str | None:
    if not body:
        return None
    seconds, nanos = _timestamp(body)
    return times.canonical_micro(times.format_micro(_moment(seconds, int(nanos / 1000))))


def _timestamp(body: bytes) -> tuple[int, int]:
    seconds = nanos = 0
    for number, value in scan(body, 0, len(body), "Timestamp"):
        if number == 1:
            seconds = wire.signed(expect(value, int, "Seconds"), 64)
        elif number == 2:
            nanos = wire.signed(expect(value, int, "Nanos"), 32)
    return seconds, nanos


def _moment(seconds: int, micros: int) -> datetime:
    try:
        return _EPOCH + timedelta(seconds=seconds, microseconds=micros)
    except OverflowError:
        raise DecodeError("Time.MarshalJSON: year outside of range [0,9999]") from None


@functools.lru_cache(maxsize=_REMEMBERED_MAX)
def write_time(value: str) -> bytes:
    return b"\x08%b\x10\x00" % wire.varint(timegm(times.parse(value).timetuple()))


@functools.lru_cache(maxsize=_REMEMBERED_MAX)
def write_micro_time(value: str) -> bytes:
    moment = times.parse_micro(value)
    nanos = wire.varint(moment.microsecond * 1000)
    return b"\x08%b\x10%b" % (wire.varint(timegm(moment.timetuple())), nanos)


# --- free forms, texts and bytes


def read_raw_json(data: bytes, pos: int, end: int) -> Any:
    raw = b""
    for number, value in scan(data, pos, end, "RawExtension"):
        if number == 1:
            raw = expect(value, bytes, "Raw")
    return codec.decode_json(raw) if raw else None


def write_raw_json(value: Any) -> bytes:
    return b"" if value is None else wire.delimited(_FIRST_TEXT, codec.encode_json(value))


def read_texts(data: bytes, pos: int, end: int) -> list[str]:
    return [
        expect(value, bytes, "Items").decode()
        for number, value in scan(data, pos, end, "Items")
        if number == 1
    ]


def write_texts(values: list[str]) -> bytes:
    return b"".join([wire.delimited(_FIRST_TEXT, value.encode()) for value in values])


def read_bytes(data: bytes, pos: int, end: int) -> str:
    return base64.b64encode(data[pos:end]).decode()


def write_bytes(value: str) -> bytes:
    return base64.b64decode(value)
