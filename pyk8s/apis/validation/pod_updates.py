# SPDX-License-Identifier: Apache-2.0
"""Rules of changing a Pod: by an update, its status, its ephemeral containers, a binding."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any

from pyk8s.apimachinery import field, gojson, names
from pyk8s.apimachinery.gvk import Object
from pyk8s.apis import pods
from pyk8s.apis.validation import (
    checks,
    containers,
    meta,
    netaddr,
    pod_annotations,
    scheduling,
)
from pyk8s.apis.validation.options import PodOptions
from pyk8s.apis.validation.pods import INT32_MAX, validate_pod_content
from pyk8s.componenthelpers import podrequests

Spec = Mapping[str, Any]
Statuses = Sequence[Mapping[str, Any]]

_UPDATABLE = (
    "`spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,"
    "`spec.tolerations` (only additions to existing tolerations),"
    "`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)"
)
_SYSTEM_CONDITIONS = frozenset({"PodScheduled", "Ready", "Initialized"})
_REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
_SPEC = field.Path("spec")
_STATUS = field.Path("status")
_ANNOTATIONS = field.Path("metadata", "annotations")


def validate_pod_update(updated: Object, existing: Object) -> list[field.Error]:
    """What a user may change of a Pod: images, deadline, tolerations, gates, little else."""
    new, old = updated["spec"], existing["spec"]
    errors = _validate_change(updated, existing)
    for kind in ("containers", "initContainers"):
        if len(new.get(kind, ())) != len(old.get(kind, ())):
            detail = "pod updates may not add or remove containers"
            return [*errors, field.forbidden(_SPEC.child(kind), detail)]
        for index, container in enumerate(new.get(kind, ())):
            at = _SPEC.child(kind).index(index)
            if not container.get("image"):
                errors.append(field.required(at.child("image")))
            errors += containers.validate_image_whitespace(container, at)
    faults, stop = _validate_deadline(new, old)
    errors += faults
    if stop:
        return errors
    errors += _validate_tolerations(new, old)
    errors += _validate_gates(new, old)
    if new == old:
        return errors
    if _qos(existing) != podrequests.qos_class(new):
        current = (updated.get("status") or {}).get("qosClass", "")
        errors.append(field.invalid(field.Path("metadata"), current, "Pod QoS is immutable"))
    return errors + _validate_rest(new, old)


def _validate_change(updated: Object, existing: Object) -> list[field.Error]:
    errors = meta.validate_object_meta_update(updated, existing)
    errors += validate_pod_content(updated, ratcheting=_is_lenient(existing["spec"]))
    return errors + pod_annotations.validate_annotations_update(
        updated["metadata"].get("annotations", {}),
        existing["metadata"].get("annotations", {}),
        _ANNOTATIONS,
    )


def _is_lenient(spec: Spec) -> bool:
    """Whether the stored Pod has selectors that today's rules would refuse."""
    if "affinity" not in spec and "topologySpreadConstraints" not in spec:
        return False
    options = PodOptions()
    affinity = spec.get("affinity") or {}
    constraints = spec.get("topologySpreadConstraints", ())
    return bool(
        scheduling.validate_affinity(affinity, _SPEC, options)
        or scheduling.validate_topology_spread(constraints, _SPEC, options)
    )


def _qos(pod: Object) -> str:
    stored: str | None = (pod.get("status") or {}).get("qosClass")
    return stored or podrequests.qos_class(pod["spec"])


def _validate_deadline(new: Spec, old: Spec) -> tuple[list[field.Error], bool]:
    """The faults, and whether the rest is not worth looking at."""
    wanted, current = new.get("activeDeadlineSeconds"), old.get("activeDeadlineSeconds")
    at = _SPEC.child("activeDeadlineSeconds")
    if wanted is None:
        if current is None:
            return [], False
        detail = "must not update from a positive integer to nil value"
        return [field.invalid(at, None, detail)], False
    if not 0 <= wanted <= INT32_MAX:
        return [field.invalid(at, wanted, names.range_message(0, INT32_MAX))], True
    if current is not None and current < wanted:
        detail = "must be less than or equal to previous value"
        return [field.invalid(at, wanted, detail)], True
    return [], False


def _validate_tolerations(new: Spec, old: Spec) -> list[field.Error]:
    wanted, current = new.get("tolerations", ()), old.get("tolerations", ())
    if wanted == current:
        return []
    at = _SPEC.child("tolerations")
    kept = [_without_seconds(toleration) for toleration in wanted]
    if any(_without_seconds(toleration) not in kept for toleration in current):
        detail = "existing toleration can not be modified except its tolerationSeconds"
        return [field.forbidden(at, detail)]
    return scheduling.validate_tolerations(wanted, at)


def _without_seconds(toleration: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in toleration.items() if key != "tolerationSeconds"}


def _validate_gates(new: Spec, old: Spec) -> list[field.Error]:
    known = {gate.get("name") for gate in old.get("schedulingGates", ())}
    return [
        field.forbidden(
            _SPEC.child("schedulingGates").index(index).child("name"),
            f"only deletion is allowed, but found new scheduling gate '{gate.get('name')}'",
        )
        for index, gate in enumerate(new.get("schedulingGates", ()))
        if gate.get("name") not in known
    ]


