# SPDX-License-Identifier: Apache-2.0
"""The official tests that go through every verb of a resource."""

from __future__ import annotations

import base64
import datetime

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from conformance import steps
from conformance.client import Client, Object
from conformance.steps import Operations

CONDITION = {
    "type": "Tested",
    "status": "True",
    "reason": "Test",
    "message": "set by a test",
    "lastTransitionTime": "2026-01-02T03:04:05Z",
}


def test_flow_schemas(client: Client, namespace: str) -> None:
    """[sig-api-machinery] API priority and fairness should support FlowSchema API operations
    [Conformance]"""
    version = "flowcontrol.apiserver.k8s.io/v1"
    steps.in_discovery(client, version, "flowschemas", "flowschemas/status")
    schemas = client.resource(version, "flowschemas")
    rule = {
        "subjects": [{"kind": "User", "user": {"name": "example-e2e-non-existent-user"}}],
        "nonResourceRules": [{"verbs": ["*"], "nonResourceURLs": ["*"]}],
    }
    template = {
        "spec": {
            "matchingPrecedence": 10000,
            "priorityLevelConfiguration": {"name": "global-default"},
            "distinguisherMethod": {"type": "ByUser"},
            "rules": [rule],
        }
    }
    steps.support_operations(
        schemas,
        namespace,
        Operations(
            template=template,
            patch={"spec": {"matchingPrecedence": 9999}},
            edit=lambda obj: obj["spec"].update(matchingPrecedence=9998),
        ),
    )
    made = schemas.create({"metadata": {"generateName": "conformance-"}, **template})
    condition = {**CONDITION, "type": "Dangling", "status": "False"}
    later = {**condition, "message": "set by an update"}
    steps.support_status(schemas, made, {"conditions": [condition]}, {"conditions": [later]})
    schemas.delete(made["metadata"]["name"])


def test_priority_levels(client: Client, namespace: str) -> None:
    """[sig-api-machinery] API priority and fairness should support PriorityLevelConfiguration API
    operations [Conformance]"""
    version, plural = "flowcontrol.apiserver.k8s.io/v1", "prioritylevelconfigurations"
    steps.in_discovery(client, version, plural, f"{plural}/status")
    levels = client.resource(version, plural)
    template = {
        "spec": {
            "type": "Limited",
            "limited": {"nominalConcurrencyShares": 2, "limitResponse": {"type": "Reject"}},
        }
    }
    steps.support_operations(
        levels,
        namespace,
        Operations(
            template=template,
            patch={"spec": {"limited": {"nominalConcurrencyShares": 4}}},
            edit=lambda obj: obj["spec"]["limited"].update(nominalConcurrencyShares=6),
        ),
    )
    made = levels.create({"metadata": {"generateName": "conformance-"}, **template})
    later = {**CONDITION, "message": "set by an update"}
    steps.support_status(levels, made, {"conditions": [CONDITION]}, {"conditions": [later]})
    levels.delete(made["metadata"]["name"])


def _policy_rules() -> Object:
    rule = {
        "operations": ["CREATE"],
        "apiGroups": ["apps"],
        "apiVersions": ["v1"],
        "resources": ["deployments"],
    }
    # Matches no namespace there is, so that it stands in nobody's way.
    selector = {"matchLabels": {"conformance-no-such-namespace": "true"}}
    return {"resourceRules": [rule], "namespaceSelector": selector}


def test_mutating_admission_policies(client: Client, namespace: str) -> None:
    """[sig-api-machinery] MutatingAdmissionPolicy [Privileged:ClusterAdmin] should support
    MutatingAdmissionPolicy API operations [Conformance]"""
    version, plural = "admissionregistration.k8s.io/v1", "mutatingadmissionpolicies"
    steps.in_discovery(client, version, plural)
    expression = 'Object{metadata: Object.metadata{annotations: {"my-foo-annotation": "value"}}}'
    mutation = {
        "patchType": "ApplyConfiguration",
        "applyConfiguration": {"expression": expression},
    }
    template = {
        "spec": {
            "matchConstraints": _policy_rules(),
            "mutations": [mutation],
            "reinvocationPolicy": "Never",
        }
    }
    steps.support_operations(
        client.resource(version, plural),
        namespace,
        Operations(
            template=template,
            patch={"spec": {"failurePolicy": "Ignore"}},
            edit=lambda obj: obj["spec"].update(failurePolicy="Fail"),
        ),
    )


def test_mutating_admission_policy_bindings(client: Client, namespace: str) -> None:
    """[sig-api-machinery] MutatingAdmissionPolicy [Privileged:ClusterAdmin] should support
    MutatingAdmissionPolicyBinding API operations [Conformance]"""
    version, plural = "admissionregistration.k8s.io/v1", "mutatingadmissionpolicybindings"
    steps.in_discovery(client, version, plural)
    template = {"spec": {"policyName": "replicalimit-policy.example.com"}}
    bindings = client.resource(version, plural)
    steps.support_operations(bindings, namespace, Operations(template=template))


