# SPDX-License-Identifier: Apache-2.0
"""Label selectors: parsed once, matched often.

A selector is the conjunction of its requirements. Parsing checks keys and values and compiles
the requirements to closures over a label mapping; the canonical text parses to an equal selector.
Grammar, semantics and messages are those of apimachinery's `labels.Parse`.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

from pyk8s.apimachinery import field, names
from pyk8s.apimachinery.gojson import quoted_string

IN = "in"
NOT_IN = "notin"
EQUALS = "="
DOUBLE_EQUALS = "=="
NOT_EQUALS = "!="
GREATER_THAN = "gt"
LESS_THAN = "lt"
EXISTS = "exists"
DOES_NOT_EXIST = "!"

_BINARY = (IN, NOT_IN, EQUALS, DOUBLE_EQUALS, NOT_EQUALS, GREATER_THAN, LESS_THAN)
_OPERATORS = frozenset((*_BINARY, EXISTS, DOES_NOT_EXIST))

Labels = Mapping[str, str]
Match = Callable[[Labels], bool]


class Selector(Protocol):
    """A compiled label selector; prints as its canonical string."""

    @property
    def is_everything(self) -> bool: ...

    @property
    def requirements(self) -> Sequence[Requirement]: ...

    def matches(self, labels: Labels) -> bool: ...


class Requirement(NamedTuple):
    """One condition on one key. `values` are sorted and hold no duplicates."""

    key: str
    operator: str
    values: tuple[str, ...] = ()

    def __str__(self) -> str:
        values = ",".join(self.values)
        match self.operator:
            case "exists":
                return self.key
            case "!":
                return f"!{self.key}"
            case "in" | "notin":
                return f"{self.key} {self.operator} ({values})"
            case "gt":
                return f"{self.key}>{values}"
            case "lt":
                return f"{self.key}<{values}"
        return f"{self.key}{self.operator}{values}"


class _Everything:
    is_everything = True
    requirements: Sequence[Requirement] = ()

    def matches(self, labels: Labels) -> bool:
        return True

    def __str__(self) -> str:
        return ""


class _Nothing:
    is_everything = False
    requirements: Sequence[Requirement] = ()

    def matches(self, labels: Labels) -> bool:
        return False

    def __str__(self) -> str:
        return ""


class _Compiled:
    is_everything = False
    __slots__ = ("matches", "requirements")

    def __init__(self, requirements: Sequence[Requirement]) -> None:
        self.requirements = tuple(sorted(requirements, key=lambda r: r.key))
        self.matches: Match = _compile(self.requirements)

    def __str__(self) -> str:
        return ",".join(map(str, self.requirements))

    def __repr__(self) -> str:
        return f"Selector({self})"


EVERYTHING: Selector = _Everything()
NOTHING: Selector = _Nothing()


def requirement(key: str, operator: str, values: Sequence[str] = ()) -> Requirement:
    """A checked requirement; raises ValueError with every fault, as upstream's NewRequirement."""
    faults = [*_key_faults(key, field.Path("key")), *_operator_faults(operator, values)]
    for index, value in enumerate(values):
        wrong = names.is_valid_label_value(value)
        if wrong:
            path = field.Path("values").index(index).key(key)
            faults.append(field.invalid(path, value, "; ".join(wrong)))
    if faults:
        messages = list(dict.fromkeys(fault.message for fault in faults))
        raise ValueError(messages[0] if len(messages) == 1 else "[" + ", ".join(messages) + "]")
    return Requirement(key, operator, tuple(sorted(set(values))))


def from_requirements(requirements: Sequence[Requirement]) -> Selector:
    return _Compiled(requirements) if requirements else EVERYTHING


def from_set(labels: Labels) -> Selector:
    """Every label with exactly this value; the labels are not checked (nor can they be bad)."""
    return from_requirements([Requirement(key, EQUALS, (labels[key],)) for key in labels])


@functools.lru_cache(maxsize=1024)
def parse(text: str) -> Selector:
    """Read the query form: `a=b,c!=d,e in (f,g),h notin (i),j,!k,l>1,m<2`. Raises ValueError."""
    return from_requirements(_Parser(text).parse())


_LABEL_SELECTOR_OPERATORS = {
    "In": IN,
    "NotIn": NOT_IN,
    "Exists": EXISTS,
    "DoesNotExist": DOES_NOT_EXIST,
}


