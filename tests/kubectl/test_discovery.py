# SPDX-License-Identifier: Apache-2.0
"""kubectl commands that ask what the server is and serves."""

from __future__ import annotations

import pytest
from cluster import ControlPlane, Kubectl
from objects import configmap, deployment, pod, service


def test_api_resources(session_kubectl: Kubectl) -> None:
    """Names, short names, versions, scopes and kinds."""
    rows = session_kubectl("api-resources", "--no-headers").words
    assert ["configmaps", "cm", "v1", "true", "ConfigMap"] in rows
    assert ["deployments", "deploy", "apps/v1", "true", "Deployment"] in rows
    assert ["clusterroles", "rbac.authorization.k8s.io/v1", "false", "ClusterRole"] in rows


def test_api_resources_of_a_group(session_kubectl: Kubectl) -> None:
    """--api-group, --verbs and --namespaced filter."""
    arguments = ("api-resources", "--api-group=apps", "--namespaced=true", "--verbs=patch")
    names = session_kubectl(*arguments, "-o", "name").lines
    expected = ["controllerrevisions", "daemonsets", "deployments", "replicasets", "statefulsets"]
    assert names == [f"{name}.apps" for name in expected]


def test_api_resources_wide(session_kubectl: Kubectl) -> None:
    """-o wide adds verbs and categories."""
    rows = session_kubectl("api-resources", "-o", "wide").lines
    pods = next(row for row in rows if row.startswith("pods "))
    assert pods.split()[-2:] == [
        "create,delete,deletecollection,get,list,patch,update,watch",
        "all",
    ]


def test_api_versions(session_kubectl: Kubectl) -> None:
    """Every group version that is served, v1 among them."""
    versions = session_kubectl("api-versions").lines
    assert {"v1", "apps/v1", "batch/v1", "networking.k8s.io/v1"} <= set(versions)
    assert versions == sorted(versions)


def test_version(session_kubectl: Kubectl) -> None:
    """The server's version names the release it is like."""
    shown = session_kubectl("version", "-o", "json").json()["serverVersion"]
    assert (shown["major"], shown["minor"]) == ("1", "37")
    assert shown["gitVersion"] == "v1.37.0+pyk8s"
    assert {"gitCommit", "gitTreeState", "buildDate", "goVersion", "platform"} <= shown.keys()


def test_cluster_info(session_kubectl: Kubectl, control_plane: ControlPlane) -> None:
    """Where the control plane is."""
    said = session_kubectl("cluster-info").stdout
    assert "Kubernetes control plane" in said
    assert control_plane.access.url in said


def test_whoami(session_kubectl: Kubectl) -> None:
    """The certificate's name and organization are user and group."""
    shown = session_kubectl("auth", "whoami", "-o", "json").json()["status"]["userInfo"]
    assert shown["username"] == "kubernetes-admin"
    assert set(shown["groups"]) == {"system:masters", "system:authenticated"}


def test_can_i(session_kubectl: Kubectl) -> None:
    """The admin may do everything."""
    assert session_kubectl("auth", "can-i", "delete", "nodes").stdout == "yes\n"
    assert session_kubectl("auth", "can-i", "get", "/metrics").stdout == "yes\n"


def test_can_i_list(session_kubectl: Kubectl) -> None:
    """All rules at once."""
    rows = session_kubectl("auth", "can-i", "--list").words
    assert ["*.*", "[]", "[]", "[*]"] in rows


@pytest.mark.parametrize(
    ("what", "expected"),
    [
        pytest.param("pods", ["KIND:       Pod", "VERSION:    v1"], id="kind"),
        pytest.param("deploy", ["GROUP:      apps", "KIND:       Deployment"], id="short name"),
        pytest.param(
            "pod.spec.containers.image", ["FIELD: image <string>"], id="field of a list's elements"
        ),
        pytest.param("cronjob.spec.schedule", ["FIELD: schedule <string>", "Cron"], id="field"),
    ],
)
def test_explain(session_kubectl: Kubectl, what: str, expected: list[str]) -> None:
    """Descriptions come from the published schemas."""
    said = session_kubectl("explain", what).stdout
    assert [text for text in expected if text not in said] == []


