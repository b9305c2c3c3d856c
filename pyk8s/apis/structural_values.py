# SPDX-License-Identifier: Apache-2.0
"""Readers of single values: each takes a JSON value and gives what Go would write back.

A reader returns the very same object when nothing changes, and raises a DecodeFault when the
value cannot be of its type. A null inside a list or a map is the type's zero value.
"""

from __future__ import annotations

import base64
import binascii
import functools
from collections.abc import Callable
from typing import Any

from pyk8s.apimachinery import quantity, times
from pyk8s.apis.structural_errors import ValueFault, bad_number, mismatch

# Called with the value and the list that collects unknown fields: (the object, the key).
Unknown = list[tuple[dict[str, Any], str]]
Reader = Callable[[Any, Unknown], Any]

# The same few amounts and moments stand in most objects. Long texts are not remembered: what a
# client sends must not fill the memory.
_REMEMBERED_MAX = 4096
_REMEMBERED_LETTERS_MAX = 64

_LETTERS = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/")
_LINE_BREAKS = b"\r\n"
_PAD = ord("=")


def text(wanted: str) -> Reader:
    def read(value: Any, unknown: Unknown) -> Any:
        if value.__class__ is str:
            return value
        if value is None:
            return ""
        raise mismatch(value, wanted)

    return read


def boolean(wanted: str) -> Reader:
    def read(value: Any, unknown: Unknown) -> Any:
        if value.__class__ is bool:
            return value
        if value is None:
            return False
        raise mismatch(value, wanted)

    return read


def integer(wanted: str, bits: int) -> Reader:
    low, high = -(1 << bits - 1), (1 << bits - 1) - 1

    def read(value: Any, unknown: Unknown) -> Any:
        if value.__class__ is int:
            if low <= value <= high:
                return value
            raise bad_number(value, wanted)
        if value is None:
            return 0
        if value.__class__ is float:
            raise bad_number(value, wanted)
        raise mismatch(value, wanted)

    return read


def number(wanted: str) -> Reader:
    def read(value: Any, unknown: Unknown) -> Any:
        if value.__class__ is float:
            # Go prints a whole float64 without a fraction.
            return int(value) if value.is_integer() and abs(value) < 1e21 else value
        if value.__class__ is int:
            return value
        if value is None:
            return 0
        raise mismatch(value, wanted)

    return read


def int_or_string(value: Any, unknown: Unknown) -> Any:
    if value.__class__ is str:
        return value
    return _int32(value, unknown)


_int32 = integer("int32", 32)


def free(value: Any, unknown: Unknown) -> Any:
    """Kept as it is: RawExtension, FieldsV1, JSON."""
    return value


def quantity_text(value: Any, unknown: Unknown) -> Any:
    """A quantity in its canonical form; numbers are read as their text."""
    if value.__class__ is not str:
        if value is None:
            return "0"
        # Go hands the raw JSON to the quantity's parser, whatever it is.
        value = str(value) if value.__class__ in (int, float) else "{}"
    try:
        return (_quantity if len(value) <= _REMEMBERED_LETTERS_MAX else _canonical)(value)
    except ValueError as error:
        raise ValueFault(str(error)) from None


def _canonical(value: str) -> str:
    canonical = quantity.canonical(value.strip())
    return value if canonical == value else canonical


_quantity = functools.lru_cache(maxsize=_REMEMBERED_MAX)(_canonical)


def _moment(canonical: Callable[[str], str | None]) -> Reader:
    remembered = functools.lru_cache(maxsize=_REMEMBERED_MAX)(canonical)

    def read(value: Any, unknown: Unknown) -> Any:
        if value.__class__ is not str:
            if value is None:
                return None
            raise mismatch(value, "string")
        try:
            return (remembered if len(value) <= _REMEMBERED_LETTERS_MAX else canonical)(value)
        except ValueError as error:
            raise ValueFault(str(error)) from None

    return read


time_text = _moment(times.canonical)
micro_time_text = _moment(times.canonical_micro)


def base64_text(value: Any, unknown: Unknown) -> Any:
    """Bytes as standard base64; line breaks inside are dropped."""
    if value.__class__ is not str:
        if value is None:
            return ""
        raise mismatch(value, "[]uint8")
    try:
        raw = binascii.a2b_base64(value, strict_mode=True)
    except (binascii.Error, ValueError):
        return _lenient_base64(value)
    if len(value) % 4:
        return _lenient_base64(value)
    # Bits beyond the last byte may be set in what came in; they are not in what goes out.
    return value if value[-1:] != "=" else base64.b64encode(raw).decode()


def _lenient_base64(value: str) -> str:
    """As Go's StdEncoding: line breaks are skipped; what is out of place is named by where it
    stands, in bytes of the input."""
    data = value.encode()
    letters = bytearray()
    for at, sign in enumerate(data):
        if sign in _LETTERS:
            letters.append(sign)
        elif sign == _PAD:
            _check_padding(data, at, len(letters) % 4)
            break
        elif sign not in _LINE_BREAKS:
            raise _corrupt(at)
    else:
        if len(letters) % 4:
            raise _corrupt(len(data) - len(letters) % 4)
    raw = binascii.a2b_base64(bytes(letters) + b"=" * (-len(letters) % 4))
    return base64.b64encode(raw).decode()


def _check_padding(data: bytes, at: int, letters: int) -> None:
    """`at` is the first padding sign, after so many letters of its group of four."""
    if letters < 2:
        raise _corrupt(at)
    rest = [i for i in range(at + 1, len(data)) if data[i] not in _LINE_BREAKS]
    if letters == 2:
        if not rest:
            raise _corrupt(len(data))
        if data[rest[0]] != _PAD:
            raise _corrupt(rest[0] - 1)
        rest = rest[1:]
    if rest:
        raise _corrupt(rest[0])


def _corrupt(position: int) -> ValueFault:
    return ValueFault(f"illegal base64 data at input byte {position}")
