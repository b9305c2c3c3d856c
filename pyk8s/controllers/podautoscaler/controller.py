# SPDX-License-Identifier: Apache-2.0
"""The horizontal pod autoscaler. Mirrors upstream's `podautoscaler/horizontal.go`."""

from __future__ import annotations

import copy
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from pyk8s.apimachinery import errors, labels, meta, times
from pyk8s.apimachinery.gvk import GroupKind, GroupVersionResource, Object
from pyk8s.client import discovery, events, informer, resources, rest
from pyk8s.client.client import Client
from pyk8s.client.store import Key
from pyk8s.componenthelpers import podrequests
from pyk8s.controllers.controller import Context, Controller
from pyk8s.controllers.podautoscaler import behavior, metrics, proposals, status
from pyk8s.controllers.podautoscaler.behavior import Bounds, History, Why
from pyk8s.controllers.podautoscaler.metrics import Metrics, RESTMetrics
from pyk8s.controllers.podautoscaler.proposals import Proposals, Workload
from pyk8s.controllers.podautoscaler.replicas import NoProposal, Rules

_GOT_SCALE = Why(
    "SucceededGetScale", "the HPA controller was able to get the target's current scale"
)
_NO_SCALE = "the HPA controller was unable to get the target's current scale: "
_DISABLED = Why(
    "ScalingDisabled", "scaling is disabled since the replica count of the target is zero"
)
_TO_ZERO = Why("ScaledToZero", "the HPA controller scaled the workload to zero")
_NOT_TO_ZERO = Why("NotScaledToZero", "the HPA controller did not scale the workload to zero")
# Upstream: retry.DefaultRetry, five attempts.
_CONFLICTS_MAX = 4


class Failed(Exception):
    """The autoscaler cannot do its work now; that has been told, and is tried again in time."""


class _Wanted(NamedTuple):
    """How many replicas, why a change is made, and the metrics it was decided by."""

    replicas: int
    reason: str = ""
    metrics: list[dict[str, Any]] | None = None


def _now() -> datetime:
    return datetime.now(UTC)


