# SPDX-License-Identifier: Apache-2.0
"""Autoscalers against a real API server; the tests say what Pods use."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import objects
import pytest
from cluster import eventually
from running import running
from world import World

from pyk8s.apimachinery import meta, times
from pyk8s.client import resources
from pyk8s.controllers.controller import Controller
from pyk8s.controllers.options import Options
from pyk8s.controllers.podautoscaler import metrics
from pyk8s.controllers.podautoscaler.controller import HorizontalPodAutoscalerController
from pyk8s.controllers.podautoscaler.metrics import Asked, Metric, RESTMetrics
from pyk8s.controllers.podautoscaler.replicas import NoProposal, PodMetric

Object = dict[str, Any]


def hpa(**spec: Any) -> Object:
    target = {"type": "Utilization", "averageUtilization": 50}
    wanted = {
        "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"},
        "maxReplicas": 10,
        "metrics": [{"type": "Resource", "resource": {"name": "cpu", "target": target}}],
        **spec,
    }
    return {"metadata": {"name": "web"}, "spec": wanted}


async def with_pods(world: World, count: int) -> None:
    """A Deployment and Pods that are its own by their labels, ready for an hour."""
    deployment = objects.deployment("web", count)
    await world.create(resources.DEPLOYMENTS, deployment)
    moment = times.format(datetime.now(UTC) - timedelta(hours=1))
    ready = {"type": "Ready", "status": "True", "lastTransitionTime": moment}
    for number in range(count):
        pod = objects.pod(f"web-{number}")
        pod["metadata"]["labels"] = deployment["spec"]["selector"]["matchLabels"]
        pod["spec"]["containers"][0]["resources"] = {"requests": {"cpu": "100m"}}
        await world.create(resources.PODS, pod)
        status = {"phase": "Running", "startTime": moment, "conditions": [ready]}
        await world.patch(resources.PODS, f"web-{number}", {"status": status}, "status")


class Autoscaling:
    """One autoscaler and the seconds since the start."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.now = datetime.now(UTC)
        self.controller: Controller[Any]
        self.used = ""
        # Of metrics of the workload as a whole, in thousandths.
        self.total = 0
        self.meanwhile: Callable[[], Awaitable[object]] | None = None

    async def of_resource(self, asked: Asked) -> Mapping[str, PodMetric]:
        """As a metrics server would tell it: all of its Pods use the same."""
        usage = {"name": "main", "usage": {"cpu": self.used}}
        told = {"containers": [usage], "timestamp": times.format(self.now), "window": "15s"}
        found = map(meta.name, await self.world.list(resources.PODS, asked.selector))
        items = [{"metadata": {"name": name}, **told} for name in found]
        return metrics.parse(items, asked.resource, asked.container)

    async def of_pods(
        self, namespace: str, selector: str, metric: Metric
    ) -> Mapping[str, PodMetric]:
        raise NoProposal("no metrics returned from custom metrics API")

    async def of_object(
        self, namespace: str, reference: Object, resource: str, metric: Metric
    ) -> int:
        assert resource == "services"
        return self.total

    async def external(self, namespace: str, metric: Metric) -> Sequence[int]:
        if self.meanwhile is not None:
            await self.meanwhile()
        return [self.total - 1, 1]

    def pass_seconds(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)
        self.controller.queue.add((self.world.namespace, "web"))

    async def until(self, says: Callable[[Object], Any]) -> Object:
        async def is_so() -> Object | None:
            found = await self.world.find(resources.HORIZONTAL_POD_AUTOSCALERS, "web")
            assert found is not None
            return found if says(found["status"]) else None

        found: Object = await eventually(is_so, "the autoscaler is as wanted")
        return found

    async def until_replicas(self, count: int) -> None:
        async def are() -> bool:
            found = await self.world.find(resources.DEPLOYMENTS, "web")
            return found is not None and found["spec"]["replicas"] == count

        await eventually(are, f"there are to be {count} replicas")

    async def told(self, reason: str) -> str:
        async def is_told() -> str | None:
            found = await self.world.list(resources.EVENTS)
            return next((e["message"] for e in found if e["reason"] == reason), None)

        message: str = await eventually(is_told, f"{reason} is told")
        return message


