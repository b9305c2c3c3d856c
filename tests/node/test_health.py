# SPDX-License-Identifier: Apache-2.0
"""Probes, lifecycle hooks and sidecars of pods on a simulated node of a running cluster."""

from __future__ import annotations

from typing import Any

import pytest
from bound import conditions, pod, until, until_holds, until_told, waiting
from bound import world as world
from world import World

from pyk8s.client import resources

Object = dict[str, Any]
FAST = {"periodSeconds": 1, "failureThreshold": 1}


def probed(name: str, *command: str, **fields: Any) -> Object:
    """A pod of one container with these fields."""
    own = pod(name, *command)
    own["spec"]["containers"][0].update(fields)
    return own


def restarts(found: Object) -> int:
    (status,) = found["status"]["containerStatuses"]
    count: int = status["restartCount"]
    return count


def started(found: Object, kind: str = "containerStatuses") -> bool:
    (status,) = found["status"][kind]
    return bool(status["started"])


def messages(told: list[Object], reason: str) -> set[str]:
    return {event["message"] for event in told if event["reason"] == reason}


async def test_liveness(world: World) -> None:
    """A container whose liveness probe fails is restarted at once, then with back-off, and what
    has happened is told."""
    script = "echo ok >/tmp/health; sleep 1; rm /tmp/health; sleep 600"
    probe = {"exec": {"command": ["cat", "/tmp/health"]}, **FAST}
    await world.create(resources.PODS, probed("p", "sh", "-c", script, livenessProbe=probe))
    found = await until_holds(world, "p", lambda p: restarts(p) == 1, "is restarted")
    (status,) = found["status"]["containerStatuses"]
    assert status["lastState"]["terminated"]["exitCode"] == 143
    told = await until_told(world, "p", "Unhealthy", "Killing")
    expected = "Liveness probe failed: cat: /tmp/health: No such file or directory"
    assert {text.strip() for text in messages(told, "Unhealthy")} == {expected}
    killing = "Container c failed liveness probe, will be restarted"
    assert messages(told, "Killing") == {killing}
    await until_holds(world, "p", lambda p: waiting(p) == "CrashLoopBackOff", "waits")
    told = await until_told(world, "p", "BackOff")
    (text,) = messages(told, "BackOff")
    assert text.startswith("Back-off restarting failed container c in pod p_")


async def test_liveness_without_restart(world: World) -> None:
    """Where nothing is restarted, the pod ends with it."""
    probe = {"httpGet": {"port": 80}, **FAST}
    own = probed("p", "sleep", "600", livenessProbe=probe)
    own["spec"]["restartPolicy"] = "Never"
    await world.create(resources.PODS, own)
    await until(world, "p", "Failed")
    told = await until_told(world, "p", "Killing")
    assert messages(told, "Killing") == {"Container c failed liveness probe"}


async def test_readiness(world: World) -> None:
    """A pod is ready when its probe says so, by annotation and as soon as it is changed."""
    own = probed("p", readinessProbe={"httpGet": {"port": 80}, **FAST})
    key = "simulation.pyk8s.io/readiness-succeeds-after"
    own["metadata"]["annotations"] = {key: "1h"}
    await world.create(resources.PODS, own)
    found = await until(world, "p", "Running")
    assert (started(found), conditions(found)["Ready"]) == (True, ("False", "ContainersNotReady"))
    told = await until_told(world, "p", "Unhealthy")
    text = "Readiness probe failed: HTTP probe failed with statuscode: 500"
    assert messages(told, "Unhealthy") == {text}
    await world.patch(resources.PODS, "p", {"metadata": {"annotations": {key: "0s"}}})
    found = await until_holds(
        world, "p", lambda p: conditions(p)["Ready"] == ("True", None), "is ready"
    )
    assert restarts(found) == 0
    away = {key: None, "c.simulation.pyk8s.io/readiness-fails-after": "0s"}
    await world.patch(resources.PODS, "p", {"metadata": {"annotations": away}})
    await until_holds(world, "p", lambda p: conditions(p)["Ready"][0] == "False", "is unready")


async def test_startup(world: World) -> None:
    """A container has not started, and is not ready, before its startup probe succeeds."""
    probe = {"exec": {"command": ["cat", "/tmp/up"]}, "periodSeconds": 1}
    own = probed("p", "sh", "-c", "sleep 2; touch /tmp/up; sleep 600", startupProbe=probe)
    await world.create(resources.PODS, own)
    found = await until(world, "p", "Running")
    assert (started(found), conditions(found)["Ready"][0]) == (False, "False")
    found = await until_holds(world, "p", started, "has started")
    assert conditions(found)["Ready"][0] == "True"
    assert restarts(found) == 0


async def test_startup_fails(world: World) -> None:
    """One that never starts is restarted."""
    own = probed("p", startupProbe={"exec": {"command": ["false"]}, **FAST})
    await world.create(resources.PODS, own)
    await until_holds(world, "p", lambda p: restarts(p) == 1, "is restarted")
    told = await until_told(world, "p", "Killing")
    assert messages(told, "Killing") == {"Container c failed startup probe, will be restarted"}


