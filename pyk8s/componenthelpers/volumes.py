# SPDX-License-Identifier: Apache-2.0
"""Which PersistentVolume goes with which PersistentVolumeClaim, for binder and scheduler alike.

Mirrors `component-helpers/storage/volume` and `component-helpers/storage/ephemeral`. A volume is
*bound to* a claim when its claimRef names it, and by uid if it has one; a claim is *fully bound*
when it names a volume and the binder has said that it is done.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from pyk8s.apimachinery import labels, meta, quantity
from pyk8s.apimachinery.gvk import Object
from pyk8s.componenthelpers import nodeaffinity

BIND_COMPLETED = "pv.kubernetes.io/bind-completed"
BOUND_BY_CONTROLLER = "pv.kubernetes.io/bound-by-controller"
PROVISIONED_BY = "pv.kubernetes.io/provisioned-by"
MIGRATED_TO = "pv.kubernetes.io/migrated-to"
SELECTED_NODE = "volume.kubernetes.io/selected-node"
STORAGE_PROVISIONER = "volume.kubernetes.io/storage-provisioner"
BETA_STORAGE_PROVISIONER = "volume.beta.kubernetes.io/storage-provisioner"
NO_PROVISIONER = "kubernetes.io/no-provisioner"
CLAIM_PROTECTION = "kubernetes.io/pvc-protection"
VOLUME_PROTECTION = "kubernetes.io/pv-protection"
ATTRIBUTES_CLASS_PROTECTION = "kubernetes.io/vac-protection"
_BETA_CLASS = "volume.beta.kubernetes.io/storage-class"

_ZERO = quantity.parse("0")


# --- what a claim and a volume say of themselves


def has_class(claim: Object) -> bool:
    """Whether the user said anything of a class; "" says that there is to be none."""
    return (
        _BETA_CLASS in meta.annotations(claim) or claim["spec"].get("storageClassName") is not None
    )


def class_of(obj: Object) -> str:
    """The StorageClass of a claim or of a volume; empty for none."""
    by_annotation = meta.annotations(obj).get(_BETA_CLASS)
    return by_annotation if by_annotation is not None else obj["spec"].get("storageClassName") or ""


def attributes_class_of(obj: Object) -> str:
    return obj["spec"].get("volumeAttributesClassName") or ""


def mode_of(obj: Object) -> str:
    return obj["spec"].get("volumeMode") or "Filesystem"


def requested(claim: Object) -> quantity.Quantity:
    requests = (claim["spec"].get("resources") or {}).get("requests") or {}
    return quantity.parse(requests["storage"]) if "storage" in requests else _ZERO


def capacity(volume: Object) -> quantity.Quantity:
    given = volume["spec"].get("capacity") or {}
    return quantity.parse(given["storage"]) if "storage" in given else _ZERO


def phase(obj: Object) -> str:
    return (obj.get("status") or {}).get("phase") or ""


def is_fully_bound(claim: Object) -> bool:
    return bool(claim["spec"].get("volumeName")) and BIND_COMPLETED in meta.annotations(claim)


def is_bound_to(volume: Object, claim: Object) -> bool:
    """Bound or pre-bound to the claim, by name and, where the volume knows one, by uid."""
    reference = volume["spec"].get("claimRef")
    if not reference:
        return False
    if (reference.get("namespace") or "", reference.get("name")) != meta.namespaced_name(claim):
        return False
    return not reference.get("uid") or bool(reference["uid"] == meta.uid(claim))


def waits_for_consumer(storage_class: Object | None) -> bool:
    """Whether claims of the class are bound only once a pod that uses them is scheduled."""
    return storage_class is not None and (
        storage_class.get("volumeBindingMode") == "WaitForFirstConsumer"
    )


def fits_node(volume: Object, node_labels: Mapping[str, str]) -> bool:
    """Whether the volume's node affinity lets it be used on a node of these labels."""
    required = (volume["spec"].get("nodeAffinity") or {}).get("required")
    return required is None or nodeaffinity.NodeSelector(required).matches_labels(node_labels, "")