@contextlib.asynccontextmanager
async def autoscaling(world: World, obj: Object, used: str = "") -> AsyncIterator[Autoscaling]:
    """With what each Pod uses, or without a metrics server."""
    await world.create(resources.HORIZONTAL_POD_AUTOSCALERS, obj)
    scaling = Autoscaling(world)
    scaling.used = used
    make = functools.partial(
        HorizontalPodAutoscalerController,
        now=lambda: scaling.now,
        make_metrics=(lambda _: scaling) if used else RESTMetrics,
    )
    # Looks when it is told to, and at nobody else's clock.
    options = Options(horizontal_pod_autoscaler_sync_period=3600.0)
    async with running(world.client, make, options) as controller:
        scaling.controller = controller
        yield scaling


def why(status: Object, type: str) -> tuple[str, str] | None:
    found = [c for c in status.get("conditions", ()) if c["type"] == type]
    return (found[0]["status"], found[0]["reason"]) if found else None


async def test_grows_and_shrinks(quiet: World) -> None:
    """Grows with the load at once, and shrinks when five minutes have asked for less."""
    await with_pods(quiet, 2)
    async with autoscaling(quiet, hpa(), used="100m") as scaling:
        await scaling.until_replicas(4)
        found = await scaling.until(lambda s: s.get("desiredReplicas") == 4)
        current = {"averageUtilization": 100, "averageValue": "100m"}
        assert found["status"]["currentMetrics"] == [
            {"type": "Resource", "resource": {"name": "cpu", "current": current}}
        ]
        assert why(found["status"], "AbleToScale") == ("True", "SucceededRescale")
        assert why(found["status"], "ScalingActive") == ("True", "ValidMetricFound")
        assert why(found["status"], "ScalingLimited") == ("False", "DesiredWithinRange")
        assert await scaling.told("SuccessfulRescale") == (
            "New size: 4; reason: cpu resource utilization (percentage of request) above target"
        )
        scaling.used = "10m"
        scaling.pass_seconds(60)
        await scaling.until(lambda s: why(s, "AbleToScale") == ("True", "ScaleDownStabilized"))
        await scaling.until_replicas(4)
        scaling.pass_seconds(301)
        await scaling.until_replicas(1)


async def test_without_metrics(quiet: World) -> None:
    """Nothing is scaled, and it is told why."""
    await with_pods(quiet, 1)
    async with autoscaling(quiet, hpa()) as scaling:
        found = await scaling.until(lambda s: why(s, "ScalingActive"))
        assert why(found["status"], "ScalingActive") == ("False", "FailedGetResourceMetric")
        text = (
            "failed to get cpu utilization: unable to get metrics for resource cpu: unable to "
            "fetch metrics from resource metrics API: the server could not find the requested "
            "resource (get pods.metrics.k8s.io)"
        )
        assert found["status"]["conditions"][1]["message"] == (
            f"the HPA was unable to compute the replica count: {text}"
        )
        assert found["status"]["currentReplicas"] == 1
        assert await scaling.told("FailedGetResourceMetric") == text
        assert await scaling.told("FailedComputeMetricsReplicas") == (
            "invalid metrics (1 invalid out of 1), first error is: failed to get cpu resource "
            f"metric value: {text}"
        )


@pytest.mark.parametrize(
    ("replicas", "wanted", "reason"),
    [
        pytest.param(5, 3, "Current number of replicas above Spec.MaxReplicas", id="too many"),
        pytest.param(1, 2, "Current number of replicas below Spec.MinReplicas", id="too few"),
    ],
)
async def test_bounds(quiet: World, replicas: int, wanted: int, reason: str) -> None:
    """What is out of the bounds is brought into them without any metrics."""
    await quiet.create(resources.DEPLOYMENTS, objects.deployment("web", replicas))
    async with autoscaling(quiet, hpa(minReplicas=2, maxReplicas=3)) as scaling:
        await scaling.until_replicas(wanted)
        assert await scaling.told("SuccessfulRescale") == f"New size: {wanted}; reason: {reason}"


