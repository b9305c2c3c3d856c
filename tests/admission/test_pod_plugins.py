# SPDX-License-Identifier: Apache-2.0
"""Priority, RuntimeClass and DefaultTolerationSeconds, through a running server."""

from __future__ import annotations

import itertools

import pytest
from objects import pod

from pyk8s.admission import plugins
from pyk8s.admission.runtimeclass import merge_tolerations

PRIORITY_CLASSES = "/apis/scheduling.k8s.io/v1/priorityclasses"
RUNTIME_CLASSES = "/apis/node.k8s.io/v1/runtimeclasses"
_names = itertools.count(1)


def with_spec(name, **spec):
    made = pod(name)
    made["spec"].update(spec)
    return made


@pytest.fixture
def pods(namespace):
    return f"/api/v1/namespaces/{namespace}/pods"


@pytest.fixture
def priority_class(http):
    name = f"class-{next(_names)}"
    made = {"metadata": {"name": name}, "value": 1000, "preemptionPolicy": "Never"}
    yield http.create(PRIORITY_CLASSES, made)
    http("DELETE", f"{PRIORITY_CLASSES}/{name}")


def test_the_system_priority_classes_are_there(http):
    """They have upstream's values from the start."""
    for name, value in (("cluster", 2_000_000_000), ("node", 2_000_001_000)):
        found = http("GET", f"{PRIORITY_CLASSES}/system-{name}-critical").json()
        assert found["value"] == value


def test_a_pod_gets_what_its_priority_class_says(http, pods, priority_class):
    """priorityClassName becomes priority and preemptionPolicy."""
    name = priority_class["metadata"]["name"]
    spec = http.create(pods, with_spec("a", priorityClassName=name))["spec"]
    assert (spec["priority"], spec["preemptionPolicy"]) == (1000, "Never")


def test_a_pod_without_priority_class_has_priority_zero(http, pods):
    """And may preempt, which only matters to those of lower priority."""
    spec = http.create(pods, pod("a"))["spec"]
    assert (spec["priority"], spec["preemptionPolicy"]) == (0, "PreemptLowerPriority")


@pytest.mark.parametrize(
    ("spec", "why"),
    [
        pytest.param(
            {"priorityClassName": "none"},
            "no PriorityClass with name none was found",
            id="unknown class",
        ),
        pytest.param(
            {"priority": 7},
            "the integer value of priority (7) must not be provided in pod spec; priority "
            "admission controller computed 0 from the given PriorityClass name",
            id="own priority",
        ),
        pytest.param(
            {"runtimeClassName": "none"},
            'pod rejected: RuntimeClass "none" not found',
            id="unknown runtime class",
        ),
        pytest.param(
            {"overhead": {"cpu": "1"}},
            "pod rejected: Pod Overhead set without corresponding RuntimeClass defined Overhead",
            id="own overhead",
        ),
    ],
)
def test_refusals(http, pods, spec, why):
    """A Pod that claims what only a class can give is refused in upstream's words."""
    answer = http("POST", pods, with_spec("a", **spec))
    assert answer.status == 403
    assert answer.json()["message"] == f'pods "a" is forbidden: {why}'


def test_there_is_one_default_priority_class(http, pods):
    """A second one is refused; Pods without a class get the one."""
    first = {"metadata": {"name": "first"}, "value": 5, "globalDefault": True}
    second = {"metadata": {"name": "second"}, "value": 6, "globalDefault": True}
    http.create(PRIORITY_CLASSES, first)
    try:
        answer = http("POST", PRIORITY_CLASSES, second)
        assert answer.status == 403
        assert answer.json()["message"].endswith(
            "PriorityClass first is already marked as default. Only one default can exist"
        )
        spec = http.create(pods, pod("a"))["spec"]
        assert (spec["priorityClassName"], spec["priority"]) == ("first", 5)
    finally:
        http("DELETE", f"{PRIORITY_CLASSES}/first")


def test_a_pod_gets_overhead_and_scheduling_of_its_runtime_class(http, pods):
    """The node selector and the tolerations are merged; the overhead is the class's own."""
    name = f"runtime-{next(_names)}"
    toleration = {"key": "sandbox", "operator": "Exists"}
    http.create(
        RUNTIME_CLASSES,
        {
            "metadata": {"name": name},
            "handler": "sandbox",
            "overhead": {"podFixed": {"cpu": "250m"}},
            "scheduling": {"nodeSelector": {"sandbox": "yes"}, "tolerations": [toleration]},
        },
    )
    made = with_spec("a", runtimeClassName=name, nodeSelector={"disk": "ssd"})
    spec = http.create(pods, made)["spec"]
    assert spec["overhead"] == {"cpu": "250m"}
    assert spec["nodeSelector"] == {"disk": "ssd", "sandbox": "yes"}
    assert toleration in spec["tolerations"]
    for more, why in (
        ({"overhead": {"cpu": "1"}}, "Pod's Overhead doesn't match"),
        ({"nodeSelector": {"sandbox": "no"}}, "conflict: runtimeClass.scheduling.nodeSelector"),
    ):
        answer = http("POST", pods, with_spec("b", runtimeClassName=name, **more))
        assert answer.status == 403
        assert why in answer.json()["message"]
    http("DELETE", f"{RUNTIME_CLASSES}/{name}")


def test_a_pod_tolerates_a_lost_node_for_five_minutes(http, pods):
    """Unless it says something of that taint itself."""
    own = {"key": "node.kubernetes.io/not-ready", "operator": "Exists", "effect": "NoExecute"}
    tolerations = http.create(pods, with_spec("a", tolerations=[own]))["spec"]["tolerations"]
    unreachable = {**own, "key": "node.kubernetes.io/unreachable", "tolerationSeconds": 300}
    assert tolerations == [own, unreachable]


ANY = {"operator": "Exists"}
A = {"key": "a", "operator": "Exists"}
A_ONE = {"key": "a", "operator": "Equal", "value": "1"}


@pytest.mark.parametrize(
    ("own", "added", "merged"),
    [
        pytest.param([A_ONE], [], [A_ONE], id="nothing added"),
        pytest.param([A], [A], [A], id="equal"),
        pytest.param([A_ONE], [A], [A], id="a wider one is added"),
        pytest.param([A], [A_ONE], [A], id="a narrower one is added"),
        pytest.param([A], [ANY], [ANY], id="everything"),
        pytest.param([A], [{**A, "effect": "NoSchedule"}], [A], id="one effect of all"),
    ],
)
def test_merged_tolerations(own, added, merged):
    """Of two tolerations of which one covers the other, the wider stays."""
    assert merge_tolerations(own, added) == merged


def test_plugins_are_left_out_by_name():
    """The rest keeps its order; an unknown name is refused."""
    assert "Priority" in plugins.selected((), ())
    assert "Priority" not in plugins.selected((), ("Priority",))
    for flags in ((("Priority",), ("Priority",)), (("Nothing",), ()), ((), ("Nothing",))):
        with pytest.raises(plugins.UnknownPlugin):
            plugins.selected(*flags)