def has_access_modes(volume: Object, claim: Object) -> bool:
    offered = volume["spec"].get("accessModes") or ()
    return all(mode in offered for mode in claim["spec"].get("accessModes") or ())


def mismatch(volume: Object, claim: Object) -> str:
    """Why the claim cannot have the volume it names, in upstream's words; empty if it can."""
    if meta.is_being_deleted(volume):
        return f'the volume is marked for deletion "{meta.name(volume)}"'
    if capacity(volume) < requested(claim):
        return "requested PV is too small"
    if class_of(volume) != class_of(claim):
        return "storageClassName does not match"
    if attributes_class_of(volume) != attributes_class_of(claim):
        return "volumeAttributesClassName does not match"
    if mode_of(volume) != mode_of(claim):
        return "incompatible volumeMode"
    return "" if has_access_modes(volume, claim) else "incompatible accessMode"


# --- finding one


def find_matching_volume(
    claim: Object,
    volumes: Iterable[Object],
    *,
    node_labels: Mapping[str, str] | None = None,
    excluded: Collection[str] = (),
    delay_binding: bool = False,
) -> Object | None:
    """The volume that is bound to the claim, else the smallest that fits it; None for none.

    With `node_labels` only what a node of these labels can use; a bound volume that it cannot
    use means that there is none. With `delay_binding` and no node only a bound one. Volumes named
    in `excluded` are left out. Raises ValueError for a selector that cannot be read.
    """
    wanted, chosen = claim["spec"].get("selector"), None
    selector = labels.EVERYTHING if wanted is None else labels.from_label_selector(wanted)
    for volume in volumes:
        if meta.name(volume) in excluded or not could_hold(volume, claim):
            continue
        fits = node_labels is None or fits_node(volume, node_labels)
        if is_bound_to(volume, claim):
            return volume if fits else None
        if node_labels is None and delay_binding:
            continue
        if phase(volume) != "Available" or not selector.matches(meta.labels(volume)):
            continue
        if class_of(volume) != class_of(claim) or not fits:
            continue
        if not has_access_modes(volume, claim):
            continue
        if chosen is None or capacity(volume) < capacity(chosen):
            chosen = volume
    return chosen


def could_hold(volume: Object, claim: Object) -> bool:
    """Whether the volume is nobody else's, and what no node or label changes speaks for it."""
    if volume["spec"].get("claimRef") and not is_bound_to(volume, claim):
        return False
    return (
        not capacity(volume) < requested(claim)
        and mode_of(volume) == mode_of(claim)
        and attributes_class_of(volume) == attributes_class_of(claim)
        and not meta.is_being_deleted(volume)
    )


def find_best_match(
    claim: Object, volumes: Iterable[Object], *, delay_binding: bool
) -> Object | None:
    """As `find_matching_volume` for any node: of the volumes that allow what the claim asks for,
    those that allow the least beyond it come first."""
    by_modes: dict[tuple[str, ...], list[Object]] = {}
    for volume in volumes:
        if has_access_modes(volume, claim):
            modes = tuple(sorted(volume["spec"].get("accessModes") or ()))
            by_modes.setdefault(modes, []).append(volume)
    for modes in sorted(by_modes, key=lambda modes: (len(modes), modes)):
        found = find_matching_volume(claim, by_modes[modes], delay_binding=delay_binding)
        if found is not None:
            return found
    return None


# --- binding


def changeable(obj: Object, *, remove: Collection[str] = ()) -> Object:
    """A copy whose annotations and spec may be changed, without the annotations named."""
    kept = {key: value for key, value in meta.annotations(obj).items() if key not in remove}
    return {**obj, "metadata": {**meta.of(obj), "annotations": kept}, "spec": {**obj["spec"]}}


