# SPDX-License-Identifier: Apache-2.0
"""What an object takes of a ResourceQuota, and which quotas it is counted by.

Mirrors `pkg/quota/v1/evaluator/core` and `apiserver/pkg/quota/v1`. An Evaluator knows one
resource; every resource has one, for `count/<resource>.<group>` holds for all of them. Not
counted are the devices that resource claims ask for.

Amounts keep the suffix family they were written in, as upstream's do.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from pyk8s.apimachinery import meta, quantity, times
from pyk8s.apimachinery.gvk import GroupResource, Object
from pyk8s.apimachinery.quantity import Quantity
from pyk8s.componenthelpers import podrequests

Usage = dict[str, Quantity]
Selector = Mapping[str, Any]
Clock = Callable[[], datetime]

ONE = Quantity(Decimal(1), quantity.DECIMAL_SI, "1")

PODS = GroupResource("", "pods")
SERVICES = GroupResource("", "services")
CLAIMS = GroupResource("", "persistentvolumeclaims")

# Nobody limits them.
IGNORED = frozenset({GroupResource("", "events"), GroupResource("events.k8s.io", "events")})

_REQUESTS, _LIMITS = "requests.", "limits."
_COMPUTE = ("cpu", "memory", "ephemeral-storage")
_POD_RESOURCES = frozenset(
    {"pods", "count/pods"}
    | {prefix + name for prefix in ("", _REQUESTS, _LIMITS) for name in _COMPUTE}
)
# Whoever limits these makes every container say what it needs.
_TO_BE_SPECIFIED = frozenset(
    prefix + name for prefix in ("", _REQUESTS, _LIMITS) for name in ("cpu", "memory")
)
_HUGE_PAGES = podrequests.HUGE_PAGES_PREFIX
_DEVICE_CLASS = _REQUESTS + "deviceclass.resource.kubernetes.io/"
_STORAGE_CLASS = ".storageclass.storage.k8s.io/"
_STORAGE_CLASS_ANNOTATION = "volume.beta.kubernetes.io/storage-class"
_CLAIM_RESOURCES = ("persistentvolumeclaims", "requests.storage")
# Resources that may also be counted under their own name.
ALIASED = frozenset({"configmaps", "resourcequotas", "replicationcontrollers", "secrets"})


def count_name(resource: GroupResource) -> str:
    """Upstream's ObjectCountQuotaResourceNameFor."""
    if not resource.group:
        return f"count/{resource.resource}"
    return f"count/{resource.resource}.{resource.group}"


# --- amounts


def of_list(resource_list: Mapping[str, Any] | None) -> Usage:
    """A ResourceList as amounts; raises QuantityError."""
    return {name: quantity.parse(str(text)) for name, text in (resource_list or {}).items()}


def to_list(usage: Usage) -> dict[str, str]:
    return {name: str(amount) for name, amount in usage.items()}


def add(first: Usage, second: Usage) -> Usage:
    return {
        **first,
        **{name: first[name] + more if name in first else more for name, more in second.items()},
    }


def growth(after: Usage, before: Usage) -> Usage:
    """By how much each amount has become more; those that have not are missing."""
    grown = {name: amount - before.get(name, quantity.ZERO) for name, amount in after.items()}
    return {name: amount for name, amount in grown.items() if amount > quantity.ZERO}


def mask(usage: Usage, names: Collection[str]) -> Usage:
    return {name: amount for name, amount in usage.items() if name in names}


def exceeded(usage: Usage, hard: Usage) -> list[str]:
    """The names, in order, of which there is more than may be."""
    return sorted(name for name, amount in usage.items() if name in hard and amount > hard[name])


def shown(usage: Usage) -> str:
    """As upstream's messages name amounts."""
    return ",".join(f"{name}={usage[name]}" for name in sorted(usage))


# --- evaluators


