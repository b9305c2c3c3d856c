# SPDX-License-Identifier: Apache-2.0
"""JSON in and out: the only door to the JSON library."""

from __future__ import annotations

from typing import Any

import orjson


class DecodeError(ValueError):
    """The bytes are not a document of the format they claim to be."""


def decode_json(data: bytes | bytearray | memoryview | str) -> Any:
    """Raises DecodeError with the parser's position. Integers keep all 64 bits."""
    try:
        return orjson.loads(data)
    except orjson.JSONDecodeError as error:
        raise DecodeError(str(error)) from error


def encode_json(value: Any) -> bytes:
    """Compact JSON, keys in insertion order; raises TypeError for what JSON cannot say."""
    return orjson.dumps(value)


def encode_json_pretty(value: Any) -> bytes:
    return orjson.dumps(value, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)
