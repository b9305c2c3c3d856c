# SPDX-License-Identifier: Apache-2.0
"""Pods that wait: their places, their back-off, and what must not be lost while one is tried."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from pyk8s.scheduler.framework import clusterevents as ce
from pyk8s.scheduler.framework import podinfo
from pyk8s.scheduler.framework.clusterevents import ActionType, ClusterEvent, hints_of
from pyk8s.scheduler.framework.nodetable import NodeTable
from pyk8s.scheduler.framework.podinfo import PodInfo
from pyk8s.scheduler.plugins.queueing import SchedulingGates
from pyk8s.scheduler.profiles import default_profile, handle_of
from pyk8s.scheduler.queue import Queue, QueueOptions

Object = dict[str, Any]
pytestmark = pytest.mark.looptime

_TOLERATED = {"key": "k", "operator": "Exists"}


def pod(name: str, priority: int = 0, labels: Object | None = None, **spec: Any) -> PodInfo:
    container = {"name": "c", "image": "i", "resources": {"requests": {"cpu": "1"}}}
    metadata = {"name": name, "namespace": "ns", "uid": name, "labels": labels or {}}
    whole = {"containers": [container], "priority": priority, "schedulerName": "s", **spec}
    return podinfo.of({"metadata": metadata, "spec": whole})


def node(name: str = "n", cpu: str = "4", labels: Object | None = None, **spec: Any) -> Object:
    return {
        "metadata": {"name": name, "labels": labels or {}},
        "spec": spec,
        "status": {"allocatable": {"cpu": cpu, "pods": "10"}},
    }


def waiting(**options: Any) -> Queue:
    """With the hints of the default plugins."""
    plugins = default_profile(handle_of(NodeTable())).plugins
    gates = SchedulingGates()

    def gate(info: PodInfo) -> str:
        return "" if gates.pre_enqueue(info).is_success else gates.name

    return Queue(QueueOptions(hints={"s": hints_of(plugins)}, gate=gate, **options))


async def rejected(queue: Queue, info: PodInfo, *plugins: str) -> None:
    queue.add(info)
    queue.add_unschedulable(await queue.pop(), plugins)


def place(queue: Queue) -> str:
    """Where the only pod is."""
    (found,) = (name for name, count in queue.depths().items() if count)
    return found


def change(queue: Queue, old: Object, new: Object) -> None:
    for event in ce.node_changes(old, new):
        queue.event(event, old, new)


async def test_order() -> None:
    """Higher priority first, then who came first; a pod that went away does not come."""
    queue = waiting()
    for each in (pod("a"), pod("b"), pod("gone"), pod("c", priority=9)):
        queue.add(each)
    queue.remove("gone")
    assert [(await queue.pop()).info.uid for _ in range(3)] == ["c", "a", "b"]


async def test_backoff_doubles_to_ten_seconds() -> None:
    """1, 2, 4, 8 and then always 10 seconds after errors, which nothing shortens."""
    queue, seconds = waiting(), []
    queue.add(pod("p"))
    loop = asyncio.get_running_loop()
    queued = await queue.pop()
    for _ in range(6):
        failed_at = loop.time()
        queue.add_after_error(queued)
        queued = await queue.pop()
        seconds.append(round(loop.time() - failed_at, 3))
    assert seconds == [1, 2, 4, 8, 10, 10]


async def test_idle_queue_tries_early() -> None:
    """Where nothing is active, a pod that may fit by now need not sit out its back-off."""
    queue = waiting()
    await rejected(queue, pod("p"), "NodeResourcesFit")
    queue.event(ce.NODE_ADD, None, node())
    assert place(queue) == "backoff"
    began = asyncio.get_running_loop().time()
    assert (await queue.pop()).attempts == 2
    assert asyncio.get_running_loop().time() == began


async def test_busy_queue_keeps_the_backoff() -> None:
    """Pods that are active go first until the back-off is over."""
    queue = waiting()
    await rejected(queue, pod("p", priority=9), "NodeResourcesFit")
    queue.event(ce.NODE_ADD, None, node())
    queue.add(pod("other"))
    assert (await queue.pop()).info.uid == "other"


async def test_leftovers_after_five_minutes() -> None:
    """A pod that nothing wakes is tried again after five minutes, and not before."""
    queue = waiting()
    await rejected(queue, pod("p"), "NodeAffinity")
    flush = asyncio.ensure_future(queue.run())
    await asyncio.sleep(299)
    assert place(queue) == "unschedulable"
    await asyncio.sleep(32)
    assert place(queue) == "active"
    flush.cancel()


async def test_gated_pods_are_apart() -> None:
    """A gated pod is not tried, whatever happens, until its last gate is gone."""
    queue = waiting()
    queue.add(pod("p", schedulingGates=[{"name": "one"}, {"name": "two"}]))
    queue.event(ce.NODE_ADD, None, node())
    queue.activate("p")
    queue.add(pod("p", schedulingGates=[{"name": "two"}]))
    assert place(queue) == "gated"
    queue.add(pod("p"))
    assert place(queue) == "active"


async def test_news_of_ones_own_status() -> None:
    """A newer state of an unschedulable pod that asks for the same leaves it where it is."""
    queue = waiting()
    await rejected(queue, pod("p"), "NodeResourcesFit", "TaintToleration")
    newer = pod("p")
    newer.pod["status"] = {"conditions": [{"type": "PodScheduled", "status": "False"}]}
    queue.add(newer)
    assert place(queue) == "unschedulable"
    assert queue.knows("p") is newer


# --- races: what happens between pop and the verdict


async def test_event_during_an_attempt() -> None:
    """A node that came while a pod was tried is not missed."""
    queue = waiting()
    queue.add(pod("p"))
    queued = await queue.pop()
    queue.event(ce.NODE_ADD, None, node())
    queue.add_unschedulable(queued, ["NodeResourcesFit"])
    assert place(queue) == "backoff"


async def test_useless_event_during_an_attempt() -> None:
    """One that cannot help leaves the pod unschedulable."""
    queue = waiting()
    queue.add(pod("p"))
    queued = await queue.pop()
    queue.event(ce.NODE_ADD, None, node(cpu="500m"))
    queue.add_unschedulable(queued, ["NodeResourcesFit"])
    assert place(queue) == "unschedulable"


async def test_event_before_the_attempt() -> None:
    """What happened before the pop was seen by the attempt, though another was in flight then."""
    queue = waiting()
    queue.add(pod("first"))
    first = await queue.pop()
    queue.event(ce.NODE_ADD, None, node())
    queue.add(pod("second"))
    second = await queue.pop()
    queue.add_unschedulable(second, ["NodeResourcesFit"])
    assert place(queue) == "unschedulable"
    queue.add_unschedulable(first, ["NodeResourcesFit"])
    assert queue.depths() | {"gated": 0} == {
        "active": 0, "backoff": 1, "unschedulable": 1, "gated": 0,
    }  # fmt: skip


async def test_deleted_during_an_attempt() -> None:
    """A pod that was deleted while it was tried does not come back, nor does its successor lose
    its place to it."""
    queue = waiting()
    queue.add(pod("p"))
    queued = await queue.pop()
    queue.remove("p")
    queue.add_unschedulable(queued, ["NodeResourcesFit"])
    assert not any(queue.depths().values())
    queue.add(pod("p"))
    queue.add_after_error(queued)
    assert queue.depths()["active"] == 1
    assert (await queue.pop()).attempts == 1


async def test_updated_during_an_attempt() -> None:
    """A toleration that a pod got while it was tried is not missed, and stays with it."""
    queue = waiting()
    queue.add(pod("p"))
    queued = await queue.pop()
    tolerant = pod("p", tolerations=[_TOLERATED])
    queue.add(tolerant)
    queue.add_unschedulable(queued, ["TaintToleration"])
    assert place(queue) == "backoff"
    assert (await queue.pop()).info is tolerant


async def test_update_of_another_during_an_attempt() -> None:
    """The toleration of another pod is none of its own."""
    queue = waiting()
    queue.add(pod("p"))
    queue.add(pod("other"))
    queued, other = await queue.pop(), await queue.pop()
    queue.add(pod("other", tolerations=[_TOLERATED]))
    queue.add_unschedulable(queued, ["TaintToleration"])
    assert place(queue) == "unschedulable"
    queue.add_unschedulable(other, ["TaintToleration"])
    assert queue.depths()["backoff"] == 1


async def test_error_after_done() -> None:
    """A binding that failed comes back after a back-off, and events meanwhile are not kept."""
    queue = waiting()
    queue.add(pod("p"))
    queued = await queue.pop()
    queue.done("p")
    queue.event(ce.NODE_ADD, None, node())
    queue.add_after_error(queued)
    assert place(queue) == "backoff"


async def test_own_undoing_is_no_news() -> None:
    """That a pod was taken off its node again wakes others, and not itself."""
    queue = waiting()
    for name in ("p", "other"):
        await rejected(queue, pod(name), "NodeResourcesFit")
    queue.event(ce.ASSIGNED_POD_DELETE, pod("p").pod, besides="p")
    assert queue.depths()["unschedulable"] == queue.depths()["backoff"] == 1


# --- hints: a pod rejected by a plugin, and an event

_SELECTS = {"nodeSelector": {"disk": "ssd"}}
_TAINT = {"taints": [{"key": "k", "value": "v", "effect": "NoSchedule"}]}
_OTHER_TAINT = {"taints": [{"key": "x", "value": "v", "effect": "NoSchedule"}]}
_TOLERANT = {"tolerations": [_TOLERATED]}


@pytest.mark.parametrize(
    ("plugin", "spec", "old", "new", "wakes"),
    [
        pytest.param("NodeResourcesFit", {}, node(), node(), False, id="fit, heartbeat"),
        pytest.param("NodeResourcesFit", {}, node(cpu="0"), node(), True, id="fit, grew"),
        pytest.param("NodeResourcesFit", {}, node(cpu="8"), node(), False, id="fit, shrank"),
        pytest.param(
            "NodeResourcesFit",
            {},
            node(cpu="0"),
            node(cpu="900m"),
            False,
            id="fit, grew less",
        ),
        pytest.param("NodeResourcesFit", {}, None, node(), True, id="fit, came"),
        pytest.param("NodeResourcesFit", {}, None, node(cpu="1m"), False, id="fit, too small came"),
        pytest.param(
            "NodeResourcesFit", {}, node(), node(labels={"a": "b"}), False, id="fit, label"
        ),
        pytest.param(
            "NodeAffinity",
            _SELECTS,
            node(),
            node(labels={"disk": "ssd"}),
            True,
            id="affinity, label",
        ),
        pytest.param(
            "NodeAffinity", _SELECTS, node(), node(labels={"disk": "hdd"}), False, id="other label"
        ),
        pytest.param(
            "NodeAffinity",
            _SELECTS,
            node(labels={"disk": "ssd"}),
            node(labels={"disk": "ssd", "a": "b"}),
            False,
            id="affinity, matched before",
        ),
        pytest.param("NodeAffinity", _SELECTS, node(), node(cpu="8"), False, id="affinity, grew"),
        pytest.param("TaintToleration", {}, node(**_TAINT), node(), True, id="taint went"),
        pytest.param(
            "TaintToleration", {}, node(**_TAINT), node(**_OTHER_TAINT), False, id="other taint"
        ),
        pytest.param(
            "TaintToleration", _TOLERANT, node(**_OTHER_TAINT), node(**_TAINT), True, id="tolerated"
        ),
        pytest.param("TaintToleration", {}, None, node(**_TAINT), False, id="tainted node came"),
        pytest.param(
            "NodeUnschedulable", {}, node(unschedulable=True), node(), True, id="uncordoned"
        ),
        pytest.param("NodeName", {}, None, node(), True, id="name, came"),
    ],
)
async def test_node_hints(
    plugin: str, spec: Object, old: Object | None, new: Object, wakes: bool
) -> None:
    """A node's change wakes a pod where it may help against the plugin that rejected it."""
    queue = waiting()
    await rejected(queue, pod("p", **spec), plugin)
    if old is None:
        queue.event(ce.NODE_ADD, None, new)
    else:
        change(queue, old, new)
    assert place(queue) == ("backoff" if wakes else "unschedulable")


