# SPDX-License-Identifier: Apache-2.0
"""Checks of a single value that many kinds share.

Each returns the faults of one value at one path; callers in hot places test the value first and
build the path only when it is wrong.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Collection, Iterable
from typing import Any

from pyk8s.apimachinery import field, names

NOT_NEGATIVE = "must be greater than or equal to 0"
NOT_POSITIVE = "must be greater than zero"
IMMUTABLE = "field is immutable"

# What upstream's path without a name prints, for faults of an object as a whole.
WHOLE_OBJECT = field.Path("[]")

Rule = Callable[[str], list[str]]
IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address


def named(rule: Rule, value: str, path: field.Path) -> list[field.Error]:
    """The faults a name rule finds in a value."""
    return [field.invalid(path, value, fault) for fault in rule(value)]


def required_name(rule: Rule, value: str | None, path: field.Path) -> list[field.Error]:
    return named(rule, value, path) if value else [field.required(path)]


def not_negative(value: int | None, path: field.Path) -> list[field.Error]:
    if value is not None and value < 0:
        return [field.invalid(path, value, NOT_NEGATIVE)]
    return []


def immutable(updated: Any, existing: Any, path: field.Path) -> list[field.Error]:
    if updated != existing:
        return [field.invalid(path, updated, IMMUTABLE)]
    return []


def one_of(value: str | None, supported: Collection[str], path: field.Path) -> list[field.Error]:
    """A required value out of a closed set; a list prints in its order, a set sorted."""
    if not value:
        return [field.required(path)]
    return [] if value in supported else [field.not_supported(path, value, supported)]


def optional_one_of(
    value: str | None, supported: Collection[str], path: field.Path
) -> list[field.Error]:
    if value is None or value in supported:
        return []
    return [field.not_supported(path, value, supported)]


def port_number(value: int, path: field.Path) -> list[field.Error]:
    return [field.invalid(path, value, fault) for fault in names.is_valid_port_num(value)]


def port_number_or_name(value: int | str, path: field.Path) -> list[field.Error]:
    if isinstance(value, int):
        return port_number(value, path)
    return named(names.is_valid_port_name, value, path)


def ip(value: str, path: field.Path, stored: Iterable[str] = ()) -> list[field.Error]:
    """An address in a field that predates strict checks; what was stored before may stay."""
    faults = names.is_valid_ip_for_legacy_field(value, stored)
    return [field.invalid(path, value, fault) for fault in faults]


def cidr(value: str, path: field.Path, stored: Iterable[str] = ()) -> list[field.Error]:
    faults = names.is_valid_cidr_for_legacy_field(value, stored)
    return [field.invalid(path, value, fault) for fault in faults]


def parse_ip(value: str) -> IPAddress | None:
    try:
        return ipaddress.ip_address(value)
    except ValueError:
        return None


def is_dual_stack(addresses: Iterable[str]) -> bool:
    """Whether there is at least one address, or subnet, of each family."""
    versions = {6 if ":" in address else 4 for address in addresses}
    return len(versions) == 2


_SPECIAL_MESSAGES = (
    ("is_loopback", "may not be in the loopback range (127.0.0.0/8, ::1/128)"),
    ("is_link_local", "may not be in the link-local range (169.254.0.0/16, fe80::/10)"),
)
_MULTICAST = (ipaddress.ip_network("224.0.0.0/24"), ipaddress.ip_network("ff02::/16"))


def non_special_ip(value: str, path: field.Path) -> list[field.Error]:
    """An address that can be the far end of a connection: not loopback, not link-local, …"""
    address = parse_ip(value)
    if address is None:
        return [field.invalid(path, value, "must be a valid IP address")]
    errors = []
    if address.is_unspecified:
        errors.append(field.invalid(path, value, f"may not be unspecified ({value})"))
    errors += [
        field.invalid(path, value, message)
        for attribute, message in _SPECIAL_MESSAGES
        if getattr(address, attribute)
    ]
    if any(address in network for network in _MULTICAST):
        message = "may not be in the link-local multicast range (224.0.0.0/24, ff02::/10)"
        errors.append(field.invalid(path, value, message))
    return errors


def local_descending_path(value: str, path: field.Path) -> list[field.Error]:
    errors = []
    if value.startswith("/"):
        errors.append(field.invalid(path, value, "must be a relative path"))
    return errors + no_backsteps(value, path)


def no_backsteps(value: str, path: field.Path) -> list[field.Error]:
    if ".." in value and ".." in value.split("/"):
        return [field.invalid(path, value, "must not contain '..'")]
    return []


def local_non_reserved_path(value: str, path: field.Path) -> list[field.Error]:
    """A file's place in a volume: relative, without `..`, not starting with `..`."""
    errors = local_descending_path(value, path)
    if value.startswith("..") and not value.startswith("../"):
        errors.append(field.invalid(path, value, "must not start with '..'"))
    return errors
