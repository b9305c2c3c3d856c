# SPDX-License-Identifier: Apache-2.0
"""What is decided of one claim or volume, and of several volumes which one is taken."""

from __future__ import annotations

from typing import Any

import pytest
import storage

from pyk8s.componenthelpers import volumes
from pyk8s.controllers.persistentvolume import decisions

Object = dict[str, Any]

_BOUND = {volumes.BIND_COMPLETED: "yes"}


def _claim(annotations: Object | None = None, uid: str = "u1", **spec: Any) -> Object:
    made = storage.claim(**spec)
    metadata = {"namespace": "shop", "uid": uid, "annotations": annotations or {}}
    return storage.with_metadata(made, **metadata)


def _volume(name: str, phase: str = "Available", **given: Any) -> Object:
    metadata = {key: given.pop(key) for key in ("annotations", "labels") if key in given}
    made = storage.with_metadata(storage.volume(name, **given), **metadata)
    return {**made, "status": {"phase": phase}}


def _reference(uid: str = "u1", name: str = "data") -> Object:
    return {"namespace": "shop", "name": name, **({"uid": uid} if uid else {})}


_LABELLED = {"matchLabels": {"kind": "ssd"}}


@pytest.mark.parametrize(
    ("claim", "offered", "taken"),
    [
        pytest.param(_claim(), [_volume("a", size="5Gi"), _volume("b", size="2Gi")], "b",
                     id="the smallest"),
        pytest.param(_claim(size="3Gi"), [_volume("a", size="2Gi")], None, id="too small"),
        pytest.param(_claim(), [_volume("a", phase="Released")], None, id="not available"),
        pytest.param(_claim(), [_volume("a", storageClassName="fast")], None, id="another class"),
        pytest.param(_claim(storageClassName="fast"), [_volume("a", storageClassName="fast")], "a",
                     id="its class"),
        pytest.param(_claim(), [_volume("a", volumeMode="Block")], None, id="another mode"),
        pytest.param(_claim(), [_volume("a", accessModes=["ReadOnlyMany"])], None,
                     id="access not offered"),
        pytest.param(_claim(), [_volume("a", accessModes=["ReadWriteOnce", "ReadWriteMany"]),
                                _volume("b", size="9Gi")], "b", id="least access before size"),
        pytest.param(_claim(selector=_LABELLED),
                     [_volume("a"), _volume("b", size="9Gi", labels={"kind": "ssd"})], "b",
                     id="by label"),
        pytest.param(_claim(), [_volume("a"), _volume("b", size="9Gi", claimRef=_reference(""))],
                     "b", id="the one reserved for it"),
        pytest.param(_claim(), [_volume("a", claimRef=_reference("", "other"))], None,
                     id="reserved for another"),
        pytest.param(_claim(), [_volume("a", claimRef=_reference("old"))], None,
                     id="of an earlier claim of the name"),
        pytest.param(_claim(), [_volume("a", volumeAttributesClassName="gold")], None,
                     id="other attributes"),
        pytest.param(_claim(volumeAttributesClassName="gold"),
                     [_volume("a", volumeAttributesClassName="gold")], "a", id="its attributes"),
    ],
)  # fmt: skip
def test_which_volume_a_claim_gets(claim: Object, offered: list[Object], taken: str | None) -> None:
    """The one that is its own, else of those that fit the one that wastes least."""
    found = volumes.find_best_match(claim, offered, delay_binding=False)
    assert (found and found["metadata"]["name"]) == taken


def test_a_waiting_claim_gets_only_what_is_its_own() -> None:
    """The scheduler chooses among the others."""
    free, own = _volume("free"), _volume("own", claimRef=_reference())
    assert volumes.find_best_match(_claim(), [free], delay_binding=True) is None
    assert volumes.find_best_match(_claim(), [free, own], delay_binding=True) is own


def _plan(claim: Object, volume: Object | None = None, **given: Any) -> decisions.ClaimPlan:
    classes = {each["metadata"]["name"]: each for each in given.pop("classes", ())}
    return decisions.plan_claim(
        claim,
        all_volumes=given.pop("all_volumes", ()),
        volume=volume,
        class_named=classes.get,
        **given,
    )


_WAITS = storage.storage_class("local", waits=True)
_NODE_CHOSEN = {volumes.SELECTED_NODE: "n"}


@pytest.mark.parametrize(
    ("plan", "phase", "reason"),
    [
        pytest.param(_plan(_claim()), "Pending", "FailedBinding", id="no class, no volume"),
        pytest.param(_plan(_claim(volumeName="v")), "Pending", None, id="no such volume yet"),
        pytest.param(_plan(_claim(volumeName="v"), _volume("v", claimRef=_reference("u2", "x"))),
                     "Pending", "FailedBinding", id="somebody else's"),
        pytest.param(_plan(_claim(storageClassName="local"), classes=[_WAITS]), "Pending",
                     "WaitForFirstConsumer", id="no pod yet"),
        pytest.param(_plan(_claim(storageClassName="local"), classes=[_WAITS], waiting_pods=["p"]),
                     "Pending", "WaitForPodScheduled", id="pod without node"),
        pytest.param(_plan(_claim(_BOUND)), "Lost", "ClaimLost", id="lost its reference"),
        pytest.param(_plan(_claim(_BOUND, volumeName="v")), "Lost", "ClaimLost", id="volume gone"),
        pytest.param(_plan(_claim(_BOUND, volumeName="v"), _volume("v", claimRef=_reference("u2"))),
                     "Lost", "ClaimMisbound", id="volume of another claim"),
    ],
)  # fmt: skip
def test_what_an_unbound_claim_is_told(
    plan: decisions.ClaimPlan, phase: str, reason: str | None
) -> None:
    """Its phase, and upstream's reason."""
    assert plan.bind is None
    assert plan.phase == phase
    assert (plan.event and plan.event.reason) == reason


