# SPDX-License-Identifier: Apache-2.0
"""Probes of containers. Most have to be looked at for four minutes, so all are in the same four."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import pytest

from conformance.client import Client, Object
from conformance.running import is_running

pytestmark = pytest.mark.minutes

# Upstream's defaultObservationTimeout, and probeTestInitialDelaySeconds.
_OBSERVED_SECONDS = 240
_DELAY_SECONDS = 15
_UNREADY_SECONDS = 60
_POLL_SECONDS = 1
_BUSYBOX = "registry.k8s.io/e2e-test-images/busybox:1.37.0-1"
_AGNHOST = "registry.k8s.io/e2e-test-images/agnhost:2.56"
_HEALTH = {"exec": {"command": ["cat", "/tmp/health"]}}


def _http(path: str, port: int) -> Object:
    return {"httpGet": {"path": path, "port": port}}


def _busybox(script: str) -> Object:
    return {"image": _BUSYBOX, "command": ["/bin/sh", "-c", script]}


def _liveness(probe: Object, **fields: Any) -> Object:
    spec = {"initialDelaySeconds": _DELAY_SECONDS, "failureThreshold": 1, **probe, **fields}
    return {"livenessProbe": spec}


def _agnhost(*arguments: str) -> Object:
    return {"image": _AGNHOST, "args": list(arguments)}


def _grpc() -> Object:
    return {"image": _AGNHOST, "command": ["/agnhost", "grpc-health-checking"]}


_PODS: dict[str, Object] = {
    "exec-fails": {
        **_busybox("echo ok >/tmp/health; sleep 10; rm -rf /tmp/health; sleep 600"),
        **_liveness(_HEALTH, timeoutSeconds=5),
    },
    "exec": {
        **_busybox("echo ok >/tmp/health; sleep 600"),
        **_liveness(_HEALTH, timeoutSeconds=5),
    },
    "http-fails": {**_agnhost("liveness"), **_liveness(_http("/healthz", 8080))},
    "http": {
        **_agnhost("test-webserver"),
        **_liveness(_http("/", 80), timeoutSeconds=5, failureThreshold=5),
    },
    "tcp": {**_agnhost("liveness"), **_liveness({"tcpSocket": {"port": 8080}})},
    "again-and-again": {
        **_agnhost("liveness"),
        **_liveness(_http("/healthz", 8080), initialDelaySeconds=5),
    },
    "grpc": {**_grpc(), **_liveness({"grpc": {"port": 5000}}, timeoutSeconds=5)},
    "grpc-fails": {
        **_grpc(),
        **_liveness({"grpc": {"port": 2333}}, timeoutSeconds=5, initialDelaySeconds=60),
    },
    "ready-later": {
        **_agnhost("test-webserver"),
        "readinessProbe": {**_http("/", 80), "initialDelaySeconds": _DELAY_SECONDS},
    },
    "never-ready": {**_agnhost("test-webserver"), "readinessProbe": _http("/", 81)},
}


class Observed:
    """Every state that was seen of each pod in that time, with the moment it was seen at."""

    def __init__(self) -> None:
        self.states: dict[str, list[tuple[float, Object]]] = {name: [] for name in _PODS}

    def restarts(self, name: str) -> list[int]:
        """As they were counted over time; never fewer than before."""
        counts = [_restarts(pod) for _, pod in self.states[name]]
        assert counts == sorted(counts), "restart counts never go back"
        return counts


def _restarts(pod: Object) -> int:
    statuses = pod["status"].get("containerStatuses") or ()
    return sum(status["restartCount"] for status in statuses)


@pytest.fixture(scope="module")
def observed(client: Client) -> Iterator[Observed]:
    namespaces = client.resource("v1", "namespaces")
    made = namespaces.create({"metadata": {"generateName": "conformance-"}})
    namespace = made["metadata"]["name"]
    pods = client.resource("v1", "pods", namespace)
    for name, fields in _PODS.items():
        container = {"name": name, **fields}
        pods.create({"metadata": {"name": name}, "spec": {"containers": [container]}})
    found, began = Observed(), time.monotonic()
    while (since := time.monotonic() - began) < _OBSERVED_SECONDS:
        for pod in pods.list()["items"]:
            found.states[pod["metadata"]["name"]].append((since, pod))
        time.sleep(_POLL_SECONDS)
    yield found
    namespaces.delete(namespace)


def test_readiness_delay(observed: Observed) -> None:
    """[sig-node] Probing container with readiness probe should not be ready before initial delay
    and never restart [NodeConformance] [Conformance]"""
    _, pod = observed.states["ready-later"][-1]
    assert is_running(pod)
    (status,) = pod["status"]["containerStatuses"]
    since = {c["type"]: c["lastTransitionTime"] for c in pod["status"]["conditions"]}["Ready"]
    started = status["state"]["running"]["startedAt"]
    took = datetime.fromisoformat(since) - datetime.fromisoformat(started)
    assert took.total_seconds() >= _DELAY_SECONDS
    assert observed.restarts("ready-later")[-1] == 0


def test_readiness_fails(observed: Observed) -> None:
    """[sig-node] Probing container with readiness probe that fails should never be ready and never
    restart [NodeConformance] [Conformance]"""
    seen = [(since, pod) for since, pod in observed.states["never-ready"]]
    assert seen[-1][0] > _UNREADY_SECONDS
    assert not any(is_running(pod) for _, pod in seen)
    assert seen[-1][1]["status"]["phase"] == "Running"
    assert observed.restarts("never-ready")[-1] == 0


def test_exec_restarted(observed: Observed) -> None:
    """[sig-node] Probing container should be restarted with a exec "cat /tmp/health" liveness probe
    [NodeConformance] [Conformance]"""
    assert observed.restarts("exec-fails")[-1] >= 1


def test_exec_not_restarted(observed: Observed) -> None:
    """[sig-node] Probing container should *not* be restarted with a exec "cat /tmp/health" liveness
    probe [NodeConformance] [Conformance]"""
    _runs_on(observed, "exec")


def test_http_restarted(observed: Observed) -> None:
    """[sig-node] Probing container should be restarted with a /healthz http liveness probe
    [NodeConformance] [Conformance]"""
    assert observed.restarts("http-fails")[-1] >= 1


def test_http_not_restarted(observed: Observed) -> None:
    """[sig-node] Probing container should *not* be restarted with a /healthz http liveness probe
    [NodeConformance] [Conformance]"""
    _runs_on(observed, "http")


def test_tcp_not_restarted(observed: Observed) -> None:
    """[sig-node] Probing container should *not* be restarted with a tcp:8080 liveness probe
    [NodeConformance] [Conformance]"""
    _runs_on(observed, "tcp")


def test_restart_count(observed: Observed) -> None:
    """[sig-node] Probing container should have monotonically increasing restart count
    [NodeConformance] [Conformance]"""
    assert observed.restarts("again-and-again")[-1] >= 5


def test_grpc_not_restarted(observed: Observed) -> None:
    """[sig-node] Probing container should *not* be restarted with a GRPC liveness probe
    [NodeConformance] [Conformance]"""
    _runs_on(observed, "grpc")


def test_grpc_restarted(observed: Observed) -> None:
    """[sig-node] Probing container should be restarted with a GRPC liveness probe
    [NodeConformance] [Conformance]"""
    assert observed.restarts("grpc-fails")[-1] >= 1


def _runs_on(observed: Observed, name: str) -> None:
    assert is_running(observed.states[name][-1][1])
    assert observed.restarts(name)[-1] == 0
