# SPDX-License-Identifier: Apache-2.0
"""LimitRanger: what containers do not say is filled in, and nothing is outside of its range.

Mirrors `plugin/pkg/admission/limitranger`. An update is judged by what it changes: what was
stored before its LimitRange may stay.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from fractions import Fraction
from typing import Any, NamedTuple

from pyk8s.admission import interface
from pyk8s.admission.objects import Objects
from pyk8s.apimachinery import meta, quantity
from pyk8s.apimachinery.gvk import GroupResource, Object
from pyk8s.componenthelpers import podrequests, quota
from pyk8s.componenthelpers.quota import CLAIMS, Usage

LIMIT_RANGES = GroupResource("", "limitranges")
ANNOTATION = "kubernetes.io/limit-ranger"

Limit = Mapping[str, Any]

_CONTAINERS = (("containers", "container"), ("initContainers", "init container"))
_SPEC_ONLY = podrequests.Options(status=False, overhead=False)


class Amounts(NamedTuple):
    """Of a container, a pod or a claim."""

    requests: Usage
    limits: Usage


class LimitRanger(interface.Plugin):
    operations = frozenset({interface.CREATE, interface.UPDATE})
    resources = frozenset({interface.PODS, CLAIMS})

    def __init__(self, limit_ranges: Objects) -> None:
        self._limit_ranges = limit_ranges

    async def admit(self, attributes: interface.Attributes) -> None:
        if attributes.resource.group_resource != interface.PODS or not _is_limited(attributes):
            return
        for limit_range in await self._limit_ranges.list(attributes.namespace):
            fill_in(attributes.object, limits_of(limit_range))

    async def validate(self, attributes: interface.Attributes) -> None:
        if not _is_limited(attributes):
            return
        is_pod = attributes.resource.group_resource == interface.PODS
        check = check_pod if is_pod else check_claim
        for limit_range in await self._limit_ranges.list(attributes.namespace):
            faults = check(attributes.object, attributes.existing, limits_of(limit_range))
            # As upstream's aggregate of errors prints them.
            faults = list(dict.fromkeys(faults))
            if faults:
                why = faults[0] if len(faults) == 1 else f"[{', '.join(faults)}]"
                raise attributes.forbidden(why)


def _is_limited(attributes: interface.Attributes) -> bool:
    if attributes.existing is not None and "deletionTimestamp" in meta.of(attributes.existing):
        return False
    if attributes.resource.group_resource != interface.PODS:
        return not attributes.subresource
    # The containers of a pod change by a resize alone.
    wanted = "" if attributes.operation == interface.CREATE else "resize"
    return attributes.subresource == wanted


def limits_of(limit_range: Object) -> list[Limit]:
    return (limit_range.get("spec") or {}).get("limits") or []


# --- what is not said


def fill_in(pod: Object, limits: list[Limit]) -> None:
    """Changes the pod: containers get the defaults, and an annotation says which."""
    defaults: dict[str, dict[str, str]] = {"requests": {}, "limits": {}}
    for limit in limits:
        if limit.get("type") == "Container":
            defaults["requests"].update(limit.get("defaultRequest") or {})
            defaults["limits"].update(limit.get("default") or {})
    told = []
    for kind, called in _CONTAINERS:
        for container in pod["spec"].get(kind) or ():
            for part, word in (("requests", "request"), ("limits", "limit")):
                if added := _add_missing(container, part, defaults[part]):
                    named = ", ".join(sorted(added))
                    told.append(f"{named} {word} for {called} {container['name']}")
    if told:
        annotations = pod["metadata"].get("annotations") or {}
        text = "LimitRanger plugin set: " + "; ".join(told)
        pod["metadata"]["annotations"] = {**annotations, ANNOTATION: text}


def _add_missing(container: Object, part: str, defaults: Mapping[str, str]) -> dict[str, str]:
    resources = container.get("resources") or {}
    own = resources.get(part) or {}
    added = {name: amount for name, amount in defaults.items() if name not in own}
    if added:
        container["resources"] = {**resources, part: {**own, **added}}
    return added


# --- what is out of range


def check_pod(pod: Object, existing: Object | None, limits: list[Limit]) -> list[str]:
    """What is wrong, in upstream's words."""
    faults: list[str] = []
    for limit in limits:
        if limit.get("type") == "Container":
            for kind, _ in _CONTAINERS:
                faults += _check_containers(limit, pod, existing, kind)
        elif limit.get("type") == "Pod":
            before = _of_pod(existing) if existing is not None else None
            faults += _faults(limit, _of_pod(pod), before)
    return faults


