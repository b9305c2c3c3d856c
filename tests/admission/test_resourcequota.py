# SPDX-License-Identifier: Apache-2.0
"""ResourceQuota, through a running server and its controllers."""

from __future__ import annotations

import itertools
from concurrent.futures import ThreadPoolExecutor

import pytest
from cluster import Http, wait_until
from objects import pod, service


class Quotas:
    """The quotas of one namespace."""

    def __init__(self, http, namespace):
        self.http = http
        self.path = f"/api/v1/namespaces/{namespace}/"

    def limit(self, name="q", scopes=(), **hard):
        spec = {"hard": {key.replace("_", "."): value for key, value in hard.items()}}
        return self.limit_by({**spec, "scopes": list(scopes)}, name)

    def limit_by(self, spec, name="q"):
        self.http.create(self.path + "resourcequotas", {"metadata": {"name": name}, "spec": spec})
        wait_until(lambda: self.status(name).get("hard") == spec["hard"], "the quota is counted")

    def status(self, name="q"):
        return self.http("GET", f"{self.path}resourcequotas/{name}").json().get("status") or {}

    def used(self, name="q"):
        return self.status(name)["used"]

    def post(self, resource, obj, query=""):
        return self.http("POST", self.path + resource + query, obj)


_namespaces = itertools.count(1)


@pytest.fixture
def quotas(cluster):
    http = Http(cluster.access)
    name = f"quotas-{next(_namespaces)}"
    http.create("/api/v1/namespaces", {"metadata": {"name": name}})
    yield Quotas(http, name)
    http.close()


def asking(name, requests):
    made = pod(name)
    made["spec"]["containers"][0]["resources"] = {"requests": requests}
    return made


def test_a_pod_that_does_not_fit_is_refused(quotas):
    """403 says what was asked for, what is used and what there is, of what is too little."""
    quotas.limit(requests_cpu="1", memory="1Gi", pods="5")
    fits = {"cpu": "600m", "memory": "100Mi"}
    assert quotas.post("pods", asking("a", fits)).status == 201
    assert quotas.used() == {"requests.cpu": "600m", "memory": "100Mi", "pods": "1"}
    answer = quotas.post("pods", asking("b", {"cpu": "500m", "memory": "2Gi"}))
    assert answer.status == 403
    assert answer.json()["reason"] == "Forbidden"
    assert answer.json()["message"] == (
        'pods "b" is forbidden: exceeded quota: q, requested: memory=2Gi,requests.cpu=500m, '
        "used: memory=100Mi,requests.cpu=600m, limited: memory=1Gi,requests.cpu=1"
    )
    assert quotas.used() == {"requests.cpu": "600m", "memory": "100Mi", "pods": "1"}


def test_a_pod_that_does_not_say_is_refused(quotas):
    """Where cpu is limited, every container says how much it needs."""
    quotas.limit(requests_cpu="1")
    answer = quotas.post("pods", pod("a"))
    assert answer.status == 403
    assert answer.json()["message"] == (
        'pods "a" is forbidden: failed quota: q: must specify requests.cpu for: main'
    )


def test_a_dry_run_is_judged_and_not_charged(quotas):
    """It is refused as the real thing, and takes nothing."""
    quotas.limit(secrets="1")
    dry = "?dryRun=All"
    assert quotas.post("secrets", {"metadata": {"name": "a"}}, dry).status == 201
    assert quotas.used() == {"secrets": "0"}
    assert quotas.post("secrets", {"metadata": {"name": "a"}}).status == 201
    assert quotas.used() == {"secrets": "1"}
    assert quotas.post("secrets", {"metadata": {"name": "b"}}, dry).status == 403


def test_creates_at_once_cannot_take_more_than_there_is(quotas, cluster):
    """Of many at the same time exactly as many succeed as fit."""
    quotas.limit_by({"hard": {"count/leases.coordination.k8s.io": "7"}})
    namespace = quotas.path.split("/")[-2]
    path = f"/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases"

    def create(number):
        http = Http(cluster.access)
        try:
            return http("POST", path, {"metadata": {"name": f"l-{number}"}}).status
        finally:
            http.close()

    with ThreadPoolExecutor(8) as threads:
        statuses = list(threads.map(create, range(24)))
    assert sorted(statuses) == [201] * 7 + [403] * 17
    assert quotas.used() == {"count/leases.coordination.k8s.io": "7"}


def test_no_quota_is_charged_for_what_another_refuses(quotas):
    """All of them are asked before the first is charged."""
    quotas.limit("a", services="5")
    quotas.limit("b", services="0")
    assert quotas.post("services", service("s")).status == 403
    assert quotas.used("a") == {"services": "0"}


def test_an_update_is_charged_what_it_takes_more(quotas):
    """A Service that becomes a NodePort needs node ports."""
    quotas.limit(services_nodeports="1")
    http, path = quotas.http, quotas.path + "services/s"
    made = service("s")
    made["spec"]["ports"] = [{"port": 80, "name": "a"}, {"port": 81, "name": "b"}]
    assert quotas.post("services", made).status == 201
    answer = http.patch(path, {"spec": {"type": "NodePort"}})
    assert answer.status == 403
    assert answer.json()["message"] == (
        'services "s" is forbidden: exceeded quota: q, requested: services.nodeports=2, '
        "used: services.nodeports=0, limited: services.nodeports=1"
    )
    fewer = {"spec": {"type": "NodePort", "ports": [{"port": 80, "name": "a"}]}}
    assert http.patch(path, fewer).status == 200
    assert quotas.used() == {"services.nodeports": "1"}
    assert http.patch(path, {"spec": {"type": "ClusterIP"}}).status == 200
    wait_until(lambda: quotas.used() == {"services.nodeports": "0"}, "node ports are given back")


def test_a_scope_lets_other_pods_be(quotas):
    """Only pods of the scope are counted."""
    quotas.limit(scopes=["BestEffort"], pods="1")
    assert quotas.post("pods", asking("burstable", {"cpu": "1m"})).status == 201
    assert quotas.used() == {"pods": "0"}
    assert quotas.post("pods", pod("first")).status == 201
    answer = quotas.post("pods", pod("second"))
    assert answer.status == 403
    assert (
        "exceeded quota: q, requested: pods=1, used: pods=1, limited: pods=1"
        in (answer.json()["message"])
    )


def test_a_quota_that_is_not_counted_yet_lets_nothing_in(quotas):
    """Where used says nothing of what hard limits, one cannot know."""
    quotas.limit(secrets="5")
    status = {"status": {"hard": {"secrets": "5"}, "used": None}}
    path = quotas.path + "resourcequotas/q/status"
    assert quotas.http.patch(path, status).status == 200
    answer = quotas.post("secrets", {"metadata": {"name": "s"}})
    assert answer.status == 403
    assert "status unknown for quota: q, resources: secrets" in answer.json()["message"]
