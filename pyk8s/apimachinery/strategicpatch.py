# SPDX-License-Identifier: Apache-2.0
"""Strategic merge patch: a merge patch that knows which lists are sets and which are maps.

Beside values a patch holds directives: `$patch` (in an object: replace or delete it; in a list of
objects: delete one element or replace the list), `$retainKeys` (drop the fields not named),
`$deleteFromPrimitiveList/x` and `$setElementOrder/x`. Behaviour and messages are those of
apimachinery's `strategicpatch`; the order of a merged list is that of `$setElementOrder`, then of
the patch, then of the live list.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pyk8s.apimachinery import goformat, jsonpatch, patcherrors
from pyk8s.apimachinery.patcherrors import MalformedPatchError, UnclassifiedPatchError
from pyk8s.apimachinery.patchschema import MERGE, REPLACE, FieldSchema, PatchSchema

DIRECTIVE = "$patch"
RETAIN_KEYS = "$retainKeys"
DELETE_FROM_PRIMITIVE_LIST = "$deleteFromPrimitiveList"
SET_ELEMENT_ORDER = "$setElementOrder"

Fields = dict[str, Any]

_ABSENT = object()
_BAD_RETAIN_KEYS = "invalid patch format of retainKeys"
_BAD_ORDER = "invalid patch format of setElementOrder list"
_BAD_PRIMITIVE_LIST = "invalid patch format of primitive list"


def apply(original: Fields, patch: Any, schema: PatchSchema) -> Fields:
    """The object with the patch merged in, or PatchError.

    Arguments stay as they were; the result shares with both what is the same. No directive and no
    null of the patch remains in it.
    """
    return _merge_map(original, patcherrors.require_object(patch), schema)


def _merge_map(original: Fields, patch: Fields, schema: PatchSchema) -> Fields:
    if DIRECTIVE in patch:
        return _replaced_map(patch)
    merged = original.copy()
    handled: set[str] = set()
    if RETAIN_KEYS in patch:
        _retain_keys(merged, patch)
        handled.add(RETAIN_KEYS)
    for key in patch:
        if key.startswith(SET_ELEMENT_ORDER):
            handled.add(key)
            handled.add(_merge_ordered_list(merged, patch, key, schema))
    for key, value in patch.items():
        if key not in handled:
            _merge_field(merged, key, value, schema)
    return merged


def _replaced_map(patch: Fields) -> Fields:
    directive = patch[DIRECTIVE]
    if directive == "replace":
        rest = {key: value for key, value in patch.items() if key != DIRECTIVE}
        return _fresh_map(rest)
    if directive == "delete":
        return {}
    raise _unknown_directive(directive, patch)


def _unknown_directive(directive: Any, patch: Fields) -> UnclassifiedPatchError:
    return UnclassifiedPatchError(
        f"unknown patch type: {goformat.value(directive)} in map: {goformat.value(patch)}"
    )


def _merge_field(merged: Fields, key: str, value: Any, schema: PatchSchema) -> None:
    """Merge one field of the patch into `merged`, which is changed."""
    deletes = key.startswith(DELETE_FROM_PRIMITIVE_LIST)
    if deletes:
        key = _directed_key(key, DELETE_FROM_PRIMITIVE_LIST, _BAD_PRIMITIVE_LIST)
    if value is None:
        merged.pop(key, None)
        return
    before = merged.get(key)
    if before is None or type(before) is not type(value):
        if not deletes:
            _set_fresh(merged, key, value)
    elif isinstance(value, dict):
        field = schema.field(key)
        if field.strategy == REPLACE:
            merged[key] = _fresh_map(value)
        else:
            merged[key] = _merge_map(before, value, field.schema)
    elif isinstance(value, list):
        merged[key] = _merge_list(before, value, schema.field(key), deletes)
    else:
        merged[key] = value


def _directed_key(key: str, prefix: str, fault: str) -> str:
    """The field a directive such as `$setElementOrder/x` speaks of."""
    head, slash, name = key.partition("/")
    if head != prefix or not slash:
        raise MalformedPatchError(fault)
    return name


def _set_fresh(merged: Fields, key: str, value: Any) -> None:
    fresh = _fresh(value)
    if fresh is _ABSENT:
        merged.pop(key, None)
    else:
        merged[key] = fresh


def _fresh(value: Any) -> Any:
    """A value there was nothing to merge with: no nulls, no directives; _ABSENT if it was one."""
    if isinstance(value, dict):
        return _ABSENT if DIRECTIVE in value else _fresh_map(value)
    if isinstance(value, list):
        items = [_fresh(item) for item in value]
        return [item for item in items if item is not _ABSENT]
    return value


def _fresh_map(value: Fields) -> Fields:
    fresh: Fields = {}
    for key, inner in value.items():
        if inner is not None and not _is_parallel_directive(key):
            _set_fresh(fresh, key, inner)
    return fresh


def _is_parallel_directive(key: str) -> bool:
    return key.startswith("$") and (
        key == RETAIN_KEYS or key.startswith((SET_ELEMENT_ORDER, DELETE_FROM_PRIMITIVE_LIST))
    )


def _retain_keys(merged: Fields, patch: Fields) -> None:
    """Drop from `merged` what the patch does not name; every value it sets must be named."""
    named = patch[RETAIN_KEYS]
    if not isinstance(named, list):
        raise MalformedPatchError(_BAD_RETAIN_KEYS)
    for key, value in patch.items():
        if value is not None and key not in named and not _is_parallel_directive(key):
            raise MalformedPatchError(_BAD_RETAIN_KEYS)
    for key in [key for key in merged if key not in named]:
        del merged[key]


def _merge_ordered_list(merged: Fields, patch: Fields, directive: str, schema: PatchSchema) -> str:
    """Merge the list that a `$setElementOrder/x` orders; answers x, which is then done."""
    order = _require_list(patch[directive])
    key = _directed_key(directive, SET_ELEMENT_ORDER, _BAD_ORDER)
    field = schema.field(key)
    before = _require_list(merged[key]) if key in merged else None
    change = _require_list(patch[key]) if key in patch else None
    if change:
        _check_order(change, order, field.merge_key)
    if change is None and before is None:
        return key
    if before is None:
        items = _fresh(change)
    elif change is None:
        items = before
    else:
        items = _merge_list(before, change, field, False)
    merged[key] = _ordered(items, order, before or [], field.merge_key)
    return key


def _require_list(value: Any) -> list[Any]:
    if isinstance(value, list):
        return value
    raise UnclassifiedPatchError(
        f"expected a []interface {{}}, but received a {goformat.type_name(value)}"
    )


def _check_order(change: list[Any], order: list[Any], merge_key: str) -> None:
    """The elements a patch sets must stand in the order list, in the same order."""
    if not order:
        return
    kept = [item for item in change if not (merge_key and DIRECTIVE in _require_map(item))]
    wanted = iter([_identity(item, merge_key) for item in order])
    # `in` consumes the iterator up to the match, so each search goes on where the last ended.
    if not all(_identity(item, merge_key) in wanted for item in kept):
        raise UnclassifiedPatchError(
            f"The order in patch list:\n{goformat.value(change)}\n doesn't match "
            f"{SET_ELEMENT_ORDER} list:\n{goformat.value(order)}\n"
        )


def _merge_list(before: list[Any], change: list[Any], field: FieldSchema, deletes: bool) -> Any:
    if field.strategy != MERGE:
        return change if deletes else _fresh(change)
    if not before and not change:
        return before
    if _element_type(before, change) is not dict:
        if deletes:
            return [item for item in before if item not in change]
        return _ordered(list(dict.fromkeys(before + change)), change, before, "")
    if not field.merge_key:
        raise UnclassifiedPatchError("cannot merge lists without merge key")
    live, elements = _apply_list_directives(before, change, field.merge_key)
    merged = _merge_elements(live, elements, field)
    return _ordered(merged, elements, live, field.merge_key)


def _element_type(*lists: list[Any]) -> type:
    """The type all elements share; lists of lists and mixed lists are refused."""
    found = {type(item) for items in lists for item in items}
    if list in found:
        raise patcherrors.UnprocessablePatchError("lists of lists are not supported")
    if len(found) > 1:
        raise UnclassifiedPatchError(
            f"list element types are not identical: {goformat.value(list(lists))}"
        )
    return found.pop()


def _apply_list_directives(
    before: list[Any], change: list[Any], merge_key: str
) -> tuple[list[Any], list[Any]]:
    """The live list without what is deleted or replaced, and the patch without directives."""
    if not any(DIRECTIVE in element for element in change):
        return before, change
    elements = []
    replaces = False
    for element in change:
        directive = element.get(DIRECTIVE, _ABSENT)
        if directive is _ABSENT:
            elements.append(element)
        elif directive == "delete":
            identity = _identity(element, merge_key)
            before = [item for item in before if _require_map(item).get(merge_key) != identity]
        elif directive == "replace":
            replaces = True
        elif directive == "merge":
            raise UnclassifiedPatchError("merging lists cannot yet be specified in the patch")
        else:
            raise _unknown_directive(directive, element)
    return (_fresh(elements), []) if replaces else (before, elements)


def _merge_elements(live: list[Any], elements: list[Any], field: FieldSchema) -> list[Any]:
    merge_key = field.merge_key
    merged = live.copy()
    # Of several live elements with one key, the first is the one that merges.
    positions: dict[Any, int] = {}
    for position, item in enumerate(merged):
        positions.setdefault(_identity(item, merge_key), position)
    for element in elements:
        identity = _identity(element, merge_key)
        if identity in positions:
            place = positions[identity]
            merged[place] = _merge_map(_require_map(merged[place]), element, field.schema)
        else:
            positions[identity] = len(merged)
            merged.append(_fresh(element))
    return merged


def _require_map(item: Any) -> Fields:
    if isinstance(item, dict):
        return item
    raise UnclassifiedPatchError(
        f"expected a map[string]interface {{}}, but received a {goformat.type_name(item)}"
    )


def _identity(item: Any, merge_key: str) -> Any:
    """What an element is known by: its merge key's value, or itself when it is a primitive."""
    if merge_key:
        value = _require_map(item).get(merge_key, _ABSENT)
        if value is _ABSENT:
            raise UnclassifiedPatchError(
                f"map: {goformat.value(item)} does not contain declared merge key: {merge_key}"
            )
        item = value
    if isinstance(item, dict | list):
        raise UnclassifiedPatchError(
            f"expected a scalar to tell list elements apart, but received a "
            f"{goformat.type_name(item)}"
        )
    return item