async def test_sidecar_starts_first(world: World) -> None:
    """Who comes after a sidecar waits for its startup probe."""
    sidecar = {
        "name": "s", "image": "proxy", "restartPolicy": "Always",
        "command": ["sh", "-c", "sleep 2; touch /tmp/up; sleep 600"],
        "startupProbe": {"exec": {"command": ["cat", "/tmp/up"]}, "periodSeconds": 1},
    }  # fmt: skip
    await world.create(resources.PODS, pod("p", "/pause", initContainers=[sidecar]))
    found = await until_holds(world, "p", lambda p: "initContainerStatuses" in p["status"], "is up")
    assert not started(found, "initContainerStatuses")
    assert found["status"]["phase"] == "Pending"
    assert conditions(found)["Initialized"] == ("False", "ContainersNotInitialized")
    found = await until(world, "p", "Running")
    assert started(found, "initContainerStatuses")


async def test_sidecars_end_last(world: World) -> None:
    """Sidecars end after the main containers, the last one first."""
    sidecars = [
        {"name": name, "image": "proxy", "restartPolicy": "Always", "command": ["/pause"],
         "lifecycle": {"preStop": {"sleep": {"seconds": seconds}}}}
        for name, seconds in (("first", 1), ("second", 2))
    ]  # fmt: skip
    own = pod("p", "/pause", initContainers=sidecars)
    own["metadata"]["finalizers"] = ["example.com/held"]
    own["spec"]["containers"][0]["lifecycle"] = {"preStop": {"sleep": {"seconds": 1}}}
    await world.create(resources.PODS, own)
    await until(world, "p", "Running")
    await world.delete(resources.PODS, "p")

    def has_ended(found: Object, kind: str, name: str) -> bool:
        every = {status["name"]: status for status in found["status"][kind]}
        return "terminated" in every[name]["state"]

    found = await until_holds(
        world, "p", lambda p: has_ended(p, "containerStatuses", "c"), "its main container ended"
    )
    for name in ("first", "second"):
        assert not has_ended(found, "initContainerStatuses", name)
    await until_holds(
        world, "p", lambda p: has_ended(p, "initContainerStatuses", "first"), "all has ended"
    )
    await world.patch(resources.PODS, "p", {"metadata": {"finalizers": None}})
    await world.until_gone(resources.PODS, "p")


@pytest.mark.parametrize("seconds", [0, 2])
async def test_post_start(world: World, seconds: int) -> None:
    """A container runs once its postStart hook is over, and the next one is made after it."""
    hook = {"postStart": {"exec": {"command": ["sleep", str(seconds)]}}}
    own = probed("p", lifecycle=hook)
    own["spec"]["containers"].append({"name": "d", "image": "nginx"})
    await world.create(resources.PODS, own)
    if seconds:
        found = await until_holds(
            world, "p", lambda p: "containerStatuses" in p["status"], "is begun with"
        )
        states = [status["state"] for status in found["status"]["containerStatuses"]]
        assert [state["waiting"]["reason"] for state in states] == ["ContainerCreating"] * 2
        assert found["status"]["phase"] == "Pending"
    await until(world, "p", "Running")


async def test_post_start_fails(world: World) -> None:
    """A container goes with its postStart hook, and is tried again."""
    hook = {"postStart": {"exec": {"command": ["sh", "-c", "exit 1"]}}}
    await world.create(resources.PODS, probed("p", "false", lifecycle=hook))
    await until_holds(world, "p", lambda p: waiting(p) == "CrashLoopBackOff", "waits")
    told = await until_told(world, "p", "FailedPostStartHook", "Killing")
    assert messages(told, "FailedPostStartHook") == {"PostStartHook failed"}
    assert messages(told, "Killing") == {"FailedPostStartHook"}


async def test_pre_stop_fails(world: World) -> None:
    """A preStop hook that fails delays nothing, and is told."""
    hook = {"preStop": {"exec": {"command": ["false"]}}}
    await world.create(resources.PODS, probed("p", lifecycle=hook))
    await until(world, "p", "Running")
    await world.delete(resources.PODS, "p")
    await world.until_gone(resources.PODS, "p")
    told = await until_told(world, "p", "FailedPreStopHook")
    assert messages(told, "FailedPreStopHook") == {"PreStopHook failed"}


async def test_sidecars_end_with_a_job(world: World) -> None:
    """A pod that is done ends its sidecars, and is done once they have ended."""
    sidecar = {
        "name": "s", "image": "proxy", "restartPolicy": "Always", "command": ["/proxy"],
        "lifecycle": {"preStop": {"sleep": {"seconds": 2}}},
    }  # fmt: skip
    own = pod("p", "sh", "-c", "sleep 1; exit 0", policy="Never", initContainers=[sidecar])
    await world.create(resources.PODS, own)
    found = await until_holds(
        world, "p", lambda p: "terminated" in state_of(p, "containerStatuses"), "has done its work"
    )
    assert found["status"]["phase"] == "Running"
    assert "running" in state_of(found, "initContainerStatuses")
    found = await until(world, "p", "Succeeded")
    assert "terminated" in state_of(found, "initContainerStatuses")
    told = await until_told(world, "p", "Killing")
    assert messages(told, "Killing") == {"Stopping container s"}


def state_of(found: Object, kind: str) -> Object:
    (status,) = found["status"].get(kind) or [{}]
    return dict(status.get("state") or {})
