# SPDX-License-Identifier: Apache-2.0
"""The checker itself: each kind of violation is found, and what is right is not complained of."""

from __future__ import annotations

from dataclasses import replace

import pytest

from hack.survival import history
from hack.survival.history import Call, Chain, Record, State, Truth

A5 = State("n1", "u1", "x", "d1")
A6 = State("n2", "u1", "y", "d2")
B7 = State("n3", "u2", "x", "d3")
A9 = State("n4", "u3", "x", "d4")


def truth() -> Truth:
    """a: created at 5, changed at 6, deleted at 8, created at 9. b: created at 7."""
    told = Truth()
    told.add(5, "a", A5)
    told.add(6, "a", A6)
    told.add(7, "b", B7)
    told.add(8, "a", None)
    told.add(9, "a", A9)
    return told


def wrote(nonce: str, name: str, revision: int, at: float, **more) -> Call:
    verb = more.pop("verb", "patch")
    options = {"outcome": history.OK, "status": 200, "nonce": nonce, **more}
    return Call(verb, name, at, at + 0.5, revision=revision, **options)


# One after the other, as the truth has it.
WRITES = (
    wrote("n1", "a", 5, 1),
    wrote("n2", "a", 6, 2),
    wrote("n3", "b", 7, 3),
    Call("delete", "a", 4, 4.5, history.OK, 200, uid="u1"),
    wrote("n4", "a", 9, 5),
)


def read(revision: int, told: State, began: float, ended: float = 9, **more) -> Call:
    return Call("get", "a", began, ended, history.OK, 200, revision, told=told, **more)


def absent(began: float, ended: float) -> Call:
    return Call("get", "a", began, ended, history.ABSENT, 404)


def listed(revision: int, began: float, ended: float = 9, **more) -> Call:
    contents = more.pop("contents", None) or truth().contents(revision)
    return Call("list", "*", began, ended, history.OK, 200, revision, listed=contents, **more)


def check(*calls: Call, chains: tuple[Chain, ...] = ()) -> list[str]:
    return history.check(Record([*WRITES, *calls], list(chains)), truth())


@pytest.mark.parametrize(
    "call",
    [
        pytest.param(read(6, A6, began=2.6), id="current"),
        pytest.param(read(5, A5, began=1.9, ended=2.1), id="old, beside the write of the new"),
        pytest.param(read(5, A5, began=6, fresh=False), id="old, where that is allowed"),
        pytest.param(absent(4.6, 4.9), id="absent after the deletion"),
        pytest.param(absent(0.1, 0.2), id="absent before the creation"),
        pytest.param(listed(7, began=3.6, ended=3.9), id="a list"),
        pytest.param(listed(6, began=6, exact=6), id="an exact list of the past"),
        pytest.param(listed(7, began=3.6, ended=3.9, app="x", contents={"b": B7}), id="by label"),
        pytest.param(
            Call("update", "a", 5.6, 5.9, history.CONFLICT, 409, expected=5), id="a conflict"
        ),
        pytest.param(Call("create", "a", 5.6, 5.9, history.EXISTS, 409, nonce="n8"), id="exists"),
        pytest.param(wrote("n9", "a", 0, 6, outcome=history.UNKNOWN, status=500), id="unknown"),
    ],
)
def test_what_is_right(call: Call) -> None:
    """A history that some order explains has no violation."""
    assert check(call) == []


