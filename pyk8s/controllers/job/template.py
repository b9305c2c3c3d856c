# SPDX-License-Identifier: Apache-2.0
"""The Pods a Job makes. Indexed ones know which they are: by annotation and label, host name and
environment."""

from __future__ import annotations

from typing import Any

from pyk8s.apimachinery import meta
from pyk8s.apimachinery.gvk import Object
from pyk8s.controllers.job import failures
from pyk8s.controllers.job.indexes import COMPLETION_INDEX

TRACKING_FINALIZER = "batch.kubernetes.io/job-tracking"
INDEX_VARIABLE = "JOB_COMPLETION_INDEX"

# A generated name is at most this long before the five characters of chance.
_GENERATE_NAME_MAX = 58


def pod(job: Object) -> Object:
    """A Pod of a Job whose Pods are all alike."""
    template = job["spec"]["template"]
    named = template.get("metadata") or {}
    metadata: dict[str, Any] = {
        key: dict(named[key]) for key in ("labels", "annotations") if named.get(key)
    }
    metadata["finalizers"] = list(
        dict.fromkeys([*(named.get("finalizers") or ()), TRACKING_FINALIZER])
    )
    metadata["generateName"] = f"{meta.name(job)}-"
    metadata["ownerReferences"] = [meta.controller_reference(job)]
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": template["spec"]}


def indexed_pod(job: Object, index: int, replaced: Object | None) -> Object:
    """The Pod for one index. `replaced` is the failed one whose place it takes."""
    made = pod(job)
    metadata, name = made["metadata"], meta.name(job)
    annotations = metadata.setdefault("annotations", {})
    annotations[COMPLETION_INDEX] = str(index)
    metadata.setdefault("labels", {})[COMPLETION_INDEX] = str(index)
    if "backoffLimitPerIndex" in job["spec"]:
        annotations.update(failures.annotations_of_next(job, replaced))
    suffix = f"-{index}-"
    metadata["generateName"] = name[: _GENERATE_NAME_MAX - len(suffix)] + suffix
    spec = {**made["spec"], "hostname": f"{name}-{index}"}
    for key in ("initContainers", "containers"):
        if spec.get(key):
            spec[key] = [_with_variable(container) for container in spec[key]]
    made["spec"] = spec
    return made


def _with_variable(container: Object) -> Object:
    env = container.get("env") or []
    if any(variable["name"] == INDEX_VARIABLE for variable in env):
        return container
    source = {"fieldRef": {"fieldPath": f"metadata.labels['{COMPLETION_INDEX}']"}}
    return {**container, "env": [*env, {"name": INDEX_VARIABLE, "valueFrom": source}]}