def _validate_rest(new: Spec, old: Spec) -> list[field.Error]:
    """Put back what may change, then nothing else may differ."""
    rest = dict(new)
    for kind in ("containers", "initContainers"):
        if kind in rest:
            rest[kind] = [
                {**container, "image": before.get("image")}
                for container, before in zip(new[kind], old[kind], strict=True)
            ]
    for name in ("activeDeadlineSeconds", "schedulingGates", "tolerations"):
        _put_back(rest, old, name)
    grace = "terminationGracePeriodSeconds"
    if old.get(grace, 0) < 0 and rest.get(grace) == 1:
        _put_back(rest, old, grace)
    errors = _excuse_gated(rest, old) if old.get("schedulingGates") else []
    if _without_empty(rest) != _without_empty(old):
        detail = f"pod updates may not change fields other than {_UPDATABLE}"
        differing = sorted(key for key in {*rest, *old} if rest.get(key) != old.get(key))
        errors.append(field.forbidden(_SPEC, f"{detail}\n{_difference(rest, old, differing)}"))
    return errors


def _put_back(target: dict[str, Any], source: Spec, name: str) -> None:
    if name in source:
        target[name] = source[name]
    else:
        target.pop(name, None)


def _without_empty(spec: Spec) -> dict[str, Any]:
    return {key: value for key, value in spec.items() if value not in (None, "", {}, [], False)}


def _difference(new: Spec, old: Spec, names: Sequence[str]) -> str:
    lines = ["  core.PodSpec{"]
    for name in names:
        shown = f"{name[0].upper()}{name[1:]}"
        if name in old:
            lines.append(f"- \t{shown}: {gojson.quoted(old[name])},")
        if name in new:
            lines.append(f"+ \t{shown}: {gojson.quoted(new[name])},")
    return "\n".join([*lines, "  }", ""])


def _excuse_gated(rest: dict[str, Any], old: Spec) -> list[field.Error]:
    """A gated Pod's placement may still be narrowed."""
    errors: list[field.Error] = []
    selector, before = rest.get("nodeSelector", {}), old.get("nodeSelector", {})
    if selector != before:
        if any(selector.get(key) != value for key, value in before.items()):
            detail = "only additions to spec.nodeSelector are allowed (no mutations or deletions)"
            errors.append(field.invalid(_SPEC.child("nodeSelector"), selector, detail))
        _put_back(rest, old, "nodeSelector")
    affinity, stored = rest.get("affinity") or {}, old.get("affinity") or {}
    node, node_before = affinity.get("nodeAffinity"), stored.get("nodeAffinity")
    if node != node_before:
        errors += _validate_node_affinity_change(node or {}, node_before or {})
        affinity = copy.copy(affinity)
        _put_back(affinity, stored, "nodeAffinity")
        rest["affinity"] = affinity
        if not affinity:
            _put_back(rest, old, "affinity")
    return errors


def _validate_node_affinity_change(new: Spec, old: Spec) -> list[field.Error]:
    before = (old.get(_REQUIRED) or {}).get("nodeSelectorTerms", ())
    after = (new.get(_REQUIRED) or {}).get("nodeSelectorTerms", ())
    at = _SPEC.child("affinity", "nodeAffinity", _REQUIRED, "nodeSelectorTerms")
    if before and len(before) != len(after):
        detail = "no additions/deletions to non-empty NodeSelectorTerms list are allowed"
        return [field.invalid(at, after, detail)]
    detail = "only additions are allowed (no mutations or deletions)"
    return [
        field.invalid(at.index(index), mine, detail)
        for index, (mine, theirs) in enumerate(zip(after, before, strict=False))
        if not _only_adds(mine, theirs)
    ]


def _only_adds(new: Spec, old: Spec) -> bool:
    kinds = ("matchExpressions", "matchFields")
    if not any(old.get(kind) for kind in kinds):
        return not any(new.get(kind) for kind in kinds)
    return all(
        list(new.get(kind, ()))[: len(old.get(kind, ()))] == list(old.get(kind, ()))
        for kind in kinds
    )


def validate_ephemeral_containers_update(updated: Object, existing: Object) -> list[field.Error]:
    """The ephemeralcontainers subresource: containers may be added, never changed."""
    errors = _validate_change(updated, existing)
    if pod_annotations.MIRROR in existing["metadata"].get("annotations", {}):
        detail = "static pods do not support ephemeral containers"
        return [field.forbidden(checks.WHOLE_OBJECT, detail)]
    at = _SPEC.child("ephemeralContainers")
    now = {c.get("name"): c for c in updated["spec"].get("ephemeralContainers", ())}
    for container in existing["spec"].get("ephemeralContainers", ()):
        name = container.get("name", "")
        if name not in now:
            detail = f'existing ephemeral containers "{name}" may not be removed\n'
            errors.append(field.forbidden(at, detail))
        elif now[name] != container:
            detail = f'existing ephemeral containers "{name}" may not be changed\n'
            errors.append(field.forbidden(at, detail))
    return errors


