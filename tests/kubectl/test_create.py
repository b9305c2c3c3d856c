# SPDX-License-Identifier: Apache-2.0
"""kubectl create: every generator that needs no other component, and files."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml
from cluster import ControlPlane, Kubectl
from objects import configmap


def at(obj: Any, path: str) -> Any:
    """The value at a dotted path; numbers are places in a list."""
    for part in path.split("."):
        obj = obj[int(part)] if part.isdecimal() else obj[part]
    return obj


GENERATORS = [
    pytest.param(
        ("deployment", "web", "--image=nginx", "--replicas=2", "--port=80"),
        {
            "kind": "Deployment",
            "spec.replicas": 2,
            "spec.strategy.type": "RollingUpdate",
            "spec.revisionHistoryLimit": 10,
            "spec.template.spec.containers.0.ports.0.protocol": "TCP",
            "spec.template.spec.restartPolicy": "Always",
            "metadata.generation": 1,
        },
        id="deployment",
    ),
    pytest.param(
        ("service", "clusterip", "inside", "--tcp=80:8080"),
        {"spec.type": "ClusterIP", "spec.ports.0.targetPort": 8080},
        id="service clusterip",
    ),
    pytest.param(
        ("service", "clusterip", "headless", "--clusterip=None", "--tcp=80"),
        {"spec.clusterIP": "None", "spec.clusterIPs": ["None"]},
        id="service clusterip None",
    ),
    pytest.param(
        ("service", "nodeport", "outside", "--tcp=80"),
        {"spec.type": "NodePort", "spec.externalTrafficPolicy": "Cluster"},
        id="service nodeport",
    ),
    pytest.param(
        ("service", "loadbalancer", "balanced", "--tcp=80"),
        {"spec.type": "LoadBalancer", "spec.allocateLoadBalancerNodePorts": True},
        id="service loadbalancer",
    ),
    pytest.param(
        ("service", "externalname", "elsewhere", "--external-name=example.com"),
        {"spec.type": "ExternalName", "spec.externalName": "example.com"},
        id="service externalname",
    ),
    pytest.param(
        ("configmap", "settings", "--from-literal=a=b", "--from-literal=c=d"),
        {"data": {"a": "b", "c": "d"}},
        id="configmap",
    ),
    pytest.param(
        ("secret", "generic", "password", "--from-literal=word=swordfish"),
        {"type": "Opaque", "data": {"word": base64.b64encode(b"swordfish").decode()}},
        id="secret generic",
    ),
    pytest.param(
        (
            "secret",
            "docker-registry",
            "registry",
            "--docker-server=example.com",
            "--docker-username=me",
            "--docker-password=mine",
        ),
        {"type": "kubernetes.io/dockerconfigjson"},
        id="secret docker-registry",
    ),
    pytest.param(("serviceaccount", "robot"), {"kind": "ServiceAccount"}, id="serviceaccount"),
    pytest.param(
        ("role", "reader", "--verb=get,list", "--resource=pods,deployments.apps"),
        {"rules.0.verbs": ["get", "list"], "rules.1.apiGroups": ["apps"]},
        id="role",
    ),
    pytest.param(
        ("rolebinding", "readers", "--role=reader", "--user=ann", "--serviceaccount=x:robot"),
        {"roleRef.kind": "Role", "subjects.0.kind": "User", "subjects.1.namespace": "x"},
        id="rolebinding",
    ),
    pytest.param(
        ("quota", "limits", "--hard=cpu=1500m,pods=2"),
        {"spec.hard": {"cpu": "1500m", "pods": "2"}},
        id="quota",
    ),
    pytest.param(
        ("poddisruptionbudget", "budget", "--selector=app=web", "--min-available=50%"),
        {"spec.minAvailable": "50%", "spec.selector.matchLabels": {"app": "web"}},
        id="poddisruptionbudget",
    ),
    pytest.param(
        ("job", "once", "--image=busybox", "--", "date"),
        {
            "spec.backoffLimit": 6,
            "spec.completionMode": "NonIndexed",
            "spec.template.spec.restartPolicy": "Never",
            "spec.template.spec.containers.0.command": ["date"],
        },
        id="job",
    ),
    pytest.param(
        ("cronjob", "often", "--image=busybox", "--schedule=*/5 * * * *"),
        {"spec.concurrencyPolicy": "Allow", "spec.successfulJobsHistoryLimit": 3},
        id="cronjob",
    ),
    pytest.param(
        ("ingress", "door", "--rule=example.com/path*=web:80", "--class=nginx"),
        {
            "spec.ingressClassName": "nginx",
            "spec.rules.0.http.paths.0.pathType": "Prefix",
            "spec.rules.0.http.paths.0.backend.service.port.number": 80,
        },
        id="ingress",
    ),
]


@pytest.mark.parametrize(("arguments", "expected"), GENERATORS)
def test_generator(kubectl: Kubectl, arguments: Sequence[str], expected: dict[str, Any]) -> None:
    """What a generator makes is stored with its defaults, and named by a uid."""
    flags, separator, command = " ".join(arguments).partition(" -- ")
    del flags
    head = arguments[: arguments.index("--")] if separator else arguments
    tail = ("--", command) if separator else ()
    created = kubectl("create", *head, "-o", "json", *tail).json()
    assert created["metadata"]["uid"]
    assert created["metadata"]["namespace"] == kubectl.namespace
    assert {path: at(created, path) for path in expected} == expected


CLUSTER_GENERATORS = [
    pytest.param(("namespace",), {"status.phase": "Active"}, id="namespace"),
    pytest.param(
        ("clusterrole", "--verb=get", "--non-resource-url=/metrics"),
        {"rules.0.nonResourceURLs": ["/metrics"]},
        id="clusterrole",
    ),
    pytest.param(
        ("clusterrolebinding", "--clusterrole=view", "--group=devs"),
        {"roleRef.name": "view", "subjects.0.name": "devs"},
        id="clusterrolebinding",
    ),
    pytest.param(
        ("priorityclass", "--value=1000", "--description=matters"),
        {"value": 1000, "preemptionPolicy": "PreemptLowerPriority"},
        id="priorityclass",
    ),
]


@pytest.mark.parametrize(("arguments", "expected"), CLUSTER_GENERATORS)
def test_cluster_generator(
    kubectl: Kubectl, arguments: Sequence[str], expected: dict[str, Any]
) -> None:
    """The same for kinds outside namespaces."""
    generator, *flags = arguments
    name = f"{kubectl.namespace}-own"
    created = kubectl("create", generator, name, *flags, "-o", "json").json()
    assert created["metadata"]["uid"]
    assert "namespace" not in created["metadata"]
    assert {path: at(created, path) for path in expected} == expected


def test_tls_secret(kubectl: Kubectl, control_plane: ControlPlane, tmp_path: Path) -> None:
    """A certificate and its key become a secret of their type."""
    user = yaml.safe_load(control_plane.kubeconfig.read_text())["users"][0]["user"]
    files = []
    for name, data in (("cert", "client-certificate-data"), ("key", "client-key-data")):
        path = tmp_path / name
        path.write_bytes(base64.b64decode(user[data]))
        files.append(f"--{name}={path}")
    created = kubectl("create", "secret", "tls", "pair", *files, "-o", "json").json()
    assert created["type"] == "kubernetes.io/tls"
    assert created["data"]["tls.key"] == user["client-key-data"]


def test_configmap_from_files(kubectl: Kubectl, tmp_path: Path) -> None:
    """Text goes to data, anything else to binaryData."""
    (tmp_path / "text").write_text("grüße")
    (tmp_path / "binary").write_bytes(b"\xff\x00")
    arguments = ("configmap", "files", f"--from-file={tmp_path}")
    created = kubectl("create", *arguments, "-o", "json").json()
    assert created["data"] == {"text": "grüße"}
    assert base64.b64decode(created["binaryData"]["binary"]) == b"\xff\x00"


def test_run(kubectl: Kubectl) -> None:
    """`kubectl run` makes a pod."""
    assert kubectl("run", "web", "--image=nginx").stdout == "pod/web created\n"
    spec = kubectl("get", "pod", "web", "-o", "json").json()["spec"]
    assert spec["containers"][0]["image"] == "nginx"
    assert spec["dnsPolicy"] == "ClusterFirst"


def test_job_from_cronjob(kubectl: Kubectl) -> None:
    """A job can be made from a cron job's template, which owns it."""
    schedule = "--schedule=0 0 * * *"
    kubectl("create", "cronjob", "nightly", "--image=busybox", schedule)
    arguments = ("create", "job", "now", "--from=cronjob/nightly", "-o", "json")
    metadata = kubectl(*arguments).json()["metadata"]
    assert metadata["annotations"] == {"cronjob.kubernetes.io/instantiate": "manual"}
    assert metadata["ownerReferences"][0]["name"] == "nightly"