def test_validating_admission_policies(client: Client, namespace: str) -> None:
    """[sig-api-machinery] ValidatingAdmissionPolicy [Privileged:ClusterAdmin] should support
    ValidatingAdmissionPolicy API operations [Conformance]"""
    version, plural = "admissionregistration.k8s.io/v1", "validatingadmissionpolicies"
    steps.in_discovery(client, version, plural, f"{plural}/status")
    policies = client.resource(version, plural)
    validation = {"expression": "object.spec.replicas <= 100", "message": "too many"}
    template = {
        "spec": {"matchConstraints": _policy_rules(), "validations": [validation]},
    }
    steps.support_operations(
        policies,
        namespace,
        Operations(
            template=template,
            patch={"spec": {"failurePolicy": "Ignore"}},
            edit=lambda obj: obj["spec"].update(failurePolicy="Fail"),
        ),
    )
    made = policies.create({"metadata": {"generateName": "conformance-"}, **template})
    later = {**CONDITION, "message": "set by an update"}
    steps.support_status(policies, made, {"conditions": [CONDITION]}, {"conditions": [later]})
    policies.delete(made["metadata"]["name"])


def test_validating_admission_policy_bindings(client: Client, namespace: str) -> None:
    """[sig-api-machinery] ValidatingAdmissionPolicy [Privileged:ClusterAdmin] should support
    ValidatingAdmissionPolicyBinding API operations [Conformance]"""
    version, plural = "admissionregistration.k8s.io/v1", "validatingadmissionpolicybindings"
    steps.in_discovery(client, version, plural)
    template = {
        "spec": {"policyName": "replicalimit-policy.example.com", "validationActions": ["Deny"]}
    }
    bindings = client.resource(version, plural)
    steps.support_operations(bindings, namespace, Operations(template=template))


def test_cron_jobs(client: Client, namespace: str) -> None:
    """[sig-apps] CronJob should support CronJob API operations [Conformance]"""
    steps.in_discovery(client, "batch/v1", "cronjobs", "cronjobs/status")
    jobs = client.resource("batch/v1", "cronjobs", namespace)
    pod = {"restartPolicy": "OnFailure", "containers": [{"name": "c", "image": "busybox"}]}
    # Suspended, so that no controller starts anything.
    spec = {
        "schedule": "*/1 * * * ?",
        "suspend": True,
        "concurrencyPolicy": "Allow",
        "jobTemplate": {"spec": {"template": {"spec": pod}}},
    }
    made = jobs.create({"metadata": {"generateName": "conformance-"}, "spec": spec})
    # Past times: a controller reads them, and finds nothing that it missed.
    steps.support_status(
        jobs,
        made,
        {"lastScheduleTime": _hours_ago(2)},
        {"lastScheduleTime": _hours_ago(1)},
    )
    jobs.delete(made["metadata"]["name"])
    steps.support_operations(jobs, namespace, Operations(template={"spec": spec}))


def _hours_ago(hours: int) -> str:
    moment = datetime.datetime.now(datetime.UTC) - datetime.timedelta(hours=hours)
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def test_certificate_signing_requests(client: Client, namespace: str) -> None:
    """[sig-auth] Certificates API [Privileged:ClusterAdmin] should support CSR API operations
    [Conformance]"""
    version, plural = "certificates.k8s.io/v1", "certificatesigningrequests"
    steps.in_discovery(client, version, plural, f"{plural}/approval", f"{plural}/status")
    requests = client.resource(version, plural)
    spec = {
        "request": base64.b64encode(_certificate_request()).decode(),
        "signerName": "example.com/e2e-" + namespace,
        "expirationSeconds": 3600,
        "usages": ["digital signature", "key encipherment", "server auth"],
    }
    made = requests.create({"metadata": {"generateName": "conformance-"}, "spec": spec})
    name = made["metadata"]["name"]

    approval = requests.subresource("approval")
    found = approval.get(name)
    assert (found["kind"], found["metadata"]["uid"]) == (made["kind"], made["metadata"]["uid"])
    patched = approval.patch(
        name,
        {
            "metadata": {"annotations": {"patchedapproval": "true"}},
            "status": {"conditions": [_condition("ApprovalPatch")]},
        },
    )
    assert _types(patched) == ["ApprovalPatch"]
    assert patched["metadata"]["annotations"]["patchedapproval"] == "true"
    patched["status"]["conditions"].append(_condition("Approved"))
    approved = approval.update(patched)
    assert _types(approved) == ["ApprovalPatch", "Approved"]

    found = requests.status.get(name)
    assert (found["kind"], found["metadata"]["uid"]) == (made["kind"], made["metadata"]["uid"])
    certificate = base64.b64encode(_certificate()).decode()
    issued = requests.status.patch(
        name,
        {
            "metadata": {"annotations": {"patchedstatus": "true"}},
            "status": {"certificate": certificate},
        },
    )
    assert issued["status"]["certificate"] == certificate
    assert issued["metadata"]["annotations"]["patchedstatus"] == "true"
    issued["status"]["conditions"].append(_condition("StatusUpdate"))
    updated = requests.status.update(issued)
    assert _types(updated) == ["ApprovalPatch", "Approved", "StatusUpdate"]
    by_signer = requests.names(field_selector=f"spec.signerName={spec['signerName']}")
    assert by_signer == [name]
    requests.delete(name)
    steps.support_operations(requests, namespace, Operations(template={"spec": spec}))


