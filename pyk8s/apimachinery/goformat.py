# SPDX-License-Identifier: Apache-2.0
"""Values inside error messages as Go's `%v` prints decoded JSON."""

from __future__ import annotations

from typing import Any

_TYPES: dict[type, str] = {
    dict: "map[string]interface {}",
    list: "[]interface {}",
    str: "string",
    bool: "bool",
    int: "int64",
    float: "float64",
}


def value(item: Any) -> str:
    """`map[a:1 b:[x y]]`, with a map's keys in order."""
    if item is None:
        return "<nil>"
    if isinstance(item, bool):
        return "true" if item else "false"
    if isinstance(item, dict):
        return "map[" + " ".join(f"{key}:{value(item[key])}" for key in sorted(item)) + "]"
    if isinstance(item, list):
        return "[" + " ".join(map(value, item)) + "]"
    return str(item)


def type_name(item: Any) -> str:
    """What `%T` prints: `map[string]interface {}`, `string`, `int64` …"""
    return _TYPES.get(type(item), "%!s(<nil>)")
