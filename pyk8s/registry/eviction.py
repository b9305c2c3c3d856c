# SPDX-License-Identifier: Apache-2.0
"""Eviction: a deletion that asks the PodDisruptionBudgets first.

    POST pods/NAME/eviction -> no budget, or one that allows it -> disruptionsAllowed - 1
                            -> the Pod is deleted

A Pod that does no work (pending, finished, already leaving) is deleted without asking. Refusals
are 429, so that a client tries again. Mirrors `pkg/registry/core/pod/storage/eviction.go`.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

from pyk8s.admission import interface as admission
from pyk8s.apimachinery import errors, labels, times
from pyk8s.apimachinery.gvk import GroupResource, GroupVersionKind, Object
from pyk8s.auth import user
from pyk8s.registry.context import RequestContext
from pyk8s.registry.deletion import DeleteOptions
from pyk8s.registry.store import Existing, Store
from pyk8s.storage import interface as storage

EVICTION = GroupVersionKind("policy", "v1", "Eviction")

_BUDGET = GroupResource("policy", "poddisruptionbudget")

# Evictions that the budget's controller has not taken note of yet. Upstream: MaxDisruptedPodSize.
_DISRUPTED_PODS_MAX = 2000
# As often as a Pod may change between being read and being deleted. Upstream: EvictionsRetry.
_ATTEMPTS_MAX = 20

_VIOLATED = "Cannot evict pod as it would violate the pod's disruption budget."
_SEVERAL = (
    "This pod has more than one PodDisruptionBudget, which the eviction subresource does not "
    "support."
)

# The budget is changed in the server's own name: who evicts need not be allowed to.
_API_SERVER = user.UserInfo("system:apiserver", groups=(user.SYSTEM_MASTERS,))


class SeveralBudgets(Exception):
    """More than one budget selects the Pod."""


def several_budgets() -> Object:
    """What upstream answers then."""
    return {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Failure",
        "message": _SEVERAL,
        "code": 500,
    }


@dataclass(frozen=True, slots=True)
class _Pod:
    obj: Object

    @property
    def name(self) -> str:
        name: str = self.obj["metadata"]["name"]
        return name

    @property
    def resource_version(self) -> str:
        version: str = self.obj["metadata"]["resourceVersion"]
        return version

    @property
    def over(self) -> bool:
        """It has come to an end, or is on the way there."""
        phase = (self.obj.get("status") or {}).get("phase")
        return phase in ("Succeeded", "Failed") or "deletionTimestamp" in self.obj["metadata"]

    @property
    def serves(self) -> bool:
        """Whether losing it is a disruption at all."""
        return not self.over and (self.obj.get("status") or {}).get("phase") != "Pending"

    @property
    def ready(self) -> bool:
        conditions = (self.obj.get("status") or {}).get("conditions") or ()
        return any(c.get("type") == "Ready" and c.get("status") == "True" for c in conditions)


class Evictions:
    """Evictions are carried out, not kept."""

    def __init__(self, pods: Store, budgets: Store) -> None:
        self._pods = pods
        self._budgets = budgets

    async def create(
        self, context: RequestContext, name: str, eviction: Object, options: DeleteOptions
    ) -> None:
        """Raises SeveralBudgets, 429 where the budget is used up, and what a deletion raises."""
        if eviction["metadata"].get("name") != name:
            raise errors.bad_request("name in URL does not match name in Eviction object")
        context.dry_run = context.dry_run or options.dry_run
        await self._admit(context, name, eviction)
        pod = await self._delete_idle(context, name, options)
        if pod is None:
            return
        budget = await self._budget_of(context.namespace, pod)
        if budget is None:
            await self._pods.delete(context, name, options)
        elif _spares(budget, pod):
            await self._delete_unready(context, pod, options, budget["metadata"]["name"])
        else:
            await self._take(context, budget["metadata"]["name"], name)
            await self._pods.delete(context, name, options)

    async def _admit(self, context: RequestContext, name: str, eviction: Object) -> None:
        attributes = admission.Attributes(
            operation=admission.CREATE,
            resource=self._pods.resource.gvr,
            kind=EVICTION,
            namespace=context.namespace,
            name=name,
            user=context.user,
            subresource="eviction",
            obj=eviction,
            dry_run=context.dry_run,
            warnings=context.warnings,
        )
        await self._pods.admission.admit(attributes)
        await self._pods.admission.validate(attributes)

    async def _delete_idle(
        self, context: RequestContext, name: str, options: DeleteOptions
    ) -> _Pod | None:
        """Delete a Pod whose loss disrupts nothing; the Pod, if it is none of these."""
        for attempt in range(1, _ATTEMPTS_MAX + 1):
            pod = _Pod((await self._pods.get(context.namespace, name)).object())
            if pod.serves:
                return pod
            mine = options
            if not pod.over and not options.resource_version:
                # It may begin to serve in this moment; then it is not idle any more.
                mine = dataclasses.replace(options, resource_version=pod.resource_version)
            try:
                await self._pods.delete(context, name, mine)
            except errors.StatusError as error:
                final = options.resource_version or attempt == _ATTEMPTS_MAX
                if error.reason != errors.CONFLICT or final:
                    raise
            else:
                return None
        raise AssertionError("the last attempt returns or raises")

    async def _budget_of(self, namespace: str, pod: _Pod) -> Object | None:
        listed = await self._budgets.list(storage.ListOptions(namespace=namespace))
        mine = pod.obj["metadata"].get("labels") or {}
        found = [obj for obj in (item.object() for item in listed.items) if _selects(obj, mine)]
        if len(found) > 1:
            raise SeveralBudgets
        return found[0] if found else None

    async def _delete_unready(
        self, context: RequestContext, pod: _Pod, options: DeleteOptions, budget: str
    ) -> None:
        """It does not count as healthy, unless it gets ready in this moment."""
        mine = dataclasses.replace(options, resource_version=pod.resource_version)
        try:
            await self._pods.delete(context, pod.name, mine)
        except errors.StatusError as error:
            if error.reason != errors.CONFLICT or options.resource_version:
                raise
            raise _being_processed(budget) from None

    async def _take(self, context: RequestContext, budget: str, pod: str) -> None:
        """Use up one of the disruptions that the budget allows."""

        async def decrement(existing: Existing | None) -> Object:
            if existing is None:
                raise errors.not_found(self._budgets.resource.group_resource, budget)
            updated = existing.copy()
            decrement_allowed(updated, pod)
            return updated

        mine = RequestContext(
            user=_API_SERVER, namespace=context.namespace, dry_run=context.dry_run
        )
        await self._budgets.update(mine, budget, decrement, subresource="status", may_create=False)


def _selects(budget: Object, pod_labels: dict[str, str]) -> bool:
    """A selector that is empty selects nothing here, one that cannot be read neither."""
    try:
        selector = labels.from_label_selector((budget.get("spec") or {}).get("selector"))
    except ValueError:
        return False
    return not selector.is_everything and selector.matches(pod_labels)


def _spares(budget: Object, pod: _Pod) -> bool:
    """Whether the Pod, not being ready, is none of those the budget keeps."""
    status = budget.get("status") or {}
    desired: int = status.get("desiredHealthy", 0)
    if pod.ready:
        return False
    if (budget.get("spec") or {}).get("unhealthyPodEvictionPolicy") == "AlwaysAllow":
        return True
    healthy: int = status.get("currentHealthy", 0)
    return healthy >= desired > 0


def decrement_allowed(budget: Object, pod: str) -> None:
    """One disruption less, in place, and the Pod noted as the reason; raises 429 when there is
    none left."""
    metadata, status = budget["metadata"], budget.setdefault("status", {})
    name = metadata["name"]
    if status.get("observedGeneration", 0) < metadata.get("generation", 0):
        raise _being_processed(name)
    allowed = status.get("disruptionsAllowed", 0)
    if allowed < 0:
        raise errors.forbidden(_BUDGET, name, "pdb disruptions allowed is negative")
    disrupted = status.get("disruptedPods") or {}
    if len(disrupted) > _DISRUPTED_PODS_MAX:
        why = "DisruptedPods map too big - too many evictions not confirmed by PDB controller"
        raise errors.forbidden(_BUDGET, name, why)
    if allowed == 0:
        needed, has = status.get("desiredHealthy", 0), status.get("currentHealthy", 0)
        cause = f"The disruption budget {name} needs {needed} healthy pods and has {has} currently"
        raise _refused(cause, 0)
    status["disruptionsAllowed"] = allowed - 1
    if allowed == 1:
        _note_exhausted(status)
    status["disruptedPods"] = {**disrupted, pod: times.now()}


def _note_exhausted(status: Object) -> None:
    condition: dict[str, Any] = {
        "type": "DisruptionAllowed",
        "status": "False",
        "observedGeneration": status.get("observedGeneration", 0),
        "lastTransitionTime": times.now(),
        "reason": "InsufficientPods",
        "message": "",
    }
    conditions = status.get("conditions") or []
    for existing in conditions:
        if existing.get("type") == "DisruptionAllowed" and existing.get("status") == "False":
            condition["lastTransitionTime"] = existing.get("lastTransitionTime")
    kept = [c for c in conditions if c.get("type") != "DisruptionAllowed"]
    status["conditions"] = [*kept, condition]


def _being_processed(budget: str) -> errors.StatusError:
    cause = f"The disruption budget {budget} is still being processed by the server."
    return _refused(cause, 10)


def _refused(cause: str, retry_after_seconds: int) -> errors.StatusError:
    details: dict[str, Any] = {"causes": [{"reason": "DisruptionBudget", "message": cause}]}
    if retry_after_seconds:
        details["retryAfterSeconds"] = retry_after_seconds
    return errors.StatusError(429, errors.TOO_MANY_REQUESTS, _VIOLATED, details)
