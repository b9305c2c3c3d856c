# SPDX-License-Identifier: Apache-2.0
"""The suite of official behaviours: its names, its registry, its report."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree

import pytest

from conformance import behaviours, report
from conformance.report import Outcome

VERSION = "[sig-api-machinery] server version should find the server version [Conformance]"
LEASE = "[sig-node] Lease lease API should be available [Conformance]"


def test_names() -> None:
    """Each of the 446 official tests has one name and one class."""
    names = behaviours.official_names()
    counts = {"api": 115, "webhooks": 26, "controllers": 103, "nodes": 202}
    assert Counter(names.values()) == counts


def _test_named(name: str) -> Callable[[], None]:
    def test() -> None:
        pass

    test.__doc__ = name
    return test


def test_registry() -> None:
    """A docstring names a behaviour, over as many lines as it takes."""
    wrapped = VERSION.replace(" should", "\n    should")
    found = behaviours.by_name([_test_named(wrapped), _test_named(LEASE)])
    assert list(found) == [VERSION, LEASE]


@pytest.mark.parametrize(
    ("names", "message"),
    [
        pytest.param(["a test of ours"], "no conformance test is named 'a test of", id="unknown"),
        pytest.param([""], "no conformance test is named ''", id="none"),
        pytest.param([LEASE, LEASE], "test proves '.*Lease.*' already", id="twice"),
    ],
)
def test_wrong_names(names: list[str], message: str) -> None:
    """A wrong name, or the same name twice, is an error."""
    with pytest.raises(behaviours.BehaviourError, match=message):
        behaviours.by_name(map(_test_named, names))


OUTCOMES = [Outcome(VERSION, 0.25, ""), Outcome(LEASE, 1.5, "a trace\nE  AssertionError: no")]


def test_summary() -> None:
    """A row for each class: what is proven, failing and not covered add up to all there is."""
    rows = [
        row.split() for row in report.summary(OUTCOMES, behaviours.official_names()).split("\n")
    ]
    assert rows[1:] == [
        ["api", "115", "1", "1", "113"],
        ["webhooks", "26", "0", "0", "26"],
        ["controllers", "103", "0", "0", "103"],
        ["nodes", "202", "0", "0", "202"],
        ["all", "446", "1", "1", "444"],
    ]


def test_junit(tmp_path: Path) -> None:
    """A case for each behaviour, with what failed."""
    path = tmp_path / "junit.xml"
    report.write_junit(OUTCOMES, path)
    suite = ElementTree.parse(path).getroot()
    assert (suite.get("tests"), suite.get("failures"), suite.get("time")) == ("2", "1", "1.750")
    passed, failed = suite.findall("testcase")
    assert (passed.get("name"), list(passed)) == (VERSION, [])
    assert failed.get("name") == LEASE
    assert [each.get("message") for each in failed] == ["E  AssertionError: no"]