def check_claim(claim: Object, existing: Object | None, limits: list[Limit]) -> list[str]:
    """As `check_pod`; claims have no limits, so the maximum holds for the request."""
    faults: list[str] = []
    requests = _of_spec(claim["spec"]).requests
    before = _of_spec(existing["spec"]).requests if existing is not None else {}
    for limit in limits:
        if limit.get("type") != "PersistentVolumeClaim":
            continue
        for bound, check in (("min", _too_little), ("max", _too_much_asked)):
            for name, enforced in sorted(quota.of_list(limit.get(bound)).items()):
                if name in requests and requests[name] == before.get(name):
                    continue
                faults += check(_Bound(limit["type"], name, enforced), Amounts(requests, {}))
    return faults


def _check_containers(
    limit: Limit, pod: Object, existing: Object | None, kind: str
) -> Iterator[str]:
    before = {each["name"]: each for each in ((existing or {}).get("spec") or {}).get(kind) or ()}
    for container in pod["spec"].get(kind) or ():
        old = before.get(container["name"])
        yield from _faults(limit, _of_spec(container), None if old is None else _of_spec(old))


def _of_spec(spec: Mapping[str, Any]) -> Amounts:
    resources = spec.get("resources") or {}
    return Amounts(quota.of_list(resources.get("requests")), quota.of_list(resources.get("limits")))


def _of_pod(pod: Object) -> Amounts:
    spec = pod["spec"]
    return Amounts(
        quota.in_formats_of(podrequests.requests(pod, _SPEC_ONLY), spec, "requests"),
        quota.in_formats_of(podrequests.limits(pod, _SPEC_ONLY), spec, "limits"),
    )


class _Bound(NamedTuple):
    type: str
    resource: str
    amount: quantity.Quantity

    def __str__(self) -> str:
        return f"{self.resource} usage per {self.type} is {self.amount}"


def _faults(limit: Limit, amounts: Amounts, before: Amounts | None) -> Iterator[str]:
    checks = (("min", _too_little), ("max", _too_much), ("maxLimitRequestRatio", _too_far_apart))
    for bound, check in checks:
        for name, enforced in sorted(quota.of_list(limit.get(bound)).items()):
            if before is not None and _is_unchanged(name, amounts, before):
                continue
            yield from check(_Bound(limit["type"], name, enforced), amounts)


def _is_unchanged(name: str, amounts: Amounts, before: Amounts) -> bool:
    return all(now.get(name) == then.get(name) for now, then in zip(amounts, before, strict=True))


def _too_little(bound: _Bound, amounts: Amounts) -> list[str]:
    request, limit = amounts.requests.get(bound.resource), amounts.limits.get(bound.resource)
    if request is None:
        return [f"minimum {bound}.  No request is specified"]
    if request < bound.amount:
        return [f"minimum {bound}, but request is {request}"]
    if limit is not None and limit < bound.amount:
        return [f"minimum {bound}, but limit is {limit}"]
    return []


def _too_much(bound: _Bound, amounts: Amounts) -> list[str]:
    request, limit = amounts.requests.get(bound.resource), amounts.limits.get(bound.resource)
    if limit is None:
        return [f"maximum {bound}.  No limit is specified"]
    if limit > bound.amount:
        return [f"maximum {bound}, but limit is {limit}"]
    if request is not None and request > bound.amount:
        return [f"maximum {bound}, but request is {request}"]
    return []


def _too_much_asked(bound: _Bound, amounts: Amounts) -> list[str]:
    request = amounts.requests.get(bound.resource)
    if request is None:
        return [f"maximum {bound}.  No request is specified"]
    if request > bound.amount:
        return [f"maximum {bound}, but request is {request}"]
    return []


def _too_far_apart(bound: _Bound, amounts: Amounts) -> list[str]:
    text = f"{bound.resource} max limit to request ratio per {bound.type} is {bound.amount}, but "
    request, limit = amounts.requests.get(bound.resource), amounts.limits.get(bound.resource)
    if not request:
        return [text + "no request is specified or request is 0"]
    if not limit:
        return [text + "no limit is specified or limit is 0"]
    ratio = Fraction(limit.amount) / Fraction(request.amount)
    if ratio > Fraction(bound.amount.amount):
        return [f"{text}provided ratio is {float(ratio):f}"]
    return []
