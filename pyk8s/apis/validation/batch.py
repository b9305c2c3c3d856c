# SPDX-License-Identifier: Apache-2.0
"""Rules of Jobs, and of the Jobs inside CronJobs.

Mirrors upstream's `pkg/apis/batch/validation/validation.go`; the status has its own module.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pyk8s.apimachinery import field, names
from pyk8s.apimachinery.gvk import Object
from pyk8s.apis.defaults.batch import (
    CONTROLLER_UID_LABEL,
    JOB_NAME_LABEL,
    LEGACY_CONTROLLER_UID_LABEL,
    LEGACY_JOB_NAME_LABEL,
)
from pyk8s.apis.validation import checks, job_policies, meta, pods

_SPEC = field.Path("spec")
_INDEXED = "Indexed"
_PARALLELISM_MAX = 100_000
_FAILED_INDEXES_MAX = 100_000
# Beyond so many completions, failures per index are tracked only within tighter bounds.
_MANY_COMPLETIONS = 100_000
_PARALLELISM_WITH_MANY = 10_000
_FAILED_INDEXES_WITH_MANY = 10_000
_MANAGED_BY_BYTES_MAX = 63

Spec = Mapping[str, Any]


def validate_job(job: Object, *, prefixed_labels: bool = True) -> list[field.Error]:
    """`prefixed_labels` is False for a stored Job that predates the labels with a prefix."""
    found = meta.validate_object_meta(job, namespaced=True, name_rule=names.is_dns1123_subdomain)
    found += _generated_selector(job, prefixed_labels)
    found += validate_job_spec(job["spec"], _SPEC)
    return found + _indexed_host_names(job)


def validate_job_update(updated: Object, existing: Object) -> list[field.Error]:
    labels = _template_labels(existing["spec"])
    prefixed = JOB_NAME_LABEL in labels and CONTROLLER_UID_LABEL in labels
    found = validate_job(updated, prefixed_labels=prefixed)
    found += meta.validate_object_meta_update(updated, existing)
    return found + _spec_update(updated["spec"], existing)


def validate_job_spec(spec: Spec, path: field.Path) -> list[field.Error]:
    found = validate_job_template_spec(spec, path)
    selector = spec.get("selector")
    where = path.child("selector")
    if selector is None:
        found.append(field.required(where))
    else:
        found += meta.validate_label_selector(selector, where)
    labels = _template_labels(spec)
    if checks.selector_matches(selector, labels) is False:
        given = dict(sorted(labels.items())) or None
        detail = "`selector` does not match template `labels`"
        place = path.child("template", "metadata", "labels")
        found.append(field.invalid(place, given, detail))
    return found


def validate_job_template_spec(spec: Spec, path: field.Path) -> list[field.Error]:
    """A Job's spec but for its selector, which a CronJob's template must not have."""
    keys = (
        "parallelism",
        "completions",
        "activeDeadlineSeconds",
        "backoffLimit",
        "ttlSecondsAfterFinished",
        "backoffLimitPerIndex",
        "maxFailedIndexes",
    )
    found = checks.all_non_negative(spec, keys, path)
    if "maxFailedIndexes" in spec and "backoffLimitPerIndex" not in spec:
        where = path.child("backoffLimitPerIndex")
        found.append(field.required(where, "when maxFailedIndexes is specified"))
    found += _managed_by(spec.get("managedBy"), path.child("managedBy"))
    found += _completion_mode(spec, path)
    found += job_policies.validate(spec, path)
    found += pods.validate_pod_template(spec["template"], path.child("template"))
    return found + _restart_policy(spec, path.child("template", "spec", "restartPolicy"))


def _managed_by(manager: str | None, path: field.Path) -> list[field.Error]:
    if manager is None:
        return []
    found = checks.domain_prefixed_path(manager, path)
    if names.bytes_length(manager) > _MANAGED_BY_BYTES_MAX:
        found.append(field.too_long(path, _MANAGED_BY_BYTES_MAX))
    return found


def _completion_mode(spec: Spec, path: field.Path) -> list[field.Error]:
    mode = spec.get("completionMode", "NonIndexed")
    found = checks.one_of(mode, path.child("completionMode"), ("NonIndexed", _INDEXED))
    if mode == _INDEXED:
        return found + _indexed(spec, path)
    if mode == "NonIndexed":
        for key in ("backoffLimitPerIndex", "maxFailedIndexes"):
            if key in spec:
                detail = "requires indexed completion mode"
                found.append(field.invalid(path.child(key), spec[key], detail))
    return found


def _indexed(spec: Spec, path: field.Path) -> list[field.Error]:
    found = []
    completions = spec.get("completions")
    parallelism = spec.get("parallelism", 0)
    failed = spec.get("maxFailedIndexes")
    if completions is None:
        where = path.child("completions")
        found.append(field.required(where, "when completion mode is Indexed"))
    if parallelism > _PARALLELISM_MAX:
        detail = f"must be less than or equal to {_PARALLELISM_MAX} when completion mode is Indexed"
        found.append(field.invalid(path.child("parallelism"), parallelism, detail))
    where = path.child("maxFailedIndexes")
    if completions is not None and failed is not None and failed > completions:
        found.append(field.invalid(where, failed, "must be less than or equal to completions"))
    if failed is not None and failed > _FAILED_INDEXES_MAX:
        detail = f"must be less than or equal to {_FAILED_INDEXES_MAX}"
        found.append(field.invalid(where, failed, detail))
    if (completions or 0) > _MANY_COMPLETIONS and "backoffLimitPerIndex" in spec:
        found += _many_completions(spec, path)
    return found


def _many_completions(spec: Spec, path: field.Path) -> list[field.Error]:
    found = []
    why = f"when completions are above {_MANY_COMPLETIONS} and used with backoff limit per index"
    failed = spec.get("maxFailedIndexes")
    where = path.child("maxFailedIndexes")
    if failed is None:
        detail = f"must be specified when completions is above {_MANY_COMPLETIONS}"
        found.append(field.required(where, detail))
    parallelism = spec.get("parallelism", 0)
    if parallelism > _PARALLELISM_WITH_MANY:
        detail = f"must be less than or equal to {_PARALLELISM_WITH_MANY} {why}"
        found.append(field.invalid(path.child("parallelism"), parallelism, detail))
    if failed is not None and failed > _FAILED_INDEXES_WITH_MANY:
        detail = f"must be less than or equal to {_FAILED_INDEXES_WITH_MANY} {why}"
        found.append(field.invalid(where, failed, detail))
    return found


def _restart_policy(spec: Spec, path: field.Path) -> list[field.Error]:
    policy = spec["template"]["spec"].get("restartPolicy", "")
    # Always is what an absent policy was defaulted to, so it is treated as absent.
    if policy in ("", "Always"):
        return [field.required(path, 'valid values: "OnFailure", "Never"')]
    if policy not in ("OnFailure", "Never"):
        return [field.not_supported(path, policy, ("OnFailure", "Never"))]
    if "podFailurePolicy" in spec and policy != "Never":
        detail = 'only "Never" is supported when podFailurePolicy is specified'
        return [field.invalid(path, policy, detail)]
    return []


def _generated_selector(job: Object, prefixed_labels: bool) -> list[field.Error]:
    """Unless the user asked to choose, selector and labels are the ones made from the uid."""
    spec = job["spec"]
    selector = spec.get("selector")
    if spec.get("manualSelector") or selector is None:
        return []
    found = []
    uid = job["metadata"].get("uid", "")
    name = job["metadata"].get("name", "")
    if not uid:
        found.append(field.required(field.Path("metadata", "uid")))
    expected = {LEGACY_CONTROLLER_UID_LABEL: uid, LEGACY_JOB_NAME_LABEL: name}
    if prefixed_labels:
        expected |= {CONTROLLER_UID_LABEL: uid, JOB_NAME_LABEL: name}
    labels = _template_labels(spec)
    path = _SPEC.child("template", "metadata", "labels")
    for key, value in expected.items():
        found += _has_label(labels, path, (key, value))
    if checks.selector_matches(selector, expected) is False:
        where = _SPEC.child("selector")
        found.append(field.invalid(where, selector, "`selector` not auto-generated"))
    return found


def _has_label(
    labels: Mapping[str, str], path: field.Path, expected: tuple[str, str]
) -> list[field.Error]:
    key, value = expected
    actual = labels.get(key)
    if actual is None:
        return [field.required(path.key(key), f"must be '{value}'")]
    if actual != value:
        given = dict(sorted(labels.items()))
        return [field.invalid(path.key(key), given, f"must be '{value}'")]
    return []


def _indexed_host_names(job: Object) -> list[field.Error]:
    """The Pods of an indexed Job are named `<job>-<index>`, and that must be a host name."""
    spec = job["spec"]
    completions = spec.get("completions", 0)
    if spec.get("completionMode") != _INDEXED or completions <= 0:
        return []
    name = job["metadata"].get("name", "")
    longest = f"{name}-{completions - 1}"
    if not names.is_dns1123_label(longest):
        return []
    detail = f"will not able to create pod with invalid DNS label: {longest}"
    return [field.invalid(field.Path("metadata", "name"), name, detail)]


def _spec_update(spec: Spec, existing: Object) -> list[field.Error]:
    before = existing["spec"]
    found = _completions_update(spec, before)
    found += _fixed(spec, before, "selector")
    found += _template_update(spec["template"], existing)
    for key in (
        "completionMode",
        "podFailurePolicy",
        "backoffLimitPerIndex",
        "managedBy",
        "successPolicy",
    ):
        found += _fixed(spec, before, key)
    return found


def _fixed(spec: Spec, before: Spec, key: str) -> list[field.Error]:
    return checks.immutable(spec.get(key), before.get(key), _SPEC.child(key))


def _completions_update(spec: Spec, before: Spec) -> list[field.Error]:
    """Fixed, unless the Job is indexed and grows or shrinks together with its parallelism."""
    completions = spec.get("completions")
    if spec.get("completionMode") != _INDEXED:
        return _fixed(spec, before, "completions")
    if completions in (None, before.get("completions"), spec.get("parallelism")):
        return []
    detail = "can only be modified in tandem with spec.parallelism"
    return [field.invalid(_SPEC.child("completions"), completions, detail)]


def _template_update(template: Spec, existing: Object) -> list[field.Error]:
    before = existing["spec"]["template"]
    if template == before:
        return []
    if _may_reschedule(existing) and _fixed_template(template) == _fixed_template(before):
        return []
    return [field.invalid(_SPEC.child("template"), template, checks.IMMUTABLE)]


def _may_reschedule(job: Object) -> bool:
    """Suspended without running Pods, a Job may still be told where its Pods shall run."""
    status = job.get("status") or {}
    if not job["spec"].get("suspend"):
        return False
    if "startTime" not in status:
        return True
    suspended = any(
        c.get("type") == "Suspended" and c.get("status") == "True"
        for c in status.get("conditions") or ()
    )
    return suspended and not status.get("active")


def _fixed_template(template: Spec) -> dict[str, Any]:
    """What of a template stays fixed while scheduling directives may change."""
    metadata = template.get("metadata") or {}
    spec = template["spec"]
    loose = ("nodeSelector", "tolerations", "schedulingGates", "affinity")
    affinity = {k: v for k, v in (spec.get("affinity") or {}).items() if k != "nodeAffinity"}
    return {
        "metadata": {k: v for k, v in metadata.items() if k not in ("labels", "annotations")},
        "spec": {k: v for k, v in spec.items() if k not in loose},
        "affinity": affinity,
    }


def _template_labels(spec: Spec) -> Mapping[str, str]:
    labels: Mapping[str, str] = (spec["template"].get("metadata") or {}).get("labels") or {}
    return labels