@pytest.mark.parametrize(
    ("call", "complaint"),
    [
        pytest.param(wrote("n8", "a", 12, 6), "write is lost", id="a lost write"),
        pytest.param(
            Call("delete", "b", 6, 7, history.OK, 200, uid="u2"), "deletion is lost", id="deletion"
        ),
        pytest.param(
            Call("delete", "a", 6, 7, history.OK, 200, uid="u1"), "deleted twice", id="twice"
        ),
        pytest.param(read(5, A5, began=2.6), "stale", id="a stale read"),
        pytest.param(read(9, A9, began=4.6, ended=4.9), "true only later", id="from the future"),
        pytest.param(read(6, A5, began=2.6), "never written", id="a torn read"),
        pytest.param(absent(5.6, 6), "stale", id="absent, yet there"),
        pytest.param(listed(6, began=3.6), "stale", id="a stale list"),
        pytest.param(
            listed(7, began=3.6, contents=truth().contents(6)), "not the state at 7", id="half"
        ),
        pytest.param(listed(7, began=3.6, exact=6), "another revision", id="not the exact one"),
        pytest.param(
            Call("update", "b", 6, 7, history.CONFLICT, 409, expected=7), "stale", id="no conflict"
        ),
        pytest.param(
            Call("create", "a", 4.6, 4.9, history.EXISTS, 409, nonce="n8"),
            "true only later",
            id="does not exist",
        ),
        pytest.param(Call("get", "a", 6, 7, status=418), "nobody expects", id="another status"),
    ],
)
def test_what_is_wrong(call: Call, complaint: str) -> None:
    """Each kind of wrong answer is found."""
    assert any(complaint in text for text in check(call))


def test_a_refused_write_that_happened() -> None:
    """A 503 promises that nothing was done."""
    lie = replace(WRITES[4], outcome=history.REFUSED, status=503)
    found = history.check(Record([*WRITES[:4], lie]), truth())
    assert any("a refused write happened" in text for text in found)


def test_a_write_done_twice() -> None:
    """One request is one change, also where its outcome was not known."""
    told = truth()
    told.add(11, "a", A9)
    assert "written twice" in history.check(Record(list(WRITES)), told)[0]


def test_reads_that_step_back() -> None:
    """What one client saw, no later read of another client may be older than."""
    told = truth()
    told.add(10, "a", State("n5", "u3", "x", "d5"))
    unknown = wrote("n5", "a", 0, 5.6, outcome=history.UNKNOWN, status=500)
    new = read(10, State("n5", "u3", "x", "d5"), began=6, ended=6.1)
    old = read(9, A9, began=6.2, ended=6.3)
    assert history.check(Record([*WRITES, unknown, old]), told) == []
    found = history.check(Record([*WRITES, unknown, new, old]), told)
    assert ["stale" in text for text in found] == [True]


EVENTS = [
    (6, "MODIFIED", "a", A6),
    (7, "ADDED", "b", B7),
    (8, "DELETED", "a", A6),
    (9, "ADDED", "a", A9),
]


def chain(events: list, complete_to: int = 0) -> Chain:
    return Chain("", 5, {"a": A5}, events, complete_to)


def test_watches() -> None:
    """A watch that saw all, so far as it went, is right; also through a selector."""
    x = [(6, "DELETED", "a", A5), (7, "ADDED", "b", B7), (9, "ADDED", "a", A9)]
    right = (chain(EVENTS), chain(EVENTS[:2]), Chain("x", 5, {"a": A5}, x, 9))
    assert check(chains=right) == []


@pytest.mark.parametrize(
    "wrong",
    [
        pytest.param(chain([EVENTS[0], EVENTS[2]]), id="a gap"),
        pytest.param(chain([EVENTS[0], *EVENTS]), id="a repeat"),
        pytest.param(chain([EVENTS[1], EVENTS[0]]), id="another order"),
        pytest.param(chain([(6, "ADDED", "a", A6)]), id="another type"),
        pytest.param(chain([(6, "MODIFIED", "a", A5)]), id="another state"),
        pytest.param(chain(EVENTS[:2], complete_to=8), id="a bookmark that is not true"),
        pytest.param(Chain("", 5, {}), id="another beginning"),
    ],
)
def test_wrong_watches(wrong: Chain) -> None:
    """Each change once, in order, as what it was."""
    assert len(check(chains=(wrong,))) == 1
