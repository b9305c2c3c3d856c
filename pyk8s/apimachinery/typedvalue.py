# SPDX-License-Identifier: Apache-2.0
"""Values under a type: what fields they have, and how two of them merge.

Objects are plain dicts, sets are `fieldset` tries. Nothing here changes its arguments; results
share whatever stayed as it was, so that `is` tells an untouched value. Mirrors
structured-merge-diff's `typed` package (ToFieldSet, Merge, RemoveItems, ExtractItems).
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

from pyk8s.apimachinery import fieldset
from pyk8s.apimachinery.fieldset import SELF, FieldSet
from pyk8s.apimachinery.typedschema import ANYTHING, Type

# Stands for a value that is not there, which null is not.
_ABSENT: Any = object()


def to_field_set(schema: Type, value: dict[str, Any]) -> FieldSet:
    """Every leaf field, map key and list element of the value.

    Structs are in the set only when they are empty or null; of duplicates in an associative list
    the element alone is. Raises KeyFault for a list's element without its keys.
    """
    return _map_set(schema, value)


def _map_set(schema: Type, value: dict[str, Any]) -> FieldSet:
    out: FieldSet = {}
    fields = schema.fields
    # Fields stand in a set in the order of their names.
    for key in sorted(value):
        known = fields.get(key)
        if known is None:
            element = schema.element or ANYTHING
            node = {} if element.leaf else _node_set(element, value[key], True)
            out["f:" + key] = node
        elif known[1].leaf:
            out[known[0]] = {}
        else:
            node = _node_set(known[1], value[key], False)
            if node is not None:
                out[known[0]] = node
    return out


def _node_set(schema: Type, item: Any, member: bool) -> Any:
    """The node of a granular value; None when nothing of it is in the set."""
    kind = item.__class__
    if kind is dict and schema.is_map and item:
        children = _map_set(schema, item)
    elif kind is list and schema.key_of is not None:
        children = _list_set(schema, item, schema.key_of)
        if not children:
            return {} if member else None
    else:
        return {}
    if member:
        return {SELF: {}, **children} if children else {}
    return children or None


def _list_set(schema: Type, value: list[Any], key_of: Callable[[Any], str]) -> FieldSet:
    items = schema.items or ANYTHING
    out: FieldSet = {}
    for item in value:
        element = key_of(item)
        if element in out:
            out[element] = {}
        else:
            out[element] = {} if items.leaf else _node_set(items, item, True)
    return fieldset.ordered(out)


def same(schema: Type, a: Any, b: Any) -> bool:
    """Equality as Go has it: 1 is 1.0 but not true."""
    return bool(a is b or (a == b and (schema.exact or _same_kinds(a, b))))


def _same_kinds(a: Any, b: Any) -> bool:
    if isinstance(a, dict):
        return all(_same_kinds(item, b[key]) for key, item in a.items())
    if isinstance(a, list):
        return all(map(_same_kinds, a, b))
    return isinstance(a, bool) == isinstance(b, bool)


def merge(schema: Type, live: Any, applied: Any) -> Any:
    """The live value with everything the applied one says; nothing is removed by merging.

    Associative lists keep the live order, except for shared elements, which come in the applied
    one's. The result is `live` itself when the applied value says nothing new.
    """
    if same(schema, live, applied):
        return live
    return applied if schema.leaf else _merge_part(schema, live, applied)


def _merge_part(schema: Type, live: Any, applied: Any) -> Any:
    """Two values of a granular type that differ."""
    if schema.is_map and (applied is None or applied.__class__ is dict):
        # A live value of another kind, which a deduced type allows, gives way.
        if live and live.__class__ is dict:
            return _merge_map(schema, live, applied) if applied else live
        return applied
    if schema.key_of is not None and live:
        return _merge_list(schema, live, applied, schema.key_of) if applied else live
    return applied


def _merge_map(schema: Type, live: dict[str, Any], applied: dict[str, Any]) -> dict[str, Any]:
    out = live
    exact = schema.exact
    for key, theirs in applied.items():
        ours = live.get(key, _ABSENT)
        if ours == theirs and (exact or _same_kinds(ours, theirs)):
            continue
        merged = theirs
        if ours is not _ABSENT:
            child = schema.child(key)
            if not child.leaf:
                merged = _merge_part(child, ours, theirs)
                if merged is ours:
                    continue
        if out is live:
            out = dict(live)
        out[key] = merged
    return out


def _merge_list(
    schema: Type, live: list[Any], applied: list[Any], key_of: Callable[[Any], str]
) -> list[Any]:
    ours = [key_of(item) for item in live]
    theirs = {key_of(item): item for item in applied}
    items = schema.items or ANYTHING
    # A live duplicate is one nobody merges into: the applied element stands alone.
    single: dict[str, Any] = {}
    for element, item in zip(ours, live, strict=True):
        single[element] = None if element in single else item
    merged = {
        element: merge(items, single[element], item) if element in single else item
        for element, item in theirs.items()
    }
    if ours == list(merged):
        out = list(merged.values())
    else:
        out = _interleaved(list(zip(ours, live, strict=True)), merged)
    unchanged = len(out) == len(live) and all(map(operator.is_, out, live))
    return live if unchanged else out


def _interleaved(live: list[tuple[str, Any]], merged: dict[str, Any]) -> list[Any]:
    """Live and applied elements in one list: each side's order, the applied one's where both
    have an element, and what only the live list has as early as that allows."""
    present = {element for element, _ in live}
    order = list(merged)
    shared = [element for element in order if element in present]
    done: set[str] = set()
    out: list[Any] = []
    left, right, next_shared = 0, 0, 0
    while left < len(live) or right < len(order):
        if left < len(live):
            element, item = live[left]
            if element not in merged:
                out.append(item)
                left += 1
                continue
            if right < len(order):
                if element == order[right]:
                    left += 1
                elif next_shared < len(shared) and shared[next_shared] != element:
                    left += 1
                    continue
                elif element in done:
                    left += 1
            elif element in done:
                left += 1
                continue
        if right < len(order):
            element = order[right]
            out.append(merged[element])
            done.add(element)
            right += 1
            if next_shared < len(shared) and shared[next_shared] == element:
                next_shared += 1
    return out


def remove_items(schema: Type, value: Any, fields: FieldSet) -> Any:
    """The value without the fields and elements of the set.

    What loses all its parts, and an atomic value of which a part should go, becomes null.
    """
    if not fields:
        return value
    if value.__class__ is dict and schema.is_map:
        return None if schema.leaf else _remove_from_map(schema, value, fields)
    if value.__class__ is list and schema.is_list:
        if schema.key_of is None:
            return None
        return _remove_from_list(schema, value, fields, schema.key_of)
    return value if schema.scalar else None


def _remove_from_map(schema: Type, value: dict[str, Any], fields: FieldSet) -> Any:
    out: dict[str, Any] = {}
    for key, item in value.items():
        node = fields.get("f:" + key)
        if node is None:
            out[key] = item
        elif not fieldset.is_member(node):
            out[key] = remove_items(schema.child(key), item, node)
    return out or None


def _remove_from_list(
    schema: Type, value: list[Any], fields: FieldSet, key_of: Callable[[Any], str]
) -> Any:
    items = schema.items or ANYTHING
    out: list[Any] = []
    for item in value:
        node = fields.get(key_of(item))
        if node is None:
            out.append(item)
        elif not fieldset.is_member(node):
            out.append(remove_items(items, item, node))
    return out or None


def extract_items(schema: Type, value: Any, fields: FieldSet) -> Any:
    """Only the fields and elements of the set, with the containers that hold them.

    A container that is in the set itself keeps what of it is in the set; atomic values stay whole.
    """
    if not value or schema.leaf:
        return value
    if value.__class__ is dict and schema.is_map:
        return _extract_from_map(schema, value, fields)
    if value.__class__ is list and schema.key_of is not None:
        return _extract_from_list(schema, value, fields, schema.key_of)
    return value


def _extract_from_map(schema: Type, value: dict[str, Any], fields: FieldSet) -> Any:
    out: dict[str, Any] = {}
    for key, item in value.items():
        node = fields.get("f:" + key)
        if node is not None:
            out[key] = extract_items(schema.child(key), item, node)
    return out or None


def _extract_from_list(
    schema: Type, value: list[Any], fields: FieldSet, key_of: Callable[[Any], str]
) -> Any:
    items = schema.items or ANYTHING
    out: list[Any] = []
    for item in value:
        node = fields.get(key_of(item))
        if node is not None:
            has_parts = any(key != SELF for key in node)
            out.append(extract_items(items, item, node) if has_parts else item)
    return out or None


def with_named_fields(schema: Type, fields: FieldSet) -> FieldSet:
    """The set with every struct in it of which it has a part: EnsureNamedFieldsAreMembers."""
    out = fields
    for element, node in fields.items():
        if not node or element == SELF:
            continue
        wider = with_named_fields(_type_at(schema, element), node)
        if SELF not in node and element[0] == "f" and element[2:] in schema.fields:
            wider = {SELF: {}, **wider}
        if wider is not node:
            if out is fields:
                out = dict(fields)
            out[element] = wider
    return out


def _type_at(schema: Type, element: str) -> Type:
    known = schema.by_element.get(element)
    if known is not None:
        return known
    if element[0] == "f" and schema.is_map:
        return schema.child(element[2:])
    if element[0] == "k" and schema.items is not None:
        return schema.items
    return ANYTHING


def reconcile(schema: Type, fields: FieldSet) -> FieldSet:
    """The set as it reads under a schema that has changed since it was written.

    Whoever owned parts of what is atomic now owns it as a whole; the other way round, ownership
    stays with the whole, which upstream does not split either.
    """
    out = fields
    by_element = schema.by_element
    for element, node in fields.items():
        if not node:
            continue
        child = by_element.get(element)
        if child is None:
            child = _type_at(schema, element)
        if child.deduced or not (child.is_map or child.is_list):
            continue
        kept = {} if child.leaf else reconcile(child, node)
        if kept is not node:
            if out is fields:
                out = dict(fields)
            out[element] = kept
    return out