def from_label_selector(selector: Mapping[str, Any] | None) -> Selector:
    """Compile a metav1.LabelSelector: None selects nothing, an empty one everything.

    Raises ValueError, as upstream's LabelSelectorAsSelector returns an error.
    """
    if selector is None:
        return NOTHING
    requirements = [
        requirement(key, EQUALS, [value])
        for key, value in (selector.get("matchLabels") or {}).items()
    ]
    for expression in selector.get("matchExpressions") or ():
        name = expression.get("operator", "")
        operator = _LABEL_SELECTOR_OPERATORS.get(name)
        if operator is None:
            raise ValueError(f"{quoted_string(name)} is not a valid label selector operator")
        values = expression.get("values") or ()
        requirements.append(requirement(expression.get("key", ""), operator, values))
    return from_requirements(requirements)


def require_exact(selector: Selector, key: str) -> str | None:
    """The one value the selector demands of `key`, or None when it leaves a choice."""
    for found in selector.requirements:
        if found.key == key:
            exact = found.operator in (EQUALS, DOUBLE_EQUALS, IN) and len(found.values) == 1
            return found.values[0] if exact else None
    return None


def _key_faults(key: str, path: field.Path) -> list[field.Error]:
    wrong = names.is_qualified_name(key)
    return [field.invalid(path, key, "; ".join(wrong))] if wrong else []


def _operator_faults(operator: str, values: Sequence[str]) -> list[field.Error]:
    path = field.Path("values")
    if operator not in _OPERATORS:
        return [field.not_supported(field.Path("operator"), operator, _OPERATORS)]
    if operator in (IN, NOT_IN):
        detail = "" if values else "for 'in', 'notin' operators, values set can't be empty"
    elif operator in (EXISTS, DOES_NOT_EXIST):
        detail = "values set must be empty for exists and does not exist" if values else ""
    elif operator in (GREATER_THAN, LESS_THAN):
        return _integer_faults(path, values)
    else:
        detail = "exact-match compatibility requires one single value" if len(values) != 1 else ""
    return [field.invalid(path, list(values), detail)] if detail else []


def _integer_faults(path: field.Path, values: Sequence[str]) -> list[field.Error]:
    faults = []
    if len(values) != 1:
        detail = "for 'Gt', 'Lt' operators, exactly one value is required"
        faults.append(field.invalid(path, list(values), detail))
    for index, value in enumerate(values):
        if _integer(value) is None:
            detail = "for 'Gt', 'Lt' operators, the value must be an integer"
            faults.append(field.invalid(path.index(index), value, detail))
    return faults


_is_integer = re.compile(r"[+-]?[0-9]{1,30}").fullmatch


def _integer(text: str) -> int | None:
    """Read as Go's ParseInt(text, 10, 64) does; None is its error."""
    if not _is_integer(text):
        return None
    number = int(text)
    return number if -(2**63) <= number < 2**63 else None


def _compile(requirements: Sequence[Requirement]) -> Match:
    if len(requirements) == 1:
        return _compile_one(requirements[0])
    if all(r.operator in (EQUALS, DOUBLE_EQUALS) for r in requirements):
        pairs = tuple((r.key, r.values[0]) for r in requirements)

        def all_equal(labels: Labels) -> bool:
            for key, value in pairs:  # noqa: SIM110 - as below
                if labels.get(key) != value:
                    return False
            return True

        return all_equal
    matches = tuple(_compile_one(r) for r in requirements)

    def conjunction(labels: Labels) -> bool:
        for match in matches:  # noqa: SIM110 - a generator would cost more than the loop
            if not match(labels):
                return False
        return True

    return conjunction


def _compile_one(requirement: Requirement) -> Match:
    """A missing label reads as None, which equals no value."""
    key, operator, values = requirement
    value = values[0] if values else ""
    match operator:
        case "=" | "==":
            return lambda labels: labels.get(key) == value
        case "!=":
            return lambda labels: labels.get(key) != value
        case "in":
            return lambda labels: labels.get(key) in values
        case "notin":
            return lambda labels: labels.get(key) not in values
        case "exists":
            return lambda labels: key in labels
        case "!":
            return lambda labels: key not in labels
    return _compile_comparison(key, operator, int(value))


