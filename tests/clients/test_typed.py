# SPDX-License-Identifier: Apache-2.0
"""The official Python client's typed classes: create, read, replace, patch, list, delete."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import Any

import kubernetes.client as k8s
import pytest
from kubernetes.client import ApiClient, ApiException
from objects import Object, configmap, deployment, pod, service


@dataclass(frozen=True)
class Kind:
    """A namespaced kind: its API class, the word in its methods' names, and a valid body."""

    api: type
    word: str
    body: Object


RULES = [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}]
TEMPLATE = {"metadata": {"labels": {"app": "a"}}, "spec": pod("a")["spec"]}
JOB = {"template": {"spec": {**pod("a")["spec"], "restartPolicy": "Never"}}}
WORKLOAD = {"selector": {"matchLabels": {"app": "a"}}, "template": TEMPLATE}
SCALED = {"scaleTargetRef": {"kind": "Deployment", "name": "a"}, "maxReplicas": 2}


def body(**parts: Any) -> Object:
    return {"metadata": {"name": "a"}, **parts}


KINDS = [
    Kind(k8s.CoreV1Api, "config_map", configmap("a", x="1")),
    Kind(k8s.CoreV1Api, "secret", body(data={"x": "MQ=="})),
    Kind(k8s.CoreV1Api, "service", service("a")),
    Kind(k8s.CoreV1Api, "pod", pod("a")),
    Kind(k8s.CoreV1Api, "service_account", body()),
    Kind(k8s.CoreV1Api, "endpoints", body()),
    Kind(k8s.CoreV1Api, "limit_range", body(spec={"limits": []})),
    Kind(k8s.CoreV1Api, "resource_quota", body(spec={"hard": {"pods": "9"}})),
    Kind(k8s.CoreV1Api, "pod_template", body(template=TEMPLATE)),
    Kind(
        k8s.CoreV1Api,
        "replication_controller",
        body(spec={"selector": {"app": "a"}, "template": TEMPLATE}),
    ),
    Kind(
        k8s.CoreV1Api,
        "persistent_volume_claim",
        body(
            spec={
                "accessModes": ["ReadWriteOnce"],
                "resources": {"requests": {"storage": "1Gi"}},
            }
        ),
    ),
    Kind(k8s.AppsV1Api, "deployment", deployment("a")),
    Kind(k8s.AppsV1Api, "replica_set", body(spec=WORKLOAD)),
    Kind(k8s.AppsV1Api, "daemon_set", body(spec=WORKLOAD)),
    Kind(k8s.AppsV1Api, "stateful_set", body(spec={**WORKLOAD, "serviceName": "a"})),
    Kind(k8s.AppsV1Api, "controller_revision", body(revision=1, data={"x": 1})),
    Kind(k8s.BatchV1Api, "job", body(spec=JOB)),
    Kind(
        k8s.BatchV1Api, "cron_job", body(spec={"schedule": "@daily", "jobTemplate": {"spec": JOB}})
    ),
    Kind(
        k8s.NetworkingV1Api,
        "ingress",
        body(spec={"defaultBackend": {"service": {"name": "a", "port": {"number": 80}}}}),
    ),
    Kind(k8s.NetworkingV1Api, "network_policy", body(spec={"podSelector": {}})),
    Kind(k8s.RbacAuthorizationV1Api, "role", body(rules=RULES)),
    Kind(
        k8s.RbacAuthorizationV1Api,
        "role_binding",
        body(
            roleRef={"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "a"},
            subjects=[{"kind": "User", "name": "a", "apiGroup": "rbac.authorization.k8s.io"}],
        ),
    ),
    Kind(k8s.PolicyV1Api, "pod_disruption_budget", body(spec={"minAvailable": 1})),
    Kind(k8s.AutoscalingV2Api, "horizontal_pod_autoscaler", body(spec=SCALED)),
    Kind(k8s.AutoscalingV1Api, "horizontal_pod_autoscaler", body(spec=SCALED)),
    Kind(k8s.CoordinationV1Api, "lease", body(spec={"holderIdentity": "me"})),
    Kind(k8s.DiscoveryV1Api, "endpoint_slice", body(addressType="IPv4", endpoints=[])),
]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: f"{kind.api.__name__}-{kind.word}")
def test_life_of_an_object(api: ApiClient, namespace: str, kind: Kind) -> None:
    """Each verb answers what the client's models can hold."""
    client = kind.api(api)

    def call(verb: str, *arguments: Any, **named: Any) -> Any:
        return getattr(client, f"{verb}_namespaced_{kind.word}")(*arguments, **named)

    created = call("create", namespace, kind.body)
    assert created.metadata.name == "a"
    assert created.metadata.uid
    read = call("read", "a", namespace)
    assert read == created
    read.metadata.labels = {**(read.metadata.labels or {}), "new": "label"}
    replaced = call("replace", "a", namespace, read)
    assert replaced.metadata.labels["new"] == "label"
    patched = call("patch", "a", namespace, {"metadata": {"annotations": {"x": "y"}}})
    assert patched.metadata.annotations["x"] == "y"
    listed = call("list", namespace, label_selector="new=label")
    assert [item.metadata.name for item in listed.items] == ["a"]
    # Jobs and ReplicationControllers are orphaned unless told otherwise, and then stay until the
    # garbage collector has seen to their dependents.
    call("delete", "a", namespace, propagation_policy="Background")
    with pytest.raises(ApiException) as gone:
        call("read", "a", namespace)
    assert (gone.value.status, gone.value.reason) == (404, "Not Found")


