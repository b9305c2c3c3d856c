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
from pyk8s.client.store import Key
from pyk8s.componenthelpers import podrequests
from pyk8s.controllers.controller import Context, Controller
from pyk8s.controllers.podautoscaler import behavior, metrics, replicas, status
from pyk8s.controllers.podautoscaler.behavior import Bounds, History, Why
from pyk8s.controllers.podautoscaler.replicas import NoProposal, Proposal, Rules, Target

_GOT_SCALE = Why(
    "SucceededGetScale", "the HPA controller was able to get the target's current scale"
)
_NO_SCALE = "the HPA controller was unable to get the target's current scale: "
_DISABLED = Why(
    "ScalingDisabled", "scaling is disabled since the replica count of the target is zero"
)
_SOURCES = {"Resource": "resource", "ContainerResource": "containerResource"}


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
    """`now` is the clock by which windows and periods are measured."""

    name = "horizontal-pod-autoscaler-controller"
    component = "horizontal-pod-autoscaler"
    resource = resources.HORIZONTAL_POD_AUTOSCALERS

    def __init__(self, context: Context, now: Callable[[], datetime] = _now) -> None:
        super().__init__(context)
        self._now = now
        self._histories: dict[Key, History] = {}
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
            await self.client.update_status(self.resource, hpa)

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
        wanted = await self._wanted(hpa, scale, history)
        if wanted.replicas != current:
            await self._rescale(hpa, target, scale, wanted)
            if "behavior" in hpa["spec"]:
                history.note_scaling(current, wanted.replicas, self._now().timestamp())
            hpa["status"]["lastScaleTime"] = times.format(self._now())
        hpa["status"]["desiredReplicas"] = wanted.replicas
        hpa["status"].pop("currentMetrics", None)
        if wanted.metrics:
            hpa["status"]["currentMetrics"] = wanted.metrics

    # --- the target

    async def _find_scale(self, hpa: Object) -> tuple[GroupVersionResource, Object]:
        reference = hpa["spec"]["scaleTargetRef"]
        group = (reference.get("apiVersion") or "").rpartition("/")[0]
        kind = GroupKind(group, reference["kind"])
        try:
            if kind not in self._kinds:
                self._kinds = discovery.by_kind(await discovery.preferred_resources(self.client))
            if kind not in self._kinds:
                raise Failed(f'no matches for kind "{kind.kind}" in group "{kind.group}"')
            target = self._kinds[kind].gvr
            namespace = meta.namespace(hpa)
            return target, await self.client.get(target, reference["name"], namespace, "scale")
        except (Failed, errors.StatusError, rest.ServerUnreachable) as error:
            self._warn(hpa, "FailedGetScale", str(error))
            why = Why("FailedGetScale", f"{_NO_SCALE}{error}")
            self._set(hpa, status.ABLE_TO_SCALE, False, why)
            raise Failed(str(error)) from error

    async def _rescale(
        self, hpa: Object, target: GroupVersionResource, scale: Object, wanted: _Wanted
    ) -> None:
        changed = {**scale, "spec": {**scale["spec"], "replicas": wanted.replicas}}
        told = f"New size: {wanted.replicas}; reason: {wanted.reason}"
        try:
            await self.client.update(target, changed, "scale")
        except (errors.StatusError, rest.ServerUnreachable) as error:
            self._warn(hpa, "FailedRescale", f"{told}; error: {error}")
            text = f"the HPA controller was unable to update the target scale: {error}"
            self._set(hpa, status.ABLE_TO_SCALE, False, Why("FailedUpdateScale", text))
            raise Failed(str(error)) from error
        text = f"the HPA controller was able to update the target scale to {wanted.replicas}"
        self._set(hpa, status.ABLE_TO_SCALE, True, Why("SucceededRescale", text))
        self.context.recorder.event(hpa, events.NORMAL, "SuccessfulRescale", told)

    # --- how many

    async def _wanted(self, hpa: Object, scale: Object, history: History) -> _Wanted:
        spec = hpa["spec"]
        current = (scale.get("spec") or {}).get("replicas") or 0
        least, most = spec.get("minReplicas", 1), spec["maxReplicas"]
        if current == 0 and least != 0:
            self._set(hpa, status.SCALING_ACTIVE, False, _DISABLED)
            return _Wanted(0)
        if current > most:
            return _Wanted(most, "Current number of replicas above Spec.MaxReplicas")
        if current < least:
            return _Wanted(least, "Current number of replicas below Spec.MinReplicas")
        proposed, name, found = await self._by_metrics(hpa, scale)
        reason = "All metrics below target" if proposed < current else f"{name} above target"
        window = self.context.options.horizontal_pod_autoscaler_downscale_stabilization
        bounds = Bounds(least=least, most=most, behavior=spec.get("behavior"), down_window=window)
        now = self._now().timestamp()
        outcome = behavior.normalize(history, current, proposed, bounds, now)
        self._set(hpa, status.ABLE_TO_SCALE, True, outcome.able)
        self._set(hpa, status.SCALING_LIMITED, outcome.is_limited, outcome.limited_why)
        return _Wanted(outcome.replicas, reason, found)

    async def _by_metrics(self, hpa: Object, scale: Object) -> tuple[int, str, list[Object]]:
        """The largest of the proposals, the metric it is from, and what all of them were. A
        metric that fails keeps the workload from shrinking, all of them from anything."""
        selector = (scale.get("status") or {}).get("selector")
        if not selector:
            self._warn(hpa, "SelectorRequired", "selector is required")
            why = Why("InvalidSelector", "the HPA target's scale is missing a selector")
            self._set(hpa, status.SCALING_ACTIVE, False, why)
            raise self._no_proposal(hpa, "selector is required")
        current = scale["spec"]["replicas"]
        best, best_name, found = 0, "", []
        failures: list[tuple[Why, str]] = []
        for metric in hpa["spec"].get("metrics") or ():
            try:
                proposal, name = await self._propose(hpa, metric, current, selector)
            except (NoProposal, rest.ServerUnreachable) as error:
                failures.append(self._tell_failure(hpa, metric, error))
                found.append({"type": ""})
                continue
            found.append(status.of_metric(metric, proposal))
            if not best or proposal.replicas > best:
                best, best_name = proposal.replicas, name
        if len(failures) == len(found) or (failures and best < current):
            self._set(hpa, status.SCALING_ACTIVE, False, failures[0][0])
            text = f"invalid metrics ({len(failures)} invalid out of {len(found)})"
            raise self._no_proposal(hpa, f"{text}, first error is: {failures[0][1]}")
        text = f"the HPA was able to successfully calculate a replica count from {best_name}"
        self._set(hpa, status.SCALING_ACTIVE, True, Why("ValidMetricFound", text))
        return best, best_name, found

    async def _propose(
        self, hpa: Object, metric: Object, current: int, selector: str
    ) -> tuple[Proposal, str]:
        if metric["type"] not in _SOURCES:
            raise NoProposal(f"metrics of type {metric['type']} are not supported")
        target, name = _target(metric)
        namespace = meta.namespace(hpa)
        try:
            used = await metrics.of_pods(
                self.client, namespace, selector, target.resource, target.container
            )
        except NoProposal as error:
            text = f"unable to get metrics for resource {target.resource}: {error}"
            raise NoProposal(text) from error
        matches = labels.parse(selector).matches
        own = [pod for pod in self._pods.lister.list(namespace) if matches(meta.labels(pod))]
        return replicas.propose(current, target, own, used, self._rules(hpa)), name

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

    def _tell_failure(self, hpa: Object, metric: Object, error: Exception) -> tuple[Why, str]:
        """For ScalingActive, and how the failure of all is told."""
        kind = metric["type"]
        reason, text = f"FailedGet{kind}Metric", str(error)
        where = f"{kind.lower()} metric"
        if kind in _SOURCES:
            resource = metric[_SOURCES[kind]]["name"]
            text = f"failed to get {resource} utilization: {error}"
            where = f"{resource} {'resource' if kind == 'Resource' else 'container'} metric"
        self._warn(hpa, reason, text)
        message = f"the HPA was unable to compute the replica count: {text}"
        return Why(reason, message), f"failed to get {where} value: {text}"

    def _no_proposal(self, hpa: Object, text: str) -> Failed:
        self._warn(hpa, "FailedComputeMetricsReplicas", text)
        return Failed(text)

    def _set(self, hpa: Object, type: str, is_true: bool, why: Why) -> None:
        status.set_condition(hpa, type, is_true, why, self._now())

    def _warn(self, hpa: Object, reason: str, message: str) -> None:
        self.context.recorder.event(hpa, events.WARNING, reason, message)


def _target(metric: Object) -> tuple[Target, str]:
    """What is aimed at, and what the metric is called in a sentence."""
    source = metric[_SOURCES[metric["type"]]]
    aim, resource = source["target"], source["name"]
    name = f"{resource} {'container ' if metric['type'] == 'ContainerResource' else ''}resource"
    container = source.get("container", "")
    if (text := aim.get("averageValue")) is not None:
        amount = podrequests.milli(podrequests.nanos(text))
        return Target(resource=resource, container=container, average_value=amount), name
    utilization = aim.get("averageUtilization")
    if utilization is None:
        raise NoProposal(
            "invalid resource metric source: neither a utilization target nor a value target was "
            "set"
        )
    name += " utilization (percentage of request)"
    return Target(resource=resource, container=container, utilization=utilization), name
