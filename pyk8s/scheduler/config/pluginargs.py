# SPDX-License-Identifier: Apache-2.0
"""Whether the arguments of a plugin make sense: `validation/validation_pluginargs.go`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from pyk8s.apimachinery import field, names
from pyk8s.componenthelpers import nodeaffinity

Args = Mapping[str, Any]
Errors = list[field.Error]

LEAST_ALLOCATED = "LeastAllocated"
MOST_ALLOCATED = "MostAllocated"
REQUESTED_TO_CAPACITY_RATIO = "RequestedToCapacityRatio"
SYSTEM, LIST = "System", "List"

_STRATEGIES = {LEAST_ALLOCATED, MOST_ALLOCATED, REQUESTED_TO_CAPACITY_RATIO}
_ACTIONS = {"DoNotSchedule", "ScheduleAnyway"}


def is_extended_resource(name: str) -> bool:
    """Upstream's IsExtendedResourceName: of a domain that is not Kubernetes' own."""
    if "/" not in name or "kubernetes.io/" in name or name.startswith("requests."):
        return False
    return not names.is_qualified_name(f"requests.{name}")


def _default_preemption(args: Args, path: field.Path) -> Errors:
    percentage, absolute = "minCandidateNodesPercentage", "minCandidateNodesAbsolute"
    errors = []
    if not 0 <= args[percentage] <= 100:
        detail = "not in valid range [0, 100]"
        errors.append(field.invalid(path.child(percentage), args[percentage], detail))
    if args[absolute] < 0:
        detail = "not in valid range [0, inf)"
        errors.append(field.invalid(path.child(absolute), args[absolute], detail))
    if args[percentage] == args[absolute] == 0:
        for one, other in ((percentage, absolute), (absolute, percentage)):
            detail = f"cannot be zero at the same time as {other}"
            errors.append(field.invalid(path.child(one), 0, detail))
    return errors


def _inter_pod_affinity(args: Args, path: field.Path) -> Errors:
    weight = args["hardPodAffinityWeight"]
    if 0 <= weight <= 100:
        return []
    here = path.child("hardPodAffinityWeight")
    return [field.invalid(here, weight, "not in valid range [0, 100]")]


def _node_affinity(args: Args, path: field.Path) -> Errors:
    added = args.get("addedAffinity") or {}
    required, preferred = (f"{kind}DuringSchedulingIgnoredDuringExecution" for kind in _KINDS)
    faults: list[str] = []
    here = path.child("addedAffinity")
    if required in added:
        found = nodeaffinity.NodeSelector(added[required]).faults
        faults += [f"{here.child(required)}.{fault}" for fault in found]
    terms = nodeaffinity.PreferredNodeAffinity(added.get(preferred) or ())
    faults += [f"{here.child(preferred)}{fault}" for fault in terms.faults]
    return [_worded(fault) for fault in faults]


_KINDS = ("required", "preferred")


def _worded(fault: str) -> field.Error:
    where, _, body = fault.partition(": ")
    return field.Error(field.INVALID, where, body)


def _balanced_allocation(args: Args, path: field.Path) -> Errors:
    errors = []
    seen = set()
    for index, resource in enumerate(args["resources"]):
        here = path.child("resources").index(index)
        if resource["name"] in seen:
            errors.append(field.duplicate(here.child("name"), resource["name"]))
        seen.add(resource["name"])
        if resource["weight"] != 1:
            errors.append(field.invalid(here.child("weight"), resource["weight"], "must be 1"))
    return errors


def _fit(args: Args, path: field.Path) -> Errors:
    errors: Errors = []
    for index, name in enumerate(args.get("ignoredResources") or ()):
        errors += _label_name(name, path.child("ignoredResources").index(index))
    for index, group in enumerate(args.get("ignoredResourceGroups") or ()):
        here = path.child("ignoredResourceGroups").index(index)
        if "/" in group:
            errors.append(field.invalid(here, group, "resource group name can't contain '/'"))
        errors += _label_name(group, here)
    return errors + _strategy(args["scoringStrategy"], path.child("scoringStrategy"))


def _strategy(strategy: Args, path: field.Path) -> Errors:
    errors: Errors = []
    kind, ratio = strategy.get("type") or "", strategy.get("requestedToCapacityRatio")
    if kind not in _STRATEGIES:
        errors.append(field.not_supported(path.child("type"), kind, _STRATEGIES))
    for index, resource in enumerate(strategy["resources"]):
        if not 0 < resource["weight"] <= 100:
            detail = f"resource weight of {resource['name']} not in valid range (0, 100]"
            here = path.child("resources").index(index).child("weight")
            errors.append(field.invalid(here, resource["weight"], detail))
    here = path.child("requestedToCapacityRatio")
    if kind == REQUESTED_TO_CAPACITY_RATIO:
        if ratio is None:
            detail = "must be specified when type is RequestedToCapacityRatio"
            errors.append(field.required(here, detail))
        else:
            errors += shape(ratio.get("shape") or (), here.child("shape"))
    elif ratio is not None:
        detail = "must be nil when type is not RequestedToCapacityRatio"
        errors.append(field.forbidden(here, detail))
    return errors


def shape(points: Sequence[Args], path: field.Path) -> Errors:
    if not points:
        return [field.required(path, "at least one point must be specified")]
    errors: Errors = []
    places = [point.get("utilization") or 0 for point in points]
    for index in range(1, len(places)):
        if places[index - 1] >= places[index]:
            here = path.index(index).child("utilization")
            detail = "values must be sorted in increasing order"
            errors.append(field.invalid(here, places[index], detail))
            break
    for index, point in enumerate(points):
        for name, most in (("utilization", 100), ("score", 10)):
            value = point.get(name) or 0
            if not 0 <= value <= most:
                here = path.index(index).child(name)
                errors.append(field.invalid(here, value, f"not in valid range [0, {most}]"))
    return errors


def _label_name(name: str, path: field.Path) -> Errors:
    return [field.invalid(path, name, fault) for fault in names.is_qualified_name(name)]


def _pod_topology_spread(args: Args, path: field.Path) -> Errors:
    errors: Errors = []
    kind, constraints = args["defaultingType"], args.get("defaultConstraints") or ()
    here = path.child("defaultingType")
    if kind not in (SYSTEM, LIST):
        errors.append(field.not_supported(here, kind, (SYSTEM, LIST)))
    elif kind == SYSTEM and constraints:
        errors.append(field.invalid(here, kind, "when .defaultConstraints are not empty"))
    seen = set()
    for index, constraint in enumerate(constraints):
        place = path.child("defaultConstraints").index(index)
        errors += _constraint(constraint, place)
        key, action = constraint.get("topologyKey", ""), constraint.get("whenUnsatisfiable", "")
        if (key, action) in seen:
            errors.append(field.duplicate(place, f"{{{key}, {action}}}"))
        seen.add((key, action))
    return errors


def _constraint(constraint: Args, path: field.Path) -> Errors:
    errors: Errors = []
    skew = constraint.get("maxSkew") or 0
    if skew <= 0:
        errors.append(field.invalid(path.child("maxSkew"), skew, "not in valid range (0, inf)"))
    key, action = constraint.get("topologyKey", ""), constraint.get("whenUnsatisfiable", "")
    if key:
        errors += _label_name(key, path.child("topologyKey"))
    else:
        errors.append(field.required(path.child("topologyKey"), "can not be empty"))
    here = path.child("whenUnsatisfiable")
    if not action:
        errors.append(field.required(here, "can not be empty"))
    elif action not in _ACTIONS:
        errors.append(field.not_supported(here, action, _ACTIONS))
    if "labelSelector" in constraint:
        detail = "constraint must not define a selector, as they deduced for each pod"
        errors.append(field.forbidden(path.child("labelSelector"), detail))
    return errors


def _volume_binding(args: Args, path: field.Path) -> Errors:
    errors: Errors = []
    seconds = args["bindTimeoutSeconds"]
    if seconds < 0:
        detail = "invalid BindTimeoutSeconds, should not be a negative value"
        errors.append(field.invalid(path.child("bindTimeoutSeconds"), seconds, detail))
    if "shape" in args:
        errors += shape(args["shape"], path.child("shape"))
    return errors


VALIDATIONS: Mapping[str, Callable[[Args, field.Path], Errors]] = {
    "DefaultPreemption": _default_preemption,
    "InterPodAffinity": _inter_pod_affinity,
    "NodeAffinity": _node_affinity,
    "NodeResourcesBalancedAllocation": _balanced_allocation,
    "NodeResourcesFit": _fit,
    "PodTopologySpread": _pod_topology_spread,
    "VolumeBinding": _volume_binding,
}