async def test_off(quiet: World) -> None:
    """A workload of no replicas is left alone."""
    await quiet.create(resources.DEPLOYMENTS, objects.deployment("web", 0))
    async with autoscaling(quiet, hpa()) as scaling:
        found = await scaling.until(lambda s: why(s, "ScalingActive"))
        assert why(found["status"], "ScalingActive") == ("False", "ScalingDisabled")
        await scaling.until_replicas(0)


@pytest.mark.parametrize(
    ("reference", "message"),
    [
        pytest.param(
            {"apiVersion": "apps/v1", "kind": "Deployment", "name": "nowhere"},
            'deployments.apps "nowhere" not found',
            id="object",
        ),
        pytest.param(
            {"apiVersion": "example.com/v1", "kind": "Thing", "name": "t"},
            'no matches for kind "Thing" in group "example.com"',
            id="kind",
        ),
    ],
)
async def test_no_target(quiet: World, reference: Object, message: str) -> None:
    """What there is not cannot be scaled."""
    async with autoscaling(quiet, hpa(scaleTargetRef=reference)) as scaling:
        found = await scaling.until(lambda s: why(s, "AbleToScale"))
        assert why(found["status"], "AbleToScale") == ("False", "FailedGetScale")
        assert await scaling.told("FailedGetScale") == message


def external(**target: Any) -> Object:
    metric = {"name": "queue", "selector": {"matchLabels": {"of": "web"}}}
    return {"type": "External", "external": {"metric": metric, "target": target}}


_CUSTOM = "unable to fetch metrics from custom metrics API: no custom metrics API "
_CUSTOM += "(custom.metrics.k8s.io) registered"
_EXTERNAL = "unable to fetch metrics from external metrics API: the server could not find the "
_EXTERNAL += "requested resource (get queue.external.metrics.k8s.io)"
_SELECTOR = "&LabelSelector{MatchLabels:map[string]string{of: web,},"
_SELECTOR += "MatchExpressions:[]LabelSelectorRequirement{},}"


@pytest.mark.parametrize(
    ("metric", "reason", "message", "told"),
    [
        pytest.param(
            {
                "type": "Pods",
                "pods": {
                    "metric": {"name": "packets"},
                    "target": {"type": "AverageValue", "averageValue": "1"},
                },
            },
            "FailedGetPodsMetric",
            f"unable to get metric packets: {_CUSTOM}",
            "failed to get pods metric value: ",
            id="Pods",
        ),
        pytest.param(
            {
                "type": "Object",
                "object": {
                    "metric": {"name": "hits"},
                    "describedObject": {"apiVersion": "v1", "kind": "Service", "name": "web"},
                    "target": {"type": "Value", "value": "1"},
                },
            },
            "FailedGetObjectMetric",
            f"unable to get metric hits: Service on NAMESPACE web/{_CUSTOM}",
            "failed to get object metric value: ",
            id="Object",
        ),
        pytest.param(
            external(type="AverageValue", averageValue="1"),
            "FailedGetExternalMetric",
            f"unable to get external metric NAMESPACE/queue/{_SELECTOR}: {_EXTERNAL}",
            "failed to get queue external metric value: failed to get queue external metric: ",
            id="External",
        ),
    ],
)
async def test_metrics_nobody_serves(
    quiet: World, metric: Object, reason: str, message: str, told: str
) -> None:
    """A metric that nobody serves is told as one that failed."""
    await with_pods(quiet, 1)
    message = message.replace("NAMESPACE", quiet.namespace)
    async with autoscaling(quiet, hpa(metrics=[metric])) as scaling:
        found = await scaling.until(lambda s: why(s, "ScalingActive"))
        assert why(found["status"], "ScalingActive") == ("False", reason)
        assert await scaling.told(reason) == message
        assert await scaling.told("FailedComputeMetricsReplicas") == (
            f"invalid metrics (1 invalid out of 1), first error is: {told}{message}"
        )


