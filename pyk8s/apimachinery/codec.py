# SPDX-License-Identifier: Apache-2.0
"""JSON in and out: the only door to the JSON library.

Integers are exact from -2^63 to 2^64-1; one beyond becomes a float, as in upstream's decoder. A
document may nest NESTING_MAX deep, so that every later walk over it is safe to recurse and
whatever wraps it can still be encoded.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import orjson

from pyk8s.apimachinery import jsonsyntax

# orjson encodes 254 levels; what is left is for the lists, events and owners of a document.
NESTING_MAX = 238

_DUPLICATES_MAX = 100


class DecodeError(ValueError):
    """The bytes are not a document of the format they claim to be."""


def decode_json(data: bytes | bytearray | memoryview | str) -> Any:
    """Raises DecodeError in the words of Go's decoder, also for invalid UTF-8 and deep nesting.

    Of a repeated field the last value counts.
    """
    try:
        value = orjson.loads(data)
    except orjson.JSONDecodeError as error:
        text = data.encode() if isinstance(data, str) else bytes(data)
        raise DecodeError(jsonsyntax.fault(text) or str(error)) from error
    if len(data) > NESTING_MAX and _containers(data) > NESTING_MAX:
        check_nesting(value)
    return value


def decode_json_strict(data: bytes) -> tuple[Any, list[str]]:
    """The value, as decode_json gives it, and the path of each repeated field.

    Paths are upstream's (`spec.containers[0].name`), which prints `duplicate field "path"`.
    """
    value = decode_json(data)
    if not _may_have_duplicates(data, value):
        return value, []
    paths = _duplicate_paths(json.loads(data, object_pairs_hook=_Pairs), "")
    return value, list(dict.fromkeys(paths))[:_DUPLICATES_MAX]


def field_paths(data: bytes) -> list[str]:
    """The path of every field in the order of the document, a repeated one each time."""
    return list(_field_paths(json.loads(data, object_pairs_hook=_Pairs), ""))


def encode_json(value: Any) -> bytes:
    """Compact JSON, keys in insertion order; raises TypeError for what JSON cannot say."""
    return orjson.dumps(value)


def encode_json_pretty(value: Any) -> bytes:
    return orjson.dumps(value, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)


def check_nesting(value: Any) -> None:
    """Raises DecodeError for a value that nests deeper than NESTING_MAX."""
    # Sixteen levels and the value: the encoder's own limit is the test, at the speed of C.
    wrapped = value
    for _ in range(16):
        wrapped = [wrapped]
    try:
        orjson.dumps(wrapped)
    except orjson.JSONEncodeError as error:
        raise DecodeError("exceeded max depth") from error


def _containers(data: bytes | bytearray | memoryview | str) -> int:
    """How many objects and arrays at most: no document nests deeper than that."""
    if isinstance(data, str):
        return data.count("{") + data.count("[")
    raw = bytes(data) if isinstance(data, memoryview) else data
    return raw.count(b"{") + raw.count(b"[")


class _Pairs(list[tuple[str, Any]]):
    """An object with its repeated fields."""


def _may_have_duplicates(data: bytes, value: Any) -> bool:
    """False only where there is none; True makes sure by the slow way.

    A field ends in `":`, unless its colon stands apart. What the parser kept, written again,
    has as many of these as the document, or a field was dropped. Text within strings counts
    alike on both sides, as long as no escape hides a quote.
    """
    if _SPACED_COLON.search(data) or b"\\u00" in data:
        return True
    return data.count(b'":') != orjson.dumps(value).count(b'":')


_SPACED_COLON = re.compile(rb'"\s+:')


def _duplicate_paths(value: Any, path: str) -> list[str]:
    paths = []
    if isinstance(value, _Pairs):
        seen = set()
        for key, inner in value:
            inner_path = f"{path}.{key}" if path else key
            if key in seen:
                paths.append(inner_path)
            seen.add(key)
            paths += _duplicate_paths(inner, inner_path)
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            paths += _duplicate_paths(inner, f"{path}[{index}]")
    return paths


def _field_paths(value: Any, path: str) -> Iterator[str]:
    if isinstance(value, _Pairs):
        for key, inner in value:
            inner_path = f"{path}.{key}" if path else key
            yield inner_path
            yield from _field_paths(inner, inner_path)
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from _field_paths(inner, f"{path}[{index}]")