def bound_volume(volume: Object, claim: Object) -> Object:
    """The volume as it is when it is bound to the claim: itself where nothing has to change."""
    prebound = is_bound_to(volume, claim)
    if prebound and volume["spec"]["claimRef"].get("uid") == meta.uid(claim):
        return volume
    updated = changeable(volume)
    if not prebound:
        updated["metadata"]["annotations"].setdefault(BOUND_BY_CONTROLLER, "yes")
    updated["spec"]["claimRef"] = reference_to(claim)
    return updated


def reference_to(claim: Object) -> Object:
    namespace, name = meta.namespaced_name(claim)
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "namespace": namespace,
        "name": name,
        "uid": meta.uid(claim),
        "resourceVersion": meta.resource_version(claim),
    }


def unbound_volume(volume: Object) -> Object:
    """The volume as before it was bound: free, or still pre-bound where the user did that."""
    if BOUND_BY_CONTROLLER not in meta.annotations(volume):
        updated = changeable(volume)
        reference = {k: v for k, v in volume["spec"]["claimRef"].items() if k != "uid"}
        updated["spec"]["claimRef"] = reference
        return updated
    updated = changeable(volume, remove=(BOUND_BY_CONTROLLER,))
    del updated["spec"]["claimRef"]
    return updated


def bound_claim(claim: Object, volume: Object) -> Object:
    """The claim as it is when it is bound to the volume: itself where nothing has to change."""
    annotations = meta.annotations(claim)
    same = claim["spec"].get("volumeName") == meta.name(volume)
    if same and BIND_COMPLETED in annotations:
        return claim
    updated = changeable(claim)
    updated["spec"]["volumeName"] = meta.name(volume)
    updated["metadata"]["annotations"][BIND_COMPLETED] = "yes"
    if not same:
        updated["metadata"]["annotations"].setdefault(BOUND_BY_CONTROLLER, "yes")
    return updated


# --- the claims of a pod


def ephemeral_claim_name(pod: Object, volume: Mapping[str, Any]) -> str:
    return f"{meta.name(pod)}-{volume['name']}"


def claim_name(pod: Object, volume: Mapping[str, Any]) -> str:
    """The claim that a volume of the pod stands for; empty for a volume that needs none."""
    if volume.get("persistentVolumeClaim"):
        return str(volume["persistentVolumeClaim"]["claimName"])
    return ephemeral_claim_name(pod, volume) if volume.get("ephemeral") else ""


def claim_names(pod: Object) -> list[str]:
    """The claims a pod uses, generic ephemeral volumes' among them, in the order of volumes."""
    named = (claim_name(pod, volume) for volume in pod["spec"].get("volumes") or ())
    return [name for name in named if name]


def not_for_pod(pod: Object, claim: Object) -> str:
    """Why an ephemeral volume of the pod cannot use the claim, in upstream's words: somebody else
    made it. Empty where it can."""
    if meta.is_controlled_by(claim, pod):
        return ""
    namespace, name = meta.namespaced_name(claim)
    whose = "/".join(meta.namespaced_name(pod))
    return f"PVC {namespace}/{name} was not created for pod {whose} (pod is not owner)"


def is_shut_down(pod: Object) -> bool:
    """It is being deleted, and its kubelet has said that nothing of it runs any more."""
    return meta.is_being_deleted(pod) and meta.of(pod).get("deletionGracePeriodSeconds") == 0


def is_used_by(claim: Object, pod: Object) -> bool:
    """Whether the pod is on a node and its volumes need the claim. A finished pod still uses it:
    what is mounted may be mounted until the pod is gone."""
    if meta.namespace(pod) != meta.namespace(claim) or not pod["spec"].get("nodeName"):
        return False
    for volume in pod["spec"].get("volumes") or ():
        if claim_name(pod, volume) != meta.name(claim):
            continue
        if not volume.get("ephemeral"):
            return True
        if not is_shut_down(pod) and not not_for_pod(pod, claim):
            return True
    return False
