# SPDX-License-Identifier: Apache-2.0
"""What users read of a pod that is scheduled, or is not: conditions, events, metrics."""

from __future__ import annotations

import re
import socket
import ssl
import urllib.request
from typing import Any

from cluster import Kubectl, eventually
from schedulers import Schedulers, add_node, node, pod
from world import World

from pyk8s.client import resources

Object = dict[str, Any]

_TAINT = [{"key": "k", "value": "v", "effect": "NoSchedule"}]
_MESSAGE = (
    "0/5 nodes are available: 2 node(s) had untolerated taint(s), 3 Insufficient cpu."
    " preemption: 0/5 nodes are available: 2 Preemption is not helpful for scheduling,"
    " 3 No preemption victims found for incoming pod."
)


async def _five_nodes(world: World) -> None:
    for number in range(3):
        await add_node(world, node(f"small-{number}", cpu="2"))
    for number in range(2):
        await add_node(world, node(f"tainted-{number}", taints=_TAINT))


async def _condition(world: World, name: str) -> Object | None:
    found = await world.client.get(resources.PODS, name, world.namespace)
    conditions = (found.get("status") or {}).get("conditions") or ()
    return next((each for each in conditions if each["type"] == "PodScheduled"), None)


async def _is_rejected(world: World, name: str) -> bool:
    condition = await _condition(world, name)
    return condition is not None and condition["status"] == "False"


async def _node_of(world: World, name: str) -> str:
    found = await world.client.get(resources.PODS, name, world.namespace)
    return found["spec"].get("nodeName") or ""


async def test_unschedulable_pod_as_users_read_it(
    bare: World, schedulers: Schedulers, kubectl: Kubectl
) -> None:
    """Condition and event say in upstream's words, node by node, why; trying again for the same
    reasons makes one event of it, which tells that it was not once."""
    await _five_nodes(bare)
    for number in range(3):
        filler = pod(f"filler-{number}", cpu="500m", nodeName=f"small-{number}")
        await bare.create(resources.PODS, filler)
    await bare.create(resources.PODS, pod("large", cpu="1900m"))
    schedulers.start()
    await eventually(lambda: _is_rejected(bare, "large"), "large is rejected")
    condition = await _condition(bare, "large")
    assert condition is not None
    assert (condition["reason"], condition["message"]) == ("Unschedulable", _MESSAGE)
    assert condition["observedGeneration"] == 1

    async def events() -> list[Object]:
        listed = await bare.list(resources.EVENTS_V1)
        return [each for each in listed if each["reason"] == "FailedScheduling"]

    await eventually(events, "an event")
    # A pod that goes from a node without enough room even so wakes it in vain.
    await bare.create(resources.PODS, pod("other", cpu="100m", nodeName="tainted-0"))
    await bare.delete(resources.PODS, "other")

    async def is_series() -> bool:
        return any(each.get("series") for each in await events())

    await eventually(is_series, "a series")
    (event,) = await events()
    assert event["series"]["count"] == 2
    assert (event["reportingController"], event["action"]) == ("default-scheduler", "Scheduling")
    assert event["reportingInstance"] == f"default-scheduler-{socket.gethostname()}"
    assert (event["type"], event["note"]) == ("Warning", _MESSAGE)
    assert event["regarding"]["name"] == "large"
    message = re.escape(_MESSAGE)
    described = kubectl("describe", "pod", "large").stdout
    (line,) = (line for line in described.splitlines() if "FailedScheduling" in line)
    told = rf"  Warning  FailedScheduling  \S+ \(x2 over \S+\)  default-scheduler  {message}"
    assert re.fullmatch(told, line)
    assert re.search(r"PodScheduled +False", described)
    listed = kubectl("events").stdout
    assert re.search(rf"\(x2 over \S+\) +Warning +FailedScheduling +Pod/large +{message}", listed)
    listed = kubectl("get", "events").stdout
    assert re.search(rf"Warning +FailedScheduling +pod/large +{message}", listed)


