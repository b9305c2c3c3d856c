# SPDX-License-Identifier: Apache-2.0
"""The fields of every API message: number, presence and what is inlined, in order of number.

They are facts that neither the OpenAPI schemas nor any package tells, so they stand in a table,
`protobuf_fields.txt`. A block opens with `@` and an OpenAPI package; each line after it is a
message and its fields; a number stands only where it is not the one before plus one:

    Volume name volumeSource>VolumeSource
    MatchResources … resourceRules excludeResourceRules matchPolicy=7*

The flag behind a field is one of the constants below; `>T` says that the message T stands there
whose fields, in JSON, are fields of this one. A message with `-` writes itself as plain JSON.
"""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass
from importlib import resources

PLAIN = ""
POINTER = "*"
STRUCT = "!"
KEPT = "~"

_WORD = re.compile(r"([^=*!~>]+)(?:=(\d+))?([*!~]?)(?:>(\w+))?")
_FREE_FORM = "-"


@dataclass(frozen=True, slots=True)
class Field:
    """`inlined` is the name of the message whose fields stand here, empty for a field proper."""

    name: str
    number: int
    flag: str = PLAIN
    inlined: str = ""


def of(definition: str) -> tuple[Field, ...] | None:
    """The fields of a message by its definition's name; None for one the table does not have."""
    return _table().get(definition)


@functools.cache
def _table() -> dict[str, tuple[Field, ...]]:
    rows = {
        f"{package}.{line.split()[0]}": line.split()[1:]
        for package, lines in _packages()
        for line in lines
    }
    return {definition: _fields(definition, words, rows) for definition, words in rows.items()}


def _packages() -> list[tuple[str, list[str]]]:
    text = resources.files(__package__).joinpath("protobuf_fields.txt").read_text("utf-8")
    blocks = text.split("@")[1:]
    return [(name, rest.splitlines()) for name, _, rest in (b.partition("\n") for b in blocks)]


def _fields(definition: str, words: list[str], rows: dict[str, list[str]]) -> tuple[Field, ...]:
    fields = []
    number = 0
    for word in words:
        if word == _FREE_FORM:
            break
        found = _WORD.fullmatch(word)
        assert found is not None, f"protobuf_fields.txt: {definition}: {word}"
        name, given, flag, inlined = found.groups()
        number = int(given or number + 1)
        fields.append(Field(name, number, flag, _message(definition, inlined, rows)))
    return tuple(fields)


def _message(definition: str, inlined: str | None, rows: dict[str, list[str]]) -> str:
    if not inlined:
        return ""
    package = definition.rpartition(".")[0]
    if f"{package}.{inlined}" in rows:
        return f"{package}.{inlined}"
    # A beta version inlines types of its group's stable one.
    return f"{package.rpartition('.')[0]}.v1.{inlined}"
