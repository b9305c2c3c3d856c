# SPDX-License-Identifier: Apache-2.0
"""Checks of one address, subnet or port.

Each returns the faults of one value at one path; callers in hot places test the value first and
build the path only when it is wrong.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Sequence
from typing import Any

from pyk8s.apimachinery import field, names
from pyk8s.apis.validation import checks

IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address


def port_number(value: int, path: field.Path) -> list[field.Error]:
    return checks.all_invalid(path, value, names.is_valid_port_num(value))


def port_number_or_name(value: int | str, path: field.Path) -> list[field.Error]:
    if isinstance(value, int):
        return port_number(value, path)
    return checks.follows(names.is_valid_port_name, value, path)


def ip(value: str, path: field.Path, stored: Iterable[str] = ()) -> list[field.Error]:
    """An address in a field that predates strict checks; what was stored before may stay."""
    faults = names.is_valid_ip_for_legacy_field(value, stored)
    return checks.all_invalid(path, value, faults)


def cidr(value: str, path: field.Path, stored: Iterable[str] = ()) -> list[field.Error]:
    faults = names.is_valid_cidr_for_legacy_field(value, stored)
    return checks.all_invalid(path, value, faults)


def parse_ip(value: str) -> IPAddress | None:
    try:
        return ipaddress.ip_address(value)
    except ValueError:
        return None


def is_dual_stack(addresses: Iterable[str]) -> bool:
    """Whether there is at least one address, or subnet, of each family."""
    versions = {6 if ":" in address else 4 for address in addresses}
    return len(versions) == 2


def one_per_family(
    addresses: Sequence[str], shown: Sequence[Any], noun: str, path: field.Path
) -> list[field.Error]:
    """Of several addresses or subnets, one of each family and none twice. `shown` are the values
    that a fault shows for them."""
    if len(addresses) < 2:
        return []
    errors = []
    if not is_dual_stack(addresses) or len(addresses) > 2:
        detail = f"may specify no more than one {noun} for each IP family"
        errors.append(field.invalid(path, shown, detail))
    for index, address in enumerate(addresses):
        if address in addresses[:index]:
            errors.append(field.duplicate(path.index(index), shown[index]))
    return errors


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
