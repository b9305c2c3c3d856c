# SPDX-License-Identifier: Apache-2.0
"""JSONPath as custom resource columns use it, compiled to closures.

    .spec.replicas                                   a field
    .metadata.labels.app\\.kubernetes\\.io/name        dots in a name are escaped
    .metadata.labels['app\\.kubernetes\\.io/name']     the same in brackets, dots escaped there too
    .status.conditions[?(@.type=="Ready")].status    a filter: == != < <= > >= or the bare path
    .spec.ports[0]  [-1]  [1:3]  [::2]  [*]  [0,2]   items of a list
    .spec.*  ..image                                 every value, at one depth or at all

Mirrors client-go's `util/jsonpath` with missing keys allowed: a step into what is not there, or
is null, yields nothing. Templates (text around braces, range and end) are not columns' business
and are refused. A compiled path is a function from a JSON value to the list of what it selects.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

Values = list[Any]
Step = Callable[[Values], Values]
Path = Callable[[Any], Values]


class ParseError(ValueError):
    """The text is not a path."""


class EvaluationError(ValueError):
    """The path does not fit the value: an index out of bounds, a filter on what is no list."""


def compile_path(text: str) -> Path:
    """Raises ParseError. The compiled path raises EvaluationError."""
    steps = _Parser(text).steps()

    def select(value: Any) -> Values:
        values = [value]
        for step in steps:
            values = step(values)
        return values

    return select


# --- steps


def _field(name: str) -> Step:
    def step(values: Values) -> Values:
        return [value[name] for value in values if isinstance(value, dict) and name in value]

    return step


def _children(value: Any) -> Values:
    if isinstance(value, dict):
        return list(value.values())
    return value if isinstance(value, list) else []


def _wildcard(values: Values) -> Values:
    return [child for value in values for child in _children(value)]


def _recursive(values: Values) -> Values:
    """Every object and list at any depth, outermost first; the next step picks from them."""
    found: Values = []
    for value in values:
        children = _children(value)
        if children:
            found += [value, *_recursive(children)]
    return found


def _constant(constant: Any) -> Step:
    return lambda values: [constant] * len(values)


def _union(members: Sequence[Sequence[Step]]) -> Step:
    def step(values: Values) -> Values:
        found: Values = []
        for steps in members:
            selected = values
            for member in steps:
                selected = member(selected)
            found += selected
        return found

    return step


def _slice(start: int | None, end: int | None, stride: int | None) -> Step:
    """Bounds outside the list are an error, unlike Python's; negative ones count from the end."""

    def step(values: Values) -> Values:
        found: Values = []
        for value in values:
            if value is None:
                continue
            if not isinstance(value, list):
                raise EvaluationError("not a list")
            size = len(value)
            low = 0 if start is None else start + size if start < 0 else start
            high = size if end is None else end + size if end < 0 else end
            if low != high:
                if not 0 <= low < size or not low < high <= size:
                    raise EvaluationError(f"array index out of bounds: length {size}")
                found += value[low : high : stride or 1]
        return found

    return step


def _index(index: int) -> Step:
    def step(values: Values) -> Values:
        found: Values = []
        for value in values:
            if value is None:
                continue
            if not isinstance(value, list):
                raise EvaluationError("not a list")
            if not -len(value) <= index < len(value):
                raise EvaluationError(f"array index out of bounds: {index}, length {len(value)}")
            found.append(value[index])
        return found

    return step


_COMPARISONS: dict[str, Callable[[Any, Any], bool]] = {
    "==": lambda left, right: bool(left == right),
    "!=": lambda left, right: bool(left != right),
    "<": lambda left, right: bool(left < right),
    "<=": lambda left, right: bool(left <= right),
    ">": lambda left, right: bool(left > right),
    ">=": lambda left, right: bool(left >= right),
}


def _compare(operator: str, left: Any, right: Any) -> bool:
    """Only like with like: an integer is no float, and of booleans none is the greater one."""
    orders = operator not in ("==", "!=")
    comparable = (int, float, str) if orders else (bool, int, float, str)
    if type(left) is not type(right) or type(left) not in comparable:
        raise EvaluationError("incompatible types for comparison")
    return _COMPARISONS[operator](left, right)


def _select(steps: Sequence[Step], item: Any) -> Values:
    values = [item]
    for step in steps:
        values = step(values)
    return values


def _filter(test: Callable[[Any], bool]) -> Step:
    def step(values: Values) -> Values:
        found: Values = []
        for value in values:
            if not isinstance(value, list):
                raise EvaluationError("only a list can be filtered")
            found += [item for item in value if test(item)]
        return found

    return step


def _exists(steps: Sequence[Step]) -> Callable[[Any], bool]:
    return lambda item: bool(_select(steps, item))


def _comparison(
    left: Sequence[Step], operator: str, right: Sequence[Step]
) -> Callable[[Any], bool]:
    def test(item: Any) -> bool:
        lefts, rights = _select(left, item), _select(right, item)
        if not lefts or not rights:
            return False
        if len(lefts) > 1 or len(rights) > 1:
            raise EvaluationError("can only compare one element at a time")
        return _compare(operator, lefts[0], rights[0])

    return test


