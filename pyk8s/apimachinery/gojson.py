# SPDX-License-Identifier: Apache-2.0
"""Values printed inside error messages the way Go prints them."""

from __future__ import annotations

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