def test_explain_recursive(session_kubectl: Kubectl) -> None:
    """--recursive lists the fields of fields."""
    said = session_kubectl("explain", "deployment", "--recursive").stdout
    assert "maxUnavailable\t<IntOrString>" in said
    assert "containerPort\t<integer> -required-" in said


def test_explain_what_is_missing(session_kubectl: Kubectl) -> None:
    """A field that does not exist is told as such."""
    said = session_kubectl("explain", "pod.spec.nonsense", status=1).stderr
    assert 'field "nonsense" does not exist' in said


def test_describe(kubectl: Kubectl) -> None:
    """describe gathers an object and its events."""
    objects = [configmap("settings", size="3"), deployment("web"), pod("one"), service("web")]
    kubectl("create", "-f", "-", stdin=objects)
    settings = kubectl("describe", "configmap", "settings").stdout
    assert "size:\n----\n3\n" in settings
    web = kubectl("describe", "deployment", "web").stdout
    assert "StrategyType:           RollingUpdate" in web
    assert "Image:" in web
    one = kubectl("describe", "pod", "one").words
    assert ["Status:", "Pending"] in one
    assert ["QoS", "Class:", "BestEffort"] in one
    assert "IP Families:" in kubectl("describe", "service", "web").stdout


def test_describe_shows_events(kubectl: Kubectl) -> None:
    """Events are found by the object they are about."""
    kubectl("create", "-f", "-", stdin=pod("one"))
    metadata = kubectl("get", "pod", "one", "-o", "json").json()["metadata"]
    event = {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": "one.1"},
        "involvedObject": {
            "apiVersion": "v1",
            "kind": "Pod",
            "name": "one",
            "namespace": kubectl.namespace,
            "uid": metadata["uid"],
        },
        "reason": "Tested",
        "message": "it was looked at",
        "type": "Normal",
        "source": {"component": "test"},
        "count": 1,
        "firstTimestamp": metadata["creationTimestamp"],
        "lastTimestamp": metadata["creationTimestamp"],
    }
    kubectl("create", "-f", "-", stdin=event)
    assert "it was looked at" in kubectl("describe", "pod", "one").stdout
    assert "Tested" in kubectl("events", "--for=pod/one").stdout
    assert "pod/one" in kubectl("get", "events").stdout


def test_system_objects(session_kubectl: Kubectl) -> None:
    """A new cluster has its namespaces and the service that leads to it."""
    names = session_kubectl("get", "namespaces", "-o", "name").lines
    expected = ["default", "kube-node-lease", "kube-public", "kube-system"]
    assert {f"namespace/{name}" for name in expected} <= set(names)
    kubernetes = session_kubectl("get", "service", "kubernetes", "--no-headers").words[0]
    assert kubernetes[:5] == ["kubernetes", "ClusterIP", "10.96.0.1", "<none>", "443/TCP"]
    slices = session_kubectl("get", "endpointslices", "kubernetes", "-o", "json").json()
    assert slices["endpoints"][0]["addresses"]


def test_what_is_not_built_says_so(kubectl: Kubectl) -> None:
    """A resource that is not served yet is named in the error."""
    said = kubectl("get", "componentstatuses", status=1).stderr
    assert "componentstatuses is not served by this server yet" in said


def test_acting_as_somebody_else(kubectl: Kubectl) -> None:
    """`--as` asks as that user, who may less than the admin."""
    acting = ("--as=jane", "--as-group=devs", "--as-uid=7")
    shown = kubectl(*acting, "auth", "whoami", "-o", "json").json()["status"]["userInfo"]
    assert shown == {"username": "jane", "uid": "7", "groups": ["devs", "system:authenticated"]}
    assert kubectl("auth", "can-i", "list", "pods").stdout == "yes\n"
    assert kubectl(*acting, "auth", "can-i", "list", "pods", status=1).stdout == "no\n"
    refused = kubectl(*acting, "get", "pods", status=1).stderr
    assert 'User "jane" cannot list resource "pods"' in refused