# --- parsing

_NAME = re.compile(r"(?:\\.|[^\\\s.,\[\]$@{}])*")
_NUMBER = re.compile(r"[+-]?[\d.]+")
_IDENTIFIER = re.compile(r"\w[^\s.,\[\]$@{}]*")
_QUOTED = re.compile(r"'((?:\\.|[^'\\\n])*)'|\"((?:\\.|[^\"\\\n])*)\"")
_DICT_KEY = re.compile(r"'([^']*)'")
_SLICE = re.compile(r"(-?\d*)(?::(-?\d*))?(?::(-?\d*))?")
_COMPARED = re.compile(r"([^!<>=]+)([!<>=~]+)(.+)", re.DOTALL)
_ESCAPED = re.compile(r"\\(.)")


class _Parser:
    """Reads one path from left to right; every method returns after what it has consumed."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._position = 0

    def steps(self) -> list[Step]:
        steps: list[Step] = []
        while self._position < len(self._text):
            step = self._step()
            if step is not None:
                steps.append(step)
        return steps

    def _step(self) -> Step | None:
        rest = self._text[self._position :]
        character = rest[0]
        if character in " @$":
            self._position += 1
            return None
        if rest.startswith("[?("):
            return self._filter()
        if character == "[":
            return self._brackets()
        if rest.startswith(".."):
            return self._descent()
        if character == ".":
            self._position += 1
            return self._name()
        return self._literal(rest)

    def _take(self, pattern: re.Pattern[str]) -> re.Match[str] | None:
        found = pattern.match(self._text, self._position)
        if found is not None:
            self._position = found.end()
        return found

    def _name(self) -> Step:
        found = self._take(_NAME)
        assert found is not None
        return _wildcard if found[0] == "*" else _field(_ESCAPED.sub(r"\1", found[0]))

    def _descent(self) -> Step:
        self._position += 2
        if self._text.startswith("..", self._position):
            raise ParseError("invalid multiple recursive descent")
        following = self._text[self._position : self._position + 1]
        if not (following.isalnum() or following == "_"):
            return _recursive
        name = self._name()
        return lambda values: name(_recursive(values))

    def _literal(self, rest: str) -> Step:
        quoted = self._take(_QUOTED)
        if quoted is not None:
            return _constant(_ESCAPED.sub(r"\1", quoted[1] if quoted[1] is not None else quoted[2]))
        number = self._take(_NUMBER)
        if number is not None:
            return _constant(_number(number[0]))
        identifier = self._take(_IDENTIFIER)
        if identifier is not None and identifier[0] in ("true", "false"):
            return _constant(identifier[0] == "true")
        if identifier is not None:
            raise ParseError(f"unrecognized identifier {identifier[0]}")
        raise ParseError(f"unrecognized character in action: {rest[0]!r}")

    def _brackets(self) -> Step:
        end = self._text.find("]", self._position)
        if end < 0:
            raise ParseError("unterminated array")
        inside = self._text[self._position + 1 : end]
        self._position = end + 1
        members = [member.strip(" ") for member in inside.split(",")]
        if len(members) > 1:
            return _union([_Parser(f"[{member}]").steps() for member in members])
        return _member(inside)

    def _filter(self) -> Step:
        start = self._position + len("[?(")
        self._position = start
        while not self._text.startswith(")", self._position):
            if self._take(_QUOTED) is None:
                self._position += 1
            if self._position >= len(self._text):
                raise ParseError("unterminated filter")
        inside = self._text[start : self._position]
        self._position += 2
        if not self._text.startswith(")]", self._position - 2):
            raise ParseError("unclosed array expect ]")
        return _filter_of(inside)


def _number(text: str) -> int | float:
    try:
        return float(text) if "." in text else int(text)
    except ValueError:
        raise ParseError(f"cannot parse number {text}") from None


def _member(inside: str) -> Step:
    """What stands between brackets: `*`, a quoted key, an index or a slice."""
    if inside == "*":
        return _slice(None, None, None)
    key = _DICT_KEY.fullmatch(inside)
    if key is not None:
        # The key is read as a path of its own, so that a dot in it must be escaped here too.
        return _union([_Parser("." + key[1]).steps()])
    found = _SLICE.fullmatch(inside)
    if found is None or not inside:
        raise ParseError(f"invalid array index {inside}")
    if ":" not in inside:
        return _index(_bound(found[1], inside) or 0)
    stride = _bound(found[3], inside)
    if stride is not None and stride <= 0:
        raise ParseError("step must be > 0")
    return _slice(_bound(found[1], inside), _bound(found[2], inside), stride)


def _bound(text: str | None, inside: str) -> int | None:
    if text == "-":
        raise ParseError(f"array index {inside} is not a number")
    return int(text) if text else None


def _filter_of(inside: str) -> Step:
    compared = _COMPARED.fullmatch(inside)
    if compared is None:
        return _filter(_exists(_Parser(inside).steps()))
    left, operator, right = compared.groups()
    if operator not in _COMPARISONS:
        raise ParseError(f"unrecognized filter operator {operator}")
    return _filter(_comparison(_Parser(left).steps(), operator, _Parser(right).steps()))