def _port(number: int) -> Object:
    port = {"containerPort": 80, "hostPort": number, "protocol": "TCP"}
    return {"containers": [{"name": "c", "image": "i", "ports": [port]}]}


def _affinity(kind: str, app: str) -> Object:
    term = {"topologyKey": "zone", "labelSelector": {"matchLabels": {"app": app}}}
    return {"affinity": {kind: {"requiredDuringSchedulingIgnoredDuringExecution": [term]}}}


_SPREAD = {
    "topologySpreadConstraints": [
        {
            "topologyKey": "zone",
            "maxSkew": 1,
            "whenUnsatisfiable": "DoNotSchedule",
            "labelSelector": {"matchLabels": {"app": "a"}},
        }
    ]
}
_A, _B = {"app": "a"}, {"app": "b"}
_CAME, _GOES = ce.ASSIGNED_POD_ADD, ce.ASSIGNED_POD_DELETE


@pytest.mark.parametrize(
    ("plugin", "spec", "event", "other", "wakes"),
    [
        pytest.param("NodeResourcesFit", {}, _GOES, pod("o"), True, id="fit, pod went"),
        pytest.param("NodeResourcesFit", {}, _CAME, pod("o"), False, id="fit, pod came"),
        pytest.param("NodePorts", _port(80), _GOES, pod("o", **_port(80)), True, id="port free"),
        pytest.param("NodePorts", _port(80), _GOES, pod("o", **_port(81)), False, id="other port"),
        pytest.param("NodePorts", _port(80), _GOES, pod("o"), False, id="no port"),
        pytest.param("NodeAffinity", _SELECTS, _GOES, pod("o"), False, id="affinity, pod went"),
        pytest.param(
            "InterPodAffinity", _affinity("podAffinity", "a"), _CAME, pod("o", labels=_A), True,
            id="friend came",
        ),
        pytest.param(
            "InterPodAffinity", _affinity("podAffinity", "a"), _CAME, pod("o", labels=_B), False,
            id="stranger came",
        ),
        pytest.param(
            "InterPodAffinity", _affinity("podAntiAffinity", "a"), _GOES, pod("o", labels=_A), True,
            id="foe went",
        ),
        pytest.param(
            "InterPodAffinity", _affinity("podAntiAffinity", "a"), _CAME, pod("o", labels=_A),
            False,
            id="foe came",
        ),
        pytest.param(
            "InterPodAffinity", {}, _GOES, pod("o", **_affinity("podAntiAffinity", "p")), True,
            id="one whose foe it is went",
        ),
        pytest.param(
            "InterPodAffinity", {}, _GOES, pod("o", **_affinity("podAntiAffinity", "q")), False,
            id="one whose foe is another went",
        ),
        pytest.param(
            "PodTopologySpread", _SPREAD, _GOES, pod("o", labels=_A), True, id="counted pod went"
        ),
        pytest.param(
            "PodTopologySpread", _SPREAD, _GOES, pod("o", labels=_B), False, id="other pod went"
        ),
    ],
)  # fmt: skip
async def test_pod_hints(
    plugin: str, spec: Object, event: ClusterEvent, other: PodInfo, wakes: bool
) -> None:
    """A pod that comes or goes wakes one that is waiting for just that."""
    queue = waiting()
    await rejected(queue, pod("p", labels={"app": "p"}, **spec), plugin)
    came = event.action == ce.ADD
    queue.event(event, None if came else other.pod, other.pod if came else None)
    assert place(queue) == ("backoff" if wakes else "unschedulable")


