# SPDX-License-Identifier: Apache-2.0
"""What the headers of a front proxy say of who asks; not whether it may say so.

Mirrors apiserver's `pkg/authentication/request/headerrequest`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple
from urllib.parse import unquote

# Name and value, in the order of the request; a name may come more than once.
Headers = Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Names:
    """How headers are called, in any case. Of several the first that says something counts for
    the user and the uid, all for groups and, by how they begin, for extra fields."""

    username: tuple[str, ...] = ()
    uid: tuple[str, ...] = ()
    group: tuple[str, ...] = ()
    extra_prefix: tuple[str, ...] = ()


class Identity(NamedTuple):
    name: str
    uid: str
    groups: tuple[str, ...]
    extra: dict[str, tuple[str, ...]]


def identity(headers: Headers, names: Names) -> Identity | None:
    """None where no user is named."""
    lowered = [(name.lower(), value) for name, value in headers]
    name = _first(lowered, names.username)
    if not name:
        return None
    groups = tuple(_values(lowered, names.group))
    return Identity(name, _first(lowered, names.uid), groups, _extra(lowered, names.extra_prefix))


def _values(lowered: Headers, wanted: Iterable[str]) -> Iterator[str]:
    for name in wanted:
        yield from (value for header, value in lowered if header == name.lower())


def _first(lowered: Headers, wanted: Iterable[str]) -> str:
    return next((value for value in _values(lowered, wanted) if value), "")


def _extra(lowered: Headers, prefixes: Iterable[str]) -> dict[str, tuple[str, ...]]:
    extra: dict[str, tuple[str, ...]] = {}
    for prefix in prefixes:
        for header, value in lowered:
            if header.startswith(prefix.lower()):
                key = unquote(header[len(prefix) :])
                extra[key] = (*extra.get(key, ()), value)
    return extra