class Evaluator:
    """How objects of one resource are counted; this class knows their number alone."""

    def __init__(self, resource: GroupResource) -> None:
        self.resource = resource
        names = {count_name(resource)}
        if not resource.group and resource.resource in ALIASED:
            names.add(resource.resource)
        self.names = frozenset(names)

    def matching(self, names: Iterable[str]) -> list[str]:
        """Those limited names that objects of this resource are counted under."""
        return [name for name in names if name in self.names]

    def missing(self, names: Collection[str], obj: Object) -> str:
        """What the object must say and does not, since `names` are limited; "" if nothing."""
        return ""

    def usage(self, obj: Object) -> Usage:
        """Raises QuantityError for an object that is not valid."""
        return dict.fromkeys(self.names, ONE)

    def in_scope(self, selector: Selector, obj: Object) -> bool:
        """Whether one scope of a quota holds for the object."""
        return False

    def is_charged_on_update(self, updated: Object, existing: Object, subresource: str) -> bool:
        """Whether an update may take more; a create does, except by a subresource."""
        return False

    def is_freed_by(self, updated: Object, existing: Object) -> bool:
        """Whether the update gave something back, which no request tells of."""
        return False


class PodEvaluator(Evaluator):
    """A pod that has come to its end, or should have, counts for `count/pods` alone."""

    def __init__(self, clock: Clock = lambda: datetime.now(UTC)) -> None:
        super().__init__(PODS)
        self._clock = clock

    def matching(self, names: Iterable[str]) -> list[str]:
        return [name for name in names if name in _POD_RESOURCES or _is_of_pods(name)]

    def missing(self, names: Collection[str], obj: Object) -> str:
        spec = obj.get("spec") or {}
        if _has_pod_level_resources(spec):
            return ""
        required = _TO_BE_SPECIFIED.intersection(names)
        lacking: dict[str, set[str]] = {}
        for container in (*(spec.get("containers") or ()), *(spec.get("initContainers") or ())):
            resources = container.get("resources") or {}
            said = _compute(of_list(resources.get("requests")), of_list(resources.get("limits")))
            for name in required - said.keys():
                lacking.setdefault(name, set()).add(container["name"])
        if not lacking:
            return ""
        listed = (f"{name} for: {','.join(sorted(lacking[name]))}" for name in sorted(lacking))
        return "must specify " + "; ".join(listed)

    def usage(self, obj: Object) -> Usage:
        used = super().usage(obj)
        if self._is_over(obj):
            return used
        spec = obj.get("spec") or {}
        requests = _with_formats(podrequests.requests(obj), spec, "requests")
        limits = _with_formats(podrequests.limits(obj), spec, "limits")
        return {**used, **_compute(requests, limits), "pods": ONE}

    def in_scope(self, selector: Selector, obj: Object) -> bool:
        spec = obj.get("spec") or {}
        match selector.get("scopeName"):
            case "Terminating":
                return _is_terminating(spec)
            case "NotTerminating":
                return not _is_terminating(spec)
            case "BestEffort":
                return podrequests.qos_class(spec) == "BestEffort"
            case "NotBestEffort":
                return podrequests.qos_class(spec) != "BestEffort"
            case "PriorityClass":
                name = spec.get("priorityClassName")
                return _selects(selector, {name} if name else set())
            case "CrossNamespacePodAffinity":
                return _reaches_other_namespaces(spec.get("affinity") or {})
        return False

    def is_charged_on_update(self, updated: Object, existing: Object, subresource: str) -> bool:
        if subresource == "resize":
            return True
        return not subresource and _is_terminating(updated["spec"]) != _is_terminating(
            existing["spec"]
        )

    def is_freed_by(self, updated: Object, existing: Object) -> bool:
        if self._is_over(updated):
            return not self._is_over(existing)
        return (
            updated.get("spec", {}).get("activeDeadlineSeconds")
            != existing.get("spec", {}).get("activeDeadlineSeconds")
            or podrequests.requests(updated) != podrequests.requests(existing)
            or podrequests.limits(updated) != podrequests.limits(existing)
        )

    def _is_over(self, pod: Object) -> bool:
        if (pod.get("status") or {}).get("phase") in ("Succeeded", "Failed"):
            return True
        end = self._end_of_grace(pod)
        return end is not None and self._clock() > end

    def _end_of_grace(self, pod: Object) -> datetime | None:
        """When a pod that is being deleted stops to count, though it be there still: as upstream
        has it, one grace period after the one that its deletionTimestamp holds."""
        metadata = meta.of(pod)
        deleted, grace = (
            metadata.get("deletionTimestamp"),
            metadata.get("deletionGracePeriodSeconds"),
        )
        if not deleted or grace is None:
            return None
        return times.parse(deleted) + timedelta(seconds=grace)


