# SPDX-License-Identifier: Apache-2.0
"""The small checks that rules of many kinds are made of.

Each returns the faults of one value, worded as apimachinery's `api/validation` words them.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any

from pyk8s.apimachinery import field, labels, names

IMMUTABLE = "field is immutable"
NOT_NEGATIVE = "must be greater than or equal to 0"
NOT_POSITIVE = "must be greater than zero"

# What upstream's path without a name prints, for faults of an object as a whole.
WHOLE_OBJECT = field.Path("[]")

# What is wrong with a text, in words; nothing when it is right.
TextRule = Callable[[str], list[str]]


def all_invalid(path: field.Path, value: Any, faults: Iterable[str]) -> list[field.Error]:
    return [field.invalid(path, value, fault) for fault in faults]


def follows(rule: TextRule, value: str, path: field.Path) -> list[field.Error]:
    return all_invalid(path, value, rule(value))


def required_name(rule: TextRule, value: str | None, path: field.Path) -> list[field.Error]:
    """Present, and without a fault by the rule."""
    return follows(rule, value, path) if value else [field.required(path)]


def non_negative(value: int | None, path: field.Path) -> list[field.Error]:
    """An absent number is zero or unset, and right either way."""
    if value is None or value >= 0:
        return []
    return [field.invalid(path, value, NOT_NEGATIVE)]


def all_non_negative(
    values: Mapping[str, Any], keys: Iterable[str], path: field.Path
) -> list[field.Error]:
    """`non_negative` of several fields of one object."""
    found: list[field.Error] = []
    for key in keys:
        value = values.get(key)
        if value is not None and value < 0:
            found += non_negative(value, path.child(key))
    return found


def immutable(updated: Any, existing: Any, path: field.Path) -> list[field.Error]:
    """Absent and empty are the same, as in upstream's semantic equality."""
    if same(updated, existing):
        return []
    return [field.invalid(path, updated, IMMUTABLE)]


def same(one: Any, other: Any) -> bool:
    """Equal, where null, absent, and an empty list or map are one value."""
    if one == other:
        return True
    return _is_empty(one) and _is_empty(other)


def _is_empty(value: Any) -> bool:
    return value is None or (isinstance(value, list | dict) and not value)


def one_of(value: str, path: field.Path, supported: Iterable[str]) -> list[field.Error]:
    """A value out of a closed set; a list prints in its order, a set sorted."""
    supported = supported if isinstance(supported, Collection) else tuple(supported)
    return [] if value in supported else [field.not_supported(path, value, supported)]


def optional_one_of(
    value: str | None, path: field.Path, supported: Iterable[str]
) -> list[field.Error]:
    """Absent, or one of the supported values."""
    return [] if value is None else one_of(value, path, supported)


def required_one_of(
    value: str | None, path: field.Path, supported: Iterable[str]
) -> list[field.Error]:
    """Present, and one of the supported values."""
    return one_of(value, path, supported) if value else [field.required(path)]


def qualified_name(value: str, path: field.Path) -> list[field.Error]:
    return follows(names.is_qualified_name, value, path)


def dns1123_label(value: str, path: field.Path) -> list[field.Error]:
    return follows(names.is_dns1123_label, value, path)


def dns1123_subdomain(value: str, path: field.Path) -> list[field.Error]:
    return follows(names.is_dns1123_subdomain, value, path)


def joined(rule: TextRule, value: str, path: field.Path, prefix: str = "") -> list[field.Error]:
    """One fault that holds all sentences, as some kinds upstream report a name."""
    faults = rule(value)
    return [field.invalid(path, value, prefix + ",".join(faults))] if faults else []


def domain_prefixed_path(value: str, path: field.Path) -> list[field.Error]:
    """`acme.io/foo`: the form of controllers' names (upstream's IsDomainPrefixedPath)."""
    if not value:
        return [field.required(path)]
    host, slash, rest = value.partition("/")
    if not slash or not host or not rest:
        detail = 'must be a domain-prefixed path (such as "acme.io/foo")'
        return [field.invalid(path, value, detail)]
    found = all_invalid(path, host, names.is_dns1123_subdomain(host))
    return found + all_invalid(path, rest, names.is_http_path(rest))


def selector_matches(selector: Mapping[str, Any] | None, given: Mapping[str, str]) -> bool | None:
    """Whether a LabelSelector takes these labels; None when it is not valid itself."""
    try:
        return labels.from_label_selector(selector).matches(given)
    except ValueError:
        return None


def is_empty_selector(selector: Mapping[str, Any]) -> bool:
    return not selector.get("matchLabels") and not selector.get("matchExpressions")


def unique(values: Iterable[Any], path: field.Path, child: str | None = None) -> list[field.Error]:
    """Each value once; the path of a repeated one is `path[index]` or `path[index].child`."""
    seen: set[Any] = set()
    found: list[field.Error] = []
    for index, value in enumerate(values):
        if value in seen:
            place = path.index(index)
            found.append(field.duplicate(place.child(child) if child else place, value))
        seen.add(value)
    return found


def go_struct(values: Mapping[str, Any] | None, fields: Sequence[tuple[str, str]]) -> Any:
    """An object as upstream prints its internal type in a message: Go's names, absent as null.

    `fields` are pairs of Go's and JSON's names, in the order of the Go type.
    """
    if values is None:
        return None
    return {go_name: values.get(json_name) for go_name, json_name in fields}
