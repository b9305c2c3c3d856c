# SPDX-License-Identifier: Apache-2.0
"""kubectl commands that work by subresources: drain, create token, certificate, debug, scale."""

from __future__ import annotations

import base64
import json

import pytest
from cluster import Http, Kubectl, Object
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from objects import deployment, pod


def show(kubectl: Kubectl, what: str, template: str) -> str:
    return kubectl("get", *what.split("/"), "-o", f"jsonpath={{{template}}}").stdout


@pytest.fixture
def node(http: Http, namespace: str) -> str:
    name = f"node-{namespace}"
    http.create("/api/v1/nodes", {"metadata": {"name": name}})
    return name


def run(http: Http, kubectl: Kubectl, name: str, node: str, labels: dict[str, str]) -> None:
    """A Pod on the node, whose controller would replace it."""
    running = pod(name, labels)
    owner = {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "rs", "uid": "1"}
    running["metadata"]["ownerReferences"] = [{**owner, "controller": True}]
    running["spec"]["nodeName"] = node
    path = f"/api/v1/namespaces/{kubectl.namespace}/pods"
    http.create(path, running)
    ready = {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}
    assert http.patch(f"{path}/{name}/status", {"status": ready}).status == 200


def test_drain(http: Http, kubectl: Kubectl, node: str) -> None:
    """The node is cordoned, and its Pods are evicted; one with a grace period of nothing goes."""
    kubectl("create", "-f", "-", stdin=replica_set())
    run(http, kubectl, "web", node, {"app": "web"})
    drained = kubectl("drain", node, "--grace-period=0", "--force", "--timeout=20s")
    assert f"node/{node} cordoned" in drained.stdout
    assert "pod/web evicted" in drained.stdout
    assert show(kubectl, f"node/{node}", ".spec.unschedulable") == "true"
    assert kubectl("get", "pods", "-o", "name").stdout == ""


def replica_set() -> Object:
    made = deployment("rs", 0)
    return {**made, "kind": "ReplicaSet"}


def test_drain_waits_for_the_budget(http: Http, kubectl: Kubectl, node: str) -> None:
    """A Pod that the budget keeps is tried again until the time is up."""
    kubectl("create", "-f", "-", stdin=replica_set())
    run(http, kubectl, "web", node, {"app": "web"})
    kubectl("create", "pdb", "web", "--selector=app=web", "--min-available=1")
    status = {"observedGeneration": 1, "disruptionsAllowed": 0, "currentHealthy": 1}
    status |= {"desiredHealthy": 1, "expectedPods": 1}
    patch = json.dumps({"status": status})
    kubectl("patch", "pdb", "web", "--subresource=status", "--type=merge", "-p", patch)
    # Not run to its end, for kubectl looks at its clock only once in five seconds.
    with kubectl.following("drain", node, "--force") as said:
        refused = said.until(lambda line: "when evicting pods" in line)
        assert "Cannot evict pod as it would violate the pod's disruption budget." in refused
        assert "(will retry after 5s)" in refused
    assert kubectl("get", "pods", "-o", "name").stdout == "pod/web\n"


def test_create_token(kubectl: Kubectl) -> None:
    """`create token` prints a token for the audience and the time asked for."""
    kubectl("create", "serviceaccount", "robot")
    made = kubectl("create", "token", "robot", "--audience=vault", "--duration=30m").stdout
    payload = made.split(".")[1]
    claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    assert claims["sub"] == f"system:serviceaccount:{kubectl.namespace}:robot"
    assert (claims["aud"], claims["exp"] - claims["iat"]) == (["vault"], 1800)


def test_create_token_for_a_secret(kubectl: Kubectl) -> None:
    """Bound to an object, whose uid the client may demand."""
    kubectl("create", "serviceaccount", "robot")
    kubectl("create", "secret", "generic", "s")
    kubectl("create", "token", "robot", "--bound-object-kind=Secret", "--bound-object-name=s")
    arguments = ("--bound-object-kind=Secret", "--bound-object-name=s", "--bound-object-uid=x")
    refused = kubectl("create", "token", "robot", *arguments, status=1).stderr
    assert "the UID in the bound object reference (x) does not match the UID in record" in refused


def signing_request(name: str) -> Object:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "jane")])
    request = x509.CertificateSigningRequestBuilder().subject_name(subject)
    signed = request.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
    return {
        "apiVersion": "certificates.k8s.io/v1",
        "kind": "CertificateSigningRequest",
        "metadata": {"name": name},
        "spec": {
            "request": base64.b64encode(signed).decode(),
            "signerName": "kubernetes.io/kube-apiserver-client",
            "usages": ["client auth"],
        },
    }


@pytest.mark.parametrize(
    ("verb", "condition", "done"),
    [("approve", "Approved", "approved"), ("deny", "Denied", "denied")],
)
def test_certificate(kubectl: Kubectl, verb: str, condition: str, done: str) -> None:
    """`certificate approve` and `deny` set the condition, and when it was."""
    name = f"{kubectl.namespace}-{verb}"
    kubectl("create", "-f", "-", stdin=signing_request(name))
    said = kubectl("certificate", verb, name).stdout
    assert said == f"certificatesigningrequest.certificates.k8s.io/{name} {done}\n"
    template = "jsonpath={range .status.conditions[*]}{.type} {.status} {.lastUpdateTime}{end}"
    shown = kubectl("get", "csr", name, "-o", template).stdout.split()
    assert shown[:2] == [condition, "True"]
    assert shown[2].endswith("Z")


