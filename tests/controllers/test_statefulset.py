# SPDX-License-Identifier: Apache-2.0
"""Pods with names and claims of their own, made, replaced and removed in order."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from typing import Any

import objects
import pytest
from cluster import eventually
from nodes import NOWHERE, Kubelet, running
from running import running as running_controller
from world import World

from pyk8s.apimachinery import meta, times
from pyk8s.client import resources
from pyk8s.controllers import history
from pyk8s.controllers.statefulset import claims, identity, rollout
from pyk8s.controllers.statefulset.controller import StatefulSetController

Object = dict[str, Any]


@pytest.fixture
async def kubelet(world: World) -> AsyncIterator[Kubelet]:
    async with running(world.client, world.namespace) as kubelet:
        yield kubelet


def stateful_set(name: str, replicas: int, **spec: Any) -> Object:
    """One whose pods no real node takes, so that the test says which of them run."""
    made = objects.deployment(name, replicas)
    made["kind"] = "StatefulSet"
    made["spec"]["template"]["spec"]["nodeSelector"] = NOWHERE
    made["spec"].update({"serviceName": name, **spec})
    return made


def image(name: str) -> Object:
    return {"spec": {"template": {"spec": {"containers": [{"name": "main", "image": name}]}}}}


def claim_template(name: str) -> Object:
    requests = {"resources": {"requests": {"storage": "1Gi"}}}
    return {"metadata": {"name": name}, "spec": {"accessModes": ["ReadWriteOnce"], **requests}}


async def until(world: World, name: str, condition: Callable[[Object], Any]) -> Object:
    async def is_so() -> Object | None:
        found = await world.find(resources.STATEFUL_SETS, name)
        return found if condition(found) else None

    return await eventually(is_so, f"statefulset {name} is as wanted")


async def until_status(world: World, name: str, **wanted: int) -> Object:
    def is_so(found: Object) -> bool:
        status = found["status"]
        seen = status.get("observedGeneration") == meta.generation(found)
        return seen and all(status.get(key, 0) == value for key, value in wanted.items())

    return await until(world, name, is_so)


async def revisions(world: World) -> list[tuple[str, str]]:
    """Names of pods and of the revisions they are made of."""
    found = await world.list(resources.PODS)
    return sorted((meta.name(pod), identity.revision_of(pod)) for pod in found)


async def replaced(world: World, name: str) -> str:
    """Delete the pod: the revision of the one that takes its place."""
    before = await world.find(resources.PODS, name)
    await world.delete(resources.PODS, name)

    async def another() -> Object | None:
        pod = await world.find(resources.PODS, name)
        return pod if pod is not None and meta.uid(pod) != meta.uid(before) else None

    return identity.revision_of(await eventually(another, f"another {name}"))


async def test_one_after_the_other(world: World, kubelet: Kubelet) -> None:
    """The next pod comes once the one before is ready, the last goes first, and each says who
    it is."""
    kubelet.let_run(lambda pod: meta.name(pod) != "web-1")
    await world.create(resources.STATEFUL_SETS, stateful_set("web", 3))
    await until_status(world, "web", replicas=2, readyReplicas=1)
    assert await world.names(resources.PODS) == ["web-0", "web-1"]
    kubelet.let_run(lambda pod: True)
    found = await until_status(world, "web", readyReplicas=3, currentReplicas=3, updatedReplicas=3)
    assert found["status"]["currentRevision"] == found["status"]["updateRevision"]
    pod = await world.find(resources.PODS, "web-2")
    assert meta.is_controlled_by(pod, found)
    assert dict(meta.labels(pod)) == {
        "app": "web",
        "apps.kubernetes.io/pod-index": "2",
        "controller-revision-hash": found["status"]["updateRevision"],
        "statefulset.kubernetes.io/pod-name": "web-2",
    }
    assert (pod["spec"]["hostname"], pod["spec"]["subdomain"]) == ("web-2", "web")
    await world.patch(resources.STATEFUL_SETS, "web", {"spec": {"replicas": 1}}, "scale")
    await until_status(world, "web", replicas=1, readyReplicas=1)
    assert await world.names(resources.PODS) == ["web-0"]


async def test_parallel(world: World, kubelet: Kubelet) -> None:
    """All at once, ready or not, from the ordinal that is asked for."""
    kubelet.let_run(lambda pod: False)
    more = {"podManagementPolicy": "Parallel", "ordinals": {"start": 5}}
    await world.create(resources.STATEFUL_SETS, stateful_set("web", 3, **more))
    await world.until_names(resources.PODS, "web-5", "web-6", "web-7")


async def test_partition_and_rollout(world: World, kubelet: Kubelet) -> None:
    """A canary first, then the rest; the old template comes back under a new number, and a lost
    pod below the partition comes back as it was."""
    made = stateful_set("web", 3)
    made["spec"]["updateStrategy"] = {
        "type": "RollingUpdate",
        "rollingUpdate": {"partition": 2},
    }
    await world.create(resources.STATEFUL_SETS, made)
    found = await until_status(world, "web", readyReplicas=3)
    old = found["status"]["currentRevision"]
    await world.patch(resources.STATEFUL_SETS, "web", image("nginx:2"))
    found = await until_status(world, "web", readyReplicas=3, updatedReplicas=1, currentReplicas=2)
    new = found["status"]["updateRevision"]
    assert await revisions(world) == [("web-0", old), ("web-1", old), ("web-2", new)]
    assert await replaced(world, "web-0") == old
    all_of_them = {"spec": {"updateStrategy": {"rollingUpdate": {"partition": 0}}}}
    await world.patch(resources.STATEFUL_SETS, "web", all_of_them)
    found = await until_status(world, "web", readyReplicas=3, updatedReplicas=3, currentReplicas=3)
    assert found["status"]["currentRevision"] == new
    await world.patch(resources.STATEFUL_SETS, "web", image("nginx:1.27"))
    await until(world, "web", lambda s: s["status"]["currentRevision"] == old)
    numbers = {
        meta.name(revision): revision["revision"]
        for revision in await world.list(resources.CONTROLLER_REVISIONS)
    }
    assert numbers == {old: 3, new: 2}


async def test_on_delete(world: World, kubelet: Kubelet) -> None:
    """Pods keep their template until somebody deletes them."""
    made = stateful_set("web", 2, updateStrategy={"type": "OnDelete"})
    await world.create(resources.STATEFUL_SETS, made)
    found = await until_status(world, "web", readyReplicas=2)
    old = found["status"]["updateRevision"]
    await world.patch(resources.STATEFUL_SETS, "web", image("nginx:2"))
    found = await until_status(world, "web", readyReplicas=2, updatedReplicas=0)
    new = found["status"]["updateRevision"]
    assert await replaced(world, "web-0") == new
    await until_status(world, "web", readyReplicas=2, updatedReplicas=1)
    assert await revisions(world) == [("web-0", new), ("web-1", old)]


async def test_repairs(world: World, kubelet: Kubelet) -> None:
    """A failed pod is replaced, and one that lost the label with its name gets it back."""
    await world.create(resources.STATEFUL_SETS, stateful_set("web", 2))
    await until_status(world, "web", readyReplicas=2)
    before = await world.find(resources.PODS, "web-0")
    await world.patch(resources.PODS, "web-0", {"status": {"phase": "Failed"}}, "status")
    label = {"metadata": {"labels": {identity.POD_NAME_LABEL: None}}}
    await world.patch(resources.PODS, "web-1", label)

    async def is_well() -> bool:
        first = await world.find(resources.PODS, "web-0")
        second = await world.find(resources.PODS, "web-1")
        return (
            first is not None
            and meta.uid(first) != meta.uid(before)
            and second is not None
            and meta.labels(second).get(identity.POD_NAME_LABEL) == "web-1"
        )

    await eventually(is_well, "both pods are well")


async def test_claims_go_with_scale_and_set(world: World, kubelet: Kubelet) -> None:
    """Claims are made before the pod; by policy they go with the pod that is scaled away, and
    the others with the StatefulSet."""
    policy = {"whenScaled": "Delete", "whenDeleted": "Delete"}
    made = stateful_set("web", 2, volumeClaimTemplates=[claim_template("data")])
    made["spec"]["persistentVolumeClaimRetentionPolicy"] = policy
    await world.create(resources.STATEFUL_SETS, made)
    await until_status(world, "web", readyReplicas=2)
    pod = await world.find(resources.PODS, "web-1")
    volume = next(v for v in pod["spec"]["volumes"] if v["name"] == "data")
    assert volume["persistentVolumeClaim"]["claimName"] == "data-web-1"
    claim = await world.find(resources.PERSISTENT_VOLUME_CLAIMS, "data-web-1")
    assert meta.labels(claim) == {"app": "web"}
    await world.patch(resources.STATEFUL_SETS, "web", {"spec": {"replicas": 1}}, "scale")
    await world.until_names(resources.PERSISTENT_VOLUME_CLAIMS, "data-web-0")
    await world.patch(resources.STATEFUL_SETS, "web", {"spec": {"replicas": 2}}, "scale")
    await until_status(world, "web", readyReplicas=2)
    await world.delete(resources.STATEFUL_SETS, "web", "Background")
    await world.until_names(resources.PERSISTENT_VOLUME_CLAIMS)


async def test_min_ready_seconds(world: World, kubelet: Kubelet) -> None:
    """The next one waits until the one before has been ready for long enough."""
    await world.create(resources.STATEFUL_SETS, stateful_set("web", 2, minReadySeconds=2))
    found = await until_status(world, "web", readyReplicas=1)
    assert (found["status"]["replicas"], found["status"].get("availableReplicas", 0)) == (1, 0)
    await until_status(world, "web", availableReplicas=2)


async def test_a_revision_without_a_template(
    quiet: World, caplog: pytest.LogCaptureFixture
) -> None:
    """Somebody else's revision cannot be rolled out: told in an Event and one line of the log,
    again and again, and never as a mistake of the program."""
    async with running_controller(quiet.client, StatefulSetController) as controller:
        created = await quiet.create(resources.STATEFUL_SETS, stateful_set("web", 1))
        await until(quiet, "web", lambda s: s["status"].get("currentRevision"))
        revision = {"metadata": {"name": "foreign", "labels": {"app": "web"}}, "revision": 1}
        foreign = {**revision, "data": {"spec": {"replicas": 1}}}
        owned = {"controller": True, "blockOwnerDeletion": True}
        await quiet.create(resources.CONTROLLER_REVISIONS, foreign, created, **owned)
        status = {"status": {"currentRevision": "foreign"}}
        await quiet.patch(resources.STATEFUL_SETS, "web", status, "status")
        await eventually(lambda: controller.statistics.failed > 1, "it is tried again")
    told = [record for record in caplog.records if "replaces no Pod template" in record.message]
    assert told
    assert not [record for record in caplog.records if record.exc_info]


async def test_history_is_limited_and_adopted(world: World, kubelet: Kubelet) -> None:
    """Old templates beyond the limit are forgotten; an orphaned one is taken up again."""
    made = stateful_set("web", 1, revisionHistoryLimit=1)
    await world.create(resources.STATEFUL_SETS, made)
    await until_status(world, "web", readyReplicas=1)
    for number in range(2, 5):
        await world.patch(resources.STATEFUL_SETS, "web", image(f"nginx:{number}"))
        await until(
            world,
            "web",
            lambda s: (
                s["status"]["observedGeneration"] == meta.generation(s)
                and s["status"]["currentRevision"] == s["status"]["updateRevision"]
            ),
        )

    async def two() -> bool:
        found = await world.list(resources.CONTROLLER_REVISIONS)
        return sorted(map(history.number_of, found)) == [3, 4]

    await eventually(two, "the current revision and one old one are left")
    await world.delete(resources.STATEFUL_SETS, "web", "Orphan")
    await world.until_gone(resources.STATEFUL_SETS, "web")
    again = stateful_set("web", 1)
    again["spec"]["template"]["spec"]["containers"][0]["image"] = "nginx:4"
    created = await world.create(resources.STATEFUL_SETS, again)

    async def adopted() -> bool:
        found = await world.list(resources.CONTROLLER_REVISIONS)
        return len(found) == 2 and all(meta.is_controlled_by(r, created) for r in found)

    await eventually(adopted, "both revisions are the new one's")


# --- its parts


def _pod(ordinal: int, revision: str, *, ready: bool = True, leaving: bool = False) -> Object:
    condition = {"type": "Ready", "status": str(ready), "lastTransitionTime": times.now()}
    metadata: Object = {
        "name": f"web-{ordinal}",
        "uid": f"pod-{ordinal}",
        "labels": {history.REVISION_LABEL: revision},
    }
    if leaving:
        metadata["deletionTimestamp"] = times.now()
    return {"metadata": metadata, "status": {"phase": "Running", "conditions": [condition]}}


@pytest.mark.parametrize(
    ("policy", "parameters", "pods", "expected"),
    [
        pytest.param("OrderedReady", {}, "oooo", [3], id="one at a time, the last first"),
        pytest.param("OrderedReady", {"maxUnavailable": 2}, "oooo", [3, 2], id="two at a time"),
        pytest.param("OrderedReady", {"maxUnavailable": "50%"}, "oooo", [3, 2], id="percentage"),
        pytest.param("OrderedReady", {"maxUnavailable": "10%"}, "oooo", [3], id="never none"),
        pytest.param("OrderedReady", {"partition": 3}, "oooo", [3], id="partition"),
        pytest.param("OrderedReady", {"partition": 4}, "oooo", [], id="all below the partition"),
        pytest.param("OrderedReady", {}, "oooN", [], id="waits for the new one"),
        pytest.param("OrderedReady", {}, "ooxn", [], id="waits for a broken old one"),
        pytest.param("OrderedReady", {}, "ooon", [2], id="the next"),
        pytest.param("OrderedReady", {}, "ooot", [], id="waits for one on its way out"),
        pytest.param("Parallel", {}, "ooxn", [2], id="parallel: broken ones go anyway"),
        pytest.param("Parallel", {}, "xoxN", [2, 0], id="parallel: all that are broken"),
        pytest.param("Parallel", {"maxUnavailable": 2}, "xooo", [0, 3], id="and one more"),
    ],
)
def test_outdated(policy: str, parameters: Object, pods: str, expected: list[int]) -> None:
    """Which pods make way: o old, n new, t going, x old and broken, N new and not ready."""
    kinds: dict[str, dict[str, Any]] = {
        "o": {"revision": "old"},
        "n": {"revision": "new"},
        "t": {"revision": "old", "leaving": True},
        "x": {"revision": "old", "ready": False},
        "N": {"revision": "new", "ready": False},
    }
    replicas = [_pod(ordinal, **kinds[kind]) for ordinal, kind in enumerate(pods)]
    made = stateful_set("web", len(pods), podManagementPolicy=policy)
    made["spec"]["updateStrategy"] = {"type": "RollingUpdate", "rollingUpdate": parameters}
    found = rollout.outdated(made, replicas, "new", datetime.now(UTC))
    assert [identity.ordinal_of(pod) for pod in found] == expected


@pytest.mark.parametrize(
    ("scaled", "deleted", "condemned", "owners"),
    [
        pytest.param("Retain", "Retain", True, [], id="retain"),
        pytest.param("Retain", "Delete", True, ["set"], id="with the set"),
        pytest.param("Delete", "Retain", False, [], id="with the pod: not yet"),
        pytest.param("Delete", "Retain", True, ["pod-9"], id="with the pod"),
        pytest.param("Delete", "Delete", False, ["set"], id="both: set"),
        pytest.param("Delete", "Delete", True, ["pod-9"], id="both: pod"),
    ],
)
def test_claim_owners(scaled: str, deleted: str, condemned: bool, owners: list[str]) -> None:
    """Who owns a claim, by policy and by whether its pod is to stay; twice is once."""
    policy = {"whenScaled": scaled, "whenDeleted": deleted}
    made = stateful_set("web", 5 if condemned else 10, persistentVolumeClaimRetentionPolicy=policy)
    made["metadata"]["uid"] = "set"
    claim: Object = {"metadata": {"name": "data-web-9", "ownerReferences": []}}
    found = claims.wanted_references(made, _pod(9, "old"), claim)
    assert [reference["uid"] for reference in found] == owners
    claim["metadata"]["ownerReferences"] = found
    assert list(claims.wanted_references(made, _pod(9, "old"), claim)) == list(found)


def test_foreign_claim_is_left_alone() -> None:
    """A claim of an earlier pod of this name, or in somebody else's charge, is not touched."""
    policy = {"whenScaled": "Delete", "whenDeleted": "Delete"}
    made = stateful_set("web", 10, persistentVolumeClaimRetentionPolicy=policy)
    made["metadata"]["uid"] = "set"
    pod = _pod(9, "old")
    earlier = {"apiVersion": "v1", "kind": "Pod", "name": "web-9", "uid": "before"}
    other = {"apiVersion": "v1", "kind": "Other", "name": "x", "uid": "x", "controller": True}
    for reference in (earlier, other):
        claim = {"metadata": {"name": "data-web-9", "ownerReferences": [reference]}}
        assert list(claims.wanted_references(made, pod, claim)) == [reference]
    stale = {"metadata": {"name": "data-web-9", "ownerReferences": [earlier]}}
    assert claims.is_stale(made, pod, stale)


def test_revision_hash_and_equality() -> None:
    """The hash is upstream's FNV-1 of the patch; nulls make no difference."""
    made = stateful_set("web", 1)
    made["metadata"]["uid"] = "set"
    one = history.new(made, 1, 0)
    made["spec"]["template"]["metadata"]["creationTimestamp"] = None
    other = history.new(made, 2, 0)
    assert history.are_equal(one, other)
    assert meta.name(one) == meta.name(other)
    assert meta.name(history.new(made, 1, 1)) != meta.name(one)
    # FNV-1 of "a" is 84696446 by its authors' table.
    assert history.safe_hash(b"a") == "d8bfb88b"
