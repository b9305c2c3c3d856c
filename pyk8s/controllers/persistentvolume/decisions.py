# SPDX-License-Identifier: Apache-2.0
"""What is to happen to one claim or one volume, given what it stands beside. Pure.

Mirrors syncClaim and syncVolume of `pkg/controller/volume/persistentvolume/pv_controller.go`:
phases, reasons and messages are upstream's.

    claim    Pending -> Bound -> Lost
    volume   Available -> Bound -> Released -> (Failed)
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from pyk8s.apimachinery import meta
from pyk8s.apimachinery.gvk import Object
from pyk8s.client import events
from pyk8s.componenthelpers import volumes

DEFAULT_CLASS = "storageclass.kubernetes.io/is-default-class"
BETA_DEFAULT_CLASS = "storageclass.beta.kubernetes.io/is-default-class"

_IN_TREE = "kubernetes.io/"


class Event(NamedTuple):
    type: str
    reason: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimPlan:
    """One of: bind to `bind`; give it the class `default_class`; ask `provisioner` for a volume;
    set `phase`. The event goes with it, or with the change of phase alone where `once`."""

    bind: Object | None = None
    default_class: str = ""
    provisioner: str = ""
    phase: str = ""
    event: Event | None = None
    once: bool = False


def plan_claim(
    claim: Object,
    *,
    all_volumes: Sequence[Object],
    volume: Object | None,
    class_named: Callable[[str], Object | None],
    default_class: str = "",
    waiting_pods: Sequence[str] = (),
) -> ClaimPlan:
    """`volume` is the one the claim names, None if there is none of that name; `waiting_pods` are
    the names of the pods that use the claim and have no node. Raises ValueError for a selector
    that cannot be read."""
    if volumes.BIND_COMPLETED in meta.annotations(claim):
        return _plan_bound_claim(claim, volume)
    if claim["spec"].get("volumeName"):
        return _plan_claim_for(claim, volume)
    delayed = volumes.waits_for_consumer(class_named(volumes.class_of(claim)))
    found = volumes.find_best_match(claim, all_volumes, delay_binding=delayed)
    if found is not None:
        return ClaimPlan(bind=found)
    if default_class and not volumes.has_class(claim):
        return ClaimPlan(default_class=default_class)
    if delayed and volumes.SELECTED_NODE not in meta.annotations(claim):
        return ClaimPlan(phase="Pending", event=_waiting(waiting_pods))
    if volumes.class_of(claim):
        return _plan_provisioning(volumes.class_of(claim), class_named)
    message = "no persistent volumes available for this claim and no storage class is set"
    return ClaimPlan(phase="Pending", event=Event(events.NORMAL, "FailedBinding", message))


def _plan_claim_for(claim: Object, volume: Object | None) -> ClaimPlan:
    """The user asks for this volume."""
    if volume is None:
        return ClaimPlan(phase="Pending")
    name = meta.name(volume)
    reference = volume["spec"].get("claimRef")
    if not reference:
        why = volumes.mismatch(volume, claim)
        if not why:
            return ClaimPlan(bind=volume)
        message = f'Cannot bind to requested volume "{name}": {why}'
        return ClaimPlan(phase="Pending", event=Event(events.WARNING, "VolumeMismatch", message))
    if volumes.is_bound_to(volume, claim):
        return ClaimPlan(bind=volume)
    message = f'volume "{name}" already bound to a different claim.'
    taken = Event(events.WARNING, "FailedBinding", message)
    if volumes.BOUND_BY_CONTROLLER not in meta.annotations(claim):
        return ClaimPlan(phase="Pending", event=taken)
    # Somebody took bind-completed off the claim: neither side is to be believed.
    return ClaimPlan(event=taken)


def _plan_bound_claim(claim: Object, volume: Object | None) -> ClaimPlan:
    if not claim["spec"].get("volumeName"):
        what = "Bound claim has lost reference to PersistentVolume. Data on the volume is lost!"
        return _lost("ClaimLost", what)
    if volume is None:
        return _lost(
            "ClaimLost", "Bound claim has lost its PersistentVolume. Data on the volume is lost!"
        )
    reference = volume["spec"].get("claimRef")
    if not reference or reference.get("uid") == meta.uid(claim):
        return ClaimPlan(bind=volume)
    what = "Two claims are bound to the same volume, this one is bound incorrectly"
    return _lost("ClaimMisbound", what)


def _lost(reason: str, message: str) -> ClaimPlan:
    return ClaimPlan(phase="Lost", event=Event(events.WARNING, reason, message), once=True)


def _waiting(pods: Sequence[str]) -> Event:
    if not pods:
        message = "waiting for first consumer to be created before binding"
        return Event(events.NORMAL, "WaitForFirstConsumer", message)
    which = f"pods {','.join(pods)}" if len(pods) > 1 else f"pod {pods[0]}"
    return Event(events.NORMAL, "WaitForPodScheduled", f"waiting for {which} to be scheduled")


def _plan_provisioning(name: str, class_named: Callable[[str], Object | None]) -> ClaimPlan:
    found = class_named(name)
    if found is None:
        return _not_provisioned(f'storageclass.storage.k8s.io "{name}" not found')
    provisioner = found["provisioner"]
    if provisioner.startswith(_IN_TREE):
        return _not_provisioned("no volume plugin matched name: " + provisioner)
    message = (
        f"Waiting for a volume to be created either by the external provisioner '{provisioner}' "
        "or manually by the system administrator. If volume creation is delayed, please verify "
        "that the provisioner is running and correctly registered."
    )
    event = Event(events.NORMAL, "ExternalProvisioning", message)
    return ClaimPlan(provisioner=provisioner, event=event)


def _not_provisioned(why: str) -> ClaimPlan:
    return ClaimPlan(event=Event(events.WARNING, "ProvisioningFailed", why))


def default_class(classes: Iterable[Object]) -> str:
    """The name of the default class: of several the youngest, then the first by name."""
    marked = [each for each in classes if _is_default(each)]
    marked.sort(key=meta.name)
    marked.sort(key=lambda each: meta.of(each).get("creationTimestamp") or "", reverse=True)
    return meta.name(marked[0]) if marked else ""


def _is_default(storage_class: Object) -> bool:
    annotations = meta.annotations(storage_class)
    return "true" in (annotations.get(DEFAULT_CLASS), annotations.get(BETA_DEFAULT_CLASS))


def claim_status(claim: Object, phase: str, volume: Object | None = None) -> Object:
    """The claim's status in this phase: with a volume, what that one offers. The capacity of a
    claim that is bound already is left alone, for its file system may be smaller than the volume.

    Raises ValueError for a volume that says no capacity."""
    status = {**(claim.get("status") or {}), "phase": phase}
    if volume is None:
        status.pop("accessModes", None)
        status.pop("capacity", None)
        return status
    status["accessModes"] = volume["spec"].get("accessModes") or []
    if volumes.phase(claim) != phase:
        if "storage" not in (volume["spec"].get("capacity") or {}):
            name = meta.name(volume)
            raise ValueError(f'PersistentVolume "{name}" is without a storage capacity')
        status["capacity"] = volume["spec"]["capacity"]
        if attributes_class := volumes.attributes_class_of(volume):
            status["currentVolumeAttributesClassName"] = attributes_class
    return status


# --- volumes


@dataclass(frozen=True, slots=True, kw_only=True)
class VolumePlan:
    """Take the binding off (`unbind`), set `phase`, then look at the claim (`wakes_claim`) or do
    what the reclaim policy says (`reclaim`). A phase in `keeps` stays."""

    phase: str = ""
    keeps: tuple[str, ...] = ()
    unbind: bool = False
    wakes_claim: bool = False
    reclaim: bool = False


_RELEASED = VolumePlan(phase="Released", keeps=("Failed",), reclaim=True)


def plan_volume(volume: Object, claim: Object | None) -> VolumePlan:
    """`claim` is the one the claimRef names, None if it is gone: by the server's word, not by
    that of a cache."""
    reference = volume["spec"].get("claimRef")
    if not reference or not reference.get("uid"):
        return VolumePlan(phase="Available")
    if claim is None or meta.uid(claim) != reference["uid"]:
        return _RELEASED
    named = claim["spec"].get("volumeName")
    if not named:
        return VolumePlan(wakes_claim=True)
    if named == meta.name(volume):
        return VolumePlan(phase="Bound")
    provisioned = volumes.PROVISIONED_BY in meta.annotations(volume)
    if provisioned and _policy(volume) == "Delete":
        # It was made for this claim, which found another one: nobody needs it.
        return _RELEASED
    return VolumePlan(phase="Available", unbind=True)


def _policy(volume: Object) -> str:
    return volume["spec"].get("persistentVolumeReclaimPolicy") or ""


def reclaim_failure(volume: Object) -> Event | None:
    """Why a released volume cannot be reclaimed here, where nothing knows how to wipe or remove
    one; None where nothing is to be done, or somebody outside does it."""
    policy = _policy(volume)
    if policy == "Retain":
        return None
    if policy == "Recycle":
        message = "No recycler plugin found for the volume!"
        return Event(events.WARNING, "VolumeFailedRecycle", message)
    if policy != "Delete":
        message = "Volume has unrecognized PersistentVolumeReclaimPolicy"
        return Event(events.WARNING, "VolumeUnknownReclaimPolicy", message)
    annotations = meta.annotations(volume)
    provisioner = annotations.get(volumes.PROVISIONED_BY) or ""
    if provisioner and not provisioner.startswith(_IN_TREE):
        return None
    if not provisioner and (volumes.MIGRATED_TO in annotations or volume["spec"].get("csi")):
        return None
    name = meta.name(volume)
    missing = "no deletable volume plugin matched"
    message = f'error getting deleter volume plugin for volume "{name}": {missing}'
    if provisioner:
        message = f"no volume plugin matched name: {provisioner}"
    return Event(events.WARNING, "VolumeFailedDelete", message)
