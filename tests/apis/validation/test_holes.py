# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import pytest
import roads

from pyk8s.apimachinery import errors

EMPTY = ({}, [], "", 0, False)


def _places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    items: Any = ()
    if isinstance(value, dict):
        items = value.items()
    elif isinstance(value, list):
        items = enumerate(value)
    for key, inner in items:
        yield (*path, key)
        yield from _places(inner, (*path, key))


def _holed(obj: dict[str, Any], path: tuple[Any, ...], filling: Any) -> dict[str, Any]:
    found = copy.deepcopy(obj)
    target: Any = found
    for key in path[:-1]:
        target = target[key]
    if filling is roads.GONE:
        del target[path[-1]]
    else:
        target[path[-1]] = filling
    return found


@pytest.mark.parametrize("kind", roads.kinds())
def test_manifest_with_a_hole_is_judged(kind: str) -> None:
    """Whatever part is missing or empty, the rules find faults or none, and never stumble."""
    existing = roads.stored(kind)
    whole = roads.manifest(kind)
    judged = 0
    refused: set[int] = set()
    for path in _places(whole):
        if path[0] in ("apiVersion", "kind") or path == ("metadata",):
            continue
        for filling in (roads.GONE, *EMPTY):
            try:
                found, _ = roads.created(_holed(whole, path, filling))
            except errors.StatusError as error:
                refused.add(error.code)
                continue
            roads.strategy(found).validate_update(roads.context(), found, existing)
            judged += 1
    assert judged >= 4
    assert refused <= {400}