class ServiceEvaluator(Evaluator):
    def __init__(self) -> None:
        super().__init__(SERVICES)
        self.names |= {"services", "services.nodeports", "services.loadbalancers"}

    def usage(self, obj: Object) -> Usage:
        spec = obj.get("spec") or {}
        ports = spec.get("ports") or ()
        balanced = spec.get("type") == "LoadBalancer"
        node_ports = 0
        if spec.get("type") == "NodePort":
            node_ports = len(ports)
        elif balanced and spec.get("allocateLoadBalancerNodePorts") is False:
            node_ports = sum(1 for port in ports if port.get("nodePort"))
        elif balanced:
            node_ports = len(ports)
        return {
            "count/services": ONE,
            "services": ONE,
            "services.nodeports": Quantity(Decimal(node_ports)),
            "services.loadbalancers": ONE if balanced else quantity.ZERO,
        }

    def is_charged_on_update(self, updated: Object, existing: Object, subresource: str) -> bool:
        return not subresource

    def is_freed_by(self, updated: Object, existing: Object) -> bool:
        return self.usage(updated) != self.usage(existing)


class ClaimEvaluator(Evaluator):
    """Claims are counted in all, and again under the name of their storage class."""

    def __init__(self) -> None:
        super().__init__(CLAIMS)
        self.names |= set(_CLAIM_RESOURCES)

    def matching(self, names: Iterable[str]) -> list[str]:
        by_class = tuple(_STORAGE_CLASS + resource for resource in _CLAIM_RESOURCES)
        return [name for name in names if name in self.names or name.endswith(by_class)]

    def usage(self, obj: Object) -> Usage:
        used = {"count/persistentvolumeclaims": ONE, "persistentvolumeclaims": ONE}
        storage = _storage_of(obj)
        if storage is not None:
            used["requests.storage"] = storage
        if name := storage_class_of(obj):
            for resource in _CLAIM_RESOURCES:
                if resource in used:
                    used[name + _STORAGE_CLASS + resource] = used[resource]
        return used

    def in_scope(self, selector: Selector, obj: Object) -> bool:
        if selector.get("scopeName") != "VolumeAttributesClass":
            return False
        return _selects(selector, _attributes_classes(obj))

    def is_charged_on_update(self, updated: Object, existing: Object, subresource: str) -> bool:
        return not subresource or (subresource == "status" and self.is_freed_by(updated, existing))

    def is_freed_by(self, updated: Object, existing: Object) -> bool:
        return self.usage(updated) != self.usage(existing) or _attributes_classes(
            updated
        ) != _attributes_classes(existing)


_OWN: Mapping[GroupResource, Evaluator] = {
    PODS: PodEvaluator(),
    SERVICES: ServiceEvaluator(),
    CLAIMS: ClaimEvaluator(),
}


def evaluator_of(resource: GroupResource) -> Evaluator:
    return _OWN.get(resource) or Evaluator(resource)


# --- which quotas count an object


def scopes_of(spec: Mapping[str, Any]) -> list[Selector]:
    """What must hold for an object to be counted: spec.scopes and spec.scopeSelector as one."""
    named = [{"scopeName": scope, "operator": "Exists"} for scope in spec.get("scopes") or ()]
    selector = spec.get("scopeSelector") or {}
    return [*named, *(selector.get("matchExpressions") or ())]


def is_in_scopes(evaluator: Evaluator, scopes: Iterable[Selector], obj: Object) -> bool:
    return all(evaluator.in_scope(selector, obj) for selector in scopes)


def total(evaluator: Evaluator, spec: Mapping[str, Any], objects: Iterable[Object]) -> Usage:
    """What these objects take of the quota's spec together, by each limited name they are
    counted under. Raises QuantityError."""
    names = evaluator.matching(spec.get("hard") or {})
    used: Usage = dict.fromkeys(names, quantity.ZERO)
    scopes = scopes_of(spec)
    for obj in objects:
        if is_in_scopes(evaluator, scopes, obj):
            used = add(used, mask(evaluator.usage(obj), used))
    return used


# --- pods