CLUSTER_KINDS = [
    Kind(k8s.CoreV1Api, "namespace", body()),
    Kind(k8s.CoreV1Api, "node", body()),
    Kind(
        k8s.CoreV1Api,
        "persistent_volume",
        body(
            spec={
                "capacity": {"storage": "1Gi"},
                "accessModes": ["ReadWriteOnce"],
                "hostPath": {"path": "/a"},
            }
        ),
    ),
    Kind(k8s.RbacAuthorizationV1Api, "cluster_role", body(rules=RULES)),
    Kind(k8s.StorageV1Api, "storage_class", body(provisioner="example.com/a")),
    Kind(k8s.SchedulingV1Api, "priority_class", body(value=7)),
    Kind(k8s.NetworkingV1Api, "ingress_class", body(spec={"controller": "example.com/a"})),
    Kind(k8s.NodeV1Api, "runtime_class", body(handler="a")),
    Kind(k8s.StorageV1Api, "csi_driver", body(spec={})),
]


@pytest.mark.parametrize("kind", CLUSTER_KINDS, ids=lambda kind: kind.word)
def test_life_of_an_object_outside_namespaces(api: ApiClient, namespace: str, kind: Kind) -> None:
    """The same for kinds that no namespace holds."""
    client = kind.api(api)
    name = f"{namespace}-own"
    made = getattr(client, f"create_{kind.word}")({**kind.body, "metadata": {"name": name}})
    assert made.metadata.namespace is None
    read = getattr(client, f"read_{kind.word}")(name)
    assert read == made
    patch = {"metadata": {"labels": {"own": namespace}}}
    assert getattr(client, f"patch_{kind.word}")(name, patch).metadata.labels["own"] == namespace
    listed = getattr(client, f"list_{kind.word}")(label_selector=f"own={namespace}")
    assert [item.metadata.name for item in listed.items] == [name]
    getattr(client, f"delete_{kind.word}")(name)


def test_model_objects(api: ApiClient, namespace: str) -> None:
    """What the client's own models serialise is understood, and comes back as models."""
    container = k8s.V1Container(
        name="main",
        image="nginx",
        ports=[k8s.V1ContainerPort(container_port=80)],
        resources=k8s.V1ResourceRequirements(limits={"cpu": "500m"}),
        liveness_probe=k8s.V1Probe(http_get=k8s.V1HTTPGetAction(path="/", port=80)),
    )
    made = k8s.CoreV1Api(api).create_namespaced_pod(
        namespace,
        k8s.V1Pod(metadata=k8s.V1ObjectMeta(name="a"), spec=k8s.V1PodSpec(containers=[container])),
    )
    assert isinstance(made, k8s.V1Pod)
    assert made.spec.containers[0].liveness_probe.period_seconds == 10
    assert made.spec.restart_policy == "Always"
    assert made.metadata.creation_timestamp.tzinfo is not None


@pytest.mark.parametrize(
    ("media_type", "patch", "images"),
    [
        pytest.param(
            "application/json-patch+json",
            [{"op": "replace", "path": "/spec/template/spec/containers/0/image", "value": "x"}],
            ["x"],
            id="json",
        ),
        pytest.param(
            "application/merge-patch+json",
            {"spec": {"template": {"spec": {"containers": [{"name": "b", "image": "x"}]}}}},
            ["x"],
            id="merge",
        ),
        pytest.param(
            "application/strategic-merge-patch+json",
            {"spec": {"template": {"spec": {"containers": [{"name": "b", "image": "x"}]}}}},
            ["x", "nginx:1.27"],
            id="strategic",
        ),
    ],
)
def test_patch_types(
    api: ApiClient, namespace: str, media_type: str, patch: Any, images: list[str]
) -> None:
    """Each kind of patch by its content type."""
    client = k8s.AppsV1Api(api)
    client.create_namespaced_deployment(namespace, deployment("a"))
    patched = client.patch_namespaced_deployment("a", namespace, patch, _content_type=media_type)
    assert sorted(c.image for c in patched.spec.template.spec.containers) == sorted(images)