class HorizontalPodAutoscalerController(Controller[Key]):
    """`now` is the clock by which windows and periods are measured; `make_metrics` tells whom to
    ask for metrics."""

    name = "horizontal-pod-autoscaler-controller"
    component = "horizontal-pod-autoscaler"
    resource = resources.HORIZONTAL_POD_AUTOSCALERS

    def __init__(
        self,
        context: Context,
        now: Callable[[], datetime] = _now,
        make_metrics: Callable[[Client], Metrics] = RESTMetrics,
    ) -> None:
        super().__init__(context)
        self._now = now
        self._metrics = make_metrics(self.client)
        self._histories: dict[Key, History] = {}
        # Of the autoscalers whose targets were found.
        self._selectors: dict[Key, labels.Selector] = {}
        self._kinds: dict[GroupKind, discovery.Resource] = {}
        self._pods = self.informer(resources.PODS)
        self._hpas = self.informer(self.resource)
        self._hpas.add_event_handler(
            informer.Handler(
                on_add=lambda hpa, _: self.queue.add(meta.namespaced_name(hpa)),
                on_update=self._updated,
                on_delete=lambda deleted: self._forget(informer.last_known(deleted)),
            )
        )

    def subject(self, key: Key) -> Object | None:
        return self._hpas.indexer.get(key)

    def _updated(self, before: Object, hpa: Object) -> None:
        """What it wants has changed; its own status is no news."""
        if before["spec"] != hpa["spec"]:
            self.queue.add(meta.namespaced_name(hpa))

    def _forget(self, hpa: Object) -> None:
        self._histories.pop(meta.namespaced_name(hpa), None)
        self._selectors.pop(meta.namespaced_name(hpa), None)

    async def reconcile(self, key: Key) -> None:
        known = self._hpas.indexer.get(key)
        if known is None:
            return
        hpa = copy.deepcopy(known)
        hpa.setdefault("status", {})
        try:
            await self._scale(key, hpa)
        except Failed:
            pass
        finally:
            self.queue.add_after(key, self.context.options.horizontal_pod_autoscaler_sync_period)
        if hpa["status"] != (known.get("status") or {}):
            await self._write_status(hpa)

    async def _write_status(self, hpa: Object) -> None:
        """Whatever is newer on the server: the status is this controller's alone, and what it says
        of a workload scaled to zero is found out nowhere else. Raises StatusError and
        ServerUnreachable."""
        try:
            await self._replace_status(hpa)
        except (errors.StatusError, rest.ServerUnreachable) as error:
            self._warn(hpa, "FailedUpdateStatus", str(error))
            raise

    async def _replace_status(self, hpa: Object) -> None:
        for attempt in range(_CONFLICTS_MAX + 1):
            try:
                await self.client.update_status(self.resource, hpa)
                return
            except errors.StatusError as error:
                if error.reason != errors.CONFLICT or attempt == _CONFLICTS_MAX:
                    raise
            namespace, name = meta.namespaced_name(hpa)
            newest = await self.client.get(self.resource, name, namespace)
            if meta.uid(newest) != meta.uid(hpa):
                return
            hpa = {**newest, "status": hpa["status"]}

    async def _scale(self, key: Key, hpa: Object) -> None:
        """Everything but writing the status, which is changed. Raises Failed."""
        target, scale = await self._find_scale(hpa)
        self._set(hpa, status.ABLE_TO_SCALE, True, _GOT_SCALE)
        current = (scale.get("spec") or {}).get("replicas") or 0
        history = self._histories.get(key)
        if history is None:
            history = self._histories[key] = History([(self._now().timestamp(), current)])
        hpa["status"]["currentReplicas"] = current
        hpa["status"].setdefault("desiredReplicas", 0)
        hpa["status"].pop("currentMetrics", None)
        wanted = await self._wanted(hpa, scale, history)
        if wanted.metrics:
            hpa["status"]["currentMetrics"] = wanted.metrics
        if wanted.replicas != current:
            await self._rescale(hpa, target, scale, wanted)
            if "behavior" in hpa["spec"]:
                history.note_scaling(current, wanted.replicas, self._now().timestamp())
            hpa["status"]["lastScaleTime"] = times.format(self._now())
        hpa["status"]["desiredReplicas"] = wanted.replicas

    # --- the target

    async def _find_scale(self, hpa: Object) -> tuple[GroupVersionResource, Object]:
        reference = hpa["spec"]["scaleTargetRef"]
        try:
            target = await self._resource(metrics.group_kind(reference))
            namespace = meta.namespace(hpa)
            return target, await self.client.get(target, reference["name"], namespace, "scale")
        except (NoProposal, errors.StatusError, rest.ServerUnreachable) as error:
            self._warn(hpa, "FailedGetScale", str(error))
            why = Why("FailedGetScale", f"{_NO_SCALE}{error}")
            self._set(hpa, status.ABLE_TO_SCALE, False, why)
            raise Failed(str(error)) from error

    async def _resource(self, kind: GroupKind) -> GroupVersionResource:
        """Raises NoProposal, StatusError and ServerUnreachable."""
        if kind not in self._kinds:
            self._kinds = discovery.by_kind(await discovery.preferred_resources(self.client))
        if kind not in self._kinds:
            raise NoProposal(f'no matches for kind "{kind.kind}" in group "{kind.group}"')
        return self._kinds[kind].gvr

    async def _resource_of(self, kind: GroupKind) -> str:
        """As the custom metrics API names it. Raises NoProposal, ServerUnreachable."""
        try:
            return str((await self._resource(kind)).group_resource)
        except errors.StatusError as error:
            raise NoProposal(str(error)) from error

    async def _rescale(
        self, hpa: Object, target: GroupVersionResource, scale: Object, wanted: _Wanted
    ) -> None:
        told = f"New size: {wanted.replicas}; reason: {wanted.reason}"
        try:
            await self._write_scale(target, scale, wanted.replicas)
        except (errors.StatusError, rest.ServerUnreachable) as error:
            self._warn(hpa, "FailedRescale", f"{told}; error: {error}")
            text = f"the HPA controller was unable to update the target scale: {error}"
            self._set(hpa, status.ABLE_TO_SCALE, False, Why("FailedUpdateScale", text))
            raise Failed(str(error)) from error
        text = f"the HPA controller was able to update the target scale to {wanted.replicas}"
        self._set(hpa, status.ABLE_TO_SCALE, True, Why("SucceededRescale", text))
        to_zero = not wanted.replicas and proposals.needs_no_pods(hpa)
        self._set(hpa, status.SCALED_TO_ZERO, to_zero, _TO_ZERO if to_zero else _NOT_TO_ZERO)
        self.context.recorder.event(hpa, events.NORMAL, "SuccessfulRescale", told)

    async def _write_scale(self, target: GroupVersionResource, scale: Object, count: int) -> None:
        """Whatever else happens to the target meanwhile. Raises StatusError, ServerUnreachable."""
        for attempt in range(_CONFLICTS_MAX + 1):
            changed = {**scale, "spec": {**(scale.get("spec") or {}), "replicas": count}}
            try:
                await self.client.update(target, changed, "scale")
                return
            except errors.StatusError as error:
                if error.reason != errors.CONFLICT or attempt == _CONFLICTS_MAX:
                    raise
            namespace, name = meta.namespaced_name(scale)
            scale = await self.client.get(target, name, namespace, "scale")

    # --- how many

    async def _wanted(self, hpa: Object, scale: Object, history: History) -> _Wanted:
        spec = hpa["spec"]
        current = (scale.get("spec") or {}).get("replicas") or 0
        least, most = spec.get("minReplicas", 1), spec["maxReplicas"]
        if current == 0:
            made_zero = status.is_true(hpa, status.SCALED_TO_ZERO)
            if not made_zero or not (least or proposals.needs_no_pods(hpa)):
                self._set(hpa, status.SCALING_ACTIVE, False, _DISABLED)
                return _Wanted(0)
        elif current > most:
            return _Wanted(most, "Current number of replicas above Spec.MaxReplicas")
        elif current < least:
            return _Wanted(least, "Current number of replicas below Spec.MinReplicas")
        proposed, name, found = await self._by_metrics(hpa, scale)
        reason = "All metrics below target" if proposed < current else f"{name} above target"
        window = self.context.options.horizontal_pod_autoscaler_downscale_stabilization
        bounds = Bounds(least=least, most=most, behavior=spec.get("behavior"), down_window=window)
        now = self._now().timestamp()
        outcome = behavior.normalize(history, current, proposed, bounds, now)
        self._set(hpa, status.ABLE_TO_SCALE, True, outcome.able)
        self._set(hpa, status.SCALING_LIMITED, outcome.is_limited, outcome.limited_why)
        if current == 0 and outcome.replicas < least:
            below = "Current number of replicas below Spec.MinReplicas"
            return _Wanted(least, reason if proposed > current else below, found)
        return _Wanted(outcome.replicas, reason, found)

    async def _by_metrics(self, hpa: Object, scale: Object) -> tuple[int, str, list[Object]]:
        """The largest of the proposals, the metric it is from, and what all of them were. A
        metric that fails keeps the workload from shrinking, all of them from anything."""
        workload = self._workload(hpa, scale)
        asking = Proposals(self._metrics, self._resource_of, self._rules(hpa))
        best, best_name, found = 0, "", list[Object]()
        failures: list[proposals.Failed] = []
        for metric in hpa["spec"].get("metrics") or ():
            try:
                proposal = await asking.of(metric, workload)
            except proposals.Failed as failure:
                self._warn(hpa, failure.reason, str(failure))
                failures.append(failure)
                found.append({"type": ""})
                continue
            found.append(proposal.status)
            if not best or proposal.replicas > best:
                best, best_name = proposal.replicas, proposal.name
        if failures and (len(failures) == len(found) or best < workload.replicas):
            first = failures[0]
            text = f"the HPA was unable to compute the replica count: {first}"
            self._set(hpa, status.SCALING_ACTIVE, False, Why(first.reason, text))
            hpa["status"]["currentMetrics"] = found
            text = f"invalid metrics ({len(failures)} invalid out of {len(found)})"
            raise self._no_proposal(hpa, f"{text}, first error is: {first.told}")
        text = f"the HPA was able to successfully calculate a replica count from {best_name}"
        self._set(hpa, status.SCALING_ACTIVE, True, Why("ValidMetricFound", text))
        return best, best_name, found

    def _workload(self, hpa: Object, scale: Object) -> Workload:
        """Raises Failed for one whose Pods cannot be told, or are another autoscaler's too."""
        text = (scale.get("status") or {}).get("selector")
        if not text:
            why = Why("InvalidSelector", "the HPA target's scale is missing a selector")
            raise self._bad_selector(hpa, "SelectorRequired", "selector is required", why)
        try:
            found = proposals.workload_of(hpa, scale, self._pods.lister.list(meta.namespace(hpa)))
        except ValueError as error:
            text = (
                f"couldn't convert selector into a corresponding internal selector object: {error}"
            )
            raise self._bad_selector(hpa, "InvalidSelector", text) from error
        key = meta.namespaced_name(hpa)
        self._selectors[key] = labels.parse(text)
        claimants = sorted(
            other
            for other, selector in self._selectors.items()
            if other[0] == key[0] and any(selector.matches(meta.labels(p)) for p in found.pods)
        )
        if len(claimants) > 1:
            named = " ".join("/".join(each) for each in claimants)
            text = f"pods by selector {text} are controlled by multiple HPAs: [{named}]"
            raise self._bad_selector(hpa, "AmbiguousSelector", text)
        return found

    def _bad_selector(self, hpa: Object, reason: str, text: str, why: Why | None = None) -> Failed:
        self._warn(hpa, reason, text)
        self._set(hpa, status.SCALING_ACTIVE, False, why or Why(reason, text))
        return self._no_proposal(hpa, text)

    def _rules(self, hpa: Object) -> Rules:
        options, own = self.context.options, hpa["spec"].get("behavior") or {}

        def tolerance(way: str) -> float:
            text = (own.get(way) or {}).get("tolerance")
            if text is None:
                return options.horizontal_pod_autoscaler_tolerance
            return podrequests.nanos(text) / podrequests.PER_UNIT

        warm_up = options.horizontal_pod_autoscaler_cpu_initialization_period
        delay = options.horizontal_pod_autoscaler_initial_readiness_delay
        return Rules(
            now=self._now(),
            down=tolerance("scaleDown"),
            up=tolerance("scaleUp"),
            cpu_initialization=timedelta(seconds=warm_up),
            initial_readiness_delay=timedelta(seconds=delay),
        )

    # --- telling

    def _no_proposal(self, hpa: Object, text: str) -> Failed:
        self._warn(hpa, "FailedComputeMetricsReplicas", text)
        return Failed(text)

    def _set(self, hpa: Object, type: str, is_true: bool, why: Why) -> None:
        status.set_condition(hpa, type, is_true, why, self._now())

    def _warn(self, hpa: Object, reason: str, message: str) -> None:
        self.context.recorder.event(hpa, events.WARNING, reason, message)
