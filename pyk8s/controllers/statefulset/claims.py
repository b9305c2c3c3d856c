# SPDX-License-Identifier: Apache-2.0
"""Whom the claims of a StatefulSet's Pods belong to, by persistentVolumeClaimRetentionPolicy.

    whenScaled  whenDeleted   owner
    Retain      Retain        nobody
    Retain      Delete        the StatefulSet
    Delete      Retain        the pod, once it is condemned
    Delete      Delete        the StatefulSet; the pod, once it is condemned

What is owned goes with its owner. Mirrors the second half of upstream's `stateful_set_utils.go`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pyk8s.apimachinery import meta
from pyk8s.apimachinery.gvk import Object
from pyk8s.controllers.statefulset import identity

_DELETE = "Delete"

Reference = dict[str, Any]


def _deletes(stateful_set: Object, when: str) -> bool:
    policy = stateful_set["spec"].get("persistentVolumeClaimRetentionPolicy") or {}
    return bool(policy.get(when) == _DELETE)


def new_claim(stateful_set: Object, template: Object, pod: Object) -> Object:
    """The claim of this template for the pod, not created yet."""
    selected = stateful_set["spec"]["selector"].get("matchLabels") or {}
    named = {k: v for k, v in meta.of(template).items() if k in ("annotations", "labels")}
    name = identity.claim_name(stateful_set, template, identity.ordinal_of(pod))
    labels = {**meta.labels(template), **selected}
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {
            **named,
            "name": name,
            "namespace": meta.namespace(stateful_set),
            "labels": labels,
        },
        "spec": template["spec"],
    }


def is_stale(stateful_set: Object, pod: Object, claim: Object) -> bool:
    """It belongs to an earlier pod of this name and goes with it: no new pod may take it."""
    return _deletes(stateful_set, "whenScaled") and _has_stale_owner(claim, _as_pod(pod))


def wanted_references(stateful_set: Object, pod: Object, claim: Object) -> Sequence[Reference]:
    """The claim's owner references as they should be; the ones it has where it is in order, or
    belongs to an earlier StatefulSet or pod of this name and is not ours to touch."""
    references = meta.owner_references(claim)
    pod = _as_pod(pod)
    owners = (stateful_set, pod)
    if any(_has_stale_owner(claim, owner) for owner in owners):
        return references
    others = [r for r in references if not any(_names(r, owner) for owner in owners)]
    if has_conflicting_controller(stateful_set, pod, claim):
        return references if len(others) == len(references) else others
    condemned = not identity.is_in_range(stateful_set, pod)
    if _deletes(stateful_set, "whenScaled") and condemned:
        owner: Object | None = pod
    elif _deletes(stateful_set, "whenDeleted"):
        owner = stateful_set
    else:
        owner = None
    mine = [r for r in references if any(r["uid"] == meta.uid(each) for each in owners)]
    wanted = [meta.uid(owner)] if owner is not None else []
    if [r["uid"] for r in mine] == wanted and all(r.get("controller") for r in mine):
        return references
    return others + ([meta.controller_reference(owner)] if owner is not None else [])


def has_conflicting_controller(stateful_set: Object, pod: Object, claim: Object) -> bool:
    """Somebody else is in charge of the claim although the StatefulSet is to delete it."""
    if not _deletes(stateful_set, "whenScaled") and not _deletes(stateful_set, "whenDeleted"):
        return False
    for reference in meta.owner_references(claim):
        owner = next((o for o in (stateful_set, _as_pod(pod)) if _names(reference, o)), None)
        if owner is not None:
            if reference["uid"] != meta.uid(owner):
                return True
        elif reference.get("controller"):
            return True
    return False


def _as_pod(pod: Object) -> Object:
    return {"apiVersion": "v1", "kind": "Pod", **pod}


def _names(reference: Reference, obj: Object) -> bool:
    """The reference is to an object of this kind and name; perhaps to an earlier one."""
    named = (reference["apiVersion"], reference["kind"], reference["name"])
    return named == (obj["apiVersion"], obj["kind"], meta.name(obj))


def _has_stale_owner(claim: Object, owner: Object) -> bool:
    for reference in meta.owner_references(claim):
        if _names(reference, owner):
            return bool(reference["uid"] != meta.uid(owner))
    return False
