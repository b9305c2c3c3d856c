# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest

from pyk8s.componenthelpers import podrequests
from pyk8s.componenthelpers.podrequests import Options

_INFEASIBLE = [{"type": "PodResizePending", "status": "True", "reason": "Infeasible"}]
_DEFERRED = [{"type": "PodResizePending", "status": "True", "reason": "Deferred"}]


def c(name: str = "a", cpu: str = "", limit: str = "", always: bool = False, **more: str) -> dict:
    resources: dict = {}
    if cpu or more:
        resources["requests"] = ({"cpu": cpu} if cpu else {}) | more
    if limit:
        resources["limits"] = {"cpu": limit}
    return {"name": name, "resources": resources} | ({"restartPolicy": "Always"} if always else {})


def pod(
    *containers: dict, init: list[dict] | None = None, status: dict | None = None, **spec: object
) -> dict:
    return {
        "spec": {"containers": list(containers), "initContainers": init or [], **spec},
        "status": status or {},
    }


def running(**lists: dict) -> dict:
    return {"containerStatuses": [{"name": "a", **lists}]}


@pytest.mark.parametrize(
    ("subject", "expected"),
    [
        pytest.param(pod(c()), {}, id="nothing"),
        pytest.param(pod(c(cpu="100m"), c("b", cpu="1")), {"cpu": 1100}, id="containers add up"),
        pytest.param(pod(c(memory="1Ki")), {"memory": 1024}, id="units"),
        pytest.param(pod(c(cpu="1"), init=[c("i", cpu="3")]), {"cpu": 3000}, id="init is larger"),
        pytest.param(pod(c(cpu="4"), init=[c("i", cpu="3")]), {"cpu": 4000}, id="init is smaller"),
        pytest.param(
            pod(c(cpu="1"), init=[c("i", cpu="2"), c("j", cpu="3")]),
            {"cpu": 3000},
            id="inits run one after another",
        ),
        pytest.param(
            pod(c(cpu="1"), init=[c("s", cpu="2", always=True)]),
            {"cpu": 3000},
            id="a sidecar stays",
        ),
        pytest.param(
            pod(c(cpu="1"), init=[c("s", cpu="2", always=True), c("i", cpu="3")]),
            {"cpu": 5000},
            id="init after a sidecar",
        ),
        pytest.param(
            pod(c(cpu="1"), init=[c("i", cpu="3"), c("s", cpu="2", always=True)]),
            {"cpu": 3000},
            id="init before a sidecar",
        ),
        pytest.param(
            pod(c(cpu="1"), overhead={"cpu": "250m", "memory": "5"}),
            {"cpu": 1250, "memory": 5},
            id="overhead",
        ),
        pytest.param(
            pod(c(cpu="1", memory="5"), resources={"requests": {"cpu": "2"}}),
            {"cpu": 2000, "memory": 5},
            id="the pod's own request replaces",
        ),
        pytest.param(
            pod(c(cpu="1"), resources={"requests": {"cpu": "2"}}, overhead={"cpu": "1"}),
            {"cpu": 3000},
            id="overhead on the pod's own",
        ),
        pytest.param(
            pod(c(cpu="1"), resources={"requests": {"example.com/x": "2"}}),
            {"cpu": 1000},
            id="what a pod may not name itself",
        ),
        pytest.param(
            pod(c(cpu="1"), status=running(allocatedResources={"cpu": "2"})),
            {"cpu": 2000},
            id="allocated is more",
        ),
        pytest.param(
            pod(c(cpu="3"), status=running(allocatedResources={"cpu": "2"})),
            {"cpu": 3000},
            id="asked for is more",
        ),
        pytest.param(
            pod(
                c(cpu="1"),
                status=running(
                    allocatedResources={"cpu": "1"}, resources={"requests": {"cpu": "4"}}
                ),
            ),
            {"cpu": 4000},
            id="actuated is more",
        ),
        pytest.param(
            pod(
                c(cpu="9"),
                status=running(allocatedResources={"cpu": "2"}) | {"conditions": _INFEASIBLE},
            ),
            {"cpu": 2000},
            id="an infeasible resize counts not",
        ),
        pytest.param(
            pod(
                c(cpu="9"),
                status=running(allocatedResources={"cpu": "2"}) | {"conditions": _DEFERRED},
            ),
            {"cpu": 9000},
            id="a deferred resize counts",
        ),
        pytest.param(
            pod(
                c(cpu="1"),
                resources={"requests": {"cpu": "2"}},
                overhead={"cpu": "1"},
                status={
                    "resources": {"requests": {"cpu": "5"}},
                    "allocatedResources": {"cpu": "4"},
                },
            ),
            {"cpu": 5000},
            id="the pod's status holds the overhead already",
        ),
    ],
)
def test_requests(subject: dict, expected: dict[str, int]) -> None:
    """A pod asks for what its containers need at the worst moment, or for what it says itself."""
    assert podrequests.scaled(podrequests.requests(subject)) == expected


