# SPDX-License-Identifier: Apache-2.0
"""What a pod asks for and may use as a whole, and its quality of service.

Mirrors `component-helpers/resource` and `pkg/apis/core/helper/qos`. Init containers run one after
another before the regular ones, so the larger of the two counts; sidecars among them stay. What
a resize has allocated and actuated counts as long as it is more than what is asked for.

Amounts are exact integers: billionths, the finest a quantity holds. `milli` and `units` round
them as upstream rounds a quantity. Not counted, as its feature is off in v1.37: what resource
claims take of a node's own resources (DRANodeAllocatableResources).
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

from pyk8s.apimachinery import quantity
from pyk8s.apimachinery.gvk import Object

Spec = Mapping[str, Any]
Resources = Mapping[str, Any]
Amounts = dict[str, int]

PER_UNIT = 10**9
PER_MILLI = 10**6

HUGE_PAGES_PREFIX = "hugepages-"
_POD_LEVEL = ("cpu", "memory")
_QOS_RESOURCES = ("cpu", "memory")
_NOTHING: Mapping[str, Any] = {}


@functools.lru_cache(maxsize=16384)
def nanos(text: str | int) -> int:
    """A quantity in billionths, exactly; raises QuantityError."""
    return int(quantity.parse(str(text)).amount.scaleb(9))


def units(amount: int) -> int:
    """Billionths as a whole number, rounded away from zero: upstream's Quantity.Value."""
    return -(-amount // PER_UNIT) if amount >= 0 else amount // PER_UNIT


def milli(amount: int) -> int:
    """Billionths as thousandths, rounded away from zero: upstream's Quantity.MilliValue."""
    return -(-amount // PER_MILLI) if amount >= 0 else amount // PER_MILLI


def scaled(amounts: Mapping[str, int]) -> dict[str, int]:
    """Amounts as kubelet and scheduler count: cpu in thousandths, all else in whole units."""
    return {
        name: milli(amount) if name == "cpu" else units(amount) for name, amount in amounts.items()
    }


def of_list(resource_list: Mapping[str, Any] | None) -> Amounts:
    """A ResourceList (such as a node's status.allocatable) as amounts; raises QuantityError."""
    return {name: nanos(text) for name, text in (resource_list or _NOTHING).items()}


class Options(NamedTuple):
    """What to count.

    `status`: allocated and actuated resources of the containers and the pod, as during a resize.
    `overhead`: spec.overhead. `pod_level`: spec.resources in place of the containers'.
    `missing`: what a container that names no request for a resource is taken to ask for.
    """

    status: bool = True
    overhead: bool = True
    pod_level: bool = True
    missing: Mapping[str, int] = _NOTHING


DEFAULT = Options()
SPEC_ONLY = Options(status=False)


def requests(pod: Object, options: Options = DEFAULT) -> Amounts:
    """What the pod asks for, by resource. Upstream's PodRequests; raises QuantityError."""
    spec = pod.get("spec") or _NOTHING
    together = _container_requests(pod, spec, options)
    own = _own(spec, "requests")
    if options.pod_level and any(map(is_pod_level_resource, own)):
        effective = of_list(own)
        status = pod.get("status") or _NOTHING
        resources, allocated = status.get("resources"), status.get("allocatedResources")
        if options.status and (resources is not None or allocated is not None):
            held = [(resources or _NOTHING).get("requests"), allocated]
            effective = _effective_pod_level(pod, spec, effective, held)
        _apply_pod_level(together, effective)
    if options.overhead:
        _add(together, of_list(spec.get("overhead")))
    return together


def limits(pod: Object, options: Options = DEFAULT) -> Amounts:
    """What the pod may use, by resource, overhead added to what is limited: upstream's PodLimits.

    `options.missing` does not apply. Raises QuantityError.
    """
    spec = pod.get("spec") or _NOTHING
    together = _container_limits(pod, spec, options)
    own = _own(spec, "limits")
    if options.pod_level and any(map(is_pod_level_resource, (*own, *_own(spec, "requests")))):
        effective = of_list(own)
        resources = (pod.get("status") or _NOTHING).get("resources")
        if options.status and resources is not None:
            effective = _effective_pod_level(pod, spec, effective, [resources.get("limits")])
        _apply_pod_level(together, effective)
    if options.overhead:
        for name, amount in of_list(spec.get("overhead")).items():
            if together.get(name):
                together[name] += amount
    return together


def is_pod_level_resource(name: str) -> bool:
    """Whether spec.resources of a pod may name it."""
    return name in _POD_LEVEL or name.startswith(HUGE_PAGES_PREFIX)


def is_resize_infeasible(pod: Object) -> bool:
    """Whether the node has refused the pending resize: what was asked for counts no more."""
    for condition in (pod.get("status") or _NOTHING).get("conditions") or ():
        if condition.get("type") == "PodResizePending":
            return bool(condition.get("reason") == "Infeasible")
    return False


def is_restartable(container: Mapping[str, Any]) -> bool:
    """An init container that keeps running beside the regular ones: a sidecar."""
    return container.get("restartPolicy") == "Always"


def aggregate(spec: Spec, kind: str) -> Amounts:
    """`kind` (requests or limits) of a spec's containers alone: no pod level, no overhead."""
    return _aggregate(spec, lambda container: (container.get("resources") or _NOTHING).get(kind))


# What of a container counts; None is nothing.
_Getter = Callable[[Mapping[str, Any]], Resources | None]


def _own(spec: Spec, kind: str) -> Resources:
    return (spec.get("resources") or _NOTHING).get(kind) or _NOTHING


def _effective_pod_level(
    pod: Object, spec: Spec, asked: Amounts, held: list[Resources | None]
) -> Amounts:
    """What is held counts without the overhead, which is added to everything later."""
    effective = {} if is_resize_infeasible(pod) else asked
    overhead = of_list(spec.get("overhead"))
    for amounts in map(of_list, held):
        _raise(effective, {n: max(0, a - overhead.get(n, 0)) for n, a in amounts.items()})
    return effective


def _apply_pod_level(together: Amounts, effective: Amounts) -> None:
    for name, amount in effective.items():
        if is_pod_level_resource(name):
            together[name] = amount


def _container_requests(pod: Object, spec: Spec, options: Options) -> Amounts:
    asked = _aggregate(spec, lambda each: _spec_list(each, "requests"), options.missing)
    if not options.status:
        return asked
    status = pod.get("status") or _NOTHING
    statuses = _container_statuses(status)
    infeasible = is_resize_infeasible(pod)
    reported = (status.get("resources") or _NOTHING).get("requests")
    held = status.get("allocatedResources")
    if held is not None and reported is not None:
        lists = [of_list(held), of_list(reported)]
    elif not infeasible and not any(map(_reports_resources, statuses.values())):
        return asked
    else:

        def allocated(container: Mapping[str, Any]) -> Resources | None:
            of_container: Mapping[str, Any] = statuses.get(container["name"], _NOTHING)
            found: Resources | None = of_container.get("allocatedResources")
            if found is not None:
                return found
            return None if infeasible else _spec_list(container, "requests")

        def actuated(container: Mapping[str, Any]) -> Resources | None:
            found = statuses.get(container["name"], _NOTHING).get("resources") or _NOTHING
            requested: Resources | None = found.get("requests")
            return allocated(container) if requested is None else requested

        lists = [_aggregate(spec, getter, options.missing) for getter in (allocated, actuated)]
    total = {} if infeasible else asked
    for amounts in lists:
        _raise(total, amounts)
    return total


def _container_limits(pod: Object, spec: Spec, options: Options) -> Amounts:
    asked = aggregate(spec, "limits")
    if not options.status:
        return asked
    status = pod.get("status") or _NOTHING
    statuses = _container_statuses(status)
    infeasible = is_resize_infeasible(pod)
    reported = (status.get("resources") or _NOTHING).get("limits")
    if reported is not None:
        actuated = of_list(reported)
    else:

        def actuated_limits(container: Mapping[str, Any]) -> Resources | None:
            found = statuses.get(container["name"], _NOTHING).get("resources") or _NOTHING
            limited: Resources | None = found.get("limits")
            if limited is not None:
                return limited
            return None if infeasible else _spec_list(container, "limits")

        actuated = _aggregate(spec, actuated_limits)
    total = {} if infeasible else asked
    _raise(total, actuated)
    return total


def _spec_list(container: Mapping[str, Any], kind: str) -> Resources | None:
    return (container.get("resources") or _NOTHING).get(kind)


def _container_statuses(status: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """By name; of equal names the regular container's, as upstream looks there first."""
    return {
        each["name"]: each
        for kind in ("initContainerStatuses", "containerStatuses")
        for each in status.get(kind) or ()
    }


def _reports_resources(status: Mapping[str, Any]) -> bool:
    return "allocatedResources" in status or "resources" in status


def _aggregate(spec: Spec, getter: _Getter, missing: Mapping[str, int] = _NOTHING) -> Amounts:
    together: Amounts = {}
    for container in spec.get("containers") or ():
        _add(together, {**missing, **of_list(getter(container))})
    if not spec.get("initContainers"):
        return together
    sidecars: Amounts = {}
    starting: Amounts = {}
    for container in spec["initContainers"]:
        own = {**missing, **of_list(getter(container))}
        if is_restartable(container):
            _add(together, own)
            _add(sidecars, own)
            _raise(starting, sidecars)
        else:
            _add(own, sidecars)
            _raise(starting, own)
    _raise(together, starting)
    return together


def _add(total: Amounts, more: Mapping[str, int]) -> None:
    for name, amount in more.items():
        total[name] = total.get(name, 0) + amount


def _raise(total: Amounts, other: Mapping[str, int]) -> None:
    for name, amount in other.items():
        if name not in total or amount > total[name]:
            total[name] = amount


def qos_class(spec: Spec) -> str:
    """Guaranteed, Burstable or BestEffort, from the spec alone: upstream's ComputePodQOS."""
    asked: Amounts = {}
    limited: Amounts = {}
    guaranteed = True
    for resources in _deciding_resources(spec):
        _add_positive(asked, resources.get("requests") or _NOTHING)
        found = _add_positive(limited, resources.get("limits") or _NOTHING)
        guaranteed = guaranteed and found == len(_QOS_RESOURCES)
    if not asked and not limited:
        return "BestEffort"
    return "Guaranteed" if guaranteed and asked == limited else "Burstable"


def _deciding_resources(spec: Spec) -> Iterator[Mapping[str, Any]]:
    if spec.get("resources"):
        yield spec["resources"]
        return
    for kind in ("containers", "initContainers"):
        for container in spec.get(kind) or ():
            yield container.get("resources") or _NOTHING


def _add_positive(total: Amounts, quantities: Resources) -> int:
    found = 0
    for name in _QOS_RESOURCES:
        if name in quantities:
            amount = nanos(quantities[name])
            if amount > 0:
                total[name] = total.get(name, 0) + amount
                found += 1
    return found
