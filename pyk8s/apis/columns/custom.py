# SPDX-License-Identifier: Apache-2.0
"""Custom resources: the columns a CustomResourceDefinition declares.

Mirrors apiextensions-apiserver's `customresource/tableconvertor`: Name comes first, then each
additionalPrinterColumn; a path that selects nothing, or a value that is not of the column's type,
leaves the cell null, which kubectl prints as nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any

from pyk8s.apimachinery import codec, jsonpath, times
from pyk8s.apimachinery.gvk import Object
from pyk8s.apis.columns import ages
from pyk8s.apis.columns.definition import CREATED_AT, NAME, Column, Columns

# (value, now) -> the cell, for one column type
_Cell = Callable[[Any, float], Any]

# Go's JSON is safe inside HTML.
_ESCAPED_BY_GO = str.maketrans({c: f"\\u{ord(c):04x}" for c in "<>&\u2028\u2029"})

# Between these a float is printed without an exponent.
_EXPONENT_MIN, _EXPONENT_MAX = -4, 6


def columns_from_definitions(definitions: Sequence[Object]) -> Columns:
    """The Columns for `additionalPrinterColumns` of one version; for none, Name and Age.

    Raises `jsonpath.ParseError` for a path that does not parse.
    """
    if not definitions:
        definitions = [_AGE]
    readers: list[tuple[jsonpath.Path, _Cell]] = [
        (jsonpath.compile_path(definition["jsonPath"]), _CELLS.get(definition["type"], _no_cell))
        for definition in definitions
    ]

    def cells(obj: Object, now: float) -> list[Any]:
        row = [obj["metadata"].get("name", "")]
        for select, cell in readers:
            try:
                selected = select(obj)
            except jsonpath.EvaluationError:
                selected = []
            row.append(cell(selected[0], now) if selected else None)
        return row

    return Columns(columns=(NAME, *map(_column, definitions)), cells=cells)


_AGE: Object = {"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"}


def _column(definition: Object) -> Column:
    path = definition["jsonPath"]
    doc = CREATED_AT.doc if definition is _AGE else ""
    fallback = f"Custom resource definition column (in JSONPath format): {path}"
    return Column(
        definition["name"],
        definition["type"],
        definition.get("format") or "",
        definition.get("description") or fallback,
        doc,
        definition.get("priority") or 0,
    )


def _integer(value: Any, now: float) -> int | None:
    return int(value) if type(value) in (int, float) else None


def _number(value: Any, now: float) -> int | float | None:
    return value if type(value) in (int, float) else None


def _boolean(value: Any, now: float) -> bool | None:
    return value if isinstance(value, bool) else None


def _date(value: Any, now: float) -> str | None:
    if not isinstance(value, str):
        return None
    if not value:
        return ages.since(None, now)
    try:
        return ages.since(times.canonical(value), now)
    except ValueError:
        return "<invalid>"


def _string(value: Any, now: float) -> str:
    """As Go prints a value: trees as JSON with sorted keys, null as a template does."""
    if isinstance(value, str):
        return value
    if value is None:
        return "<no value>"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return _float_text(value)
    if isinstance(value, dict | list):
        text = codec.encode_json(_sorted(value)).decode()
        return text.translate(_ESCAPED_BY_GO)
    return str(value)


def _no_cell(value: Any, now: float) -> None:
    return None


_CELLS: dict[str, _Cell] = {
    "integer": _integer,
    "number": _number,
    "boolean": _boolean,
    "date": _date,
    "string": _string,
}


def _sorted(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _sorted(value[key]) for key in sorted(value)}
    return [_sorted(item) for item in value] if isinstance(value, list) else value


def _float_text(value: float) -> str:
    """Go's %v: the shortest digits that read back, with an exponent for small and large ones."""
    exact = Decimal(repr(value)).normalize()
    exponent = exact.adjusted()
    if _EXPONENT_MIN <= exponent < _EXPONENT_MAX:
        return f"{exact:f}"
    return f"{exact.scaleb(-exponent):f}e{exponent:+03d}"