# --- status


def validate_pod_status_update(updated: Object, existing: Object) -> list[field.Error]:
    """What a kubelet may not say of a Pod."""
    errors = meta.validate_object_meta_update(updated, existing)
    errors += pod_annotations.validate_annotations_update(
        updated["metadata"].get("annotations", {}),
        existing["metadata"].get("annotations", {}),
        _ANNOTATIONS,
    )
    status, before = updated.get("status") or {}, existing.get("status") or {}
    for index, condition in enumerate(status.get("conditions", ())):
        kind = condition.get("type", "")
        if kind not in _SYSTEM_CONDITIONS:
            at = field.Path("metadata", "conditions").index(index).child("Type")
            errors += checks.qualified_name(kind, at)
    nominated = status.get("nominatedNodeName")
    if nominated and nominated != before.get("nominatedNodeName"):
        at = _STATUS.child("nominatedNodeName")
        errors += checks.dns1123_subdomain(nominated, at)
    if status.get("qosClass", "") != before.get("qosClass", ""):
        at = _STATUS.child("qosClass")
        errors.append(field.invalid(at, status.get("qosClass", ""), checks.IMMUTABLE))
    errors += _validate_transitions(status, before, existing["spec"])
    errors += _validate_claim_statuses(status, updated["spec"])
    errors += _validate_addresses(status, "podIPs")
    return errors + _validate_host_addresses(status)


def _validate_transitions(status: Spec, before: Spec, spec: Spec) -> list[field.Error]:
    """A container that has ended for good does not start again."""
    policy = spec.get("restartPolicy")
    sidecars = {
        container.get("name")
        for container in spec.get("initContainers", ())
        if pods.is_restartable(container)
    }
    own_rules = {
        container.get("name")
        for kind in ("initContainers", "containers")
        for container in spec.get(kind, ())
        if container.get("restartPolicy") or container.get("restartPolicyRules")
    }
    errors: list[field.Error] = []
    for kind, rule in (
        ("containerStatuses", policy),
        ("initContainerStatuses", policy),
        ("ephemeralContainerStatuses", "Never"),
    ):
        if rule == "Always":
            continue
        after = {s.get("name"): s for s in status.get(kind, ())}
        for index, old in enumerate(before.get(kind, ())):
            name = old.get("name")
            if name in own_rules or name in sidecars or _may_restart(old, rule):
                continue
            new = after.get(name)
            if new is not None and not (new.get("state") or {}).get("terminated"):
                detail = "may not be transitioned to non-terminated state"
                errors.append(
                    field.forbidden(_STATUS.child(kind).index(index).child("state"), detail)
                )
    return errors


def _may_restart(status: Mapping[str, Any], rule: str | None) -> bool:
    terminated = (status.get("state") or {}).get("terminated")
    if terminated is None:
        return True
    return terminated.get("exitCode", 0) != 0 and rule == "OnFailure"


def _validate_claim_statuses(status: Spec, spec: Spec) -> list[field.Error]:
    errors: list[field.Error] = []
    known = {claim.get("name") for claim in spec.get("resourceClaims", ())}
    seen: set[str] = set()
    for index, claim in enumerate(status.get("resourceClaimStatuses", ())):
        at = _STATUS.child("resourceClaimStatuses").index(index).child("name")
        name = claim.get("name", "")
        if name not in known:
            detail = "must match the name of an entry in `spec.resourceClaims`"
            errors.append(field.invalid(at, name, detail))
        if name in seen:
            errors.append(field.duplicate(at, name))
        seen.add(name)
        if claim.get("resourceClaimName") is not None:
            errors += checks.dns1123_subdomain(claim["resourceClaimName"], at)
    return errors


def _validate_addresses(status: Spec, kind: str) -> list[field.Error]:
    entries = status.get(kind, ())
    path = _STATUS.child(kind)
    addresses = [entry.get("ip", "") for entry in entries]
    errors: list[field.Error] = []
    for index, address in enumerate(addresses):
        errors += netaddr.ip(address, path.index(index))
    return errors + netaddr.one_per_family(addresses, entries, "IP", path)


def _validate_host_addresses(status: Spec) -> list[field.Error]:
    entries = status.get("hostIPs", ())
    errors = []
    if entries and status.get("hostIP", "") != entries[0].get("ip", ""):
        at = _STATUS.child("hostIPs").index(0).child("ip")
        errors.append(field.invalid(at, entries[0].get("ip", ""), "must be equal to `hostIP`"))
    return errors + _validate_addresses(status, "hostIPs")


def validate_binding(binding: Object) -> list[field.Error]:
    """A Binding names the node a Pod goes to."""
    target = binding.get("target") or {}
    path = field.Path("target")
    errors = []
    if target.get("kind") not in (None, "", "Node"):
        supported = ["Node", "<empty>"]
        errors.append(field.not_supported(path.child("kind"), target["kind"], supported))
    if not target.get("name"):
        errors.append(field.required(path.child("name")))
    return errors