async def test_scaled_down() -> None:
    """A pod on a node that asks for less of what is wanted makes room, and for other things not."""
    queue = waiting()
    await rejected(queue, pod("p"), "NodeResourcesFit")
    for resource, wakes in (("memory", False), ("cpu", True)):
        sizes = []
        for amount in ("4", "2"):
            each = pod("o", nodeName="n")
            each.pod["spec"]["containers"][0]["resources"]["requests"] = {resource: amount}
            sizes.append(podinfo.of(each.pod))
        (event,) = ce.pod_changes(*sizes)
        assert event.action == ActionType.UPDATE_POD_SCALE_DOWN
        queue.event(event, *(each.pod for each in sizes))
        assert place(queue) == ("backoff" if wakes else "unschedulable")


async def test_one_question_for_pods_alike() -> None:
    """Of a thousand pods alike the hint is asked once, and all are moved."""
    asked = []

    def hint(info: PodInfo, old: Object | None, new: Object | None) -> bool:
        asked.append(info.uid)
        return True

    registered = ce.ClusterEventWithHint(ClusterEvent(ce.NODE, ce.ADD), hint)
    queue = Queue(QueueOptions(hints={"s": {"Own": (registered,)}}))
    for number in range(1000):
        await rejected(queue, pod(f"p{number}"), "Own")
    queue.event(ce.NODE_ADD, None, node())
    assert len(asked) == 1
    assert place(queue) == "backoff"


