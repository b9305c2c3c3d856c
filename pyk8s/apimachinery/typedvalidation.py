# SPDX-License-Identifier: Apache-2.0
"""Whether an applied configuration is of its type, in the words of structured-merge-diff.

Applied bodies are partial and undecoded; this is the check they get before they are merged:
declared fields, kinds of values, and keys of associative lists that are there and not repeated.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pyk8s.apimachinery import fieldset, goformat, gojson
from pyk8s.apimachinery.typedschema import ANYTHING, BOOLEAN, NUMERIC, STRING, KeyFault, Type


def faults(schema: Type, value: Any) -> list[str]:
    """Every violation, as `.spec.replicas: expected numeric (int or float), got string`."""
    found: list[str] = []
    # Nearly every body is right: paths are not thought of until one is not.
    if not _is_valid(schema, value):
        _check(schema, value, (), found)
    return found


def _is_valid(schema: Type, value: Any) -> bool:
    kind = value.__class__
    if kind is dict and schema.is_map:
        fields, element = schema.fields, schema.element
        for key, item in value.items():
            known = fields.get(key)
            child = element if known is None else known[1]
            if child is None:
                return False
            if item.__class__ not in child.scalar_classes and not _is_valid(child, item):
                return False
        return True
    if kind is list and schema.is_list:
        items = schema.items or ANYTHING
        for item in value:
            if item.__class__ not in items.scalar_classes and not _is_valid(items, item):
                return False
        return schema.key_of is None or _are_apart(value, schema.key_of)
    return kind in schema.scalar_classes


def _are_apart(value: list[Any], key_of: Callable[[Any], str]) -> bool:
    """Whether each element of an associative list has its keys, and no two the same."""
    try:
        return len(set(map(key_of, value))) == len(value)
    except KeyFault:
        return False


def message(found: list[str]) -> str:
    """Several faults are listed under a headline."""
    if len(found) == 1:
        return found[0]
    return "\n".join(["errors:", *("  " + fault for fault in found)])


def _check(schema: Type, value: Any, path: fieldset.Path, found: list[str]) -> None:
    kind = value.__class__
    if kind is dict and schema.is_map:
        _check_map(schema, value, path, found)
    elif kind is list and schema.is_list:
        _check_list(schema, value, path, found)
    elif kind not in schema.scalar_classes:
        found.append(_located(path, _mismatch(schema, value)))


def _check_map(schema: Type, value: dict[str, Any], path: fieldset.Path, found: list[str]) -> None:
    fields, element = schema.fields, schema.element
    for key, item in value.items():
        known = fields.get(key)
        child = element if known is None else known[1]
        if child is None:
            found.append(_located((*path, "f:" + key), "field not declared in schema"))
        elif item.__class__ not in child.scalar_classes:
            _check(child, item, (*path, "f:" + key), found)


def _check_list(schema: Type, value: list[Any], path: fieldset.Path, found: list[str]) -> None:
    items, key_of = schema.items or ANYTHING, schema.key_of
    seen: set[str] = set()
    for index, item in enumerate(value):
        element = f"i:{index}"
        if key_of is not None:
            try:
                element = key_of(item)
            except KeyFault as fault:
                found.append(_located(path, f"element {index}: {fault}"))
                return
            if element in seen:
                text = fieldset.element_text(element)
                found.append(_located(path, f"duplicate entries for key {text}"))
            seen.add(element)
        _check(items, item, (*path, element), found)


def _located(path: fieldset.Path, text: str) -> str:
    return f"{fieldset.path_text(path)}: {text}" if path else text


def _mismatch(schema: Type, value: Any) -> str:
    if schema.is_map and not schema.deduced:
        return f"expected map, got &{{{goformat.value(value)}}}"
    if schema.is_list and not schema.deduced:
        return f"expected list, got &{{{goformat.value(value)}}}"
    if schema.scalar == NUMERIC:
        return f"expected numeric (int or float), got {goformat.type_name(value)}"
    if schema.scalar == STRING:
        return f"expected string, got &value.valueUnstructured{{Value:{_go_syntax(value)}}}"
    if schema.scalar == BOOLEAN:
        return f"expected boolean, got &{{{goformat.value(value)}}}"
    return f"expected any scalar, got &{{{goformat.value(value)}}}"


def _go_syntax(value: Any) -> str:
    """Go's %#v of decoded JSON."""
    if isinstance(value, dict):
        items = (f"{gojson.quoted(key)}:{_go_syntax(value[key])}" for key in sorted(value))
        return "map[string]interface {}{" + ", ".join(items) + "}"
    if isinstance(value, list):
        return "[]interface {}{" + ", ".join(map(_go_syntax, value)) + "}"
    return "interface {}(nil)" if value is None else gojson.quoted(value)
