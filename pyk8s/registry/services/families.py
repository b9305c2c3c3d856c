# SPDX-License-Identifier: Apache-2.0
"""Which IP families a Service gets: ipFamilyPolicy, ipFamilies and what clusterIPs imply.

Nothing turns a Service from single to dual stack or back but its own ipFamilyPolicy: not a
cluster that gained or lost a family. Mirrors `initIPFamilyFields` of upstream's
`pkg/registry/core/service/storage/alloc.go`, with its texts.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pyk8s.apimachinery import errors, field
from pyk8s.apimachinery.gvk import GroupKind, Object
from pyk8s.apis import services
from pyk8s.apis.validation import services as validation
from pyk8s.registry.services.ranges import IPV4, IPV6, family_of

KIND = GroupKind("", "Service")

SINGLE_STACK = "SingleStack"
PREFER_DUAL_STACK = "PreferDualStack"
REQUIRE_DUAL_STACK = "RequireDualStack"

_POLICY = field.Path("spec", "ipFamilyPolicy")
_FAMILIES = field.Path("spec", "ipFamilies")
_ADDRESSES = field.Path("spec", "clusterIPs")

Spec = dict[str, Any]


def settle(service: Object, existing: Object | None, configured: Sequence[str]) -> None:
    """Fill in ipFamilyPolicy and ipFamilies, in place. `configured` are the cluster's families,
    its default first. Raises 422 for what does not go together."""
    spec, old = service["spec"], existing["spec"] if existing else None
    if spec.get("type") == services.EXTERNAL_NAME:
        return
    if old is not None and stays_preferring(spec, old):
        return
    if spec.get("ipFamilyPolicy") is None:
        spec["ipFamilyPolicy"] = _default_policy(spec, old)
    name = service["metadata"].get("name", "")
    _refuse(name, validation.validate_cluster_ips(spec, old or {}))
    faults = _release_secondary(spec, old) if old is not None else []
    _refuse(name, faults + _check_single(spec) + _infer(spec, configured))
    if _is_free(spec):
        _settle_free(spec, configured)
        return
    _refuse(name, _check_configured(spec, configured))
    if not spec.get("ipFamilies"):
        spec["ipFamilies"] = [configured[0]]
    if spec["ipFamilyPolicy"] != SINGLE_STACK and len(configured) == 2:
        _add_other(spec)


def stays_preferring(new: Spec, old: Spec) -> bool:
    """Whether both prefer dual stack and the update changes nothing that families depend on."""
    return (
        new.get("type") == old.get("type")
        and services.needs_cluster_ip(new)
        and new.get("ipFamilyPolicy") == PREFER_DUAL_STACK
        and old.get("ipFamilyPolicy") in (None, PREFER_DUAL_STACK)
        and _same(new, old, "clusterIPs")
        and _same(new, old, "ipFamilies")
    )


def _default_policy(spec: Spec, old: Spec | None) -> str:
    if old is not None and old.get("ipFamilyPolicy") is not None:
        policy: str = old["ipFamilyPolicy"]
        return policy
    return REQUIRE_DUAL_STACK if _is_free(spec) else SINGLE_STACK


def _is_free(spec: Spec) -> bool:
    """Headless and without a selector: whoever writes its endpoints knows which families."""
    return spec.get("clusterIP") == services.NONE and not spec.get("selector")


def _settle_free(spec: Spec, configured: Sequence[str]) -> None:
    if not spec.get("ipFamilies"):
        spec["ipFamilies"] = [configured[0]]
    if spec["ipFamilyPolicy"] != SINGLE_STACK:
        _add_other(spec)


def _add_other(spec: Spec) -> None:
    if len(spec["ipFamilies"]) == 1:
        first = spec["ipFamilies"][0]
        spec["ipFamilies"] = [first, IPV6 if first == IPV4 else IPV4]


def _release_secondary(new: Spec, old: Spec) -> list[field.Error]:
    """Going to SingleStack drops the second of each; dropping one by hand needs it."""
    policy = new.get("ipFamilyPolicy")
    faults = []
    for name, what in (("clusterIPs", "cluster IP"), ("ipFamilies", "IP family")):
        after, before = new.get(name) or [], old.get(name) or []
        if policy == SINGLE_STACK:
            if after == before and len(after) > 1:
                new[name] = after[:1]
        elif after and len(after) < len(before):
            detail = f"must be 'SingleStack' to release the secondary {what}"
            faults.append(field.invalid(_POLICY, policy, detail))
    return faults


def _check_single(spec: Spec) -> list[field.Error]:
    policy = spec.get("ipFamilyPolicy")
    if policy != SINGLE_STACK:
        return []
    need = "must be 'RequireDualStack' or 'PreferDualStack' when multiple"
    return [
        field.invalid(_POLICY, policy, f"{need} {what} are specified")
        for name, what in (("clusterIPs", "cluster IPs"), ("ipFamilies", "IP families"))
        if len(spec.get(name) or ()) == 2
    ]


def _infer(spec: Spec, configured: Sequence[str]) -> list[field.Error]:
    """An address that was asked for names its family."""
    addresses = spec.get("clusterIPs") or []
    families = list(spec.get("ipFamilies") or ())
    faults = []
    for index, address in enumerate(addresses):
        if address == services.NONE:
            break
        if index < len(families):
            continue
        family = family_of(address)
        if family in configured:
            families.append(family)
        else:
            detail = f"{family} is not configured on this cluster"
            faults.append(field.invalid(_ADDRESSES.index(index), addresses, detail))
    if families:
        spec["ipFamilies"] = families
    return faults


def _check_configured(spec: Spec, configured: Sequence[str]) -> list[field.Error]:
    policy = spec.get("ipFamilyPolicy")
    faults = []
    if policy == REQUIRE_DUAL_STACK and len(configured) < 2:
        detail = "this cluster is not configured for dual-stack services"
        faults.append(field.invalid(_POLICY, policy, detail))
    for index, family in enumerate(spec.get("ipFamilies") or ()):
        if family not in configured:
            detail = "not configured on this cluster"
            faults.append(field.invalid(_FAMILIES.index(index), family, detail))
    return faults


def _same(new: Spec, old: Spec, name: str) -> bool:
    return (new.get(name) or []) == (old.get(name) or [])


def _refuse(name: str, faults: list[field.Error]) -> None:
    if faults:
        raise errors.invalid(KIND, name, faults)
