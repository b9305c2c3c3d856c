# SPDX-License-Identifier: Apache-2.0
"""What each metric of an autoscaler asks for, and how that is told.

One function per type of metric: the target is read, the metric asked for, the arithmetic done by
`replicas`, and an entry of status.currentMetrics made. Mirrors the computeStatusFor... functions
of upstream's `horizontal.go`, their words included.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from pyk8s.apimachinery import labels, meta, quantity
from pyk8s.apimachinery.gvk import GroupKind, Object
from pyk8s.client import rest
from pyk8s.componenthelpers import podrequests
from pyk8s.controllers.podautoscaler import metrics, replicas
from pyk8s.controllers.podautoscaler.metrics import Asked, Metric, Metrics
from pyk8s.controllers.podautoscaler.replicas import NoProposal, Proposal, Rules, Target

# (kind) -> what it is called in URLs, group included; raises NoProposal for none.
ResourceOf = Callable[[GroupKind], Awaitable[str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Workload:
    """What is scaled: its scale, and the Pods that its selector finds."""

    namespace: str
    selector: str
    replicas: int
    status_replicas: int
    pods: Sequence[Object]


class Found(NamedTuple):
    """`name` is what the metric is called in a sentence, `status` its entry of currentMetrics."""

    replicas: int
    name: str
    status: dict[str, Any]


class Failed(Exception):
    """There is no proposal: `reason` and `str()` for an event and for ScalingActive, `told` for
    the failure of all metrics."""

    def __init__(self, reason: str, message: str, told: str) -> None:
        super().__init__(message)
        self.reason = reason
        self.told = told


class Proposals:
    """Asks `source` for one autoscaler, by its rules."""

    def __init__(self, source: Metrics, resource_of: ResourceOf, rules: Rules) -> None:
        self._source = source
        self._resource_of = resource_of
        self._rules = rules

    async def of(self, metric: Object, workload: Workload) -> Found:
        """Raises Failed."""
        of_type = {
            "Resource": self._resource,
            "ContainerResource": self._container_resource,
            "Pods": self._pods,
            "Object": self._object,
            "External": self._external,
        }.get(metric["type"])
        if of_type is None:
            text = f'unknown metric source type "{metric["type"]}"'
            raise Failed("InvalidMetricSourceType", text, text)
        return await of_type(metric, workload)

    # --- resources

    async def _resource(self, metric: Object, workload: Workload) -> Found:
        source = metric["resource"]
        name = source["name"]
        try:
            proposal, name_told = await self._usage(source, workload)
        except (NoProposal, rest.ServerUnreachable) as error:
            told = f"failed to get {name} resource metric value: {error}"
            raise Failed("FailedGetResourceMetric", str(error), told) from error
        status = {"name": name, "current": _current(proposal)}
        return Found(proposal.replicas, name_told, {"type": "Resource", "resource": status})

    async def _container_resource(self, metric: Object, workload: Workload) -> Found:
        source = metric["containerResource"]
        container = source["container"]
        try:
            proposal, name = await self._usage(source, workload, container)
        except (NoProposal, rest.ServerUnreachable) as error:
            told = f"failed to get {container} container metric value: {error}"
            raise Failed("FailedGetContainerResourceMetric", str(error), told) from error
        status = {"name": source["name"], "container": container, "current": _current(proposal)}
        return Found(
            proposal.replicas, name, {"type": "ContainerResource", "containerResource": status}
        )

    async def _usage(
        self, source: Object, workload: Workload, container: str = ""
    ) -> tuple[Proposal, str]:
        aim, resource = source["target"], source["name"]
        utilization = aim.get("averageUtilization")
        if (text := aim.get("averageValue")) is not None:
            target = Target(resource=resource, container=container, average_value=_milli(text))
            name, what = f"{resource} resource", "usage"
        elif utilization is not None:
            target = Target(resource=resource, container=container, utilization=utilization)
            own = "container " if container else ""
            name = f"{resource} {own}resource utilization (percentage of request)"
            what = "utilization"
        else:
            raise NoProposal(
                "invalid resource metric source: neither an average utilization target nor an "
                "average value (usage) target was set"
            )
        try:
            used = await self._used(
                Asked(workload.namespace, workload.selector, resource, container)
            )
            found = replicas.propose(workload.replicas, target, workload.pods, used, self._rules)
        except NoProposal as error:
            raise NoProposal(f"failed to get {resource} {what}: {error}") from error
        return found, name

    async def _used(self, asked: Asked) -> Mapping[str, replicas.PodMetric]:
        try:
            return await self._source.of_resource(asked)
        except NoProposal as error:
            text = f"unable to get metrics for resource {asked.resource}: {error}"
            raise NoProposal(text) from error

    # --- custom metrics

    async def _pods(self, metric: Object, workload: Workload) -> Found:
        source = metric["pods"]
        target = Target(average_value=_milli(source["target"]["averageValue"]))
        try:
            used = await self._of_pods(workload, _metric(source))
            found = replicas.propose(workload.replicas, target, workload.pods, used, self._rules)
        except (ValueError, rest.ServerUnreachable) as error:
            told = f"failed to get pods metric value: {error}"
            raise Failed("FailedGetPodsMetric", str(error), told) from error
        status = {"metric": _identifier(source), "current": _current(found)}
        name = f"pods metric {source['metric']['name']}"
        return Found(found.replicas, name, {"type": "Pods", "pods": status})

    async def _of_pods(
        self, workload: Workload, wanted: Metric
    ) -> Mapping[str, replicas.PodMetric]:
        try:
            return await self._source.of_pods(workload.namespace, workload.selector, wanted)
        except NoProposal as error:
            raise NoProposal(f"unable to get metric {wanted.name}: {error}") from error

    async def _object(self, metric: Object, workload: Workload) -> Found:
        source = metric["object"]
        reference, aim = source["describedObject"], source["target"]
        told = "failed to get object metric value: "
        try:
            wanted = _metric(source)
            if (total := aim.get("value")) is not None and aim["type"] == "Value":
                used = await self._of_object(workload.namespace, reference, wanted)
                count = self._for_total(used, _milli(total), workload)
                name = f"{reference['kind']} metric {wanted.name}"
                status = {"describedObject": reference, "current": {"value": _text(used)}}
            elif (average := aim.get("averageValue")) is not None:
                told += f"failed to get {wanted.name} object metric: "
                used = await self._of_object(workload.namespace, reference, wanted)
                each = self._per_pod(used, _milli(average), workload)
                count, name = each.replicas, _external_name(source)
                status = {"describedObject": reference, "current": _current(each)}
            else:
                raise NoProposal(
                    "invalid object metric source: neither a value target nor an average value "
                    "target was set"
                )
        except (ValueError, rest.ServerUnreachable) as error:
            raise Failed("FailedGetObjectMetric", str(error), f"{told}{error}") from error
        status["metric"] = _identifier(source)
        return Found(count, name, {"type": "Object", "object": status})

    async def _of_object(self, namespace: str, reference: Object, wanted: Metric) -> int:
        try:
            resource = await self._resource_of(metrics.group_kind(reference))
            return await self._source.of_object(namespace, reference, resource, wanted)
        except NoProposal as error:
            where = f"{reference['kind']} on {namespace} {reference['name']}"
            raise NoProposal(f"unable to get metric {wanted.name}: {where}/{error}") from error

    # --- external metrics

    async def _external(self, metric: Object, workload: Workload) -> Found:
        source = metric["external"]
        aim, name = source["target"], source["metric"]["name"]
        told = f"failed to get {name} external metric value: "
        try:
            if (average := aim.get("averageValue")) is not None:
                told += f"failed to get {name} external metric: "
                used = await self._sum(workload.namespace, source)
                each = self._per_pod(used, _milli(average), workload)
                count, current = each.replicas, _current(each)
            elif (total := aim.get("value")) is not None:
                told += f"failed to get external metric {name}: "
                used = await self._sum(workload.namespace, source)
                count = self._for_total(used, _milli(total), workload)
                current = {"value": _text(used)}
            else:
                raise NoProposal(
                    "invalid external metric source: neither a value target nor an average value "
                    "target was set"
                )
        except (ValueError, rest.ServerUnreachable) as error:
            raise Failed("FailedGetExternalMetric", str(error), f"{told}{error}") from error
        status = {"metric": _identifier(source), "current": current}
        return Found(count, _external_name(source), {"type": "External", "external": status})

    async def _sum(self, namespace: str, source: Object) -> int:
        wanted = _metric(source)
        try:
            return sum(await self._source.external(namespace, wanted))
        except NoProposal as error:
            shown = printed_selector(source["metric"].get("selector"))
            where = f"{namespace}/{wanted.name}/{shown}"
            raise NoProposal(f"unable to get external metric {where}: {error}") from error

    # --- the arithmetic of both

    def _for_total(self, used: int, target: int, workload: Workload) -> int:
        return replicas.for_total(workload.replicas, used / target, workload.pods, self._rules)

    def _per_pod(self, used: int, average: int, workload: Workload) -> Proposal:
        return replicas.per_pod(workload.status_replicas, used, average, self._rules)


# --- words


def needs_no_pods(hpa: Object) -> bool:
    """Whether a metric of it can be had while there are no Pods."""
    return any(each["type"] in ("Object", "External") for each in hpa["spec"].get("metrics") or ())


def workload_of(hpa: Object, scale: Object, pods: Sequence[Object]) -> Workload:
    """`pods` are all of the autoscaler's namespace. Raises ValueError for a selector that is
    none."""
    status: dict[str, Any] = scale.get("status") or {}
    text = status.get("selector") or ""
    matches = labels.parse(text).matches
    return Workload(
        namespace=meta.namespace(hpa),
        selector=text,
        replicas=(scale.get("spec") or {}).get("replicas") or 0,
        status_replicas=status.get("replicas") or 0,
        pods=[pod for pod in pods if matches(meta.labels(pod))],
    )


def _metric(source: Object) -> Metric:
    named = source["metric"]
    return Metric(named["name"], str(labels.from_label_selector(named.get("selector") or {})))


def _identifier(source: Object) -> dict[str, Any]:
    named = source["metric"]
    return {key: named[key] for key in ("name", "selector") if key in named}


def _external_name(source: Object) -> str:
    named = source["metric"]
    return f"external metric {named['name']}({printed_selector(named.get('selector'))})"


def printed_selector(selector: Mapping[str, Any] | None) -> str:
    """A LabelSelector as Go prints one."""
    if selector is None:
        return "nil"
    matched = selector.get("matchLabels") or {}
    pairs = "".join(f"{key}: {matched[key]}," for key in sorted(matched))
    expressions = "".join(
        "LabelSelectorRequirement{"
        f"Key:{each['key']},Operator:{each['operator']},"
        f"Values:[{' '.join(each.get('values') or ())}],}},"
        for each in selector.get("matchExpressions") or ()
    )
    return (
        f"&LabelSelector{{MatchLabels:map[string]string{{{pairs}}},"
        f"MatchExpressions:[]LabelSelectorRequirement{{{expressions}}},}}"
    )


def _current(proposal: Proposal) -> dict[str, Any]:
    found: dict[str, Any] = {"averageValue": _text(proposal.value)}
    if proposal.utilization is not None:
        found["averageUtilization"] = proposal.utilization
    return found


def _text(thousandths: int) -> str:
    return quantity.canonical(f"{thousandths}m")


def _milli(text: str | int) -> int:
    return podrequests.milli(podrequests.nanos(text))
