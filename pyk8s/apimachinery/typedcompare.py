# SPDX-License-Identifier: Apache-2.0
"""What changed between two values of a type, as sets of fields.

Parts that are equal are passed over at the speed of `==`; only what differs is walked. Mirrors
structured-merge-diff's `typed.Compare`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from pyk8s.apimachinery import fieldset, typedvalue
from pyk8s.apimachinery.fieldset import SELF, FieldSet, Filter
from pyk8s.apimachinery.typedschema import ANYTHING, Type

_ABSENT: Any = object()


class Comparison(NamedTuple):
    """No field is in more than one of the sets; all are empty when the values are equal."""

    added: FieldSet
    modified: FieldSet
    removed: FieldSet

    @property
    def changed(self) -> FieldSet:
        return fieldset.union(self.added, self.modified)

    def filtered(self, keep: Filter) -> Comparison:
        return Comparison(keep(self.added), keep(self.modified), keep(self.removed))


def compare(schema: Type, old: dict[str, Any], new: dict[str, Any]) -> Comparison:
    """Fields of the new value that the old has not, both have otherwise, and only the old has.

    What comes or goes is listed with all its parts, structs too. Raises KeyFault for a list's
    element without its keys.
    """
    found = Comparison({}, {}, {})
    _compare_maps(schema, old, new, found)
    return found


def _compare_maps(schema: Type, old: dict[str, Any], new: dict[str, Any], out: Comparison) -> None:
    exact = schema.exact
    for key, theirs in new.items():
        ours = old.get(key, _ABSENT)
        if ours is theirs or (exact and ours == theirs):
            continue
        child = schema.child(key)
        if ours is _ABSENT:
            out.added["f:" + key] = _whole(child, theirs)
        elif exact or not typedvalue.same(child, ours, theirs):
            _compare_part(child, ours, theirs, "f:" + key, out)
    if len(old) != len(new) or old.keys() != new.keys():
        for key in old.keys() - new.keys():
            out.removed["f:" + key] = _whole(schema.child(key), old[key])
    _order(out)


def _order(out: Comparison) -> None:
    for fields in out:
        if len(fields) > 1:
            kept = fieldset.ordered(fields)
            if kept is not fields:
                fields.clear()
                fields.update(kept)


def _compare_part(schema: Type, ours: Any, theirs: Any, element: str, out: Comparison) -> None:
    """Two values that are there and differ."""
    inner = Comparison({}, {}, {})
    if schema.leaf or not (ours or theirs):
        out.modified[element] = {}
        return
    if schema.is_map and _is_map(ours) and _is_map(theirs):
        _compare_maps(schema, ours or {}, theirs or {}, inner)
    elif schema.key_of is not None and _is_list(ours) and _is_list(theirs):
        _compare_lists(schema, ours or [], theirs or [], inner)
    else:
        # A deduced type, where a map became something else or the other way round.
        out.modified[element] = {}
        if ours.__class__ is dict:
            _compare_maps(schema, ours, {}, inner)
        if theirs.__class__ is dict:
            _compare_maps(schema, {}, theirs, inner)
    for fields, below in zip(out, inner, strict=True):
        if below:
            fields[element] = below


def _is_map(value: Any) -> bool:
    return value is None or value.__class__ is dict


def _is_list(value: Any) -> bool:
    return value is None or value.__class__ is list


def _compare_lists(schema: Type, old: list[Any], new: list[Any], out: Comparison) -> None:
    items, key_of = schema.items or ANYTHING, schema.key_of
    assert key_of is not None
    ours, theirs = _by_element(old, key_of), _by_element(new, key_of)
    for element in {**ours, **theirs}:
        left, right = ours.get(element, ()), theirs.get(element, ())
        if len(left) < 2 and len(right) < 2:
            _compare_elements(items, left, right, element, out)
        elif len(left) > 1 and len(right) > 1:
            # Duplicates have no fields of their own: together they are the one element.
            if not typedvalue.same(schema, left, right):
                out.modified[element] = {}
        elif len(left) > 1:
            # Of duplicates only the element is tracked; what is left of them is new.
            _compare_elements(items, (), right, element, out)
            out.removed[element] = {}
        else:
            _compare_elements(items, left, (), element, out)
            out.added[element] = {}
    _order(out)


def _by_element(value: list[Any], key_of: Callable[[Any], str]) -> dict[str, list[Any]]:
    found: dict[str, list[Any]] = {}
    for item in value:
        found.setdefault(key_of(item), []).append(item)
    return found


def _compare_elements(
    items: Type, left: Sequence[Any], right: Sequence[Any], element: str, out: Comparison
) -> None:
    if not left and right:
        out.added[element] = _whole(items, right[0])
    elif not right and left:
        out.removed[element] = _whole(items, left[0])
    elif left and not typedvalue.same(items, left[0], right[0]):
        _compare_part(items, left[0], right[0], element, out)


def _whole(schema: Type, value: Any) -> FieldSet:
    """The node of something that came or went: it and all its parts are in the set."""
    if schema.leaf or not value:
        return {}
    if value.__class__ is dict and schema.is_map:
        out: FieldSet = {"f:" + key: _whole(schema.child(key), item) for key, item in value.items()}
    elif value.__class__ is list and schema.key_of is not None:
        out = {}
        items = schema.items or ANYTHING
        for item in value:
            element = schema.key_of(item)
            out[element] = {} if element in out else _whole(items, item)
    else:
        return {}
    out[SELF] = {}
    return fieldset.ordered(out)
