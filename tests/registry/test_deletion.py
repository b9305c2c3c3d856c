# SPDX-License-Identifier: Apache-2.0
"""What a DELETE decides, as a table: finalizers, grace, propagation, deletions under way."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from pyk8s.apimachinery import errors, times
from pyk8s.apimachinery.gvk import GroupResource
from pyk8s.registry import deletion
from pyk8s.registry.deletion import DeleteOptions, GCPolicy

KEEP, MARK, REMOVE, MARK_AND_REMOVE = "keep", "mark", "remove", "mark and remove"


def obj(finalizers: list[str], marked: int | None = None, due: int = 0) -> dict[str, Any]:
    """An object, marked with that grace period, due in so many seconds."""
    metadata: dict[str, Any] = {"name": "a", "uid": "1", "resourceVersion": "7", "generation": 2}
    if finalizers:
        metadata["finalizers"] = finalizers
    if marked is not None:
        moment = datetime.now(UTC) + timedelta(seconds=due)
        metadata |= {
            "deletionTimestamp": times.format(moment), "deletionGracePeriodSeconds": marked,
        }  # fmt: skip
    return {"metadata": metadata}


def summary(outcome: deletion.Outcome) -> str:
    if outcome.marked is None:
        return REMOVE if outcome.remove else KEEP
    return MARK_AND_REMOVE if outcome.remove else MARK


X, ORPHAN, FOREGROUND = "example.com/x", "orphan", "foregroundDeletion"


@pytest.mark.parametrize(
    ("finalizers", "options", "policy", "expected", "left"),
    [
        pytest.param([], {}, "delete", REMOVE, [], id="nothing holds it"),
        pytest.param([X], {}, "delete", MARK, [X], id="a finalizer holds it"),
        pytest.param([], {"propagation_policy": "Orphan"}, "delete", MARK, [ORPHAN], id="Orphan"),
        pytest.param(
            [], {"propagation_policy": "Foreground"}, "delete", MARK, [FOREGROUND], id="Foreground"
        ),
        pytest.param(
            [], {"propagation_policy": "Background"}, "delete", REMOVE, [], id="Background"
        ),
        pytest.param([], {"orphan_dependents": True}, "delete", MARK, [ORPHAN], id="orphan them"),
        pytest.param([], {"orphan_dependents": False}, "delete", REMOVE, [], id="do not"),
        pytest.param([ORPHAN], {}, "delete", MARK, [ORPHAN], id="the object says orphan"),
        pytest.param([FOREGROUND], {}, "delete", MARK, [FOREGROUND], id="it says foreground"),
        pytest.param(
            [ORPHAN], {"propagation_policy": "Background"}, "delete", REMOVE, [],
            id="Background takes orphan off",
        ),
        pytest.param(
            [ORPHAN, X], {"propagation_policy": "Foreground"}, "delete", MARK, [X, FOREGROUND],
            id="Foreground takes its place",
        ),
        pytest.param(
            [FOREGROUND, X], {"orphan_dependents": False}, "delete", MARK, [X],
            id="do not orphan takes foreground off",
        ),
        pytest.param(
            [FOREGROUND, X], {"propagation_policy": "Foreground"}, "delete", MARK, [FOREGROUND, X],
            id="what is there stays in its place",
        ),
        pytest.param([], {}, "orphan", MARK, [ORPHAN], id="the kind orphans"),
        pytest.param(
            [], {"propagation_policy": "Background"}, "orphan", REMOVE, [], id="unless told not to"
        ),
        pytest.param([FOREGROUND], {}, "orphan", MARK, [FOREGROUND], id="or the object says else"),
        pytest.param(
            [], {"propagation_policy": "Orphan"}, "unsupported", REMOVE, [], id="never collected"
        ),
    ],
)  # fmt: skip
def test_without_grace(
    finalizers: list[str], options: dict[str, Any], policy: str, expected: str, left: list[str]
) -> None:
    """Kinds that are not deleted gracefully: at once, or held by finalizers."""
    outcome = deletion.decide(obj(finalizers), DeleteOptions(**options), None, GCPolicy(policy))
    assert summary(outcome) == expected
    if outcome.marked is not None:
        metadata = outcome.marked["metadata"]
        assert metadata["finalizers"] == left
        assert metadata["deletionGracePeriodSeconds"] == 0
        assert metadata["generation"] == 3


@pytest.mark.parametrize(
    ("finalizers", "grace", "expected"),
    [
        pytest.param([], 30, MARK, id="runs on"),
        pytest.param([], 0, MARK_AND_REMOVE, id="has no time"),
        pytest.param([X], 0, MARK, id="is held without time"),
        pytest.param([X], 30, MARK, id="is held with time"),
    ],
)
def test_with_grace(finalizers: list[str], grace: int, expected: str) -> None:
    """A Pod is marked in any case, so that watchers see it leave."""
    outcome = deletion.decide(obj(finalizers), DeleteOptions(), grace)
    assert summary(outcome) == expected
    assert outcome.marked is not None
    metadata = outcome.marked["metadata"]
    assert (metadata["deletionGracePeriodSeconds"], metadata["generation"]) == (grace, 3)
    due = times.parse(metadata["deletionTimestamp"]) - datetime.now(UTC)
    assert timedelta(seconds=grace - 5) < due <= timedelta(seconds=grace)


@pytest.mark.parametrize(
    ("finalizers", "pending", "requested", "expected", "after"),
    [
        pytest.param([], 30, None, KEEP, 30, id="again without a word"),
        pytest.param([], 30, 30, KEEP, 30, id="the same"),
        pytest.param([], 30, 60, KEEP, 30, id="longer"),
        pytest.param([], 30, 5, MARK, 5, id="shorter"),
        pytest.param([], 30, 0, MARK_AND_REMOVE, 0, id="at once"),
        pytest.param([X], 30, 0, MARK, 0, id="at once, but held"),
        pytest.param([], 0, None, REMOVE, 0, id="the first attempt got no further than the mark"),
        pytest.param([X], 0, 0, MARK, 0, id="held still"),
    ],
)
def test_again_with_grace(
    finalizers: list[str], pending: int, requested: int | None, expected: str, after: int
) -> None:
    """A deletion that is under way can only be shortened."""
    existing = obj(finalizers, marked=pending, due=pending)
    before = times.parse(existing["metadata"]["deletionTimestamp"])
    options = DeleteOptions(grace_period_seconds=requested)
    outcome = deletion.decide(existing, options, requested or 0)
    assert summary(outcome) == expected
    metadata = existing["metadata"]
    assert metadata["deletionGracePeriodSeconds"] == after
    assert metadata["generation"] == 2
    moved = before - times.parse(metadata["deletionTimestamp"])
    assert moved == timedelta(seconds=pending - after)


def test_again_keeps_the_first_mark() -> None:
    """The moment of the first DELETE stays, and the generation too."""
    existing = obj([X], marked=0, due=-100)
    moment = existing["metadata"]["deletionTimestamp"]
    outcome = deletion.decide(existing, DeleteOptions(), None)
    assert outcome.marked is not None
    assert outcome.marked["metadata"]["deletionTimestamp"] == moment
    assert outcome.marked["metadata"]["generation"] == 2


@pytest.mark.parametrize(
    ("options", "why"),
    [
        pytest.param({"uid": "2"}, "the UID in the precondition (2)", id="uid"),
        pytest.param(
            {"resource_version": "8"}, "the ResourceVersion in the precondition (8)", id="version"
        ),
        pytest.param({"uid": "1", "resource_version": "7"}, "", id="the one that is meant"),
    ],
)
def test_preconditions(options: dict[str, Any], why: str) -> None:
    """Another object than the one that is meant is a conflict."""
    existing, kind = obj([]), GroupResource("apps", "Deployment")
    if not why:
        deletion.check_preconditions(existing, DeleteOptions(**options), kind)
        return
    with pytest.raises(errors.StatusError) as caught:
        deletion.check_preconditions(existing, DeleteOptions(**options), kind)
    assert caught.value.message.startswith(
        f'Operation cannot be fulfilled on Deployment.apps "a": {why} does not match'
    )


@pytest.mark.parametrize(
    ("marked", "finalizers", "removed"),
    [
        pytest.param(None, [], False, id="not being deleted"),
        pytest.param(0, [X], False, id="still held"),
        pytest.param(0, [], True, id="let go"),
        pytest.param(30, [], False, id="has time left"),
    ],
)
def test_removed_by_update(marked: int | None, finalizers: list[str], removed: bool) -> None:
    """The update that takes the last finalizer away removes, once the grace period is over."""
    assert deletion.removed_by_update(obj(finalizers, marked), obj([X], marked)) is removed
