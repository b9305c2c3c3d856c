# SPDX-License-Identifier: Apache-2.0
"""The disruption controller. Mirrors upstream's `pkg/controller/disruption`.

Where upstream gives up on a budget whose pods it cannot count until something changes, this one
tries again with back-off.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import NamedTuple

from pyk8s.apimachinery import errors, labels, meta, times
from pyk8s.apimachinery.gvk import Object
from pyk8s.client import events, informer, resources
from pyk8s.client.client import STRATEGIC_MERGE_PATCH, Patch
from pyk8s.controllers.controller import Context, Controller
from pyk8s.controllers.disruption import budgets, scales
from pyk8s.controllers.disruption.budgets import Counts

_UNMANAGED = (
    "Pods selected by this PodDisruptionBudget (selector: {}) were found to be unmanaged. As a "
    "result, the status of the PDB cannot be calculated correctly, which may result in undefined "
    'behavior. To account for these pods please set ".spec.minAvailable" field of the PDB to an '
    "integer value."
)


class Item(NamedTuple):
    """A budget, or a pod whose condition may be stale."""

    what: str
    namespace: str
    name: str


class DisruptionController(Controller[Item]):
    name = "disruption-controller"
    component = "controllermanager"

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self._budgets = self.informer(resources.POD_DISRUPTION_BUDGETS)
        self._budgets.add_event_handler(informer.on_any_change(self._enqueue))
        self._pods = self.informer(resources.PODS)
        self._pods.add_event_handler(
            informer.Handler(
                on_add=lambda pod, _: self._pod_changed(pod),
                on_update=self._pod_updated,
                on_delete=lambda gone: self._pod_changed(informer.last_known(gone)),
            )
        )
        owners = {resource: self.informer(resource) for resource in scales.RESOURCES}
        self._scales = scales.Scales(context.client, owners)

    def _enqueue(self, budget: Object) -> None:
        self.queue.add(Item("budget", *meta.namespaced_name(budget)))

    def _pod_updated(self, before: Object, pod: Object) -> None:
        if meta.labels(before) != meta.labels(pod):
            self._enqueue_budgets_of(before)
        self._pod_changed(pod)

    def _pod_changed(self, pod: Object) -> None:
        self._enqueue_budgets_of(pod)
        wait = budgets.stale_target_after(pod, _now())
        if wait is not None:
            self.queue.add_after(Item("pod", *meta.namespaced_name(pod)), wait.total_seconds())

    def _enqueue_budgets_of(self, pod: Object) -> None:
        found = [
            budget
            for budget in self._budgets.lister.list(meta.namespace(pod))
            if _may_select(budget, pod)
        ]
        for budget in found:
            self._enqueue(budget)
        if len(found) > 1:
            namespace, name = meta.namespaced_name(pod)
            self._tell(
                pod,
                "MultiplePodDisruptionBudgets",
                f'Pod "{namespace}"/"{name}" matches multiple PodDisruptionBudgets.  '
                f'Chose "{meta.name(found[0])}" arbitrarily.',
            )

    async def reconcile(self, key: Item) -> None:
        if key.what == "pod":
            await self._clean_condition(key)
            return
        budget = self._budgets.indexer.get((key.namespace, key.name))
        if budget is None:
            return
        try:
            await self._sync(key, budget)
        except (ValueError, scales.NoScale, errors.StatusError) as error:
            if isinstance(error, errors.StatusError) and error.reason == errors.CONFLICT:
                raise
            await self._write(budget, budgets.failed_status(budget, str(error), times.now()))
            raise

    async def _sync(self, key: Item, budget: Object) -> None:
        pods = self._pods_of(budget)
        counted = await self._expected(budget, pods)
        now = _now()
        noted = budgets.disrupted(budget.get("status") or {}, pods, now)
        for pod in noted.overdue:
            said = f"Pod was expected by PDB {key.namespace}/{key.name} to be deleted but it wasn't"
            self._tell(pod, "NotDeleted", said)
        expected, desired = counted
        counts = Counts(
            expected=expected, desired=desired, healthy=budgets.healthy(pods, noted.awaited)
        )
        await self._write(budget, budgets.status(budget, counts, noted.awaited, times.now()))
        if noted.recheck_at is not None:
            # A second more: until then it is not overdue but just due.
            self.queue.add_after(key, (noted.recheck_at - now).total_seconds() + 1.0)

    def _pods_of(self, budget: Object) -> list[Object]:
        try:
            selector = labels.from_label_selector(budget["spec"].get("selector"))
        except ValueError as error:
            self._tell(budget, "NoPods", f"Failed to get pods: {error}")
            raise
        found = self._pods.lister.list(meta.namespace(budget), selector)
        if not found:
            self._tell(budget, "NoPods", "No matching pods found", events.NORMAL)
        return list(found)

    async def _expected(self, budget: Object, pods: Sequence[Object]) -> tuple[int, int]:
        scale, spec = scales.Scale(), budget["spec"]
        try:
            if budgets.wants_scale(spec):
                scale = await self._scales.of(pods)
            counted = budgets.expected_and_desired(spec, len(pods), scale.replicas)
        except (ValueError, scales.NoScale, errors.StatusError) as error:
            said = f"Failed to calculate the number of expected pods: {error}"
            self._tell(budget, "CalculateExpectedPodCountFailed", said)
            raise
        if scale.unmanaged:
            selector = labels.from_label_selector(spec.get("selector"))
            self._tell(budget, "UnmanagedPods", _UNMANAGED.format(selector))
        return counted

    async def _write(self, budget: Object, status: Object) -> None:
        if not budgets.is_same(budget.get("status") or {}, status):
            new = {**budget, "status": status}
            await self.client.update_status(resources.POD_DISRUPTION_BUDGETS, new)

    async def _clean_condition(self, key: Item) -> None:
        pod = self._pods.indexer.get((key.namespace, key.name))
        wait = budgets.stale_target_after(pod, _now()) if pod is not None else None
        if pod is None or wait is None:
            return
        if wait:
            self.queue.add_after(key, wait.total_seconds())
            return
        condition = {
            "type": "DisruptionTarget",
            "status": "False",
            "reason": None,
            "message": None,
            "lastTransitionTime": times.now(),
        }
        content = {
            "metadata": {"uid": meta.uid(pod), "resourceVersion": meta.resource_version(pod)},
            "status": {"conditions": [condition]},
        }
        patch = Patch(content=content, type=STRATEGIC_MERGE_PATCH)
        try:
            await self.client.patch(resources.PODS, (key.namespace, key.name), patch, "status")
        except errors.StatusError as error:
            if error.reason != errors.NOT_FOUND:
                raise

    def _tell(self, obj: Object, reason: str, message: str, type: str = events.WARNING) -> None:
        self.context.recorder.event(obj, type, reason, message)


def _now() -> datetime:
    return datetime.now(UTC)


def _may_select(budget: Object, pod: Object) -> bool:
    try:
        selector = labels.from_label_selector(budget["spec"].get("selector"))
    except ValueError:
        return False
    return selector.matches(meta.labels(pod))