def _compile_comparison(key: str, operator: str, bound: int) -> Match:
    greater = operator == GREATER_THAN

    def compare(labels: Labels) -> bool:
        number = _integer(labels.get(key, ""))
        if number is None:
            return False
        return number > bound if greater else number < bound

    return compare


# A token is a symbol or a run of anything else; upstream's whitespace is these four alone.
_tokens = re.compile(r"==|!=|[=!(),<>]|[^=!(),<> \t\r\n]+").findall
_SYMBOLS = frozenset(("=", "==", "!=", "!", "(", ")", ",", ">", "<"))
_OPERATOR_OF_TOKEN = {
    "in": IN,
    "notin": NOT_IN,
    "=": EQUALS,
    "==": DOUBLE_EQUALS,
    "!=": NOT_EQUALS,
    ">": GREATER_THAN,
    "<": LESS_THAN,
}
_END = ""


class _Parser:
    """Recursive descent over the tokens; the end of the text is the empty token."""

    def __init__(self, text: str) -> None:
        self._tokens: list[str] = [*_tokens(text), _END]
        self._position = 0

    def parse(self) -> list[Requirement]:
        requirements: list[Requirement] = []
        if self._peek() == _END:
            return requirements
        if not self._at_requirement():
            raise ValueError(f"found '{self._peek()}', expected: !, identifier, or 'end of string'")
        while True:
            try:
                requirements.append(self._requirement())
            except ValueError as error:
                raise ValueError(f"unable to parse requirement: {error}") from None
            token = self._next()
            if token == _END:
                return requirements
            if token != ",":
                raise ValueError(f"found '{token}', expected: ',' or 'end of string'")
            if not self._at_requirement():
                raise ValueError(f"found '{self._peek()}', expected: identifier after ','")

    def _peek(self) -> str:
        return self._tokens[self._position]

    def _next(self) -> str:
        token = self._tokens[self._position]
        self._position += 1
        return token

    def _at_requirement(self) -> bool:
        token = self._peek()
        return token == "!" or _is_identifier(token)

    def _requirement(self) -> Requirement:
        key = self._next()
        negated = key == "!"
        if negated:
            key = self._next()
        if not _is_identifier(key):
            raise ValueError(f"found '{key}', expected: identifier")
        for fault in _key_faults(key, field.Path()):
            raise ValueError(fault.message)
        at_end = self._peek() in (_END, ",")
        if negated:
            return requirement(key, DOES_NOT_EXIST)
        if at_end:
            return requirement(key, EXISTS)
        operator = self._operator()
        if operator in (IN, NOT_IN):
            return requirement(key, operator, sorted(self._values()))
        return requirement(key, operator, [self._exact_value()])

    def _operator(self) -> str:
        token = self._next()
        operator = _OPERATOR_OF_TOKEN.get(token)
        if operator is None:
            raise ValueError(f"found '{token}', expected: {', '.join(_BINARY)}")
        return operator

    def _exact_value(self) -> str:
        if self._peek() in (_END, ","):
            return ""
        token = self._next()
        if not _is_identifier(token):
            raise ValueError(f"found '{token}', expected: identifier")
        return token

    def _values(self) -> set[str]:
        token = self._next()
        if token != "(":
            raise ValueError(f"found '{token}' expected: '('")
        token = self._peek()
        if token == ")":
            self._next()
            return {""}
        if token != "," and not _is_identifier(token):
            raise ValueError(f"found '{token}', expected: ',', ')' or identifier")
        values = self._value_list()
        self._next()
        return values

    def _value_list(self) -> set[str]:
        """Up to the closing parenthesis; an empty place between commas is the empty value."""
        values: set[str] = set()
        while True:
            token = self._next()
            following = self._peek() if token != _END else _END
            if _is_identifier(token):
                values.add(token)
                if following == ")":
                    return values
                if following != ",":
                    raise ValueError(f"found '{following}', expected: ',' or ')'")
                continue
            if token != ",":
                raise ValueError(f"found '{token}', expected: ',', or identifier")
            if not values or following in (")", ","):
                values.add("")
            if following == ")":
                return values
            if following == ",":
                self._next()


def _is_identifier(token: str) -> bool:
    return token != _END and token not in _SYMBOLS