def _is_of_pods(name: str) -> bool:
    if name.startswith((_HUGE_PAGES, _REQUESTS + _HUGE_PAGES)):
        return True
    is_native = "/" not in name or "kubernetes.io/" in name
    return name.startswith(_REQUESTS) and (not is_native or name.startswith(_DEVICE_CLASS))


def _compute(requests: Usage, limits: Usage) -> Usage:
    used: Usage = {}
    for name in _COMPUTE:
        if name in requests:
            used[name] = used[_REQUESTS + name] = requests[name]
        if name in limits:
            used[_LIMITS + name] = limits[name]
    for name, amount in requests.items():
        if name.startswith(_HUGE_PAGES):
            used[name] = used[_REQUESTS + name] = amount
        elif "/" in name and not name.startswith(_REQUESTS):
            used[_REQUESTS + name] = amount
    return used


def _with_formats(amounts: podrequests.Amounts, spec: Mapping[str, Any], kind: str) -> Usage:
    """Printed in the suffix family of the first of the parts."""
    lists = [
        *((c.get("resources") or {}).get(kind) for c in spec.get("containers") or ()),
        *((c.get("resources") or {}).get(kind) for c in spec.get("initContainers") or ()),
        (spec.get("resources") or {}).get(kind),
        spec.get("overhead"),
    ]
    used = {}
    for name, nanos in amounts.items():
        written = next((str(each[name]) for each in lists if each and name in each), "0")
        used[name] = Quantity(Decimal(nanos).scaleb(-9).normalize(), quantity.parse(written).format)
    return used


def _has_pod_level_resources(spec: Mapping[str, Any]) -> bool:
    own = spec.get("resources") or {}
    return any(
        podrequests.is_pod_level_resource(name)
        for kind in ("requests", "limits")
        for name in own.get(kind) or ()
    )


def _is_terminating(spec: Mapping[str, Any]) -> bool:
    """It has a deadline: `Terminating` says nothing of a deletion."""
    deadline = spec.get("activeDeadlineSeconds")
    return deadline is not None and deadline >= 0


def _reaches_other_namespaces(affinity: Mapping[str, Any]) -> bool:
    for kind in ("podAffinity", "podAntiAffinity"):
        terms = affinity.get(kind) or {}
        required = terms.get("requiredDuringSchedulingIgnoredDuringExecution") or ()
        preferred = terms.get("preferredDuringSchedulingIgnoredDuringExecution") or ()
        for term in (*required, *(each["podAffinityTerm"] for each in preferred)):
            if term.get("namespaces") or term.get("namespaceSelector") is not None:
                return True
    return False


# --- claims


def storage_class_of(claim: Object) -> str:
    """The beta annotation goes first, as in upstream's GetPersistentVolumeClaimClass."""
    named = meta.annotations(claim).get(_STORAGE_CLASS_ANNOTATION)
    if named is not None:
        return named
    return (claim.get("spec") or {}).get("storageClassName") or ""


def _storage_of(claim: Object) -> Quantity | None:
    """What is asked for, or more where the volume has grown already; in whole bytes."""
    requests = ((claim.get("spec") or {}).get("resources") or {}).get("requests") or {}
    if "storage" not in requests:
        return None
    asked = quantity.parse(str(requests["storage"]))
    allocated = (claim.get("status") or {}).get("allocatedResources") or {}
    if "storage" in allocated:
        asked = max(asked, quantity.parse(str(allocated["storage"])))
    if asked.amount == asked.amount.to_integral_value():
        return asked
    return Quantity(Decimal(asked.value), asked.format)


def _attributes_classes(claim: Object) -> set[str]:
    status = claim.get("status") or {}
    named = (
        (claim.get("spec") or {}).get("volumeAttributesClassName"),
        status.get("currentVolumeAttributesClassName"),
        (status.get("modifyVolumeStatus") or {}).get("targetVolumeAttributesClassName"),
    )
    return {name for name in named if name}


def _selects(selector: Selector, names: set[str]) -> bool:
    """Whether one of the names, or their absence, is what the selector wants."""
    operator, values = selector.get("operator"), selector.get("values") or ()
    if operator == "Exists":
        return bool(names)
    if operator == "DoesNotExist":
        return not names
    if operator == "In":
        return any(name in values for name in names)
    # NotIn, which the absence of a name satisfies too.
    return not names or any(name not in values for name in names)