async def test_scales_to_zero_and_back(quiet: World) -> None:
    """With a metric that needs no Pods, none may be left, and what was made zero grows again."""
    await with_pods(quiet, 1)
    spec = {"minReplicas": 0, "metrics": [external(type="Value", value="100")]}
    async with autoscaling(quiet, hpa(**spec), used="1m") as scaling:
        await scaling.until(lambda s: why(s, "AbleToScale") == ("True", "ScaleDownStabilized"))
        scaling.pass_seconds(301)
        await scaling.until_replicas(0)
        found = await scaling.until(lambda s: why(s, "ScaledToZero"))
        assert why(found["status"], "ScaledToZero") == ("True", "ScaledToZero")
        scaling.total = 250_000
        scaling.pass_seconds(1)
        await scaling.until_replicas(3)
        found = await scaling.until(
            lambda s: why(s, "ScaledToZero") == ("False", "NotScaledToZero")
        )
        shown = {"metric": external()["external"]["metric"], "current": {"value": "250"}}
        assert found["status"]["currentMetrics"] == [{"type": "External", "external": shown}]


async def test_remembers_who_scaled_to_zero(quiet: World) -> None:
    """A write that another one came before is made again: without its condition the workload would
    count as one that a person switched off."""
    await with_pods(quiet, 1)
    spec = {"minReplicas": 0, "metrics": [external(type="Value", value="100")]}
    async with autoscaling(quiet, hpa(**spec), used="1m") as scaling:
        await scaling.until(lambda s: why(s, "AbleToScale") == ("True", "ScaleDownStabilized"))
        label = {"metadata": {"labels": {"touched": "meanwhile"}}}
        kind = resources.HORIZONTAL_POD_AUTOSCALERS
        scaling.meanwhile = lambda: quiet.patch(kind, "web", label)
        scaling.pass_seconds(301)
        await scaling.until_replicas(0)
        found = await scaling.until(lambda s: why(s, "ScaledToZero"))
        assert why(found["status"], "ScaledToZero") == ("True", "ScaledToZero")


async def test_most_of_all_metrics(quiet: World) -> None:
    """The metric that asks for most decides; one that fails keeps nobody from growing."""
    await with_pods(quiet, 2)
    average = {"type": "AverageValue", "averageValue": "1"}
    failing = {"type": "Pods", "pods": {"metric": {"name": "packets"}, "target": average}}
    service = {"apiVersion": "v1", "kind": "Service", "name": "web"}
    hits = {"metric": {"name": "hits"}, "describedObject": service}
    value = {"type": "Object", "object": {**hits, "target": {"type": "Value", "value": "100"}}}
    spec = {"metrics": [failing, value, external(type="AverageValue", averageValue="10")]}
    async with autoscaling(quiet, hpa(**spec), used="1m") as scaling:
        found = await scaling.until(lambda s: why(s, "ScalingActive"))
        assert why(found["status"], "ScalingActive") == ("False", "FailedGetPodsMetric")
        # The Deployment has no controller here that would tell how many there are.
        status = {"replicas": 2, "readyReplicas": 2}
        await quiet.patch(resources.DEPLOYMENTS, "web", {"status": status}, "status")
        scaling.total = 150_000
        scaling.pass_seconds(15)
        await scaling.until_replicas(4)
        found = await scaling.until(lambda s: s["desiredReplicas"] == 4)
        told = await scaling.told("SuccessfulRescale")
        assert told == f"New size: 4; reason: external metric queue({_SELECTOR}) above target"
        of_object, of_queue = found["status"]["currentMetrics"][1:]
        assert of_object["object"] == {**hits, "current": {"value": "150"}}
        assert of_queue["external"]["current"] == {"averageValue": "75"}


async def test_pods_of_two(quiet: World) -> None:
    """Pods that two autoscalers claim are scaled by neither."""
    await with_pods(quiet, 1)
    other = {**hpa(), "metadata": {"name": "web-too"}}
    await quiet.create(resources.HORIZONTAL_POD_AUTOSCALERS, other)
    async with autoscaling(quiet, hpa(), used="1") as scaling:
        await scaling.until(lambda s: why(s, "ScalingActive"))
        scaling.pass_seconds(1)
        found = await scaling.until(
            lambda s: why(s, "ScalingActive") == ("False", "AmbiguousSelector")
        )
        named = f"[{quiet.namespace}/web {quiet.namespace}/web-too]"
        assert found["status"]["conditions"][1]["message"].endswith(
            f" are controlled by multiple HPAs: {named}"
        )
