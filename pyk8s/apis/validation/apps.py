# SPDX-License-Identifier: Apache-2.0
"""Rules of Deployments, ReplicaSets, StatefulSets, DaemonSets and ControllerRevisions.

Mirrors upstream's `pkg/apis/apps/validation/validation.go`, and the immutable selectors of the
kinds' strategies.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pyk8s.apimachinery import field, names
from pyk8s.apimachinery.gvk import Object
from pyk8s.apis.validation import checks, intorpercent, meta, pods

_SPEC = field.Path("spec")
_STATUS = field.Path("status")
_TEMPLATE_LABELS = "`selector` does not match template `labels`"
_ABOVE_REPLICAS = "cannot be greater than status.replicas"
_ABOVE_READY = "cannot be greater than readyReplicas"

Spec = Mapping[str, Any]


# Deployments


def validate_deployment(deployment: Object) -> list[field.Error]:
    found = meta.validate_object_meta(
        deployment, namespaced=True, name_rule=names.is_dns1123_subdomain
    )
    return found + validate_deployment_spec(deployment["spec"], _SPEC)


def validate_deployment_update(updated: Object, existing: Object) -> list[field.Error]:
    found = meta.validate_object_meta_update(updated, existing)
    found += validate_deployment_spec(updated["spec"], _SPEC)
    return found + _selector_immutable(updated, existing)


def validate_deployment_spec(spec: Spec, path: field.Path) -> list[field.Error]:
    found = checks.non_negative(spec.get("replicas"), path.child("replicas"))
    found += _replica_set_selector_and_template(spec, path)
    found += _deployment_strategy(spec.get("strategy") or {}, path.child("strategy"))
    keys = ("minReadySeconds", "revisionHistoryLimit", "progressDeadlineSeconds")
    found += checks.all_non_negative(spec, keys, path)
    deadline = spec.get("progressDeadlineSeconds")
    if deadline is not None and deadline <= spec.get("minReadySeconds", 0):
        where = path.child("progressDeadlineSeconds")
        found.append(field.invalid(where, deadline, "must be greater than minReadySeconds"))
    return found


def _deployment_strategy(strategy: Spec, path: field.Path) -> list[field.Error]:
    kind = strategy.get("type")
    rolling = strategy.get("rollingUpdate")
    if kind == "Recreate":
        if rolling is None:
            return []
        detail = "may not be specified when strategy `type` is 'Recreate'"
        return [field.forbidden(path.child("rollingUpdate"), detail)]
    if kind != "RollingUpdate":
        inner = checks.go_struct(
            rolling, (("MaxUnavailable", "maxUnavailable"), ("MaxSurge", "maxSurge"))
        )
        shown = {"Type": kind or "", "RollingUpdate": inner}
        return [field.not_supported(path, shown, ("Recreate", "RollingUpdate"))]
    if rolling is None:
        detail = "this should be defaulted and never be nil"
        return [field.required(path.child("rollingUpdate"), detail)]
    return _rolling_deployment(rolling, path.child("rollingUpdate"))


def _rolling_deployment(rolling: Spec, path: field.Path) -> list[field.Error]:
    unavailable = rolling.get("maxUnavailable", 0)
    surge = rolling.get("maxSurge", 0)
    where = path.child("maxUnavailable")
    found = intorpercent.not_negative(unavailable, where)
    found += intorpercent.not_negative(surge, path.child("maxSurge"))
    if not intorpercent.magnitude(unavailable) and not intorpercent.magnitude(surge):
        found.append(field.invalid(where, unavailable, "may not be 0 when `maxSurge` is 0"))
    return found + intorpercent.at_most_100_percent(unavailable, where)


def validate_deployment_status_update(updated: Object, existing: Object) -> list[field.Error]:
    found = meta.validate_object_meta_update(updated, existing)
    status = updated.get("status") or {}
    keys = (
        "observedGeneration",
        "replicas",
        "updatedReplicas",
        "readyReplicas",
        "availableReplicas",
        "unavailableReplicas",
        "collisionCount",
    )
    found += checks.all_non_negative(status, keys, _STATUS)
    found += _counts_fit(status, ("updatedReplicas", "readyReplicas", "availableReplicas"))
    found += _available_fits(status, _ABOVE_READY)
    return found + _collisions_grow(status, existing)


# ReplicaSets


def validate_replica_set(replica_set: Object) -> list[field.Error]:
    found = meta.validate_object_meta(
        replica_set, namespaced=True, name_rule=names.is_dns1123_subdomain
    )
    return found + validate_replica_set_spec(replica_set["spec"], _SPEC)


def validate_replica_set_update(updated: Object, existing: Object) -> list[field.Error]:
    found = meta.validate_object_meta_update(updated, existing)
    found += validate_replica_set_spec(updated["spec"], _SPEC)
    return found + _selector_immutable(updated, existing)


def validate_replica_set_spec(spec: Spec, path: field.Path) -> list[field.Error]:
    found = checks.all_non_negative(spec, ("replicas", "minReadySeconds"), path)
    return found + _replica_set_selector_and_template(spec, path)


def _replica_set_selector_and_template(spec: Spec, path: field.Path) -> list[field.Error]:
    selector = spec.get("selector")
    # The word "deployment" stands in both kinds' message upstream.
    found = _required_selector(selector, path.child("selector"), "deployment")
    template = spec["template"]
    where = path.child("template")
    matches = checks.selector_matches(selector, _labels(template))
    if matches is None:
        found.append(field.invalid(path.child("selector"), selector, "invalid label selector"))
        return found
    # An absent selector selects nothing, so that it is reported twice, as upstream does.
    if not matches:
        found.append(_template_not_selected(template, where))
    found += pods.validate_pod_template(template, where)
    return found + _always_restarted(template, where, "ReplicaSet")


def validate_replica_set_status_update(updated: Object, existing: Object) -> list[field.Error]:
    found = meta.validate_object_meta_update(updated, existing)
    status = updated.get("status") or {}
    counts = ("fullyLabeledReplicas", "readyReplicas", "availableReplicas")
    found += checks.all_non_negative(status, ("replicas", *counts, "observedGeneration"), _STATUS)
    found += _counts_fit(status, counts)
    return found + _available_fits(status, _ABOVE_READY)


# StatefulSets

_UPDATABLE = (
    "replicas",
    "ordinals",
    "template",
    "updateStrategy",
    "revisionHistoryLimit",
    "persistentVolumeClaimRetentionPolicy",
    "minReadySeconds",
)
_NOT_UPDATABLE = (
    "updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', "
    "'updateStrategy', 'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and "
    "'minReadySeconds' are forbidden"
)


def validate_stateful_set(stateful_set: Object) -> list[field.Error]:
    found = meta.validate_object_meta(
        stateful_set, namespaced=True, name_rule=names.is_dns1123_label
    )
    return found + validate_stateful_set_spec(stateful_set["spec"], _SPEC)


def validate_stateful_set_update(updated: Object, existing: Object) -> list[field.Error]:
    found = meta.validate_object_meta_update(updated, existing)
    found += validate_stateful_set_spec(updated["spec"], _SPEC)
    if _fixed_part(updated["spec"]) != _fixed_part(existing["spec"]):
        found.append(field.forbidden(_SPEC, _NOT_UPDATABLE))
    return found


def _fixed_part(spec: Spec) -> dict[str, Any]:
    return {
        key: value
        for key, value in spec.items()
        if key not in _UPDATABLE and value not in (None, "", [], {})
    }


def validate_stateful_set_spec(spec: Spec, path: field.Path) -> list[field.Error]:
    found = _pod_management(spec.get("podManagementPolicy"), path.child("podManagementPolicy"))
    found += _stateful_set_strategy(spec.get("updateStrategy") or {}, path.child("updateStrategy"))
    retention = spec.get("persistentVolumeClaimRetentionPolicy")
    if retention is not None:
        where = path.child("persistentVolumeClaimRetentionPolicy")
        for key in ("whenDeleted", "whenScaled"):
            policy = retention.get(key, "")
            found += checks.one_of(policy, where.child(key), ("Retain", "Delete"))
    found += checks.all_non_negative(spec, ("replicas", "minReadySeconds"), path)
    start = (spec.get("ordinals") or {}).get("start")
    found += checks.non_negative(start, path.child("ordinals.start"))
    selector = spec.get("selector")
    found += _required_selector(selector, path.child("selector"), "statefulset")
    return found + _stateful_set_template(selector, spec["template"], path)


def _pod_management(policy: str | None, path: field.Path) -> list[field.Error]:
    if not policy:
        return [field.required(path)]
    if policy in ("OrderedReady", "Parallel"):
        return []
    return [field.invalid(path, policy, "must be 'OrderedReady' or 'Parallel'")]


def _stateful_set_strategy(strategy: Spec, path: field.Path) -> list[field.Error]:
    kind = strategy.get("type")
    rolling = strategy.get("rollingUpdate")
    where = path.child("rollingUpdate")
    if not kind:
        return [field.required(path)]
    if kind == "OnDelete":
        if rolling is None:
            return []
        shown = _go_rolling_stateful_set(rolling)
        return [field.invalid(where, shown, "only allowed for updateStrategy 'RollingUpdate'")]
    if kind == "RollingUpdate":
        return [] if rolling is None else _rolling_stateful_set(rolling, where)
    shown = {"Type": kind, "RollingUpdate": _go_rolling_stateful_set(rolling)}
    return [field.invalid(path, shown, "must be 'RollingUpdate' or 'OnDelete'")]


def _go_rolling_stateful_set(rolling: Spec | None) -> Any:
    names_of = (("Partition", "partition"), ("MaxUnavailable", "maxUnavailable"))
    return checks.go_struct(rolling, names_of)


def _rolling_stateful_set(rolling: Spec, path: field.Path) -> list[field.Error]:
    found = checks.non_negative(rolling.get("partition"), path.child("partition"))
    unavailable = rolling.get("maxUnavailable")
    if unavailable is None:
        return found
    where = path.child("maxUnavailable")
    found += intorpercent.not_negative(unavailable, where)
    if not intorpercent.magnitude(unavailable):
        found.append(field.invalid(where, unavailable, "cannot be 0"))
    return found + intorpercent.at_most_100_percent(unavailable, where)


def _stateful_set_template(
    selector: Spec | None, template: Spec, path: field.Path
) -> list[field.Error]:
    """The Pod spec itself is not checked: its volumes may come from the claim templates."""
    found = []
    where = path.child("template")
    matches = checks.selector_matches(selector, _labels(template))
    if matches is None:
        found.append(field.invalid(path.child("selector"), selector, ""))
    else:
        if not matches:
            found.append(_template_not_selected(template, where))
        metadata = template.get("metadata") or {}
        found += meta.validate_labels(metadata.get("labels") or {}, where.child("labels"))
        found += meta.validate_annotations(
            metadata.get("annotations") or {}, where.child("annotations")
        )
    return found + _always_restarted(template, where, "StatefulSet")


def validate_stateful_set_status_update(updated: Object, existing: Object) -> list[field.Error]:
    status = updated.get("status") or {}
    counts = ("readyReplicas", "currentReplicas", "updatedReplicas", "availableReplicas")
    keys = ("replicas", *counts, "observedGeneration", "collisionCount")
    found = checks.all_non_negative(status, keys, _STATUS)
    found += _counts_fit(status, counts)
    found += _available_fits(status, "cannot be greater than status.readyReplicas")
    found += meta.validate_object_meta_update(updated, existing)
    return found + _collisions_grow(status, existing)


# DaemonSets


def validate_daemon_set(daemon_set: Object) -> list[field.Error]:
    found = meta.validate_object_meta(
        daemon_set, namespaced=True, name_rule=names.is_dns1123_subdomain
    )
    return found + validate_daemon_set_spec(daemon_set["spec"], _SPEC)


def validate_daemon_set_update(updated: Object, existing: Object) -> list[field.Error]:
    found = meta.validate_object_meta_update(updated, existing)
    found += validate_daemon_set_spec(updated["spec"], _SPEC)
    return found + _selector_immutable(updated, existing)


def validate_daemon_set_spec(spec: Spec, path: field.Path) -> list[field.Error]:
    selector = spec.get("selector")
    template = spec["template"]
    where = path.child("template")
    found = meta.validate_label_selector(selector, path.child("selector"))
    # An absent selector selects nothing, so this is the fault its absence has.
    if checks.selector_matches(selector, _labels(template)) is False:
        found.append(_template_not_selected(template, where))
    if selector is not None and checks.is_empty_selector(selector):
        detail = "empty selector is invalid for daemonset"
        found.append(field.invalid(path.child("selector"), selector, detail))
    found += pods.validate_pod_template(template, where)
    found += _always_restarted(template, where, "DaemonSet")
    found += checks.non_negative(spec.get("minReadySeconds"), path.child("minReadySeconds"))
    strategy = spec.get("updateStrategy") or {}
    found += _daemon_set_strategy(strategy, path.child("updateStrategy"))
    limit = spec.get("revisionHistoryLimit")
    return found + checks.non_negative(limit, path.child("revisionHistoryLimit"))


def _daemon_set_strategy(strategy: Spec, path: field.Path) -> list[field.Error]:
    kind = strategy.get("type")
    rolling = strategy.get("rollingUpdate")
    if kind == "OnDelete":
        return []
    if kind != "RollingUpdate":
        inner = checks.go_struct(
            rolling, (("MaxUnavailable", "maxUnavailable"), ("MaxSurge", "maxSurge"))
        )
        shown = {"Type": kind or "", "RollingUpdate": inner}
        return [field.not_supported(path, shown, ("RollingUpdate", "OnDelete"))]
    if rolling is None:
        return [field.required(path.child("rollingUpdate"))]
    return _rolling_daemon_set(rolling, path.child("rollingUpdate"))


def _rolling_daemon_set(rolling: Spec, path: field.Path) -> list[field.Error]:
    unavailable = rolling.get("maxUnavailable", 0)
    surge = rolling.get("maxSurge", 0)
    places = ((unavailable, path.child("maxUnavailable")), (surge, path.child("maxSurge")))
    found = []
    for value, where in places:
        found += intorpercent.not_negative(value, where)
    for value, where in places:
        found += intorpercent.at_most_100_percent(value, where)
    if intorpercent.magnitude(unavailable) and intorpercent.magnitude(surge):
        detail = "may not be set when maxUnavailable is non-zero"
        found.append(field.invalid(path.child("maxSurge"), surge, detail))
    elif not intorpercent.magnitude(unavailable) and not intorpercent.magnitude(surge):
        detail = "cannot be 0 when maxSurge is 0"
        found.append(field.required(path.child("maxUnavailable"), detail))
    return found


def validate_daemon_set_status_update(updated: Object, existing: Object) -> list[field.Error]:
    found = meta.validate_object_meta_update(updated, existing)
    status = updated.get("status") or {}
    keys = (
        "currentNumberScheduled",
        "numberMisscheduled",
        "desiredNumberScheduled",
        "numberReady",
        "observedGeneration",
        "updatedNumberScheduled",
        "numberAvailable",
        "numberUnavailable",
        "collisionCount",
    )
    found += checks.all_non_negative(status, keys, _STATUS)
    return found + _collisions_grow(status, existing)


# ControllerRevisions


def validate_controller_revision(revision: Object) -> list[field.Error]:
    found = meta.validate_object_meta(
        revision, namespaced=True, name_rule=names.is_dns1123_subdomain
    )
    if revision.get("data") is None:
        found.append(field.required(field.Path("data"), "data is mandatory"))
    return found + checks.non_negative(revision.get("revision"), field.Path("revision"))


def validate_controller_revision_update(updated: Object, existing: Object) -> list[field.Error]:
    found = meta.validate_object_meta_update(updated, existing)
    found += validate_controller_revision(updated)
    return found + checks.immutable(updated.get("data"), existing.get("data"), field.Path("data"))


# What they share


def _labels(template: Spec) -> Mapping[str, str]:
    labels: Mapping[str, str] = (template.get("metadata") or {}).get("labels") or {}
    return labels


def _required_selector(selector: Spec | None, path: field.Path, kind: str) -> list[field.Error]:
    if selector is None:
        return [field.required(path)]
    found = meta.validate_label_selector(selector, path)
    if checks.is_empty_selector(selector):
        found.append(field.invalid(path, selector, f"empty selector is invalid for {kind}"))
    return found


def _selector_immutable(updated: Object, existing: Object) -> list[field.Error]:
    return checks.immutable(
        updated["spec"].get("selector"), existing["spec"].get("selector"), _SPEC.child("selector")
    )


def _template_not_selected(template: Spec, path: field.Path) -> field.Error:
    given = dict(sorted(_labels(template).items())) or None
    return field.invalid(path.child("metadata", "labels"), given, _TEMPLATE_LABELS)


def _always_restarted(template: Spec, path: field.Path, kind: str) -> list[field.Error]:
    spec = template["spec"]
    found = []
    policy = spec.get("restartPolicy", "")
    if policy != "Always":
        where = path.child("spec", "restartPolicy")
        found.append(field.not_supported(where, policy, ("Always",)))
    if spec.get("activeDeadlineSeconds") is not None:
        where = path.child("spec", "activeDeadlineSeconds")
        detail = f"activeDeadlineSeconds in {kind} is not Supported"
        found.append(field.forbidden(where, detail))
    return found


def _counts_fit(status: Spec, keys: tuple[str, ...]) -> list[field.Error]:
    replicas = status.get("replicas", 0)
    return [
        field.invalid(_STATUS.child(key), status.get(key, 0), _ABOVE_REPLICAS)
        for key in keys
        if status.get(key, 0) > replicas
    ]


def _available_fits(status: Spec, detail: str) -> list[field.Error]:
    available = status.get("availableReplicas", 0)
    if available <= status.get("readyReplicas", 0):
        return []
    return [field.invalid(_STATUS.child("availableReplicas"), available, detail)]


def _collisions_grow(status: Spec, existing: Object) -> list[field.Error]:
    before = (existing.get("status") or {}).get("collisionCount")
    now = status.get("collisionCount")
    if before is None or (now is not None and now >= before):
        return []
    return [field.invalid(_STATUS.child("collisionCount"), now or 0, "cannot be decremented")]