def test_cronjobs_are_shown(kubectl: Kubectl) -> None:
    """With their schedule, its time zone, and whether they are suspended."""
    kubectl("create", "cronjob", "nightly", "--image=busybox", "--schedule=0 0 * * *")
    change = '{"spec":{"suspend":true,"timeZone":"Europe/Paris"}}'
    kubectl("patch", "cronjob", "nightly", "-p", change)
    heading, row = kubectl("get", "cronjobs").lines
    assert heading.split()[:5] == ["NAME", "SCHEDULE", "TIMEZONE", "SUSPEND", "ACTIVE"]
    assert heading.split()[5:] == ["LAST", "SCHEDULE", "AGE"]
    assert row.split()[:-1] == [
        "nightly",
        *["0", "0", "*", "*", "*"],
        "Europe/Paris",
        "True",
        "0",
        "<none>",
    ]


def test_create_from_stdin(kubectl: Kubectl) -> None:
    """Several documents at once, each told."""
    documents = [configmap("a"), configmap("b")]
    made = kubectl("create", "-f", "-", stdin=documents)
    assert made.lines == ["configmap/a created", "configmap/b created"]


def test_create_from_a_list(kubectl: Kubectl) -> None:
    """A List is created item by item."""
    items = {"apiVersion": "v1", "kind": "List", "items": [configmap("a"), configmap("b")]}
    made = kubectl("create", "-f", "-", stdin=items)
    assert made.lines == ["configmap/a created", "configmap/b created"]