def _condition(kind: str) -> Object:
    return {"type": kind, "status": "True", "reason": "E2E", "message": "Set from a test"}


def _types(request: Object) -> list[str]:
    return [condition["type"] for condition in request["status"]["conditions"]]


def _certificate_request() -> bytes:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "conformance")])
    builder = x509.CertificateSigningRequestBuilder().subject_name(subject)
    return builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def _certificate() -> bytes:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "conformance")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now)
        .not_valid_after(now + datetime.timedelta(hours=1))
        .sign(key, hashes.SHA256())
    )
    return certificate.public_bytes(serialization.Encoding.PEM)


def test_endpoint_slices(client: Client, namespace: str) -> None:
    """[sig-network] EndpointSlice should support creating EndpointSlice API operations
    [Conformance]"""
    version = "discovery.k8s.io/v1"
    steps.in_discovery(client, version, "endpointslices")
    template = {
        "addressType": "IPv4",
        "endpoints": [
            {"addresses": ["1.2.3.4", "5.6.7.8"]},
            {"addresses": ["2.2.3.4", "6.6.7.8"]},
        ],
    }
    slices = client.resource(version, "endpointslices", namespace)
    steps.support_operations(slices, namespace, Operations(template=template))


def test_ingresses(client: Client, namespace: str) -> None:
    """[sig-network] Ingress API should support creating Ingress API operations [Conformance]"""
    version = "networking.k8s.io/v1"
    steps.in_discovery(client, version, "ingresses", "ingresses/status")
    ingresses = client.resource(version, "ingresses", namespace)
    backend = {"service": {"name": "default-backend", "port": {"name": "", "number": 8080}}}
    path = {"path": "/", "pathType": "ImplementationSpecific", "backend": backend}
    spec = {
        "defaultBackend": backend,
        "rules": [{"host": "foo.bar.com", "http": {"paths": [path]}}],
    }
    steps.support_operations(ingresses, namespace, Operations(template={"spec": spec}))
    made = ingresses.create({"metadata": {"generateName": "conformance-"}, "spec": spec})
    updated = steps.support_status(
        ingresses,
        made,
        {"loadBalancer": {"ingress": [{"ip": "169.1.1.1"}]}},
        {"loadBalancer": {"ingress": [{"ip": "169.1.1.2"}]}},
    )
    assert updated["metadata"]["annotations"]["patchedstatus"] == "true"
    ingresses.delete(made["metadata"]["name"])


def test_ingress_classes(client: Client, namespace: str) -> None:
    """[sig-network] IngressClass API should support creating IngressClass API operations
    [Conformance]"""
    version = "networking.k8s.io/v1"
    steps.in_discovery(client, version, "ingressclasses")
    template = {"spec": {"controller": "example.com/controller"}}
    classes = client.resource(version, "ingressclasses")
    steps.support_operations(classes, namespace, Operations(template=template))


def test_runtime_classes(client: Client, namespace: str) -> None:
    """[sig-node] RuntimeClass should support RuntimeClasses API operations [Conformance]"""
    version = "node.k8s.io/v1"
    steps.in_discovery(client, version, "runtimeclasses")
    template = {"handler": "test-runtime-class-handler"}
    classes = client.resource(version, "runtimeclasses")
    with_name = {"metadata": {"name": f"conformance-{namespace}"}, **template}
    made = classes.create(with_name)
    classes.delete(made["metadata"]["name"])
    steps.support_operations(classes, namespace, Operations(template=template))


def test_csi_storage_capacities(client: Client, namespace: str) -> None:
    """[sig-storage] CSIStorageCapacity should support CSIStorageCapacities API operations
    [Conformance]"""
    version = "storage.k8s.io/v1"
    steps.in_discovery(client, version, "csistoragecapacities")
    template = {
        "storageClassName": "example-storage-class",
        "nodeTopology": {"matchLabels": {"conformance": "yes"}},
        "capacity": "1Gi",
    }
    capacities = client.resource(version, "csistoragecapacities", namespace)
    steps.support_operations(capacities, namespace, Operations(template=template))
