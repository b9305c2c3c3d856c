# SPDX-License-Identifier: Apache-2.0
"""Values printed inside error messages the way Go prints them."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any

from pyk8s.apimachinery import codec


def quoted(value: Any) -> str:
    """The value part of a field error: strings quoted, numbers and booleans bare, trees as JSON.

    `field.Error.ErrorBody` upstream prints a nil pointer as `null`.
    """
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return quoted_string(value)
    if isinstance(value, int | float):
        return str(value)
    return codec.encode_json(value).decode()


def quoted_string(text: str) -> str:
    """Go's %q for text: double quotes, the usual escapes, unprintable runes as \\x or \\u."""
    return '"' + "".join(_ESCAPES.get(c) or _plain_or_escaped(c) for c in text) + '"'


_ESCAPES = {
    '"': '\\"',
    "\\": "\\\\",
    "\a": "\\a",
    "\b": "\\b",
    "\f": "\\f",
    "\n": "\\n",
    "\r": "\\r",
    "\t": "\\t",
    "\v": "\\v",
}


def _plain_or_escaped(character: str) -> str:
    if character.isprintable():
        return character
    code = ord(character)
    if code < 0x80:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def encoded(value: Any) -> str:
    """JSON as Go's encoding/json writes a decoded tree: keys sorted, `<`, `>` and `&` escaped."""
    if value.__class__ is str:
        return _encoded_string(value)
    if isinstance(value, dict):
        members = (f"{_encoded_string(key)}:{encoded(value[key])}" for key in sorted(value))
        return "{" + ",".join(members) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(encoded, value)) + "]"
    if isinstance(value, float):
        return encoded_float(value)
    return codec.encode_json(value).decode()


def encoded_float(number: float) -> str:
    """A float64 in JSON: plain digits from 1e-6 to below 1e21, an exponent beyond."""
    size = abs(number)
    if size and (size < 1e-6 or size >= 1e21):
        digits, _, exponent = f"{Decimal(repr(number)).normalize():e}".partition("e")
        # Go drops the zero that pads a negative exponent, and keeps a positive one's.
        return f"{digits}e{int(exponent):+03d}".replace("e-0", "e-")
    return format(Decimal(repr(number)), "f").removesuffix(".0")


def _encoded_string(text: str) -> str:
    quoted_text = codec.encode_json(text).decode()
    return _ESCAPED_IN_JSON.sub(lambda found: f"\\u{ord(found[0]):04x}", quoted_text)


_ESCAPED_IN_JSON = re.compile("[<>&\u2028\u2029]")


def printed(value: Any) -> str:
    """A JSON document as Go's %+v prints it: `map[a:1 b:[x y]]`."""
    match value:
        case dict():
            members = " ".join(f"{key}:{printed(value[key])}" for key in sorted(value))
            return f"map[{members}]"
        case list():
            return f"[{' '.join(map(printed, value))}]"
        case None:
            return "<nil>"
        case bool():
            return "true" if value else "false"
        case _:
            return str(value)