async def test_scheduled_and_preempted_as_users_read_it(
    bare: World, schedulers: Schedulers, kubectl: Kubectl
) -> None:
    """The events of a pod that got its node by another's end, and of that other."""
    await add_node(bare, node("only", cpu="2"))
    await bare.create(resources.PODS, pod("low", cpu="1500m"))
    schedulers.start()
    await eventually(lambda: _node_of(bare, "low"), "low has a node")
    high = pod("high", cpu="1500m", priorityClassName="system-node-critical")
    made = await bare.create(resources.PODS, high)
    await eventually(lambda: _node_of(bare, "high"), "high has a node")

    async def told() -> set[tuple[str, str, str, str]]:
        return {
            (each["regarding"]["name"], each["reason"], each["action"], each["note"])
            for each in await bare.list(resources.EVENTS_V1)
        }

    async def are_told() -> bool:
        return len(await told()) >= 4

    await eventually(are_told, "four events")
    preempted = f"Preempted by pod {made['metadata']['uid']} on node only"
    assigned = f"Successfully assigned {bare.namespace}"
    failed = "0/1 nodes are available: 1 Insufficient cpu."
    assert await told() == {
        ("low", "Scheduled", "Binding", f"{assigned}/low to only"),
        ("low", "Preempted", "Preempting", preempted),
        ("high", "FailedScheduling", "Scheduling", failed),
        ("high", "Scheduled", "Binding", f"{assigned}/high to only"),
    }
    described = kubectl("describe", "pod", "high").stdout
    assert re.search(
        rf"Normal +Scheduled +\S+ +default-scheduler +{assigned}/high to only", described
    )


async def test_no_nodes_as_users_read_it(bare: World, schedulers: Schedulers) -> None:
    """Without any node there is nothing to count."""
    await bare.create(resources.PODS, pod("p"))
    schedulers.start()
    await eventually(lambda: _is_rejected(bare, "p"), "p is rejected")
    condition = await _condition(bare, "p")
    assert condition is not None
    assert condition["message"] == "no nodes available to schedule pods"


async def test_health_and_metrics(bare: World, schedulers: Schedulers, kubectl: Kubectl) -> None:
    """On its secure port a scheduler tells that it is well, and what it did."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    await add_node(bare, node("n"))
    await bare.create(resources.PODS, pod("fits"))
    await bare.create(resources.PODS, pod("large", cpu="9"))
    gated = pod("gated", schedulingGates=[{"name": "example.com/gate"}])
    await bare.create(resources.PODS, gated)
    open_paths = "--authorization-always-allow-paths=/healthz,/livez,/readyz,/metrics"
    schedulers.start("--leader-elect=false", f"--secure-port={port}", open_paths)
    await eventually(lambda: _node_of(bare, "fits"), "fits has a node")
    await eventually(lambda: _is_rejected(bare, "large"), "large is rejected")

    unverified = ssl.create_default_context()
    unverified.check_hostname, unverified.verify_mode = False, ssl.CERT_NONE

    def page(path: str) -> str:
        url = f"https://127.0.0.1:{port}{path}"
        with urllib.request.urlopen(url, timeout=10, context=unverified) as answer:
            return str(answer.read().decode())

    for path in ("/healthz", "/livez", "/readyz"):
        assert page(path) == "ok"
    assert "[+]informer-sync ok" in page("/readyz?verbose")
    lines = page("/metrics").splitlines()
    for line in (
        'scheduler_schedule_attempts_total{profile="default-scheduler",result="scheduled"} 1.0',
        'scheduler_schedule_attempts_total{profile="default-scheduler",result="unschedulable"} 1.0',
        'scheduler_pending_pods{queue="unschedulable"} 1.0',
        'scheduler_pending_pods{queue="gated"} 1.0',
        'scheduler_queue_incoming_pods_total{event="UnscheduledPodAdd",queue="active"} 2.0',
        'scheduler_cache_size{type="nodes"} 1.0',
        "scheduler_preemption_attempts_total 1.0",
        'scheduler_pod_scheduling_sli_duration_seconds_count{attempts="1"} 1.0',
        "scheduler_scheduling_algorithm_duration_seconds_count 2.0",
    ):
        assert line in lines, line
