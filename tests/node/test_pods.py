# SPDX-License-Identifier: Apache-2.0
"""Pods bound to a simulated node of a running cluster."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest
from bound import conditions, pod, until, until_holds, until_told, waiting
from bound import world as world
from cluster import eventually
from world import World

from pyk8s.client import events, resources
from pyk8s.client.client import JSON_PATCH, STRATEGIC_MERGE_PATCH, DeleteOptions, Patch
from pyk8s.node.kubelet import Kubelet
from pyk8s.node.nodes import NodeKeeper, NodeOptions
from pyk8s.node.simulated import SimulatedRuntime

Object = dict[str, Any]


async def test_runs_and_goes(world: World) -> None:
    """A bound pod becomes Running and Ready with an IP of its own, and goes when deleted."""
    await world.create(resources.PODS, pod("web", "/pause"))
    await world.create(resources.PODS, pod("other", "/pause"))
    web, other = [await until(world, name, "Running") for name in ("web", "other")]
    assert web["status"]["podIP"] != other["status"]["podIP"]
    assert conditions(web)["Ready"] == ("True", None)
    (status,) = web["status"]["containerStatuses"]
    assert (status["ready"], status["started"], status["restartCount"]) == (True, True, 0)
    assert status["resources"] == {}, "it says that it can be resized"
    await world.delete(resources.PODS, "web")
    await world.until_gone(resources.PODS, "web")
    assert await world.names(resources.PODS) == ["other"]


@pytest.mark.parametrize(
    ("code", "phase", "reason"),
    [
        pytest.param(0, "Succeeded", "PodCompleted", id="well"),
        pytest.param(3, "Failed", "PodFailed", id="badly"),
    ],
)
async def test_ends(world: World, code: int, phase: str, reason: str) -> None:
    """A pod that is not restarted ends as its containers did."""
    await world.create(resources.PODS, pod("job", "sh", "-c", f"exit {code}", policy="Never"))
    found = await until(world, "job", phase)
    assert found["status"]["containerStatuses"][0]["state"]["terminated"]["exitCode"] == code
    assert conditions(found)["Ready"] == ("False", reason)


async def test_init_containers(world: World) -> None:
    """Main containers wait for the init containers, and nothing of the wait stays behind."""
    init = {"name": "i", "image": "busybox", "command": ["sleep", "1"]}
    await world.create(resources.PODS, pod("web", "/pause", initContainers=[init]))
    found = await until(world, "web", "Running")
    assert found["status"]["initContainerStatuses"][0]["state"]["terminated"]["exitCode"] == 0
    assert conditions(found)["Initialized"] == ("True", None)
    assert conditions(found)["Ready"] == ("True", None)


async def test_crash_loop(world: World) -> None:
    """A container that fails again waits for its back-off."""
    await world.create(resources.PODS, pod("bad", "false"))

    async def waits() -> bool:
        found = await world.find(resources.PODS, "bad")
        (status,) = (found or {}).get("status", {}).get("containerStatuses") or [{}]
        waiting = status.get("state", {}).get("waiting", {})
        return waiting.get("reason") == "CrashLoopBackOff" and status["restartCount"] == 1

    await eventually(waits, "the container waits")


async def test_deadline(world: World) -> None:
    """A pod that is active for too long fails."""
    await world.create(resources.PODS, pod("late", "/pause", activeDeadlineSeconds=1))
    assert (await until(world, "late", "Failed"))["status"]["reason"] == "DeadlineExceeded"


async def test_nodes(world: World) -> None:
    """A node is Ready, says that it is simulated, and has a Lease that it owns."""
    node = await world.client.get(resources.NODES, "node-0")
    assert node["status"]["nodeInfo"]["containerRuntimeVersion"].startswith("simulated://")
    ready = [c["status"] for c in node["status"]["conditions"] if c["type"] == "Ready"]
    assert ready == ["True"]
    lease = await world.client.get(resources.LEASES, "node-0", "kube-node-lease")
    assert lease["metadata"]["ownerReferences"][0]["uid"] == node["metadata"]["uid"]
    assert lease["spec"]["leaseDurationSeconds"] == 40


# --- what keeps a pod from running


@pytest.mark.parametrize(
    ("spec", "reason", "message"),
    [
        pytest.param(
            {"resources": {"requests": {"cpu": "9"}}},
            "OutOfcpu",
            "requested: 9000, used: 0, capacity: 8000",
            id="resources",
        ),
        pytest.param(
            {"nodeSelector": {"disk": "ssd"}},
            "NodeAffinity",
            "node(s) didn't match Pod's node affinity/selector",
            id="affinity",
        ),
    ],
)
async def test_rejected(world: World, spec: Object, reason: str, message: str) -> None:
    """A pod that its node cannot take fails, and says why."""
    own = pod("big", "/pause")
    if "resources" in spec:
        own["spec"]["containers"][0].update(spec)
    else:
        own["spec"].update(spec)
    await world.create(resources.PODS, own)
    status = (await until(world, "big", "Failed"))["status"]
    assert status["reason"] == reason
    assert status["message"].startswith("Pod was rejected: ")
    # What others have taken by now is theirs to say.
    assert message.partition(" used")[0] in status["message"]
    await until_told(world, "big", reason)


async def test_host_ports(world: World) -> None:
    """The second pod with a host port fails, and one that comes after the first is gone runs."""
    port = {"containerPort": 80, "hostPort": 8080}

    def with_port(name: str) -> Object:
        own = pod(name, "/pause")
        own["spec"]["containers"][0]["ports"] = [port]
        return own

    await world.create(resources.PODS, with_port("first"))
    await until(world, "first", "Running")
    await world.create(resources.PODS, with_port("second"))
    assert (await until(world, "second", "Failed"))["status"]["reason"] == "NodePorts"
    await world.delete(resources.PODS, "first")
    await world.until_gone(resources.PODS, "first")
    await world.create(resources.PODS, with_port("third"))
    await until(world, "third", "Running")


async def test_image_cannot_be_pulled(world: World) -> None:
    """An image that is declared not pullable is waited for, with back-off, until it can be."""
    own = pod("web", "/pause")
    own["metadata"]["annotations"] = {"simulation.pyk8s.io/image-pull-error": "no such image"}
    own["spec"]["containers"][0]["image"] = "nowhere.example/web:1"
    await world.create(resources.PODS, own)
    found = await until_holds(world, "web", lambda p: waiting(p) == "ImagePullBackOff", "waits")
    assert found["status"]["phase"] == "Pending"
    wanted = {
        'Failed to pull image "nowhere.example/web:1": no such image',
        "Error: ErrImagePull",
        'Back-off pulling image "nowhere.example/web:1"',
        "Error: ImagePullBackOff",
    }

    async def told() -> bool:
        events = await until_told(world, "web", "Pulling", "Failed", "BackOff")
        return wanted <= {event["message"] for event in events}

    await eventually(told, "what failed is told, and why it is waited")
    await world.patch(resources.PODS, "web", {"metadata": {"annotations": None}})
    image = {"op": "replace", "path": "/spec/containers/0/image", "value": "nginx"}
    await world.client.patch(
        resources.PODS, (world.namespace, "web"), Patch(content=[image], type=JSON_PATCH)
    )
    await until(world, "web", "Running")


async def test_missing_config(world: World) -> None:
    """Without the ConfigMap of its environment a container is not made; with it, it runs."""
    own = pod("web", "/pause")
    own["spec"]["containers"][0]["envFrom"] = [{"configMapRef": {"name": "settings"}}]
    await world.create(resources.PODS, own)
    found = await until_holds(
        world, "web", lambda p: waiting(p) == "CreateContainerConfigError", "waits"
    )
    state = found["status"]["containerStatuses"][0]["state"]
    assert state["waiting"]["message"] == 'configmap "settings" not found'
    await world.create(resources.CONFIGMAPS, {"metadata": {"name": "settings"}})
    await until(world, "web", "Running")


async def test_missing_volume(world: World) -> None:
    """Without the Secret of a volume no container starts, and an event names it."""
    volume = {"name": "keys", "secret": {"secretName": "tls"}}
    await world.create(resources.PODS, pod("web", "/pause", volumes=[volume]))
    told = await until_told(world, "web", "FailedMount")
    messages = {event["message"] for event in told}
    assert messages == {'MountVolume.SetUp failed for volume "keys" : secret "tls" not found'}
    assert (await world.find(resources.PODS, "web") or {})["status"]["phase"] == "Pending"
    await world.create(resources.SECRETS, {"metadata": {"name": "tls"}})
    await until(world, "web", "Running")


# --- what happens to one that runs


async def test_events(world: World) -> None:
    """A kubelet tells of each step, from its node, about the container."""
    await world.create(resources.PODS, pod("web", "/pause"))
    told = await until_told(world, "web", "Pulled", "Created", "Started")
    assert {event["source"]["host"] for event in told} == {"node-0"}
    assert {event["involvedObject"]["fieldPath"] for event in told} == {"spec.containers{c}"}
    await world.delete(resources.PODS, "web")
    told = await until_told(world, "web", "Killing")
    assert "Stopping container c" in {event["message"] for event in told}


async def test_new_image(world: World) -> None:
    """A container whose image changes is started anew, and counts it."""
    await world.create(resources.PODS, pod("web", "/pause"))
    before = (await until(world, "web", "Running"))["status"]["containerStatuses"][0]
    image = {"op": "replace", "path": "/spec/containers/0/image", "value": "nginx:2"}
    await world.client.patch(
        resources.PODS, (world.namespace, "web"), Patch(content=[image], type=JSON_PATCH)
    )

    def restarted(found: Object) -> bool:
        return bool(found["status"]["containerStatuses"][0]["restartCount"] == 1)

    found = await until_holds(world, "web", restarted, "has restarted")
    (after,) = found["status"]["containerStatuses"]
    assert after["image"] == "nginx:2"
    assert after["containerID"] != before["containerID"]
    assert after["lastState"]["terminated"]["containerID"] == before["containerID"]
    assert "running" in after["state"]


async def test_declared_unready(world: World) -> None:
    """A container is unready for as long as an annotation says so."""
    await world.create(resources.PODS, pod("web", "/pause"))
    await until(world, "web", "Running")
    for value, status in (("false", "False"), (None, "True")):
        note = {"metadata": {"annotations": {"c.simulation.pyk8s.io/ready": value}}}
        await world.patch(resources.PODS, "web", note)
        await until_holds(
            world, "web", lambda p, s=status: conditions(p)["Ready"][0] == s, f"is Ready: {status}"
        )


async def test_status_of_others_is_put_right(world: World) -> None:
    """What somebody else writes into the status does not stay."""
    await world.create(resources.PODS, pod("web", "/pause"))
    right = (await until(world, "web", "Running"))["status"]
    wrong = {"status": {"podIP": "192.0.2.1", "podIPs": [{"ip": "192.0.2.1"}], "phase": "Pending"}}
    await world.patch(resources.PODS, "web", wrong, "status")
    found = await until(world, "web", "Running")
    assert found["status"]["podIP"] == right["podIP"]


def _in_force(found: Object) -> str:
    (status,) = found["status"]["containerStatuses"]
    cpu: str = status["resources"]["requests"]["cpu"]
    return cpu


@pytest.mark.parametrize("policy", ["NotRequired", "RestartContainer"])
async def test_resize(world: World, policy: str) -> None:
    """New resources are in force at once, after a restart where the container wants one; more
    than the node has is refused, until it is asked for no more."""
    own = pod("web", "/pause")
    (container,) = own["spec"]["containers"]
    container["resources"] = {"requests": {"cpu": "10m"}}
    container["resizePolicy"] = [{"resourceName": "cpu", "restartPolicy": policy}]
    await world.create(resources.PODS, own)
    await until(world, "web", "Running")

    async def resize(cpu: str) -> None:
        change = {"spec": {"containers": [{"name": "c", "resources": {"requests": {"cpu": cpu}}}]}}
        patch = Patch(content=change, type=STRATEGIC_MERGE_PATCH)
        await world.client.patch(resources.PODS, (world.namespace, "web"), patch, "resize")

    await resize("20m")
    found = await until_holds(world, "web", lambda p: _in_force(p) == "20m", "is larger")
    (status,) = found["status"]["containerStatuses"]
    assert status["allocatedResources"]["cpu"] == "20m"
    assert status["restartCount"] == (policy == "RestartContainer")
    await resize("100")
    found = await until_holds(world, "web", lambda p: "PodResizePending" in conditions(p), "waits")
    assert conditions(found)["PodResizePending"] == ("True", "Infeasible")
    assert _in_force(found) == "20m"
    await resize("30m")
    found = await until_holds(world, "web", lambda p: _in_force(p) == "30m", "is larger")
    assert "PodResizePending" not in conditions(found)
    told = {e["reason"]: e["message"] for e in await until_told(
        world, "web", "ResizeCompleted", "ResizeInfeasible"
    )}  # fmt: skip
    assert told["ResizeInfeasible"].startswith('Pod resize Infeasible: {"containers":[{"name":"c"')
    assert '"error":"Node didn' in told["ResizeInfeasible"]
    assert told["ResizeStarted"].startswith('Pod resize started: {"containers":[{"name":"c"')


async def test_pre_stop(world: World) -> None:
    """A preStop hook delays the end, up to the grace period."""
    own = pod("web", "/pause")
    own["spec"]["containers"][0]["lifecycle"] = {"preStop": {"sleep": {"seconds": 20}}}
    own["spec"]["terminationGracePeriodSeconds"] = 30
    await world.create(resources.PODS, own)
    await until(world, "web", "Running")
    await world.delete(resources.PODS, "web")
    await until_told(world, "web", "Killing")
    found = await world.find(resources.PODS, "web")
    assert found is not None
    assert found["status"]["phase"] == "Running"
    await world.client.delete(
        resources.PODS, "web", world.namespace, DeleteOptions(grace_period_seconds=1)
    )
    await world.until_gone(resources.PODS, "web")


@contextlib.asynccontextmanager
async def _kubelet(world: World, keeper: NodeKeeper) -> AsyncIterator[None]:
    recorder = events.EventRecorder(world.client, "kubelet")
    kubelet = Kubelet(world.client, SimulatedRuntime(time.time), keeper, recorder)
    running = asyncio.create_task(kubelet.run())
    yield
    running.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await running


async def test_takes_over(world: World) -> None:
    """A node process that starts anew goes on with the pods that run: no address, restart or
    start is another than before, and none is given twice."""
    name = f"{world.namespace}-0"
    keeper = NodeKeeper(world.client, NodeOptions(name_prefix=f"{world.namespace}-"), "simulated")
    await keeper.register()
    own = pod("web", "sh", "-c", "sleep 1; exit 1", nodeName=name)
    async with _kubelet(world, keeper):
        await world.create(resources.PODS, pod("steady", "/pause", nodeName=name))
        await world.create(resources.PODS, own)
        steady = await until(world, "steady", "Running")
        await until_holds(world, "web", lambda p: waiting(p) == "CrashLoopBackOff", "has crashed")
    async with _kubelet(world, keeper):
        await world.create(resources.PODS, pod("late", "/pause", nodeName=name))
        late = await until(world, "late", "Running")

        def again(found: Object) -> bool:
            (status,) = found["status"]["containerStatuses"]
            return bool(status["restartCount"] == 2)

        await until_holds(world, "web", again, "has restarted again")
        found = await world.find(resources.PODS, "steady")
        assert found is not None
        assert found["status"] == steady["status"]
        assert late["status"]["podIP"] != steady["status"]["podIP"]
    await world.client.delete(resources.NODES, name)
