# SPDX-License-Identifier: Apache-2.0
"""ResourceQuotas, as they are counted and enforced."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from cluster import wait_until

from conformance.client import MERGE, STRATEGIC, Client, Object, Resource, refused

DONGLE = "example.com/dongle"
# More than the five minutes after which a controller looks at everything again.
_RESYNC_SECONDS_MAX = 360.0


class Quotas:
    """The quotas of one namespace, and what is created beside them."""

    def __init__(self, client: Client, namespace: str) -> None:
        self._client, self._namespace = client, namespace
        self.quotas = self.resource("resourcequotas")

    def resource(self, plural: str, api_version: str = "v1") -> Resource:
        return self._client.resource(api_version, plural, self._namespace)

    def create(self, name: str = "test-quota", **spec: Any) -> None:
        self.quotas.create({"metadata": {"name": name}, "spec": spec})

    def until_used(self, used: Mapping[str, str], name: str = "test-quota") -> None:
        """Until status says so, and has taken over what is limited."""

        def is_so() -> bool:
            quota = self.quotas.get(name)
            status = quota.get("status") or {}
            found = status.get("used") or {}
            return status.get("hard") == quota["spec"]["hard"] and all(
                found.get(key) == value for key, value in used.items()
            )

        wait_until(is_so, f"{used} of {name} are used")

    def refuses(self, resource: Resource, obj: Object) -> None:
        with refused(403, "Forbidden") as refusal:
            resource.create(obj)
        assert "exceeded quota: test-quota" in refusal.message


@pytest.fixture
def quotas(client: Client, namespace: str) -> Quotas:
    return Quotas(client, namespace)


def _hard(**more: str) -> dict[str, str]:
    return {
        "pods": "5",
        "services": "10",
        "services.nodeports": "1",
        "services.loadbalancers": "1",
        "replicationcontrollers": "10",
        "resourcequotas": "1",
        "cpu": "1",
        "memory": "500Mi",
        "configmaps": "10",
        "secrets": "10",
        "persistentvolumeclaims": "10",
        "requests.storage": "10Gi",
        "ephemeral-storage": "50Gi",
        "count/replicasets.apps": "5",
        f"requests.{DONGLE}": "3",
        **more,
    }


def _pod(name: str, requests: Object, limits: Object | None = None, **spec: Any) -> Object:
    resources = {"requests": requests, "limits": limits or {}}
    container = {"name": "pause", "image": "registry.k8s.io/pause:3.10", "resources": resources}
    return {"metadata": {"name": name}, "spec": {"containers": [container], **spec}}


def _life(
    quotas: Quotas, resource: Resource, obj: Object, name: str, counts: tuple[str, str]
) -> None:
    """The count goes from the first to the second, and back."""
    before, after = counts
    quotas.until_used({"resourcequotas": "1", name: before})
    resource.create(obj)
    quotas.until_used({name: after})
    resource.delete(obj["metadata"]["name"], propagation_policy="Background")
    quotas.until_used({name: before})


def test_status_is_calculated(quotas: Quotas) -> None:
    """[sig-api-machinery] ResourceQuota should create a ResourceQuota and ensure its status is
    promptly calculated. [Conformance]"""
    quotas.create(hard=_hard())
    quotas.until_used({"resourcequotas": "1"})


def test_life_of_a_service(quotas: Quotas) -> None:
    """[sig-api-machinery] ResourceQuota should create a ResourceQuota and capture the life of a
    service. [Conformance]"""
    quotas.create(hard=_hard())
    quotas.until_used({"resourcequotas": "1"})
    services = quotas.resource("services")
    for name, kind in (("plain", "ClusterIP"), ("node-port", "NodePort")):
        spec = {"type": kind, "ports": [{"port": 80}]}
        services.create({"metadata": {"name": name}, "spec": spec})
    spec = {"type": "LoadBalancer", "ports": [{"port": 80}], "allocateLoadBalancerNodePorts": True}
    quotas.refuses(services, {"metadata": {"name": "balanced"}, "spec": spec})
    quotas.until_used({"resourcequotas": "1", "services": "2", "services.nodeports": "1"})
    for name in ("plain", "node-port"):
        services.delete(name)
    quotas.until_used({"resourcequotas": "1", "services": "0", "services.nodeports": "0"})


def test_life_of_a_secret(quotas: Quotas) -> None:
    """[sig-api-machinery] ResourceQuota should create a ResourceQuota and capture the life of a
    secret. [Conformance]"""
    secrets = quotas.resource("secrets")
    found = len(secrets.names())
    quotas.create(hard=_hard(secrets=str(found + 1)))
    secret = {"metadata": {"name": "test-secret"}, "stringData": {"data-1": "value-1"}}
    _life(quotas, secrets, secret, "secrets", (str(found), str(found + 1)))


def test_life_of_a_config_map(quotas: Quotas) -> None:
    """[sig-api-machinery] ResourceQuota should create a ResourceQuota and capture the life of a
    configMap. [Conformance]"""
    maps = quotas.resource("configmaps")
    # A namespace gets one, and it counts.
    wait_until(lambda: maps.names() == ["kube-root-ca.crt"], "the root certificate is published")
    quotas.create(hard=_hard(configmaps="2"))
    made = {"metadata": {"name": "test-configmap"}, "data": {"a": "b"}}
    _life(quotas, maps, made, "configmaps", ("1", "2"))


def _template(name: str) -> Object:
    labels = {"name": name}
    containers = [{"name": name, "image": "nginx"}]
    return {"metadata": {"labels": labels}, "spec": {"containers": containers}}


def test_life_of_a_replication_controller(quotas: Quotas) -> None:
    """[sig-api-machinery] ResourceQuota should create a ResourceQuota and capture the life of a
    replication controller. [Conformance]"""
    quotas.create(hard=_hard())
    spec = {"replicas": 0, "selector": {"name": "test-rc"}, "template": _template("test-rc")}
    made = {"metadata": {"name": "test-rc"}, "spec": spec}
    controllers = quotas.resource("replicationcontrollers")
    _life(quotas, controllers, made, "replicationcontrollers", ("0", "1"))


def test_life_of_a_replica_set(quotas: Quotas) -> None:
    """[sig-api-machinery] ResourceQuota should create a ResourceQuota and capture the life of a
    replica set. [Conformance]"""
    quotas.create(hard=_hard())
    selector = {"matchLabels": {"name": "test-rs"}}
    spec = {"replicas": 0, "selector": selector, "template": _template("test-rs")}
    made = {"metadata": {"name": "test-rs"}, "spec": spec}
    sets = quotas.resource("replicasets", "apps/v1")
    _life(quotas, sets, made, "count/replicasets.apps", ("0", "1"))


def test_life_of_a_pod(quotas: Quotas) -> None:
    """[sig-api-machinery] ResourceQuota should create a ResourceQuota and capture the life of a
    pod. [Conformance]"""
    quotas.create(hard=_hard())
    quotas.until_used({"resourcequotas": "1"})
    pods = quotas.resource("pods")
    asked = {"cpu": "500m", "memory": "252Mi", "ephemeral-storage": "30Gi", DONGLE: "2"}
    made = pods.create(_pod("test-pod", asked, {DONGLE: "2"}))
    used = {
        "pods": "1",
        **{name: asked[name] for name in ("cpu", "memory", "ephemeral-storage")},
        f"requests.{DONGLE}": "2",
    }
    quotas.until_used(used)
    quotas.refuses(pods, _pod("fail-pod", {"cpu": "600m", "memory": "100Mi"}))
    more = {"cpu": "500m", "memory": "100Mi", "ephemeral-storage": "20Gi", DONGLE: "2"}
    quotas.refuses(pods, _pod("fail-pod-for-extended-resource", more, {DONGLE: "2"}))
    made["spec"]["containers"][0]["resources"]["requests"] = {"cpu": "100m", "memory": "100Mi"}
    made["metadata"].pop("resourceVersion")
    with refused(422, "Invalid"):
        pods.update(made)
    quotas.until_used(used)
    pods.delete("test-pod", grace_period_seconds=0)
    quotas.until_used(dict.fromkeys(used, "0"))


def _scopes(quotas: Quotas, inside: str, outside: str, pods: tuple[Object, Object]) -> None:
    """One pod in one scope is counted there alone, and the other one in the other."""
    hard = {"pods": "5"}
    for name, scope in (("inside", inside), ("outside", outside)):
        quotas.create(name, hard=hard, scopes=[scope])
        quotas.until_used({"pods": "0"}, name)
    resource = quotas.resource("pods")
    for pod, counts in zip(pods, (("1", "0"), ("0", "1")), strict=True):
        resource.create(pod)
        for name, count in zip(("inside", "outside"), counts, strict=True):
            quotas.until_used({"pods": count}, name)
        resource.delete(pod["metadata"]["name"], grace_period_seconds=0)
        for name in ("inside", "outside"):
            quotas.until_used({"pods": "0"}, name)


_REQUESTS = {"cpu": "500m", "memory": "200Mi"}
_LIMITS = {"cpu": "1", "memory": "400Mi"}


def test_terminating_scopes(quotas: Quotas) -> None:
    """[sig-api-machinery] ResourceQuota should verify ResourceQuota with terminating scopes.
    [Conformance]"""
    ending = _pod("terminating-pod", _REQUESTS, _LIMITS, activeDeadlineSeconds=3600)
    lasting = _pod("test-pod", _REQUESTS, _LIMITS)
    _scopes(quotas, "Terminating", "NotTerminating", (ending, lasting))


def test_best_effort_scope(quotas: Quotas) -> None:
    """[sig-api-machinery] ResourceQuota should verify ResourceQuota with best effort scope.
    [Conformance]"""
    burstable = _pod("burstable-pod", _REQUESTS, _LIMITS)
    _scopes(quotas, "BestEffort", "NotBestEffort", (_pod("pfpod", {}), burstable))


def test_status_changes(quotas: Quotas) -> None:
    """[sig-api-machinery] ResourceQuota should apply changes to a resourcequota status
    [Conformance]"""
    name, resource = "test-quota", quotas.quotas
    version = resource.list()["metadata"]["resourceVersion"]
    with resource.watch(version) as events:
        quotas.create(hard={"cpu": "500m", "memory": "500Mi"})
        _set_status(resource, name, {"cpu": "500m", "memory": "500Mi"}, events)
        new = {"cpu": "1", "memory": "1Gi"}
        resource.patch(name, {"spec": {"hard": new}}, STRATEGIC)
        _set_status(resource, name, new, events)
        assert resource.status.get(name)["status"]["hard"] == new

        other = {"cpu": "2", "memory": "2Gi"}
        patched = resource.status.patch(name, {"status": {"hard": other}}, MERGE)
        assert patched["status"]["hard"] == other
        assert patched["spec"]["hard"] == new
        _until_seen(events, other)

    def is_reset() -> bool:
        quota = resource.get(name)
        assert quota["spec"]["hard"] == new
        return bool(quota["status"]["hard"] == new)

    wait_until(is_reset, "status is as spec again", _RESYNC_SECONDS_MAX)


def _set_status(resource: Resource, name: str, hard: Object, events: Any) -> None:
    patched = resource.status.patch(name, {"status": {"hard": hard}}, STRATEGIC)
    assert patched["status"]["hard"] == hard
    _until_seen(events, hard)


def _until_seen(events: Any, hard: Object) -> None:
    for _, quota in events:
        if (quota.get("status") or {}).get("hard") == hard:
            return
    raise AssertionError(f"{hard} was not seen")


def _is_observed(controllers: Resource, name: str) -> bool:
    found = controllers.get(name)
    return bool(found["status"]["observedGeneration"] >= found["metadata"]["generation"])
