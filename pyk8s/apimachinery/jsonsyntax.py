# SPDX-License-Identifier: Apache-2.0
"""What is wrong with a document that is no JSON, in the words of Go's scanner.

Clients show these sentences to people, who search for them. Runs only once the fast parser has
refused a document, and mirrors encoding/json's scanner.go, which like this looks at bytes.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

_SPACE = re.compile(rb"[ \t\r\n]*")
_PLAIN_TEXT = re.compile(rb'[^"\\\x00-\x1f]*')
_DIGITS = re.compile(rb"[0-9]*")
_HEXADECIMAL = frozenset(b"0123456789abcdefABCDEF")
_LITERALS = {ord("t"): "true", ord("f"): "false", ord("n"): "null"}
_END = "unexpected end of JSON input"


# What comes next; None after the last. (Its own type cannot be written.)
_Step = Callable[[], Any]


class _Fault(Exception):
    """The sentence."""


def fault(data: bytes) -> str:
    """The first thing wrong, empty when the syntax is right."""
    try:
        _Scanner(data).scan()
    except _Fault as found:
        return str(found)
    return ""


@dataclass(slots=True)
class _Scanner:
    data: bytes
    at: int = 0
    # The brackets that are open: `{` and `[`.
    open: list[int] = field(default_factory=list)

    def scan(self) -> None:
        """Each step names the next, so that no depth of nesting is too deep."""
        step: _Step | None = self._value
        while step is not None:
            step = step()

    def _value(self) -> _Step:
        """One scalar, or the opening of an object or array with what may follow it."""
        character = self._next()
        if character == ord("{"):
            self._open(character)
            return self._close if self._next() == ord("}") else self._key
        if character == ord("["):
            self._open(character)
            return self._close if self._next() == ord("]") else self._value
        self._scalar(character)
        return self._after_value

    def _scalar(self, character: int) -> None:
        if character == ord('"'):
            self._string()
        elif character == ord("-") or 0x30 <= character <= 0x39:
            self._number()
        elif character in _LITERALS:
            self._literal(_LITERALS[character])
        else:
            raise self._invalid("looking for beginning of value")

    def _open(self, bracket: int) -> None:
        self.open.append(bracket)
        self.at += 1

    def _close(self) -> _Step:
        self.open.pop()
        self.at += 1
        return self._after_value

    def _after_value(self) -> _Step | None:
        """A comma and what it promises, a closing bracket, or the end."""
        if not self.open:
            self._skip(_SPACE)
            if self.at < len(self.data):
                raise self._invalid("after top-level value")
            return None
        in_object = self.open[-1] == ord("{")
        character = self._next()
        if character == (ord("}") if in_object else ord("]")):
            return self._close
        if character != ord(","):
            where = "after object key:value pair" if in_object else "after array element"
            raise self._invalid(where)
        self.at += 1
        return self._key if in_object else self._value

    def _key(self) -> _Step:
        if self._next() != ord('"'):
            raise self._invalid("looking for beginning of object key string")
        self._string()
        if self._next() != ord(":"):
            raise self._invalid("after object key")
        self.at += 1
        return self._value

    def _string(self) -> None:
        self.at += 1
        while True:
            self._skip(_PLAIN_TEXT)
            character = self._here()
            if character == ord('"'):
                self.at += 1
                return
            if character != ord("\\"):
                raise self._invalid("in string literal")
            self.at += 1
            self._escape()

    def _escape(self) -> None:
        character = self._here()
        if character not in b'bfnrt\\/"u':
            raise self._invalid("in string escape code")
        self.at += 1
        if character != ord("u"):
            return
        for _ in range(4):
            if self._here() not in _HEXADECIMAL:
                raise self._invalid("in \\u hexadecimal character escape")
            self.at += 1

    def _number(self) -> None:
        if self.data[self.at] == ord("-"):
            self.at += 1
        if self._here() == ord("0"):
            self.at += 1
        else:
            self._digits("in numeric literal")
        if self.data[self.at : self.at + 1] == b".":
            self.at += 1
            self._digits("after decimal point in numeric literal")
        if self.data[self.at : self.at + 1] in (b"e", b"E"):
            self.at += 1
            if self.data[self.at : self.at + 1] in (b"+", b"-"):
                self.at += 1
            self._digits("in exponent of numeric literal")

    def _digits(self, where: str) -> None:
        if not 0x30 <= self._here() <= 0x39:
            raise self._invalid(where)
        self._skip(_DIGITS)

    def _literal(self, word: str) -> None:
        for expected in word:
            if self._here() != ord(expected):
                raise self._invalid(f"in literal {word} (expecting '{expected}')")
            self.at += 1

    def _skip(self, pattern: re.Pattern[bytes]) -> None:
        match = pattern.match(self.data, self.at)
        assert match is not None  # every pattern also matches nothing
        self.at = match.end()

    def _next(self) -> int:
        """The next byte that is no space."""
        self._skip(_SPACE)
        return self._here()

    def _here(self) -> int:
        if self.at >= len(self.data):
            raise _Fault(_END)
        return self.data[self.at]

    def _invalid(self, where: str) -> _Fault:
        return _Fault(f"invalid character {_quoted(self.data[self.at])} {where}")


def _quoted(byte: int) -> str:
    """Go's quoteChar, which takes each byte for a character."""
    special = {ord("'"): "'\\''", ord('"'): "'\"'", ord("\\"): "'\\\\'"}
    if byte in special:
        return special[byte]
    escapes = {7: "a", 8: "b", 9: "t", 10: "n", 11: "v", 12: "f", 13: "r"}
    if byte in escapes:
        return f"'\\{escapes[byte]}'"
    if byte < 0x20 or byte == 0x7F:
        return f"'\\x{byte:02x}'"
    character = chr(byte)
    return f"'{character}'" if character.isprintable() else f"'\\u{byte:04x}'"
