# SPDX-License-Identifier: Apache-2.0
"""Autoscalers against a real API server; the tests say what Pods use."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import AsyncIterator, Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import objects
import pytest
from cluster import eventually
from running import running
from world import World

from pyk8s.apimachinery import meta, times
from pyk8s.client import resources
from pyk8s.client.client import Client
from pyk8s.controllers.controller import Controller
from pyk8s.controllers.options import Options
from pyk8s.controllers.podautoscaler import metrics
from pyk8s.controllers.podautoscaler.controller import HorizontalPodAutoscalerController
from pyk8s.controllers.podautoscaler.replicas import PodMetric

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

    async def of_pods(self, _: Client, asked: metrics.Asked) -> Mapping[str, PodMetric]:
        """As a metrics server would tell it: all of its Pods use the same."""
        usage = {"name": "main", "usage": {"cpu": self.used}}
        told = {"containers": [usage], "timestamp": times.format(self.now), "window": "15s"}
        found = map(meta.name, await self.world.list(resources.PODS, asked.selector))
        items = [{"metadata": {"name": name}, **told} for name in found]
        return metrics.parse(items, asked.resource, asked.container)

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
    source = scaling.of_pods if used else metrics.of_pods
    make = functools.partial(
        HorizontalPodAutoscalerController, now=lambda: scaling.now, of_pods=source
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


async def test_other_metrics(quiet: World) -> None:
    """A metric of a kind that is not read is told as one that failed."""
    target = {"type": "AverageValue", "averageValue": "1"}
    metric = {"type": "Pods", "pods": {"metric": {"name": "packets"}, "target": target}}
    await with_pods(quiet, 1)
    async with autoscaling(quiet, hpa(metrics=[metric])) as scaling:
        found = await scaling.until(lambda s: why(s, "ScalingActive"))
        assert why(found["status"], "ScalingActive") == ("False", "FailedGetPodsMetric")
        assert "metrics of type Pods are not supported" in await scaling.told("FailedGetPodsMetric")
