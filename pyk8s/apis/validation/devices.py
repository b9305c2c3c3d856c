# SPDX-License-Identifier: Apache-2.0
"""Rules that the kinds of dynamic resource allocation share: names, taints, selectors, sets.

Whether a CEL expression compiles is not looked at here. Mirrors upstream's
`pkg/apis/resource/validation/validation.go`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

from pyk8s.apimachinery import field, names
from pyk8s.apis.validation import checks

_POOL_BYTES_MAX = 253
_DRIVER_BYTES_MAX = 63
_IDENTIFIER_BYTES_MAX = 32
_SELECTORS_MAX = 32
_EXPRESSION_BYTES_MAX = 10 * 1024
_PARAMETERS_BYTES_MAX = 10 * 1024
_TAINT_EFFECTS = frozenset({"NoSchedule", "NoExecute", "None"})
_OPERATORS = ("Equal", "Exists")

Spec = dict[str, Any]
ItemRule = Callable[[Any, field.Path], list[field.Error]]
_is_uuid = re.compile("[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}").fullmatch


def each(
    items: Sequence[Any], items_max: int | None, rule: ItemRule, path: field.Path
) -> list[field.Error]:
    """Rules of every item, unless there are so many that looking at them would cost too much."""
    if items_max is not None and len(items) > items_max:
        return [field.too_many(path, len(items), items_max)]
    found = []
    for index, item in enumerate(items):
        found += rule(item, path.index(index))
    return found


def pool_name(name: str, path: field.Path) -> list[field.Error]:
    if not name:
        return [field.required(path)]
    found = []
    if names.bytes_length(name) > _POOL_BYTES_MAX:
        found.append(field.too_long(path, _POOL_BYTES_MAX))
    for part in name.split("/"):
        found += checks.dns1123_subdomain(part, path)
    return found


def driver_name(name: str, path: field.Path) -> list[field.Error]:
    found = [] if name else [field.required(path)]
    if names.bytes_length(name) > _DRIVER_BYTES_MAX:
        found.append(field.too_long(path, _DRIVER_BYTES_MAX))
    return found + checks.dns1123_subdomain(name, path)


def uid(value: str, path: field.Path) -> list[field.Error]:
    if _is_uuid(value):
        return []
    detail = (
        "uid must be in RFC 4122 normalized form, `xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx` with "
        "lowercase hexadecimal characters"
    )
    return [field.invalid(path, value, detail)]


def qualified_name(name: str, path: field.Path) -> list[field.Error]:
    """`[domain/]identifier`, as attributes and capacities of devices are named."""
    domain, slash, identifier = name.partition("/")
    if not slash:
        return _identifier(name, path)
    if "/" in identifier:
        # Upstream looks only at names of one or two parts.
        return []
    found = []
    if not domain:
        found.append(field.invalid(path, "", "the domain must not be empty"))
    else:
        found += driver_name(domain, path)
    if not identifier:
        return [*found, field.invalid(path, "", "the name must not be empty")]
    return found + _identifier(identifier, path)


def fully_qualified_name(name: str, path: field.Path) -> list[field.Error]:
    found = qualified_name(name, path)
    if "/" not in name:
        detail = "a fully qualified name must be a domain and a name separated by a slash"
        found.append(field.invalid(path, name, detail))
    return found


def _identifier(name: str, path: field.Path) -> list[field.Error]:
    found = []
    if names.bytes_length(name) > _IDENTIFIER_BYTES_MAX:
        found.append(field.too_long(path, _IDENTIFIER_BYTES_MAX))
    return found + checks.follows(names.is_c_identifier, name, path)


def selectors(given: Sequence[Spec], path: field.Path) -> list[field.Error]:
    return each(given, _SELECTORS_MAX, _selector, path)


def _selector(selector: Spec, path: field.Path) -> list[field.Error]:
    cel = selector.get("cel")
    where = path.child("cel")
    if cel is None:
        return [field.required(where)]
    expression = cel.get("expression", "")
    where = where.child("expression")
    if not expression:
        return [field.required(where)]
    if names.bytes_length(expression) > _EXPRESSION_BYTES_MAX:
        return [field.too_long(where, _EXPRESSION_BYTES_MAX)]
    return []


def configuration(config: Spec, path: field.Path) -> list[field.Error]:
    """What is handed to a driver unread."""
    opaque = config.get("opaque")
    where = path.child("opaque")
    if opaque is None:
        return [field.required(where)]
    found = driver_name(opaque.get("driver", ""), where.child("driver"))
    parameters = opaque.get("parameters")
    where = where.child("parameters")
    if parameters is None:
        return [*found, field.required(where)]
    return found + raw_object(parameters, where, _PARAMETERS_BYTES_MAX)


def raw_object(value: Any, path: field.Path, bytes_max: int) -> list[field.Error]:
    if not isinstance(value, dict):
        return [field.invalid(path, "<value omitted>", "must be a valid JSON object")]
    # The text as it came is gone; what Python prints is as long, or a little longer.
    if len(repr(value)) > bytes_max and len(repr(value).replace(" ", "")) > bytes_max:
        return [field.too_long(path, bytes_max)]
    return []


def taint(given: Spec, path: field.Path, stored: Spec | None = None) -> list[field.Error]:
    found = checks.qualified_name(given.get("key", ""), path.child("key"))
    value = given.get("value", "")
    if value:
        found += checks.follows(names.is_valid_label_value, value, path.child("value"))
    effect = given.get("effect", "")
    if stored is None or stored.get("effect") != effect:
        found += checks.required_one_of(effect, path.child("effect"), _TAINT_EFFECTS)
    return found


def toleration(given: Spec, path: field.Path) -> list[field.Error]:
    found = []
    key, value = given.get("key", ""), given.get("value", "")
    if key:
        found += checks.qualified_name(key, path.child("key"))
    operator = given.get("operator", "")
    if operator == "Exists":
        if value:
            detail = "must be empty for operator `Exists`"
            found.append(field.invalid(path.child("value"), value, detail))
    elif operator == "Equal":
        found += checks.follows(names.is_valid_label_value, value, path.child("value"))
    else:
        found += checks.required_one_of(operator, path.child("operator"), _OPERATORS)
    effect = given.get("effect", "")
    if effect:
        found += checks.one_of(effect, path.child("effect"), _TAINT_EFFECTS)
    return found
