# SPDX-License-Identifier: Apache-2.0
"""The protobuf wire format below the level of messages: varints, lengths, what to skip.

A field is a tag, `number << 3 | wire type`, and a value. Faults are worded as the decoders that
gogo/protobuf generates word them. Readers may run past `end` into the enclosing message; whoever
calls them compares positions, and an IndexError means that the bytes ended early.
"""

from __future__ import annotations

from pyk8s.apimachinery.codec import DecodeError

VARINT = 0
FIXED64 = 1
LENGTH = 2
GROUP_START = 3
GROUP_END = 4
FIXED32 = 5

TRUNCATED = "unexpected EOF"

_UINT64 = (1 << 64) - 1
# Ten times seven bits hold the 64 of the longest value.
_VARINT_SHIFT_MAX = 63


def tag(number: int, wire_type: int) -> bytes:
    return varint(number << 3 | wire_type)


def varint(value: int) -> bytes:
    """Negative numbers take ten bytes, as Go writes int32 and int64."""
    value &= _UINT64
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    out.append(value)
    return bytes(out)


def delimited(prefix: bytes, body: bytes) -> bytes:
    """A field of wire type LENGTH; `prefix` is its tag."""
    size = len(body)
    return b"%b%c%b" % (prefix, size, body) if size < 128 else prefix + varint(size) + body


def read_varint(data: bytes, pos: int) -> tuple[int, int]:
    """The value, 0 to 2^64-1, and the position behind it."""
    value = shift = 0
    while True:
        byte = data[pos]
        pos += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value & _UINT64, pos
        shift += 7
        if shift > _VARINT_SHIFT_MAX:
            raise DecodeError("proto: integer overflow")


def read_length(data: bytes, pos: int, end: int) -> tuple[int, int]:
    """Where a length-delimited value begins and ends; never beyond `end`."""
    size, pos = read_varint(data, pos)
    if size >> 63:
        raise DecodeError("proto: negative length found during unmarshaling")
    stop = pos + size
    if stop > end:
        raise DecodeError(TRUNCATED)
    return pos, stop


def signed(value: int, bits: int) -> int:
    """The lower bits as two's complement, as Go's conversion to int32 or int64 has it."""
    value &= (1 << bits) - 1
    return value - (1 << bits) if value >> bits - 1 else value


def skip(data: bytes, pos: int, end: int, key: int, message: str) -> int:
    """The position behind a field that `message` does not know; `key` is its tag, read already."""
    number, wire_type = key >> 3, key & 7
    if wire_type == GROUP_END:
        raise DecodeError(f"proto: {message}: wiretype end group for non-group")
    if signed(number, 32) <= 0:
        raise DecodeError(
            f"proto: {message}: illegal tag {signed(number, 32)} (wire type {wire_type})"
        )
    groups = 0
    while True:
        if wire_type == VARINT:
            _, pos = read_varint(data, pos)
        elif wire_type == FIXED64:
            pos += 8
        elif wire_type == LENGTH:
            _, pos = read_length(data, pos, end)
        elif wire_type == GROUP_START:
            groups += 1
        elif wire_type == GROUP_END:
            if not groups:
                raise DecodeError("proto: unexpected end of group")
            groups -= 1
        elif wire_type == FIXED32:
            pos += 4
        else:
            raise DecodeError(f"proto: illegal wireType {wire_type}")
        if pos > end:
            raise DecodeError(TRUNCATED)
        if not groups:
            return pos
        key, pos = read_varint(data, pos)
        wire_type = key & 7