def _ordered(
    items: list[Any], order: Sequence[Any], live: Sequence[Any], merge_key: str
) -> list[Any]:
    """`items` with those named by `order` in that order and the others where they were.

    The two kinds keep their own order; another element goes before a named one only when the live
    list has both and has them so.
    """
    rank = _ranks(order, merge_key)
    live_rank = _ranks(live, merge_key)
    named: list[tuple[int, Any]] = []
    others: list[tuple[int, Any]] = []
    for item in items:
        identity = _identity(item, merge_key)
        if identity in rank:
            named.append((rank[identity], (live_rank.get(identity, -1), item)))
        else:
            others.append((live_rank.get(identity, len(live)), item))
    named.sort(key=lambda entry: entry[0])
    others.sort(key=lambda entry: entry[0])
    return _interleave(others, [entry for _, entry in named])


def _ranks(items: Sequence[Any], merge_key: str) -> dict[Any, int]:
    ranks: dict[Any, int] = {}
    for position, item in enumerate(items):
        ranks.setdefault(_identity(item, merge_key), position)
    return ranks


def _interleave(others: list[tuple[int, Any]], named: list[tuple[int, Any]]) -> list[Any]:
    result = []
    i = j = 0
    while i < len(others) and j < len(named):
        if others[i][0] < named[j][0]:
            result.append(others[i][1])
            i += 1
        else:
            result.append(named[j][1])
            j += 1
    result.extend(item for _, item in named[j:])
    result.extend(item for _, item in others[i:])
    return result