def test_create_twice(kubectl: Kubectl) -> None:
    """What exists is told by resource and name."""
    kubectl("create", "-f", "-", stdin=configmap("a"))
    refused = kubectl("create", "-f", "-", stdin=configmap("a"), status=1).stderr
    assert "(AlreadyExists)" in refused
    assert 'configmaps "a" already exists' in refused


def test_create_with_generated_name(kubectl: Kubectl) -> None:
    """generateName makes a name of its own each time."""
    nameless = configmap("")
    nameless["metadata"] = {"generateName": "made-"}
    names = {kubectl("create", "-f", "-", "-o", "name", stdin=nameless).stdout for _ in range(2)}
    assert len(names) == 2
    assert all(name.startswith("configmap/made-") for name in names)


def test_create_in_a_missing_namespace(kubectl: Kubectl) -> None:
    """A namespace that does not exist is what is not found."""
    elsewhere = kubectl.in_namespace("nowhere")
    refused = elsewhere("create", "-f", "-", stdin=configmap("a"), status=1).stderr
    assert 'namespaces "nowhere" not found' in refused


def test_dry_run_of_the_client(kubectl: Kubectl) -> None:
    """--dry-run=client makes the object and sends nothing."""
    made = kubectl("create", "deployment", "d", "--image=x", "--dry-run=client", "-o", "yaml")
    assert yaml.safe_load(made.stdout)["spec"]["replicas"] == 1
    assert kubectl("get", "deployments", "-o", "name").stdout == ""


def test_dry_run_of_the_server(kubectl: Kubectl) -> None:
    """--dry-run=server shows what would be stored, defaults included, and stores nothing."""
    made = kubectl("create", "deployment", "d", "--image=x", "--dry-run=server", "-o", "json")
    assert made.json()["spec"]["progressDeadlineSeconds"] == 600
    assert made.json()["metadata"]["uid"]
    assert kubectl("get", "deployments", "-o", "name").stdout == ""


def test_invalid_object(kubectl: Kubectl) -> None:
    """All that is wrong with an object is told, with the paths."""
    wrong = configmap("Not_A_Name", **{"a b": "c"})
    refused = kubectl("create", "-f", "-", stdin=wrong, status=1).stderr
    assert 'The ConfigMap "Not_A_Name" is invalid' in refused
    assert "metadata.name: Invalid value" in refused
    assert "data[a b]: Invalid value" in refused


def test_unknown_field(kubectl: Kubectl) -> None:
    """A field that the kind does not have is refused, for kubectl asks for strictness."""
    wrong = configmap("a")
    wrong["dat"] = {}
    refused = kubectl("create", "-f", "-", stdin=wrong, status=1).stderr
    assert 'strict decoding error: unknown field "dat"' in refused


def test_unknown_field_with_a_warning(kubectl: Kubectl) -> None:
    """--validate=warn creates it all the same and says what was dropped."""
    wrong = configmap("a")
    wrong["dat"] = {}
    made = kubectl("create", "--validate=warn", "-f", "-", stdin=wrong)
    assert made.stdout == "configmap/a created\n"
    assert 'Warning: unknown field "dat"' in made.stderr


def test_expose(kubectl: Kubectl) -> None:
    """A deployment is exposed under its selector and port."""
    kubectl("create", "deployment", "web", "--image=nginx", "--port=8080")
    arguments = ("expose", "deployment", "web", "--port=80", "--target-port=8080", "-o", "json")
    spec = kubectl(*arguments).json()["spec"]
    assert spec["selector"] == {"app": "web"}
    assert spec["ports"][0]["targetPort"] == 8080
