# SPDX-License-Identifier: Apache-2.0
"""Field selectors: `metadata.name=a,status.phase!=Running`.

Only equality and inequality exist, joined by commas. A field that an object lacks reads as the
empty string. In values `\\`, `,` and `=` are escaped by a backslash. Grammar and messages are
those of apimachinery's `fields.ParseSelector`.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple, Protocol

EQUALS = "="
NOT_EQUALS = "!="

Fields = Mapping[str, str]
Match = Callable[[Fields], bool]
# Turns a field and value as asked for into those that are matched; raises ValueError for a field
# that is not selectable. Two empty strings drop the requirement.
Transform = Callable[[str, str], tuple[str, str]]


class Requirement(NamedTuple):
    """One condition; `operator` is EQUALS or NOT_EQUALS, `value` is unescaped."""

    field: str
    operator: str
    value: str

    def __str__(self) -> str:
        return f"{self.field}{self.operator}{escape(self.value)}"


class Selector(Protocol):
    """A compiled field selector; prints as its canonical string."""

    @property
    def is_everything(self) -> bool: ...

    @property
    def requirements(self) -> Sequence[Requirement]: ...

    def matches(self, fields: Fields) -> bool: ...


class _Everything:
    is_everything = True
    requirements: Sequence[Requirement] = ()

    def matches(self, fields: Fields) -> bool:
        return True

    def __str__(self) -> str:
        return ""


class _Compiled:
    is_everything = False
    __slots__ = ("matches", "requirements")

    def __init__(self, requirements: Sequence[Requirement]) -> None:
        self.requirements = tuple(requirements)
        self.matches: Match = _compile(self.requirements)

    def __str__(self) -> str:
        return ",".join(map(str, self.requirements))

    def __repr__(self) -> str:
        return f"Selector({self})"


EVERYTHING: Selector = _Everything()


def from_requirements(requirements: Sequence[Requirement]) -> Selector:
    return _Compiled(requirements) if requirements else EVERYTHING


def from_set(fields: Fields) -> Selector:
    """Every field with exactly this value."""
    return from_requirements([Requirement(name, EQUALS, fields[name]) for name in fields])


@functools.lru_cache(maxsize=1024)
def parse(text: str) -> Selector:
    """Read the query form; raises ValueError. Terms are kept in sorted order."""
    return from_requirements([_term(text, term) for term in sorted(_split(text)) if term])


def transform(selector: Selector, function: Transform) -> Selector:
    """The selector with each field and value replaced by what `function` makes of them."""
    requirements = []
    for field, operator, value in selector.requirements:
        new_field, new_value = function(field, value)
        if new_field or new_value:
            requirements.append(Requirement(new_field, operator, new_value))
    return from_requirements(requirements)


def require_exact(selector: Selector, field: str) -> str | None:
    """The one value the selector demands of `field`, or None when it demands none."""
    for requirement in selector.requirements:
        if requirement.field == field and requirement.operator == EQUALS:
            return requirement.value
    return None


def escape(value: str) -> str:
    return _special.sub(r"\\\g<0>", value)


_special = re.compile(r"[\\,=]")
# A term runs to the next comma that no backslash escapes.
_term_end = re.compile(r"(?:[^\\,]|\\.|\\$)*", re.DOTALL).match
_operator = re.compile("!=|==|=").search


def _split(text: str) -> list[str]:
    terms = []
    position = 0
    while position <= len(text):
        end = _term_end(text, position)
        assert end is not None, "the pattern matches the empty string"
        terms.append(end.group())
        position = end.end() + 1
    return terms


def _term(text: str, term: str) -> Requirement:
    found = _operator(term)
    if found is None:
        raise ValueError(f"invalid selector: '{text}'; can't understand '{term}'")
    operator = NOT_EQUALS if found.group() == NOT_EQUALS else EQUALS
    return Requirement(term[: found.start()], operator, _unescape(term[found.end() :]))


def _unescape(value: str) -> str:
    if not _special.search(value):
        return value
    characters = []
    rest = iter(value)
    for character in rest:
        if character in ",=":
            # Upstream formats the rune with %v, which prints its number.
            raise ValueError(
                f"invalid field selector: unescaped character in value: {ord(character)}"
            )
        if character == "\\":
            character = next(rest, "")
            if not character or character not in "\\,=":
                raise ValueError(f"invalid field selector: invalid escape sequence: \\{character}")
        characters.append(character)
    return "".join(characters)


def _compile(requirements: Sequence[Requirement]) -> Match:
    if len(requirements) == 1:
        return _compile_one(requirements[0])
    matches = tuple(_compile_one(requirement) for requirement in requirements)

    def conjunction(fields: Fields) -> bool:
        for match in matches:  # noqa: SIM110 - a generator would cost more than the loop
            if not match(fields):
                return False
        return True

    return conjunction


def _compile_one(requirement: Requirement) -> Match:
    field, operator, value = requirement
    if operator == NOT_EQUALS:
        return lambda fields: fields.get(field, "") != value
    return lambda fields: fields.get(field, "") == value
