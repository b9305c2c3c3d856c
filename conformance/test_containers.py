# SPDX-License-Identifier: Apache-2.0
"""How containers begin and end: init containers, ephemeral ones, what they leave behind."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest
from cluster import Kubectl, wait_until

from conformance.client import STRATEGIC, Client, Object, Resource
from conformance.running import PAUSE, is_running, until

# A watch is open for half a minute.
_WATCHES_MAX = 4
_BUSYBOX = "registry.k8s.io/e2e-test-images/busybox:1.37.0-1"


def _pod(containers: Iterable[Object], policy: str = "Never", **spec: Any) -> Object:
    own = {"restartPolicy": policy, "containers": list(containers), **spec}
    return {"metadata": {"name": "p"}, "spec": own}


def _busybox(name: str, *command: str, **fields: Any) -> Object:
    return {"name": name, "image": _BUSYBOX, "command": list(command), **fields}


def _condition(pod: Object, type: str) -> Object:
    (found,) = (c for c in pod["status"]["conditions"] if c["type"] == type)
    return dict(found)


def _watched(pods: Resource, pod: Object, is_last: Any) -> list[Object]:
    """Every state of the pod from its creation to the first that is the last one."""
    states = [pods.create(pod)]
    for _ in range(_WATCHES_MAX):
        with pods.watch(states[-1]["metadata"]["resourceVersion"]) as events:
            for _, state in events:
                states.append(state)
                if is_last(state):
                    return states
    raise AssertionError(f"not so after {_WATCHES_MAX} watches: {states[-1]['status']}")


# --- init containers

_LIMITS = {"resources": {"limits": {"cpu": "100m"}}}


def _is_over(pod: Object) -> bool:
    return pod["status"]["phase"] in ("Succeeded", "Failed")


def _check_states(states: list[Object]) -> None:
    """While init containers are not done, nobody after them has left PodInitializing, and the
    condition Initialized agrees; once they are, they stay so."""
    was_initialized = False
    for state in states:
        status = state["status"]
        inits = status.get("initContainerStatuses")
        if not inits:
            continue
        done = ["terminated" in s["state"] and not s["state"]["terminated"]["exitCode"]
                for s in inits]  # fmt: skip
        for position, init in enumerate(inits):
            if not all(done[:position]):
                assert "waiting" in init["state"], init
            assert init["ready"] == done[position]
        is_initialized = all(done)
        assert is_initialized >= was_initialized
        was_initialized = is_initialized
        if not is_initialized:
            for container in status["containerStatuses"]:
                assert container["state"]["waiting"]["reason"] == "PodInitializing"
                assert container["restartCount"] == 0
        condition = _condition(state, "Initialized")
        assert condition["lastTransitionTime"]
        assert condition["status"] == str(is_initialized)


def _init_done(pod: Object) -> None:
    assert _condition(pod, "Initialized")["status"] == "True"
    statuses = pod["status"]["initContainerStatuses"]
    assert [(s["ready"], s["state"]["terminated"]["exitCode"]) for s in statuses] == [(True, 0)] * 2


def test_init_never(client: Client, namespace: str) -> None:
    """[sig-node] InitContainer [NodeConformance] should invoke init containers on a RestartNever
    pod [Conformance]"""
    pods = client.resource("v1", "pods", namespace)
    inits = [_busybox(name, "/bin/true") for name in ("init1", "init2")]
    states = _watched(pods, _pod([_busybox("run1", "/bin/true")], initContainers=inits), _is_over)
    _check_states(states)
    assert states[-1]["status"]["phase"] == "Succeeded"
    _init_done(states[-1])


def test_init_always(client: Client, namespace: str) -> None:
    """[sig-node] InitContainer [NodeConformance] should invoke init containers on a RestartAlways
    pod [Conformance]"""
    pods = client.resource("v1", "pods", namespace)
    inits = [_busybox(name, "/bin/true") for name in ("init1", "init2")]
    run = {"name": "run1", "image": PAUSE, **_LIMITS}
    states = _watched(
        pods,
        _pod([run], "Always", initContainers=inits),
        lambda pod: pod["status"]["phase"] == "Running",
    )
    _check_states(states)
    _init_done(states[-1])


@pytest.mark.minutes
def test_init_fails_always(client: Client, namespace: str) -> None:
    """[sig-node] InitContainer [NodeConformance] should not start app containers if init containers
    fail on a RestartAlways pod [Conformance]"""
    pods = client.resource("v1", "pods", namespace)
    inits = [_busybox("init1", "/bin/false"), _busybox("init2", "/bin/true")]
    run = {"name": "run1", "image": PAUSE, **_LIMITS}

    def again(pod: Object) -> bool:
        statuses = pod["status"].get("initContainerStatuses") or [{"restartCount": 0}]
        return bool(statuses[0]["restartCount"] >= 3)

    states = _watched(pods, _pod([run], "Always", initContainers=inits), again)
    _check_states(states)
    assert any("terminated" in _first_init(state).get("lastState", {}) for state in states)
    last = states[-1]
    assert last["status"]["phase"] == "Pending"
    _not_initialized(last, "init1 init2")


def _first_init(pod: Object) -> Object:
    return dict((pod["status"].get("initContainerStatuses") or [{}])[0])


def _not_initialized(pod: Object, names: str) -> None:
    found = _condition(pod, "Initialized")
    assert (found["status"], found["reason"]) == ("False", "ContainersNotInitialized")
    assert found["message"] == f"containers with incomplete status: [{names}]"
    assert len(pod["status"]["initContainerStatuses"]) == 2


def test_init_fails_never(client: Client, namespace: str) -> None:
    """[sig-node] InitContainer [NodeConformance] should not start app containers and fail the pod
    if init containers fail on a RestartNever pod [Conformance]"""
    pods = client.resource("v1", "pods", namespace)
    inits = [_busybox("init1", "/bin/true"), _busybox("init2", "/bin/false")]
    run = _busybox("run1", "/bin/true", **_LIMITS)
    states = _watched(pods, _pod([run], initContainers=inits), _is_over)
    _check_states(states)
    last = states[-1]
    assert last["status"]["phase"] == "Failed"
    _not_initialized(last, "init2")
    assert "waiting" in last["status"]["containerStatuses"][0]["state"]


# --- what they leave behind


def _ended(pods: Resource, script: str, phase: str, **fields: Any) -> Object:
    """The terminated state of a container that ran the script."""
    container = {"name": "c", "image": _BUSYBOX, "command": ["/bin/sh", "-c"], "args": [script]}
    pods.create(_pod([{**container, **fields}]))
    pod = until(pods, "p", lambda pod: pod["status"]["phase"] == phase, f"is {phase}")
    state: Object = pod["status"]["containerStatuses"][0]["state"]["terminated"]
    pods.delete("p", grace_period_seconds=0)
    return state


_TO_LOG = {
    "terminationMessagePath": "/dev/termination-log",
    "terminationMessagePolicy": "FallbackToLogsOnError",
}


def test_message_of_other_user(client: Client, namespace: str) -> None:
    """[sig-node] Container Runtime blackbox test on terminated container should report termination
    message if TerminationMessagePath is set as non-root user and at a non-default path
    [NodeConformance] [Conformance]"""
    pods = client.resource("v1", "pods", namespace)
    script = "/bin/echo -n DONE > /dev/termination-custom-log"
    own = {"terminationMessagePath": "/dev/termination-custom-log",
           "securityContext": {"runAsUser": 10000}}  # fmt: skip
    assert _ended(pods, script, "Succeeded", **own)["message"] == "DONE"


def test_message_from_log(client: Client, namespace: str) -> None:
    """[sig-node] Container Runtime blackbox test on terminated container should report termination
    message from log output if TerminationMessagePolicy FallbackToLogsOnError is set
    [NodeConformance] [Conformance]"""
    pods = client.resource("v1", "pods", namespace)
    assert _ended(pods, "/bin/echo -n DONE; /bin/false", "Failed", **_TO_LOG)["message"] == "DONE"


def test_no_message_of_success(client: Client, namespace: str) -> None:
    """[sig-node] Container Runtime blackbox test on terminated container should report termination
    message as empty when pod succeeds and TerminationMessagePolicy FallbackToLogsOnError is set
    [NodeConformance] [Conformance]"""
    pods = client.resource("v1", "pods", namespace)
    found = _ended(pods, "/bin/echo -n DONE; /bin/true", "Succeeded", **_TO_LOG)
    assert "message" not in found


def test_message_from_file(client: Client, namespace: str) -> None:
    """[sig-node] Container Runtime blackbox test on terminated container should report termination
    message from file when pod succeeds and TerminationMessagePolicy FallbackToLogsOnError is set
    [NodeConformance] [Conformance]"""
    pods = client.resource("v1", "pods", namespace)
    script = "/bin/echo -n OK > /dev/termination-log; /bin/echo DONE; /bin/true"
    assert _ended(pods, script, "Succeeded", **_TO_LOG)["message"] == "OK"


def test_output_in_log(client: Client, namespace: str, kubectl: Kubectl) -> None:
    """[sig-node] Kubelet when scheduling a busybox command in a pod should print the output to logs
    [NodeConformance] [Conformance]"""
    pods = client.resource("v1", "pods", namespace)
    pods.create(_pod([_busybox("c", "sh", "-c", "echo 'Hello World' ; sleep 240")]))
    until(pods, "p", is_running, "runs")

    def is_printed() -> bool:
        # A simulated container says so in the first line of its log.
        return "Hello World\n" in kubectl("logs", "p").stdout.splitlines(keepends=True)

    wait_until(is_printed, "the output is in the log")


def test_terminated_reason(client: Client, namespace: str) -> None:
    """[sig-node] Kubelet when scheduling a busybox command that always fails in a pod should have
    an terminated reason [NodeConformance] [Conformance]"""
    pods = client.resource("v1", "pods", namespace)
    pods.create(_pod([_busybox("c", "/bin/false")], "Always"))

    def terminated(pod: Object) -> Object | None:
        (status,) = pod["status"].get("containerStatuses") or [{}]
        for state in ("state", "lastState"):
            if found := status.get(state, {}).get("terminated"):
                return dict(found)
        return None

    found = terminated(until(pods, "p", terminated, "has failed"))
    assert found is not None
    assert found["exitCode"] != 0
    assert found["reason"]


# --- ephemeral containers

_DEBUGGER = {
    "name": "debugger",
    "image": _BUSYBOX,
    "command": ["/bin/sh"],
    "stdin": True,
    "tty": True,
}


@pytest.fixture
def debugged(client: Client, namespace: str) -> Resource:
    """The pods of a namespace, one of which has an ephemeral container."""
    pods = client.resource("v1", "pods", namespace)
    pods.create(_pod([_busybox("c", "/bin/sleep", "10000")], "Always"))
    until(pods, "p", is_running, "runs")
    patch = {"spec": {"ephemeralContainers": [_DEBUGGER]}}
    pods.subresource("ephemeralcontainers").patch("p", patch, STRATEGIC)
    return pods


def _ephemeral_runs(pod: Object) -> bool:
    statuses = pod["status"].get("ephemeralContainerStatuses") or ()
    return any("running" in status["state"] for status in statuses)


def test_ephemeral(debugged: Resource, kubectl: Kubectl) -> None:
    """[sig-node] Ephemeral Containers [NodeConformance] will start an ephemeral container in an
    existing pod [Conformance]"""
    until(debugged, "p", _ephemeral_runs, "is debugged")
    done = kubectl("exec", "p", "--container", "debugger", "--", "/bin/echo", "marco")
    assert done.stdout == "marco\n"


def test_ephemeral_updated(debugged: Resource) -> None:
    """[sig-node] Ephemeral Containers [NodeConformance] should update the ephemeral containers in
    an existing pod [Conformance]"""
    until(debugged, "p", _ephemeral_runs, "is debugged")
    resource = debugged.subresource("ephemeralcontainers")
    pod = debugged.get("p")
    second = {**_DEBUGGER, "name": "debugger2"}
    pod["spec"]["ephemeralContainers"].append(second)
    resource.update(pod)
    names = [c["name"] for c in debugged.get("p")["spec"]["ephemeralContainers"]]
    assert names == ["debugger", "debugger2"]

    def both_run(pod: Object) -> bool:
        statuses = pod["status"].get("ephemeralContainerStatuses") or ()
        return ["running" in status["state"] for status in statuses] == [True, True]

    until(debugged, "p", both_run, "is debugged twice")
