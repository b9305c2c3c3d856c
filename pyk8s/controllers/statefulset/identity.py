# SPDX-License-Identifier: Apache-2.0
"""Who a Pod of a StatefulSet is: its ordinal, name, labels and claims, and how it is doing.

Mirrors upstream's `stateful_set_utils.go`.
"""

from __future__ import annotations

import re
from datetime import datetime

from pyk8s.apimachinery import meta
from pyk8s.apimachinery.gvk import Object
from pyk8s.controllers import history, pods

POD_NAME_LABEL = "statefulset.kubernetes.io/pod-name"
POD_INDEX_LABEL = "apps.kubernetes.io/pod-index"

_numbered = re.compile(r"(.*)-([0-9]+)", re.DOTALL).fullmatch
_ORDINAL_MAX = 2**31 - 1


def replicas_of(stateful_set: Object) -> int:
    wanted = stateful_set["spec"].get("replicas")
    return 1 if wanted is None else int(wanted)


def start_of(stateful_set: Object) -> int:
    """The lowest ordinal."""
    return int((stateful_set["spec"].get("ordinals") or {}).get("start") or 0)


def min_ready_seconds(stateful_set: Object) -> int:
    return int(stateful_set["spec"].get("minReadySeconds") or 0)


def is_parallel(stateful_set: Object) -> bool:
    return bool(stateful_set["spec"].get("podManagementPolicy") == "Parallel")


def parent_and_ordinal(pod: Object) -> tuple[str, int]:
    """Which StatefulSet its name belongs to, and which number; no name and -1 for others."""
    match = _numbered(meta.name(pod))
    if match is None:
        return "", -1
    number = int(match[2])
    return match[1], number if number <= _ORDINAL_MAX else -1


def ordinal_of(pod: Object) -> int:
    return parent_and_ordinal(pod)[1]


def is_member(stateful_set: Object, pod: Object) -> bool:
    return parent_and_ordinal(pod)[0] == meta.name(stateful_set)


def is_in_range(stateful_set: Object, pod: Object) -> bool:
    start = start_of(stateful_set)
    return start <= ordinal_of(pod) < start + replicas_of(stateful_set)


def revision_of(pod: Object) -> str:
    """The name of the ControllerRevision that made it; empty for none."""
    return meta.labels(pod).get(history.REVISION_LABEL, "")


# --- what it looks like


def claim_templates(stateful_set: Object) -> list[Object]:
    return stateful_set["spec"].get("volumeClaimTemplates") or []


def claim_name(stateful_set: Object, template: Object, ordinal: int) -> str:
    return f"{meta.name(template)}-{meta.name(stateful_set)}-{ordinal}"


def new_pod(stateful_set: Object, ordinal: int, revision: str) -> Object:
    """The Pod of this ordinal as the StatefulSet's template says, not created yet."""
    template = stateful_set["spec"]["template"]
    named = template.get("metadata") or {}
    name = f"{meta.name(stateful_set)}-{ordinal}"
    metadata = {key: named[key] for key in ("annotations", "finalizers") if key in named}
    metadata |= {
        "name": name,
        "namespace": meta.namespace(stateful_set),
        "labels": {**meta.labels(template), history.REVISION_LABEL: revision},
        "ownerReferences": [meta.controller_reference(stateful_set)],
    }
    spec = {**template["spec"], "hostname": name}
    if service := stateful_set["spec"].get("serviceName"):
        spec["subdomain"] = service
    else:
        spec.pop("subdomain", None)
    pod: Object = {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}
    return with_storage(stateful_set, with_identity(pod))


def with_identity(pod: Object) -> Object:
    """The pod with the labels that say its name and number."""
    made = {POD_NAME_LABEL: meta.name(pod), POD_INDEX_LABEL: str(ordinal_of(pod))}
    metadata = {**pod["metadata"], "labels": {**meta.labels(pod), **made}}
    return {**pod, "metadata": metadata}


def with_storage(stateful_set: Object, pod: Object) -> Object:
    """The pod with a volume for each of its claims, in place of others of the same name."""
    templates, ordinal = claim_templates(stateful_set), ordinal_of(pod)
    if not templates:
        return pod
    names = {meta.name(template) for template in templates}
    volumes = [
        {
            "name": meta.name(template),
            "persistentVolumeClaim": {"claimName": claim_name(stateful_set, template, ordinal)},
        }
        for template in templates
    ]
    others = [v for v in pod["spec"].get("volumes") or () if v["name"] not in names]
    return {**pod, "spec": {**pod["spec"], "volumes": volumes + others}}


def has_identity(pod: Object) -> bool:
    """Its label says its name. One without a number is left as it is, as upstream leaves it."""
    return meta.labels(pod).get(POD_NAME_LABEL) == meta.name(pod)


def has_storage(stateful_set: Object, pod: Object) -> bool:
    mounted = {v["name"]: v for v in pod["spec"].get("volumes") or ()}
    ordinal = ordinal_of(pod)
    for template in claim_templates(stateful_set):
        claim = mounted.get(meta.name(template), {}).get("persistentVolumeClaim") or {}
        if claim.get("claimName") != claim_name(stateful_set, template, ordinal):
            return False
    return True


# --- how it is doing


def is_created(pod: Object) -> bool:
    """The server has it; a pod that is only meant to be has no phase."""
    return bool(pods.phase(pod))


def is_running_and_ready(pod: Object) -> bool:
    return pods.phase(pod) == "Running" and pods.is_ready(pod)


def is_unavailable(pod: Object, min_ready: int, now: datetime) -> bool:
    return meta.is_being_deleted(pod) or not pods.is_available(pod, min_ready, now)