def test_approval_changes_nothing_else(http: Http, kubectl: Kubectl) -> None:
    """Through `approval` neither a spec nor a certificate comes in; a decision stays. Metadata
    does come in, as the official conformance test has it."""
    name = f"{kubectl.namespace}-csr"
    kubectl("create", "-f", "-", stdin=signing_request(name))
    path = f"/apis/certificates.k8s.io/v1/certificatesigningrequests/{name}"
    approved = {"type": "Approved", "status": "True", "reason": "Test"}
    patch = {"status": {"conditions": [approved], "certificate": "YQ=="}}
    before = http.get(path).json()["spec"]
    other = {"metadata": {"labels": {"a": "b"}}, "spec": {"signerName": "example.com/other"}}
    answer = http.patch(f"{path}/approval", {**other, **patch})
    assert answer.status == 200
    found = http.get(f"{path}/approval").json()
    assert found["spec"] == before
    assert found["metadata"]["labels"] == {"a": "b"}
    assert "certificate" not in found["status"]
    refused = http.patch(f"{path}/approval", {"status": {"conditions": []}})
    assert refused.status == 422
    denied = http.patch(
        f"{path}/status",
        {"status": {"conditions": [approved, {"type": "Denied", "status": "True"}]}},
    )
    assert denied.status == 422


def test_debug(kubectl: Kubectl) -> None:
    """`debug` adds an ephemeral container to a Pod that is there."""
    kubectl("create", "-f", "-", stdin=pod("web"))
    kubectl("debug", "web", "--image=busybox", "--container=look", "--attach=false")
    assert show(kubectl, "pod/web", ".spec.ephemeralContainers[*].name") == "look"


def test_resize(kubectl: Kubectl) -> None:
    """Resources of a Pod change through `resize`, and nothing else does."""
    sized = pod("web")
    sized["spec"]["containers"][0]["resources"] = {"requests": {"cpu": "100m"}}
    kubectl("create", "-f", "-", stdin=sized)
    change = {"name": "main", "resources": {"requests": {"cpu": "200m"}}, "image": "other"}
    patch = json.dumps({"spec": {"containers": [change]}})
    kubectl("patch", "pod", "web", "--subresource=resize", "-p", patch)
    assert show(kubectl, "pod/web", ".spec.containers[0].resources.requests.cpu") == "200m"
    assert show(kubectl, "pod/web", ".spec.containers[0].image") == "nginx:1.27"


@pytest.mark.parametrize("kind", ["Deployment", "ReplicaSet", "StatefulSet"])
def test_scale(http: Http, kubectl: Kubectl, kind: str) -> None:
    """`scale` sets the count of each scalable kind of apps."""
    made = {**deployment("web"), "kind": kind}
    if kind == "StatefulSet":
        made["spec"]["serviceName"] = "web"
    kubectl("create", "-f", "-", stdin=made)
    what = kind.lower()
    kubectl("scale", what, "web", "--replicas=3", "--current-replicas=1")
    assert show(kubectl, f"{what}/web", ".spec.replicas") == "3"
    path = f"/apis/apps/v1/namespaces/{kubectl.namespace}/{what}s/web/scale"
    shown = http.get(path).json()
    assert (shown["kind"], shown["apiVersion"], shown["spec"]) == (
        "Scale",
        "autoscaling/v1",
        {"replicas": 3},
    )
    assert shown["status"]["selector"] == "app=web"


def test_scale_a_replication_controller(http: Http, kubectl: Kubectl) -> None:
    """Its selector is a plain map, and Scale shows it as text all the same."""
    template = {"metadata": {"labels": {"app": "web"}}, "spec": pod("web")["spec"]}
    spec = {"replicas": 1, "selector": {"app": "web"}, "template": template}
    made = {"apiVersion": "v1", "kind": "ReplicationController", "metadata": {"name": "web"}}
    kubectl("create", "-f", "-", stdin={**made, "spec": spec})
    kubectl("scale", "rc", "web", "--replicas=2")
    path = f"/api/v1/namespaces/{kubectl.namespace}/replicationcontrollers/web/scale"
    shown = http.get(path).json()
    assert (shown["spec"], shown["status"]["selector"]) == ({"replicas": 2}, "app=web")


def test_namespace_finalize_and_status(http: Http, namespace: str) -> None:
    """`finalize` changes the finalizers alone, `status` the status."""
    path = f"/api/v1/namespaces/{namespace}"
    found = http.get(path).json()
    found["spec"]["finalizers"] = ["kubernetes", "example.com/more"]
    assert http("PUT", f"{path}/finalize", found).status == 200
    condition = {"type": "NamespaceContentRemaining", "status": "True"}
    assert http.patch(f"{path}/status", {"status": {"conditions": [condition]}}).status == 200
    found = http.get(path).json()
    assert found["spec"]["finalizers"] == ["kubernetes", "example.com/more"]
    assert found["status"]["conditions"][0]["type"] == "NamespaceContentRemaining"
    assert http.get(f"{path}/finalize").status == 405
    found["spec"]["finalizers"] = ["kubernetes"]
    assert http("PUT", f"{path}/finalize", found).status == 200
