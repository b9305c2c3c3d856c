# SPDX-License-Identifier: Apache-2.0
"""Which Pods a node takes."""

from __future__ import annotations

from typing import Any

import pytest

from pyk8s.node import admission

Object = dict[str, Any]

NODE: Object = {
    "metadata": {"name": "n", "labels": {"disk": "hdd"}},
    "spec": {"taints": [{"key": "broken", "effect": "NoExecute"}]},
    "status": {"allocatable": {"cpu": "2", "memory": "1Gi", "pods": "3", "example.com/gpu": "1"}},
}
TOLERATIONS = [{"key": "broken", "operator": "Exists"}]


def pod(ports: Any = (), requests: Any = None, **spec: Any) -> Object:
    container = {"name": "c", "ports": list(ports), "resources": {"requests": requests or {}}}
    return {"metadata": {}, "spec": {"containers": [container], "tolerations": TOLERATIONS, **spec}}


def port(number: int, ip: str = "", protocol: str = "TCP") -> Object:
    return {"hostPort": number, "hostIP": ip, "protocol": protocol}


def reason(own: Object, *others: Object) -> str:
    claims = [admission.claims_of(other) for other in others]
    found = admission.reject(own, admission.claims_of(own), NODE, claims)
    return found.reason if found else ""


@pytest.mark.parametrize(
    ("own", "expected"),
    [
        pytest.param(pod(), "", id="nothing asked"),
        pytest.param(pod(requests={"cpu": "2"}), "", id="all there is"),
        pytest.param(pod(requests={"cpu": "2001m"}), "OutOfcpu", id="cpu"),
        pytest.param(pod(requests={"memory": "2Gi"}), "OutOfmemory", id="memory"),
        pytest.param(pod(requests={"example.com/gpu": 2}), "OutOfexample.com/gpu", id="extended"),
        pytest.param(pod(requests={"example.com/fpga": 2}), "", id="extended, not of the node"),
        pytest.param(pod(nodeSelector={"disk": "ssd"}), "NodeAffinity", id="selector"),
        pytest.param(pod(tolerations=[]), "TaintToleration", id="taint"),
        pytest.param(pod(os={"name": "windows"}), "PodOSNotSupported", id="os"),
    ],
)
def test_empty_node(own: Object, expected: str) -> None:
    """What a pod asks for by itself must be there."""
    assert reason(own) == expected


@pytest.mark.parametrize(
    ("mine", "theirs", "clash"),
    [
        pytest.param(port(80), port(80), True, id="same"),
        pytest.param(port(80), port(81), False, id="another number"),
        pytest.param(port(80), port(80, protocol="UDP"), False, id="another protocol"),
        pytest.param(port(80, "10.0.0.1"), port(80, "10.0.0.2"), False, id="another address"),
        pytest.param(port(80, "10.0.0.1"), port(80), True, id="every address"),
    ],
)
def test_host_ports(mine: Object, theirs: Object, clash: bool) -> None:
    """A port of the host is one pod's, by protocol and address."""
    assert reason(pod(ports=[mine]), pod(ports=[theirs])) == ("NodePorts" if clash else "")


def test_others_count() -> None:
    """What others have taken is not there, be it cpu or the number of pods."""
    half = pod(requests={"cpu": "1"})
    assert reason(half, half) == ""
    assert reason(half, half, half) == "OutOfcpu"
    assert reason(pod(), pod(), pod(), pod()) == "OutOfpods"


@pytest.mark.parametrize(
    ("cpu", "others", "expected"),
    [
        pytest.param("2", 0, None, id="room"),
        pytest.param("2", 1, "Deferred", id="taken"),
        pytest.param("3", 0, "Infeasible", id="never"),
    ],
)
def test_resize(cpu: str, others: int, expected: str | None) -> None:
    """A resize waits for others to go, and for ever where the node is too small."""
    own = admission.claims_of(pod(requests={"cpu": cpu}))
    taken = [admission.claims_of(pod(requests={"cpu": "1"}))] * others
    refused = admission.refuse_resize(own, NODE, taken)
    assert (refused[0] if refused else None) == expected