def create_two_way(original: Fields, modified: Fields, schema: PatchSchema) -> Fields:
    """A patch that turns `original` into `modified`, as `kubectl` and client-go make it."""
    return _diff_maps(original, modified, schema, False)


def _diff_maps(
    original: Fields, modified: Fields, schema: PatchSchema, retain_keys: bool
) -> Fields:
    patch: Fields = {}
    for key, value in modified.items():
        before = original.get(key, _ABSENT)
        if before is _ABSENT or type(before) is not type(value):
            patch[key] = value
        elif isinstance(value, dict):
            _diff_map_field(patch, key, (before, value), schema.field(key))
        elif isinstance(value, list):
            _diff_list_field(patch, key, (before, value), schema.field(key))
        elif before != value:
            patch[key] = value
    patch.update({key: None for key in original if key not in modified})
    named = sorted(key for key, value in modified.items() if value is not None)
    if retain_keys and named and patch:
        patch[RETAIN_KEYS] = named
    return patch


def _diff_map_field(
    patch: Fields, key: str, change: tuple[Fields, Fields], field: FieldSchema
) -> None:
    before, value = change
    if field.strategy == REPLACE:
        if not jsonpatch.equal(before, value):
            patch[key] = value
        return
    inner = _diff_maps(before, value, field.schema, field.retain_keys)
    if inner:
        patch[key] = inner


def _diff_list_field(
    patch: Fields, key: str, change: tuple[list[Any], list[Any]], field: FieldSchema
) -> None:
    before, value = change
    if jsonpatch.equal(before, value):
        return
    if field.strategy != MERGE or not before:
        patch[key] = value
        return
    if _element_type(before, value) is dict:
        set_items = _diff_elements(before, value, field)
    else:
        set_items = [item for item in value if item not in before]
        gone = [item for item in before if item not in value]
        if gone:
            patch[f"{DELETE_FROM_PRIMITIVE_LIST}/{key}"] = sorted(gone, key=goformat.value)
    if set_items:
        patch[key] = set_items
    if value:
        patch[f"{SET_ELEMENT_ORDER}/{key}"] = (
            [{field.merge_key: item[field.merge_key]} for item in value]
            if field.merge_key
            else value
        )


def _diff_elements(before: list[Any], value: list[Any], field: FieldSchema) -> list[Any]:
    """Changed and added elements in their new order, then a deletion for each that is gone."""
    merge_key = field.merge_key
    live = {_identity(item, merge_key): item for item in before}
    result = []
    for item in value:
        identity = _identity(item, merge_key)
        if identity not in live:
            result.append(item)
            continue
        inner = _diff_maps(live.pop(identity), item, field.schema, field.retain_keys)
        if inner:
            result.append({**inner, merge_key: identity})
    gone = sorted(live, key=goformat.value)
    return result + [{DIRECTIVE: "delete", merge_key: identity} for identity in gone]