@pytest.mark.parametrize(
    ("event", "label"),
    [
        pytest.param(ce.NODE_ADD, "NodeAdd"),
        pytest.param(ce.ASSIGNED_POD_DELETE, "AssignedPodDelete"),
        pytest.param(ClusterEvent(ce.NODE, ActionType.UPDATE_NODE_TAINT), "NodeUpdateNodeTaint"),
        pytest.param(ce.UNSCHEDULED_POD_UPDATE, "UnscheduledPodUpdate"),
        pytest.param(ce.UNSCHEDULABLE_TIMEOUT, "UnschedulableTimeout"),
        pytest.param(ClusterEvent(ce.CSI_NODE, ce.ADD), "storage.k8s.io/CSINodeAdd"),
    ],
)
async def test_labels(event: ClusterEvent, label: str) -> None:
    """Events are called in metrics what upstream calls them."""
    assert str(event) == label


async def test_places_are_counted() -> None:
    """Each place that a pod comes to is told, with the event that brought it there."""
    told: list[tuple[str, str]] = []
    queue = waiting(on_incoming=lambda *each: told.append(each))
    await rejected(queue, pod("p"), "NodeResourcesFit")
    queue.event(ce.NODE_ADD, None, node())
    await asyncio.sleep(1.1)
    assert told == [
        ("active", "UnscheduledPodAdd"),
        ("unschedulable", "ScheduleAttemptFailure"),
        ("backoff", "NodeAdd"),
        ("active", "BackoffComplete"),
    ]
