# SPDX-License-Identifier: Apache-2.0
"""What was assumed of an object counts until the informer has seen something later."""

from __future__ import annotations

from typing import Any

from pyk8s.client.assumecache import AssumeCache
from pyk8s.client.store import Indexer

_KEY = ("", "v")


def _object(version: int, uid: str = "u") -> dict[str, Any]:
    return {"metadata": {"name": "v", "uid": uid, "resourceVersion": str(version)}}


def test_an_assumed_object_counts_until_a_later_one_is_seen() -> None:
    """Versions are compared as numbers: 10 comes after 9."""
    indexer = Indexer()
    indexer.put(_KEY, _object(8))
    cache = AssumeCache(indexer)
    written = _object(9)
    cache.assume(written)
    assert cache.get(_KEY) is written
    assert cache.list() == [written]
    indexer.put(_KEY, later := _object(10))
    assert cache.get(_KEY) is later


def test_what_is_gone_is_not_assumed_to_be_there() -> None:
    """Nor does another object of the name inherit what was assumed of the one before."""
    indexer = Indexer()
    indexer.put(_KEY, _object(8))
    cache = AssumeCache(indexer)
    cache.assume(_object(9))
    indexer.remove(_KEY)
    assert cache.get(_KEY) is None
    cache.assume(_object(9))
    indexer.put(_KEY, other := _object(4, "another"))
    assert cache.get(_KEY) is other


def test_restoring_takes_back_only_what_was_meant() -> None:
    """A newer assumption stays when an older one is given up."""
    indexer = Indexer()
    indexer.put(_KEY, seen := _object(8))
    cache = AssumeCache(indexer)
    first, second = _object(8), _object(8)
    cache.assume(first)
    cache.assume(second)
    cache.restore(first)
    assert cache.get(_KEY) is second
    cache.restore(second)
    assert cache.get(_KEY) is seen
