# SPDX-License-Identifier: Apache-2.0
"""Whom a change of a pod wakes, alike for all controllers that own pods by their selector."""

from __future__ import annotations

from typing import Any

import pytest

from pyk8s.apimachinery import meta
from pyk8s.client import resources, watch
from pyk8s.client.informer import SharedInformers
from pyk8s.controllers.controller import Context
from pyk8s.controllers.daemonset.controller import DaemonSetController
from pyk8s.controllers.podowners import PodOwnerController
from pyk8s.controllers.replicaset.controller import (
    ReplicaSetController,
    ReplicationControllerController,
)
from pyk8s.controllers.statefulset.controller import StatefulSetController

Object = dict[str, Any]

KINDS = [
    ReplicaSetController, ReplicationControllerController, DaemonSetController,
    StatefulSetController,
]  # fmt: skip

# Three owners in one namespace; of their pods each has the label app with its own name.
OWNERS = ("one", "two", "other")


@pytest.fixture(params=KINDS, ids=lambda kind: kind.name)
async def controller(request: pytest.FixtureRequest) -> PodOwnerController:
    """With owners in its cache, and an empty queue."""
    informers = SharedInformers(client=None)
    made = request.param(Context(client=None, informers=informers, recorder=None))
    informers.of(made.resource).replace({("ns", name): owner(made, name) for name in OWNERS})
    await taken(made)
    return made


def owner(controller: PodOwnerController, name: str) -> Object:
    labels: Object = {"app": name}
    is_old = isinstance(controller, ReplicationControllerController)
    return {
        "apiVersion": controller.kind[0], "kind": controller.kind[1],
        "metadata": {"name": name, "namespace": "ns", "uid": f"uid-{name}"},
        "spec": {"selector": labels if is_old else {"matchLabels": labels}, "template": {}},
    }  # fmt: skip


def pod(controller: PodOwnerController, app: str, of: str = "", version: int = 1) -> Object:
    made: Object = {
        "metadata": {
            "name": "p", "namespace": "ns", "uid": "uid-p", "labels": {"app": app},
            "resourceVersion": str(version),
        }
    }  # fmt: skip
    if of:
        reference = meta.controller_reference(owner(controller, of.removesuffix("!")))
        if of.endswith("!"):
            # An owner that had this name before.
            reference["uid"] = "uid-of-old"
        made["metadata"]["ownerReferences"] = [reference]
    return made


async def taken(controller: PodOwnerController) -> set[str]:
    """The names in the queue, which is empty then."""
    names = set()
    while len(controller.queue):
        key = await controller.queue.get()
        controller.queue.done(key)
        names.add(key[1])
    return names


def apply(controller: PodOwnerController, type: str, obj: Object) -> None:
    controller.informer(resources.PODS).apply([watch.Event(type, obj)])


@pytest.mark.parametrize(
    ("before", "after", "woken"),
    [
        pytest.param(None, ("one", "one"), {"one"}, id="made for its owner"),
        pytest.param(None, ("one", ""), {"one"}, id="an orphan for who may adopt it"),
        pytest.param(None, ("nobody", ""), set(), id="an orphan that nobody wants"),
        pytest.param(None, ("one", "one!"), set(), id="of an owner that is no more"),
        pytest.param(("one", "one"), ("one", "one"), {"one"}, id="changed"),
        pytest.param(("one", "one"), ("two", "one"), {"one"}, id="relabelled: its owner lets go"),
        pytest.param(("two", "one"), ("two", ""), {"one", "two"}, id="let go: old owner, and new"),
        pytest.param(("one", ""), ("one", "one"), {"one"}, id="adopted"),
        pytest.param(("one", "one"), ("one", "two"), {"one", "two"}, id="handed over"),
        pytest.param(("one", ""), ("one", ""), set(), id="an orphan that changed otherwise"),
        pytest.param(("nobody", ""), ("two", ""), {"two"}, id="an orphan with other labels"),
    ],
)
async def test_who_looks(
    controller: PodOwnerController,
    before: tuple[str, str] | None,
    after: tuple[str, str],
    woken: set[str],
) -> None:
    """Owners and those that may become it, and nobody else. Each case names labels and owner."""
    if before is not None:
        apply(controller, watch.ADDED, pod(controller, *before))
        await taken(controller)
    apply(controller, watch.MODIFIED, pod(controller, *after, version=2))
    assert await taken(controller) == woken


async def test_what_was_expected_is_struck_out(controller: PodOwnerController) -> None:
    """A creation when the pod is seen, a deletion when it is marked, once."""
    key, uid = ("ns", "one"), "uid-one"
    expectations = controller.expectations
    expectations.expect(key, uid, creations=1)
    apply(controller, watch.ADDED, pod(controller, "one", "one"))
    assert expectations.are_fulfilled(key, uid)
    expectations.expect(key, uid, deletions=["uid-p"])
    apply(controller, watch.MODIFIED, pod(controller, "one", "one", version=2))
    assert not expectations.are_fulfilled(key, uid)
    marked = pod(controller, "one", "one", version=3)
    marked["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    await taken(controller)
    apply(controller, watch.MODIFIED, marked)
    assert expectations.are_fulfilled(key, uid)
    assert await taken(controller) == {"one"}
    apply(controller, watch.DELETED, marked)
    assert await taken(controller) == {"one"}


async def test_pod_that_is_on_its_way_out_when_first_seen(controller: PodOwnerController) -> None:
    """After a restart: it counts as deleted, not as made."""
    key, uid = ("ns", "one"), "uid-one"
    controller.expectations.expect(key, uid, creations=1, deletions=["uid-p"])
    going = pod(controller, "one", "one")
    going["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    apply(controller, watch.ADDED, going)
    controller.expectations.creation_observed(key)
    assert controller.expectations.are_fulfilled(key, uid)