def test_options() -> None:
    """Each part of the computation can be left out, and missing requests be given a value."""
    subject = pod(
        c(cpu="1"),
        c("b"),
        overhead={"cpu": "1"},
        resources={"requests": {"cpu": "7"}},
        status=running(allocatedResources={"cpu": "3"}),
    )

    def cpu(**options: object) -> int:
        return podrequests.scaled(podrequests.requests(subject, Options(**options)))["cpu"]

    assert cpu() == 8000
    assert cpu(overhead=False) == 7000
    assert cpu(overhead=False, pod_level=False) == 3000
    assert cpu(overhead=False, pod_level=False, status=False) == 1000
    missing = {"cpu": podrequests.nanos("100m")}
    assert cpu(overhead=False, pod_level=False, status=False, missing=missing) == 1100


@pytest.mark.parametrize(
    ("subject", "expected"),
    [
        pytest.param(pod(c(limit="1"), c("b", limit="2")), {"cpu": 3000}, id="sum"),
        pytest.param(pod(c(limit="1"), overhead={"cpu": "1"}), {"cpu": 2000}, id="overhead"),
        pytest.param(pod(c(), overhead={"cpu": "1"}), {}, id="no limit, no overhead"),
        pytest.param(
            pod(c(limit="1"), resources={"limits": {"cpu": "5"}}), {"cpu": 5000}, id="the pod's own"
        ),
        pytest.param(
            pod(c(limit="1"), status=running(resources={"limits": {"cpu": "2"}})),
            {"cpu": 2000},
            id="actuated",
        ),
    ],
)
def test_limits(subject: dict, expected: dict[str, int]) -> None:
    """Limits add up as requests do; overhead widens only what is limited."""
    assert podrequests.scaled(podrequests.limits(subject)) == expected


@pytest.mark.parametrize(
    ("text", "milli", "units"),
    [
        ("0", 0, 0),
        ("1", 1000, 1),
        ("1500m", 1500, 2),
        ("1n", 1, 1),
        ("100u", 1, 1),
        ("1.5Gi", 1610612736000, 1610612736),
        ("-1500m", -1500, -2),
        ("7Ei", 8070450532247928832000, 8070450532247928832),
    ],
)
def test_rounding(text: str, milli: int, units: int) -> None:
    """Amounts are exact until they are rounded, and then away from zero."""
    amount = podrequests.nanos(text)
    assert (podrequests.milli(amount), podrequests.units(amount)) == (milli, units)


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        pytest.param({"containers": [c()]}, "BestEffort", id="nothing"),
        pytest.param({"containers": [c(cpu="0")]}, "BestEffort", id="zero is nothing"),
        pytest.param({"containers": [c(cpu="1")]}, "Burstable", id="one request"),
        pytest.param({"containers": [c(cpu="1", limit="1")]}, "Burstable", id="no memory limit"),
        pytest.param(
            {
                "containers": [
                    {"resources": {k: {"cpu": "1", "memory": "1"}}} for k in ("requests", "limits")
                ]
            },
            "Burstable",
            id="each container must have both",
        ),
        pytest.param(
            {
                "containers": [
                    {
                        "resources": {
                            k: {"cpu": "1", "memory": "1Gi"} for k in ("requests", "limits")
                        }
                    }
                ]
            },
            "Guaranteed",
            id="guaranteed",
        ),
        pytest.param(
            {
                "resources": {k: {"cpu": "1", "memory": "1Gi"} for k in ("requests", "limits")},
                "containers": [c(cpu="1")],
            },
            "Guaranteed",
            id="the pod's own resources decide",
        ),
    ],
)
def test_qos_class(spec: dict, expected: str) -> None:
    """Guaranteed needs equal requests and limits of cpu and memory everywhere."""
    assert podrequests.qos_class(spec) == expected
