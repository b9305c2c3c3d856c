# SPDX-License-Identifier: Apache-2.0
"""Indexes stay right through every change of an object."""

from __future__ import annotations

import random

import pytest

from pyk8s.apimachinery import labels, meta
from pyk8s.client.lister import Lister
from pyk8s.client.store import NAMESPACE_INDEX, Indexer, by_namespace


def thing(name: str, namespace: str = "ns", **more: str) -> dict:
    return {"metadata": {"name": name, "namespace": namespace, "labels": more}}


def by_colours(obj: dict) -> list[str]:
    return sorted(meta.labels(obj).values())


def test_index_follows_changes() -> None:
    """Against a scan, over a thousand random writes."""
    indexer, chance = Indexer({"colour": by_colours}), random.Random(1)
    for _ in range(1000):
        name = f"n{chance.randrange(20)}"
        if chance.random() < 0.3:
            indexer.remove(("ns", name))
        else:
            worn = {k: chance.choice("rgb") for k in "xy" if chance.random() < 0.6}
            indexer.put(("ns", name), thing(name, **worn))
        for colour in "rgb":
            scanned = {meta.name(o) for o in indexer.list() if colour in by_colours(o)}
            assert {meta.name(o) for o in indexer.by_index("colour", colour)} == scanned
            assert (colour in indexer.index_values("colour")) == bool(scanned)


def test_late_index_files_what_is_there() -> None:
    """The same index may be added again, another of its name may not."""
    indexer = Indexer()
    indexer.put(("ns", "a"), thing("a", colour="red"))
    indexer.add_index("colour", by_colours)
    indexer.add_index("colour", by_colours)
    assert indexer.index_keys("colour", "red") == (("ns", "a"),)
    with pytest.raises(ValueError, match="another index 'colour'"):
        indexer.add_index("colour", by_namespace)


def test_lister() -> None:
    """By name, by namespace, by labels."""
    indexer = Indexer({NAMESPACE_INDEX: by_namespace})
    for obj in (thing("a", colour="red"), thing("b"), thing("a", "other", colour="red")):
        indexer.put(meta.namespaced_name(obj), obj)
    lister = Lister(indexer)
    assert lister.get("a", "other") is indexer.get(("other", "a"))
    assert lister.get("c", "ns") is None
    assert [meta.name(o) for o in lister.list("ns")] == ["a", "b"]
    assert len(lister.list(selector=labels.parse("colour=red"))) == 2
    assert len(lister.list("ns", labels.parse("colour=red"))) == 1
