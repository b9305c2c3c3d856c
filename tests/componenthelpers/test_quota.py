# SPDX-License-Identifier: Apache-2.0
"""What objects take of a ResourceQuota."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from pyk8s.apimachinery.gvk import GroupResource
from pyk8s.componenthelpers import quota

PODS = quota.PodEvaluator(clock=lambda: datetime(2026, 1, 1, 12, tzinfo=UTC))


def container(name="main", requests=None, limits=None):
    return {"name": name, "resources": {"requests": requests or {}, "limits": limits or {}}}


def pod(*containers, status=None, metadata=None, **spec):
    return {
        "metadata": metadata or {},
        "spec": {"containers": list(containers or (container(),)), **spec},
        "status": status or {},
    }


def claim(storage="1Gi", storage_class=None, status=None, metadata=None):
    spec = {"resources": {"requests": {"storage": storage}}}
    if storage_class:
        spec["storageClassName"] = storage_class
    return {"metadata": metadata or {}, "spec": spec, "status": status or {}}


def service(kind, *ports, **spec):
    return {"spec": {"type": kind, "ports": list(ports), **spec}}


DELETED = {"deletionTimestamp": "2026-01-01T11:59:00Z"}
GOLD = "gold.storageclass.storage.k8s.io/"


@pytest.mark.parametrize(
    ("evaluator", "obj", "used"),
    [
        pytest.param(PODS, pod(), {"pods": "1", "count/pods": "1"}, id="pod"),
        pytest.param(
            PODS,
            pod(container(requests={"cpu": "500m", "memory": "1Gi"}, limits={"cpu": "1"})),
            {
                "pods": "1",
                "count/pods": "1",
                "cpu": "500m",
                "requests.cpu": "500m",
                "memory": "1Gi",
                "requests.memory": "1Gi",
                "limits.cpu": "1",
            },
            id="requests and limits",
        ),
        pytest.param(
            PODS,
            pod(
                container("a", {"cpu": "500m"}),
                container("b", {"cpu": "600m"}),
                initContainers=[container("i", {"cpu": "2"})],
                overhead={"cpu": "100m"},
            ),
            {"pods": "1", "count/pods": "1", "cpu": "2100m", "requests.cpu": "2100m"},
            id="init containers and overhead",
        ),
        pytest.param(
            PODS,
            pod(container(requests={"example.com/gpu": "2", "hugepages-2Mi": "4Mi"})),
            {
                "pods": "1",
                "count/pods": "1",
                "requests.example.com/gpu": "2",
                "hugepages-2Mi": "4Mi",
                "requests.hugepages-2Mi": "4Mi",
            },
            id="extended resources and huge pages",
        ),
        pytest.param(
            PODS,
            pod(container(requests={"cpu": "1"}), status={"phase": "Succeeded"}),
            {"count/pods": "1"},
            id="finished",
        ),
        pytest.param(
            PODS,
            pod(metadata={**DELETED, "deletionGracePeriodSeconds": 30}),
            {"count/pods": "1"},
            id="deleted long ago",
        ),
        pytest.param(
            PODS,
            pod(metadata={**DELETED, "deletionGracePeriodSeconds": 90}),
            {"pods": "1", "count/pods": "1"},
            id="being deleted",
        ),
        pytest.param(
            quota.ServiceEvaluator(),
            service("ClusterIP", {}, {}),
            {"services": "1", "services.nodeports": "0", "services.loadbalancers": "0"},
            id="service",
        ),
        pytest.param(
            quota.ServiceEvaluator(),
            service("NodePort", {}, {}),
            {"services": "1", "services.nodeports": "2", "services.loadbalancers": "0"},
            id="node ports",
        ),
        pytest.param(
            quota.ServiceEvaluator(),
            service("LoadBalancer", {}, {}),
            {"services": "1", "services.nodeports": "2", "services.loadbalancers": "1"},
            id="load balancer",
        ),
        pytest.param(
            quota.ServiceEvaluator(),
            service("LoadBalancer", {"nodePort": 3}, {}, allocateLoadBalancerNodePorts=False),
            {"services": "1", "services.nodeports": "1", "services.loadbalancers": "1"},
            id="load balancer without node ports",
        ),
        pytest.param(
            quota.ClaimEvaluator(),
            claim("1500m"),
            {"persistentvolumeclaims": "1", "requests.storage": "2"},
            id="whole bytes",
        ),
        pytest.param(
            quota.ClaimEvaluator(),
            claim("1Gi", "gold", status={"allocatedResources": {"storage": "2Gi"}}),
            {
                "persistentvolumeclaims": "1",
                "requests.storage": "2Gi",
                GOLD + "persistentvolumeclaims": "1",
                GOLD + "requests.storage": "2Gi",
            },
            id="a class, and grown",
        ),
        pytest.param(
            quota.evaluator_of(GroupResource("", "secrets")),
            {},
            {"secrets": "1", "count/secrets": "1"},
            id="alias",
        ),
        pytest.param(
            quota.evaluator_of(GroupResource("apps", "deployments")),
            {},
            {"count/deployments.apps": "1"},
            id="count",
        ),
    ],
)
def test_usage(evaluator, obj, used):
    """Each resource is counted under its names."""
    counts = {n: a for n, a in quota.to_list(evaluator.usage(obj)).items() if n in used}
    assert counts == used
    others = evaluator.usage(obj).keys() - used.keys()
    assert all(name.startswith("count/") for name in others)


ELSEWHERE = {
    "podAntiAffinity": {
        "preferredDuringSchedulingIgnoredDuringExecution": [
            {"podAffinityTerm": {"namespaceSelector": {}}}
        ]
    }
}


@pytest.mark.parametrize(
    ("scope", "obj", "holds"),
    [
        pytest.param("Terminating", pod(activeDeadlineSeconds=0), True, id="deadline"),
        pytest.param("Terminating", pod(metadata=DELETED), False, id="deletion is none"),
        pytest.param("NotTerminating", pod(), True, id="no deadline"),
        pytest.param("BestEffort", pod(), True, id="best effort"),
        pytest.param("NotBestEffort", pod(container(requests={"cpu": "1"})), True, id="burstable"),
        pytest.param("PriorityClass", pod(), False, id="no priority class"),
        pytest.param("PriorityClass", pod(priorityClassName="a"), True, id="priority class"),
        pytest.param("CrossNamespacePodAffinity", pod(), False, id="at home"),
        pytest.param("CrossNamespacePodAffinity", pod(affinity=ELSEWHERE), True, id="elsewhere"),
        pytest.param("VolumeAttributesClass", pod(), False, id="not of pods"),
    ],
)
def test_scopes(scope, obj, holds):
    """spec.scopes names what must exist."""
    assert quota.is_in_scopes(PODS, quota.scopes_of({"scopes": [scope]}), obj) is holds


@pytest.mark.parametrize(
    ("operator", "values", "name", "holds"),
    [
        pytest.param("In", ["a", "b"], "a", True, id="in"),
        pytest.param("In", ["a"], "", False, id="none is in nothing"),
        pytest.param("NotIn", ["a"], "a", False, id="not in"),
        pytest.param("NotIn", ["a"], "", True, id="none is not in"),
        pytest.param("DoesNotExist", [], "", True, id="absent"),
        pytest.param("DoesNotExist", [], "a", False, id="not absent"),
    ],
)
def test_scope_selector(operator, values, name, holds):
    """A scopeSelector looks at the name of the priority class."""
    expression = {"scopeName": "PriorityClass", "operator": operator, "values": values}
    scopes = quota.scopes_of({"scopeSelector": {"matchExpressions": [expression]}})
    assert quota.is_in_scopes(PODS, scopes, pod(priorityClassName=name)) is holds


def test_services_are_in_no_scope():
    """A quota with scopes counts none of them."""
    spec = {"hard": {"services": "1"}, "scopes": ["Terminating"]}
    used = quota.total(quota.ServiceEvaluator(), spec, [service("ClusterIP")])
    assert quota.to_list(used) == {"services": "0"}


def test_what_containers_must_say():
    """Each resource, and of each the containers, in order of their names."""
    spec = pod(container("b"), container("a", {"cpu": "1"}), initContainers=[container("c")])
    names = ["limits.cpu", "cpu", "pods", "ephemeral-storage"]
    assert PODS.missing(names, spec) == "must specify cpu for: b,c; limits.cpu for: a,b,c"
    assert PODS.missing(["pods"], spec) == ""
    spec["spec"]["resources"] = {"requests": {"cpu": "1"}}
    assert PODS.missing(names, spec) == ""


def test_what_pods_are_counted_under():
    """Extended resources only by their requests."""
    names = ["pods", "services", "requests.example.com/gpu", "example.com/gpu", "count/pods"]
    assert PODS.matching(names) == ["pods", "requests.example.com/gpu", "count/pods"]


@pytest.mark.parametrize(
    ("before", "after", "freed"),
    [
        pytest.param(pod(), pod(status={"phase": "Running"}), False, id="started"),
        pytest.param(pod(), pod(status={"phase": "Failed"}), True, id="ended"),
        pytest.param(
            pod(status={"phase": "Failed"}), pod(status={"phase": "Failed"}), False, id="over"
        ),
        pytest.param(
            pod(container(requests={"cpu": "2"})),
            pod(container(requests={"cpu": "1"})),
            True,
            id="resized",
        ),
    ],
)
def test_updates_that_free(before, after, freed):
    """A pod gives back when it ends, or becomes smaller."""
    assert PODS.is_freed_by(after, before) is freed


def test_total_keeps_the_suffix_family():
    """Sums print as their parts do."""
    pods = [pod(container(requests={"memory": text})) for text in ("512Mi", "1Gi")]
    used = quota.total(PODS, {"hard": {"memory": "10G", "pods": "9"}}, pods)
    assert quota.to_list(used) == {"memory": "1536Mi", "pods": "2"}


def test_growth_forgets_what_became_less():
    """An update is charged what it takes more."""
    before = quota.of_list({"a": "2", "b": "1", "c": "3"})
    after = quota.of_list({"a": "3", "b": "1", "c": "1", "d": "500m"})
    assert quota.to_list(quota.growth(after, before)) == {"a": "1", "d": "500m"}
