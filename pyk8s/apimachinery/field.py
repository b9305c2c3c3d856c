# SPDX-License-Identifier: Apache-2.0
"""Field paths and the errors that validation collects, worded as upstream words them.

Validation functions return `list[Error]` and never stop at the first fault; `errors.invalid`
turns the list into a 422 Status with one cause per error. Mirrors apimachinery's
`util/validation/field`: paths print as `spec.containers[0].name` and `metadata.labels[key]`, an
error as `<path>: <type>[: <value>]: <detail>`.
"""

from __future__ import annotations

from collections.abc import Iterable, Set
from dataclasses import dataclass
from typing import Any

from pyk8s.apimachinery import gojson

# Causes carry these reasons (metav1.CauseType); the prose of each stands in _WORDS.
NOT_FOUND = "FieldValueNotFound"
REQUIRED = "FieldValueRequired"
DUPLICATE = "FieldValueDuplicate"
INVALID = "FieldValueInvalid"
NOT_SUPPORTED = "FieldValueNotSupported"
FORBIDDEN = "FieldValueForbidden"
TOO_LONG = "FieldValueTooLong"
TOO_MANY = "FieldValueTooMany"
INTERNAL = "InternalError"
TYPE_INVALID = "FieldValueTypeInvalid"

_WORDS = {
    NOT_FOUND: "Not found",
    REQUIRED: "Required value",
    DUPLICATE: "Duplicate value",
    INVALID: "Invalid value",
    NOT_SUPPORTED: "Unsupported value",
    FORBIDDEN: "Forbidden",
    TOO_LONG: "Too long",
    TOO_MANY: "Too many",
    INTERNAL: "Internal error",
    TYPE_INVALID: "Invalid value",
}

_WITHOUT_VALUE = frozenset({REQUIRED, FORBIDDEN, TOO_LONG, INTERNAL})


class Path:
    """Where in an object a value stands; immutable, cheap to extend, printed only on error."""

    __slots__ = ("_parent", "_step")

    def __init__(self, *names: str) -> None:
        parent: Path | None = None
        for name in names[:-1]:
            parent = Path._make(parent, name)
        self._parent = parent
        self._step = names[-1] if names else ""

    @staticmethod
    def _make(parent: Path | None, step: str) -> Path:
        path = Path.__new__(Path)
        path._parent = parent
        path._step = step
        return path

    def child(self, *names: str) -> Path:
        path = self
        for name in names:
            path = Path._make(path if path._step or path._parent else None, name)
        return path

    def index(self, index: int) -> Path:
        return Path._make(self, f"[{index}]")

    def key(self, key: str) -> Path:
        return Path._make(self, f"[{key}]")

    def __str__(self) -> str:
        steps: list[str] = []
        path: Path | None = self
        while path is not None:
            steps.append(path._step)
            path = path._parent
        text = ""
        for step in reversed(steps):
            text += step if step.startswith("[") or not text else "." + step
        return text or "<nil>"

    def __repr__(self) -> str:
        return f"Path({self})"


@dataclass(frozen=True, slots=True)
class Error:
    """One fault: the cause's reason, the printed path, and the sentence after the path."""

    reason: str
    field: str
    body: str

    @property
    def message(self) -> str:
        return f"{self.field}: {self.body}"

    def cause(self) -> dict[str, str]:
        """The StatusCause upstream sends: its message does not repeat the field."""
        return {"reason": self.reason, "message": self.body, "field": self.field}


def _error(reason: str, path: Path, value: Any, detail: str) -> Error:
    body = _WORDS[reason]
    if reason not in _WITHOUT_VALUE:
        body += f": {gojson.quoted(value)}"
    if detail:
        body += f": {detail}"
    return Error(reason, str(path), body)


def required(path: Path, detail: str = "") -> Error:
    return _error(REQUIRED, path, None, detail)


def invalid(path: Path, value: Any, detail: str) -> Error:
    return _error(INVALID, path, value, detail)


def type_invalid(path: Path, value: Any, detail: str) -> Error:
    return _error(TYPE_INVALID, path, value, detail)


def not_found(path: Path, value: Any) -> Error:
    return _error(NOT_FOUND, path, value, "")


def duplicate(path: Path, value: Any) -> Error:
    return _error(DUPLICATE, path, value, "")


def forbidden(path: Path, detail: str) -> Error:
    return _error(FORBIDDEN, path, None, detail)


def internal(path: Path, detail: str) -> Error:
    return _error(INTERNAL, path, None, detail)


def not_supported(path: Path, value: Any, supported: Iterable[str]) -> Error:
    """The supported values are printed quoted: a set sorted, a sequence in its order."""
    names = sorted(supported) if isinstance(supported, Set) else list(supported)
    detail = "supported values: " + ", ".join(gojson.quoted(n) for n in names) if names else ""
    return _error(NOT_SUPPORTED, path, value, detail)


def too_long(path: Path, bytes_max: int) -> Error:
    return _error(TOO_LONG, path, None, f"may not be more than {bytes_max} bytes")


def too_many(path: Path, actual: int, items_max: int) -> Error:
    noun = "item" if items_max == 1 else "items"
    return _error(TOO_MANY, path, actual, f"must have at most {items_max} {noun}")