def test_patch_body_decides(api: ApiClient, namespace: str) -> None:
    """Without a content type, a list goes as a JSON patch and a dict as a strategic one."""
    client = k8s.CoreV1Api(api)
    client.create_namespaced_config_map(namespace, configmap("a", x="1", y="2"))
    operations = [{"op": "remove", "path": "/data/x"}]
    assert client.patch_namespaced_config_map("a", namespace, operations).data == {"y": "2"}
    assert client.patch_namespaced_config_map("a", namespace, {"data": {"z": "3"}}).data == {
        "y": "2",
        "z": "3",
    }


def test_status_and_scale(api: ApiClient, namespace: str) -> None:
    """Both subresources have calls of their own."""
    client = k8s.AppsV1Api(api)
    client.create_namespaced_deployment(namespace, deployment("a"))
    status = {"status": {"replicas": 1, "observedGeneration": 1}}
    patched = client.patch_namespaced_deployment_status("a", namespace, status)
    assert (patched.status.replicas, patched.spec.replicas) == (1, 1)
    scale = client.read_namespaced_deployment_scale("a", namespace)
    scale.spec.replicas = 4
    scaled = client.replace_namespaced_deployment_scale("a", namespace, scale)
    assert isinstance(scaled, k8s.V1Scale)
    assert client.read_namespaced_deployment("a", namespace).spec.replicas == 4


def test_pages(api: ApiClient, namespace: str) -> None:
    """limit and continue walk through a list."""
    client = k8s.CoreV1Api(api)
    for name in "abcde":
        client.create_namespaced_config_map(namespace, configmap(name))
    names, token = [], None
    while token != "":
        page = client.list_namespaced_config_map(namespace, limit=2, _continue=token)
        names.append("".join(item.metadata.name for item in page.items))
        token = page.metadata._continue or ""
    assert names == ["ab", "cd", "e"]


def test_delete_collection(api: ApiClient, namespace: str) -> None:
    """By selector."""
    client = k8s.CoreV1Api(api)
    for name in "ab":
        client.create_namespaced_config_map(namespace, configmap(name, {"name": name}))
    client.delete_collection_namespaced_config_map(namespace, label_selector="name=a")
    left = client.list_namespaced_config_map(namespace).items
    assert [item.metadata.name for item in left] == ["b"]


def test_delete_options(api: ApiClient, namespace: str) -> None:
    """Options as a model in the body."""
    client = k8s.CoreV1Api(api)
    client.create_namespaced_config_map(namespace, configmap("a"))
    options = k8s.V1DeleteOptions(preconditions=k8s.V1Preconditions(uid="other"))
    with pytest.raises(ApiException) as refused:
        client.delete_namespaced_config_map("a", namespace, body=options)
    assert refused.value.status == 409


@pytest.mark.parametrize(
    ("obj", "status", "reason"),
    [
        pytest.param(configmap("taken"), 409, "AlreadyExists", id="exists"),
        pytest.param(configmap("Not_A_Name"), 422, "Invalid", id="invalid"),
        pytest.param({"kind": "Secret", **body()}, 400, "BadRequest", id="kind"),
    ],
)
def test_errors(api: ApiClient, namespace: str, obj: Object, status: int, reason: str) -> None:
    """An ApiException carries the code, and the Status in its body."""
    client = k8s.CoreV1Api(api)
    client.create_namespaced_config_map(namespace, configmap("taken"))
    with pytest.raises(ApiException) as refused:
        client.create_namespaced_config_map(namespace, obj)
    assert refused.value.status == status
    assert f'"reason":"{reason}"' in refused.value.body


def test_binary_data(api: ApiClient, namespace: str) -> None:
    """Bytes survive as base64."""
    client = k8s.CoreV1Api(api)
    data = base64.b64encode(bytes(range(256))).decode()
    secret = k8s.V1Secret(metadata=k8s.V1ObjectMeta(name="a"), data={"x": data})
    client.create_namespaced_secret(namespace, secret)
    assert client.read_namespaced_secret("a", namespace).data == {"x": data}


def test_reviews(api: ApiClient) -> None:
    """Who am I, and may I."""
    me = k8s.AuthenticationV1Api(api).create_self_subject_review({})
    assert "system:masters" in me.status.user_info.groups
    attributes = {"verb": "get", "resource": "pods"}
    asked = {"spec": {"resourceAttributes": attributes}}
    answer = k8s.AuthorizationV1Api(api).create_self_subject_access_review(asked)
    assert answer.status.allowed


def test_version_and_groups(api: ApiClient) -> None:
    """The discovery calls of the client."""
    assert k8s.VersionApi(api).get_code().git_version == "v1.37.0+pyk8s"
    groups = k8s.ApisApi(api).get_api_versions().groups
    apps = next(group for group in groups if group.name == "apps")
    assert apps.preferred_version.group_version == "apps/v1"
    resources = k8s.CoreV1Api(api).get_api_resources().resources
    assert {"pods", "pods/status"} <= {resource.name for resource in resources}