def test_a_provisioner_is_asked_once_the_node_is_known() -> None:
    """And at once where nothing waits for a pod."""
    waiting = _claim(_NODE_CHOSEN, storageClassName="local")
    assert _plan(waiting, classes=[_WAITS]).provisioner == storage.PROVISIONER
    at_once = storage.storage_class("fast")
    plan = _plan(_claim(storageClassName="fast"), classes=[at_once])
    assert plan.provisioner == storage.PROVISIONER


def test_the_default_class_is_for_claims_that_say_nothing() -> None:
    """A claim that says "" wants none; a free volume comes first."""
    silent = _claim(storageClassName=None)
    assert _plan(silent, default_class="d").default_class == "d"
    assert _plan(_claim(), default_class="d").default_class == ""
    assert _plan(silent, default_class="d", all_volumes=[_volume("v")]).bind is not None


def test_the_youngest_default_class_counts() -> None:
    """Of several, as upstream decides; then the first by name."""

    def marked(name: str, created: str) -> Object:
        given = {decisions.DEFAULT_CLASS: "true"}
        made = storage.storage_class(name)
        return storage.with_metadata(made, annotations=given, creationTimestamp=created)

    old, young = "2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z"
    found = [marked("a", old), marked("c", young), marked("b", young), storage.storage_class("d")]
    assert decisions.default_class(found) == "b"
    assert decisions.default_class(found[3:]) == ""


_PROVISIONED = {volumes.PROVISIONED_BY: storage.PROVISIONER}


@pytest.mark.parametrize(
    ("volume", "claim", "plan"),
    [
        pytest.param(_volume("v"), None, {"phase": "Available"}, id="free"),
        pytest.param(_volume("v", claimRef=_reference("")), _claim(), {"phase": "Available"},
                     id="reserved"),
        pytest.param(_volume("v", claimRef=_reference()), None,
                     {"phase": "Released", "keeps": ("Failed",), "reclaim": True}, id="claim gone"),
        pytest.param(_volume("v", claimRef=_reference("old")), _claim(),
                     {"phase": "Released", "keeps": ("Failed",), "reclaim": True},
                     id="another claim of the name"),
        pytest.param(_volume("v", claimRef=_reference()), _claim(), {"wakes_claim": True},
                     id="half bound"),
        pytest.param(_volume("v", claimRef=_reference()), _claim(volumeName="v"),
                     {"phase": "Bound"}, id="bound"),
        pytest.param(_volume("v", claimRef=_reference()), _claim(volumeName="w"),
                     {"phase": "Available", "unbind": True}, id="claim went elsewhere"),
        pytest.param(_volume("v", claimRef=_reference(), annotations=_PROVISIONED,
                             persistentVolumeReclaimPolicy="Delete"), _claim(volumeName="w"),
                     {"phase": "Released", "keeps": ("Failed",), "reclaim": True},
                     id="made for a claim that went elsewhere"),
    ],
)  # fmt: skip
def test_what_becomes_of_a_volume(volume: Object, claim: Object | None, plan: Object) -> None:
    """By its claimRef and by what that claim says."""
    assert decisions.plan_volume(volume, claim) == decisions.VolumePlan(**plan)


def _released(policy: str, **given: Any) -> Object:
    return _volume("v", "Released", persistentVolumeReclaimPolicy=policy, **given)


@pytest.mark.parametrize(
    ("volume", "reason"),
    [
        pytest.param(_released("Retain"), None, id="kept"),
        pytest.param(_released("Recycle"), "VolumeFailedRecycle", id="nobody recycles"),
        pytest.param(_released("Delete"), "VolumeFailedDelete", id="nobody deletes"),
        pytest.param(_released("Delete", annotations=_PROVISIONED), None, id="its provisioner"),
        pytest.param(_released("Delete", csi={"driver": "d", "volumeHandle": "h"}), None,
                     id="its driver"),
        pytest.param(_released("Shred"), "VolumeUnknownReclaimPolicy", id="unknown policy"),
    ],
)  # fmt: skip
def test_who_reclaims_a_volume(volume: Object, reason: str | None) -> None:
    """Somebody outside, nobody, or it fails for want of a plugin."""
    found = decisions.reclaim_failure(volume)
    assert (found and found.reason) == reason


def test_unbinding_leaves_what_the_user_wrote() -> None:
    """A pre-bound volume stays reserved, one that the controller bound is free again."""
    by_user = _volume("v", claimRef=_reference())
    assert volumes.unbound_volume(by_user)["spec"]["claimRef"] == _reference("")
    by_us = volumes.bound_volume(_volume("v"), _claim())
    free = volumes.unbound_volume(by_us)
    assert "claimRef" not in free["spec"]
    assert volumes.BOUND_BY_CONTROLLER not in free["metadata"]["annotations"]
