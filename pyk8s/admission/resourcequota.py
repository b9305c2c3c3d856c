# SPDX-License-Identifier: Apache-2.0
"""ResourceQuota: nothing is created that a quota of its namespace has no room for.

Mirrors `apiserver/pkg/admission/plugin/resourcequota`. What an object takes is charged to the
quota's status before the object is stored; the check is repeated on the very state that the
charge is written to, so that creates at the same time, also through several servers, cannot
take more than there is. A charge whose object was not stored after all, and what deletions give
back, is the resourcequota controller's to correct.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import NamedTuple
from weakref import WeakValueDictionary

from pyk8s.admission import interface
from pyk8s.admission.objects import Objects
from pyk8s.apimachinery import errors, meta, quantity
from pyk8s.apimachinery.gvk import GroupResource, Object
from pyk8s.componenthelpers import quota as rules
from pyk8s.componenthelpers.quota import Evaluator, Usage

RESOURCE_QUOTAS = GroupResource("", "resourcequotas")

# Of these alone an update can take more.
_UPDATED = frozenset({rules.PODS, rules.SERVICES, rules.CLAIMS})

# Changes the stored quota (namespace, name); called again for every retry, and may raise.
Rewrite = Callable[[str, str, Callable[[Object], None]], Awaitable[object]]


class _Charge(NamedTuple):
    """What an object takes of one quota; `refuses` where there is not enough."""

    quota: Object
    delta: Usage
    refuses: bool


class ResourceQuota(interface.Plugin):
    operations = frozenset({interface.CREATE, interface.UPDATE})

    def __init__(self, quotas: Objects, rewrite: Rewrite) -> None:
        self._quotas = quotas
        self._rewrite = rewrite
        self._evaluators: dict[GroupResource, Evaluator] = {}
        # Within a process creates take turns, or most of them would lose the race to write.
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def validate(self, attributes: interface.Attributes) -> None:
        resource = attributes.resource.group_resource
        if not attributes.namespace or resource in rules.IGNORED:
            return
        if attributes.operation == interface.CREATE:
            if attributes.subresource:
                return
        elif resource not in _UPDATED:
            return
        quotas = await self._quotas.list(attributes.namespace)
        if not quotas:
            return
        evaluator = self._evaluator(resource)
        if _is_charged(evaluator, attributes):
            await self._charge_all(attributes, evaluator, quotas)

    def _evaluator(self, resource: GroupResource) -> Evaluator:
        evaluator = self._evaluators.get(resource)
        if evaluator is None:
            evaluator = self._evaluators[resource] = rules.evaluator_of(resource)
        return evaluator

    async def _charge_all(
        self, attributes: interface.Attributes, evaluator: Evaluator, quotas: list[Object]
    ) -> None:
        charges = _charges(attributes, evaluator, quotas)
        if not charges:
            return
        namespace = attributes.namespace
        lock = self._locks.get(namespace)
        if lock is None:
            lock = self._locks[namespace] = asyncio.Lock()
        async with lock:
            # What one quota refuses must not be charged to another.
            for charge in charges:
                await self._check(attributes, charge)
            if attributes.dry_run:
                return
            charged: list[_Charge] = []
            for charge in charges:
                try:
                    await self._charge(attributes, charge)
                except errors.StatusError:
                    for paid in charged:
                        await self._give_back(namespace, paid)
                    raise
                charged.append(charge)

    async def _check(self, attributes: interface.Attributes, charge: _Charge) -> None:
        """By the cache; and before a refusal by what is stored."""
        if not charge.refuses or not _excess(charge.quota, charge.delta):
            return
        namespace, name = meta.namespaced_name(charge.quota)
        current = await self._quotas.get(namespace, name)
        if current is not None and _excess(current, charge.delta):
            current = await self._quotas.get(namespace, name, fresh=True)
        if current is not None:
            _refuse_excess(attributes, current, charge.delta)

    async def _charge(self, attributes: interface.Attributes, charge: _Charge) -> None:
        def change(quota: Object) -> None:
            if charge.refuses:
                _refuse_excess(attributes, quota, charge.delta)
            _add_used(quota, charge.delta)

        await self._write(*meta.namespaced_name(charge.quota), change)

    async def _give_back(self, namespace: str, charge: _Charge) -> None:
        less = {name: -amount for name, amount in charge.delta.items()}
        name = meta.name(charge.quota)
        await self._write(namespace, name, lambda quota: _add_used(quota, less))

    async def _write(self, namespace: str, name: str, change: Callable[[Object], None]) -> None:
        try:
            await self._rewrite(namespace, name, change)
        except errors.StatusError as error:
            # A quota that is gone limits nothing.
            if error.reason != errors.NOT_FOUND:
                raise


def _is_charged(evaluator: Evaluator, attributes: interface.Attributes) -> bool:
    if attributes.operation == interface.CREATE:
        return True
    assert attributes.existing is not None
    return evaluator.is_charged_on_update(
        attributes.object, attributes.existing, attributes.subresource
    )


def _charges(
    attributes: interface.Attributes, evaluator: Evaluator, quotas: list[Object]
) -> list[_Charge]:
    """What to charge to whom. Raises StatusError where a quota wants to know more of the object,
    or is not counted yet."""
    obj, existing = attributes.object, attributes.existing
    matching = [quota for quota in quotas if _matches(evaluator, quota, obj)]
    for quota in matching:
        _require_known(attributes, evaluator, quota)
    if not matching:
        return []
    usage = evaluator.usage(obj)
    negative = sorted(name for name, amount in usage.items() if amount < quantity.ZERO)
    if negative:
        named = ",".join(negative)
        raise attributes.forbidden(f"quota usage is negative for resource(s): {named}")
    before = evaluator.usage(existing) if existing is not None else {}
    refuses = attributes.subresource != "status"
    charges = []
    for quota in matching:
        counted = existing is not None and _matches(evaluator, quota, existing)
        delta = rules.growth(usage, before if counted else {})
        delta = rules.mask(delta, _status(quota, "hard"))
        if delta:
            charges.append(_Charge(quota, delta, refuses))
    return charges


def _matches(evaluator: Evaluator, quota: Object, obj: Object) -> bool:
    if not evaluator.matching(_status(quota, "hard")):
        return False
    return rules.is_in_scopes(evaluator, rules.scopes_of(quota.get("spec") or {}), obj)


def _require_known(attributes: interface.Attributes, evaluator: Evaluator, quota: Object) -> None:
    names = evaluator.matching(_status(quota, "hard"))
    if missing := evaluator.missing(names, attributes.object):
        raise attributes.forbidden(f"failed quota: {meta.name(quota)}: {missing}")
    used = _status(quota, "used")
    if not all(name in used for name in names):
        raise attributes.forbidden(
            f"status unknown for quota: {meta.name(quota)}, resources: {','.join(sorted(names))}"
        )


def _status(quota: Object, field: str) -> Object:
    return (quota.get("status") or {}).get(field) or {}


def _excess(quota: Object, delta: Usage) -> list[str]:
    hard = rules.mask(delta, _status(quota, "hard"))
    used = rules.of_list(_status(quota, "used"))
    together = rules.mask(rules.add(used, hard), hard)
    return rules.exceeded(together, rules.of_list(_status(quota, "hard")))


def _refuse_excess(attributes: interface.Attributes, quota: Object, delta: Usage) -> None:
    names = _excess(quota, delta)
    if not names:
        return
    requested = rules.shown(rules.mask(delta, names))
    used = rules.shown(rules.mask(rules.of_list(_status(quota, "used")), names))
    limited = rules.shown(rules.mask(rules.of_list(_status(quota, "hard")), names))
    raise attributes.forbidden(
        f"exceeded quota: {meta.name(quota)}, requested: {requested}, used: {used}, "
        f"limited: {limited}"
    )


def _add_used(quota: Object, delta: Usage) -> None:
    """Changes the quota's status."""
    status = quota.setdefault("status", {})
    counted = rules.mask(delta, status.get("hard") or {})
    status["used"] = rules.to_list(rules.add(rules.of_list(status.get("used")), counted))
