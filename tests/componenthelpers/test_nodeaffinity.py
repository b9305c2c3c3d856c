# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest

from pyk8s.componenthelpers import nodeaffinity

NODE = {"metadata": {"name": "n1", "labels": {"zone": "a", "cpus": "8", "empty": ""}}}


def term(*expressions: tuple, fields: tuple[tuple, ...] = ()) -> dict:
    def requirements(parts: tuple[tuple, ...]) -> list[dict]:
        return [{"key": k, "operator": op, "values": list(values)} for k, op, *values in parts]

    found = {}
    if expressions:
        found["matchExpressions"] = requirements(expressions)
    if fields:
        found["matchFields"] = requirements(fields)
    return found


@pytest.mark.parametrize(
    ("terms", "expected"),
    [
        pytest.param([], False, id="no term names no node"),
        pytest.param([{}], False, id="an empty term names no node"),
        pytest.param([term(("zone", "In", "a", "b"))], True, id="in"),
        pytest.param([term(("zone", "In", "b"))], False, id="not in values"),
        pytest.param([term(("zone", "NotIn", "b"))], True, id="notin"),
        pytest.param([term(("missing", "NotIn", "b"))], True, id="notin of a missing label"),
        pytest.param([term(("empty", "Exists"))], True, id="exists"),
        pytest.param([term(("missing", "Exists"))], False, id="exists not"),
        pytest.param([term(("missing", "DoesNotExist"))], True, id="does not exist"),
        pytest.param([term(("cpus", "Gt", "7"))], True, id="gt"),
        pytest.param([term(("cpus", "Gt", "8"))], False, id="gt is strict"),
        pytest.param([term(("cpus", "Lt", "9"))], True, id="lt"),
        pytest.param([term(("zone", "Gt", "1"))], False, id="gt of no number"),
        pytest.param([term(("zone", "In", "a"), ("cpus", "In", "4"))], False, id="all must hold"),
        pytest.param([term(("zone", "In", "b")), term(("cpus", "In", "8"))], True, id="one term"),
        pytest.param([term(fields=(("metadata.name", "In", "n1"),))], True, id="by name"),
        pytest.param([term(fields=(("metadata.name", "NotIn", "n1"),))], False, id="not by name"),
        pytest.param(
            [term(("zone", "In", "b"), fields=(("metadata.name", "In", "n1"),))],
            False,
            id="labels and fields",
        ),
        pytest.param([term(fields=(("metadata.uid", "In", "n1"),))], False, id="unknown field"),
    ],
)
def test_node_selector(terms: list[dict], expected: bool) -> None:
    """Terms are alternatives, and within one everything must hold."""
    selector = nodeaffinity.NodeSelector({"nodeSelectorTerms": terms})
    assert not selector.faults
    assert selector.matches(NODE) is expected


@pytest.mark.parametrize(
    ("bad", "fault"),
    [
        pytest.param(term(("zone", "Has", "a")), "matchExpressions[0].operator", id="operator"),
        pytest.param(term(("zone", "Gt", "x")), "matchExpressions[0].values[0]", id="no integer"),
        pytest.param(
            term(fields=(("metadata.name", "In", "a", "b"),)), "must have one element", id="values"
        ),
        pytest.param(
            term(fields=(("metadata.name", "Exists"),)), "matchFields[0].operator", id="field"
        ),
    ],
)
def test_unreadable_terms(bad: dict, fault: str) -> None:
    """A term that cannot be read names no node, and keeps no other from naming one."""
    selector = nodeaffinity.NodeSelector({"nodeSelectorTerms": [bad]})
    assert fault in selector.faults[0]
    assert not selector.matches(NODE)
    both = nodeaffinity.NodeSelector({"nodeSelectorTerms": [bad, term(("zone", "In", "a"))]})
    assert both.matches(NODE)


def test_required_of_a_pod() -> None:
    """spec.nodeSelector and required affinity must both hold."""
    required = {"nodeSelectorTerms": [term(("cpus", "Gt", "4"))]}
    affinity = {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": required}}
    assert nodeaffinity.RequiredNodeAffinity({}).is_everything
    assert nodeaffinity.RequiredNodeAffinity({}).matches(NODE)
    fits = nodeaffinity.RequiredNodeAffinity({"nodeSelector": {"zone": "a"}, "affinity": affinity})
    assert fits.matches(NODE)
    other = nodeaffinity.RequiredNodeAffinity({"nodeSelector": {"zone": "b"}, "affinity": affinity})
    assert not other.matches(NODE)


def test_preferred_terms() -> None:
    """The weights of the terms that hold add up; empty terms and weight zero count nothing."""
    preferred = [
        {"weight": 3, "preference": term(("zone", "In", "a"))},
        {"weight": 5, "preference": term(("zone", "In", "b"))},
        {"weight": 7, "preference": {}},
        {"weight": 0, "preference": term(("zone", "Has", "a"))},
        {"weight": 11, "preference": term(("cpus", "Exists"))},
    ]
    spec = {
        "affinity": {"nodeAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": preferred}}
    }
    terms = nodeaffinity.preferred_of(spec)
    assert not terms.faults
    assert terms.score(NODE) == 14
