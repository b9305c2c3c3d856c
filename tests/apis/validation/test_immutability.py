# SPDX-License-Identifier: Apache-2.0
# ruff: noqa: E501 -- one row, one line: a table reads better unbroken
from __future__ import annotations

from typing import Any

import pytest
import roads

IMMUTABLE = "field is immutable"
STATEFUL = (
    "updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', "
    "'updateStrategy', 'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and "
    "'minReadySeconds' are forbidden"
)

# fmt: off
REFUSED = [
    pytest.param("Deployment", {"spec selector": {"matchLabels": {"app": "db"}}, "spec template metadata labels app": "db"}, 'spec.selector: Invalid value: {"matchLabels":{"app":"db"}}: ' + IMMUTABLE, id="deployment-selector"),
    pytest.param("ReplicaSet", {"spec selector": {"matchLabels": {"app": "db"}}, "spec template metadata labels app": "db"}, 'spec.selector: Invalid value: {"matchLabels":{"app":"db"}}: ' + IMMUTABLE, id="replica-set-selector"),
    pytest.param("DaemonSet", {"spec selector": {"matchLabels": {"app": "db"}}, "spec template metadata labels app": "db"}, 'spec.selector: Invalid value: {"matchLabels":{"app":"db"}}: ' + IMMUTABLE, id="daemon-set-selector"),
    pytest.param("StatefulSet", {"spec serviceName": "other"}, "spec: Forbidden: " + STATEFUL, id="stateful-set-service"),
    pytest.param("StatefulSet", {"spec podManagementPolicy": "Parallel"}, "spec: Forbidden: " + STATEFUL, id="stateful-set-pod-management"),
    pytest.param("StatefulSet", {"spec volumeClaimTemplates 0 spec resources requests storage": "2Gi"}, "spec: Forbidden: " + STATEFUL, id="stateful-set-claims"),
    pytest.param("ControllerRevision", {"data": {"a": 1}}, 'data: Invalid value: {"a":1}: ' + IMMUTABLE, id="controller-revision-data"),
    pytest.param("Job", {"spec completions": 3}, "spec.completions: Invalid value: 3: " + IMMUTABLE, id="job-completions"),
    pytest.param("Job", {"spec completionMode": "Indexed"}, 'spec.completionMode: Invalid value: "Indexed": ' + IMMUTABLE, id="job-mode"),
    pytest.param("Job", {"spec managedBy": "example.com/me"}, 'spec.managedBy: Invalid value: "example.com/me": ' + IMMUTABLE, id="job-manager"),
    pytest.param("IngressClass", {"spec controller": "example.com/other"}, 'spec.controller: Invalid value: "example.com/other": ' + IMMUTABLE, id="ingress-class-controller"),
    pytest.param("IPAddress", {"spec parentRef name": "other"}, 'spec.parentRef: Invalid value: {"resource":"services","name":"other","namespace":"default"}: ' + IMMUTABLE, id="address-parent"),
    pytest.param("ServiceCIDR", {"spec cidrs": ["10.8.0.0/24"]}, 'spec.cidrs[0]: Invalid value: "10.8.0.0/24": ' + IMMUTABLE, id="subnets"),
    pytest.param("ServiceCIDR", {"spec cidrs": ["10.8.0.0/24", "fd00::/64", "fd01::/64"]}, 'spec.cidrs: Invalid value: ["10.8.0.0/24","fd00::/64","fd01::/64"]: ' + IMMUTABLE, id="more-subnets"),
    pytest.param("EndpointSlice", {"addressType": "FQDN", "endpoints 0 addresses": ["a.b"]}, 'addressType: Invalid value: "FQDN": ' + IMMUTABLE, id="address-type"),
    pytest.param("StorageClass", {"parameters": {"a": "b"}}, "parameters: Forbidden: updates to parameters are forbidden.", id="storage-class-parameters"),
    pytest.param("StorageClass", {"provisioner": "example.com/other"}, "provisioner: Forbidden: updates to provisioner are forbidden.", id="storage-class-provisioner"),
    pytest.param("StorageClass", {"reclaimPolicy": "Retain"}, "reclaimPolicy: Forbidden: updates to reclaimPolicy are forbidden.", id="storage-class-reclaim"),
    pytest.param("StorageClass", {"volumeBindingMode": "WaitForFirstConsumer"}, 'volumeBindingMode: Invalid value: "WaitForFirstConsumer": ' + IMMUTABLE, id="storage-class-binding"),
    pytest.param("VolumeAttributesClass", {"driverName": "other.example.com"}, "driverName: Forbidden: updates to driverName are forbidden.", id="attributes-driver"),
    pytest.param("CSIDriver", {"spec attachRequired": False}, "spec.attachedRequired: Invalid value: false: " + IMMUTABLE, id="driver-attach"),
    pytest.param("CSIStorageCapacity", {"storageClassName": "slow"}, 'storageClassName: Invalid value: "slow": ' + IMMUTABLE, id="capacity-class"),
    pytest.param("PriorityClass", {"value": 7}, "value: Forbidden: may not be changed in an update.", id="priority-value"),
    pytest.param("PriorityClass", {"preemptionPolicy": "Never"}, 'preemptionPolicy: Invalid value: "Never": ' + IMMUTABLE, id="preemption"),
    pytest.param("RuntimeClass", {"handler": "runc"}, 'handler: Invalid value: "runc": ' + IMMUTABLE, id="handler"),
    pytest.param("RoleBinding", {"roleRef name": "other"}, 'roleRef: Invalid value: {"APIGroup":"rbac.authorization.k8s.io","Kind":"Role","Name":"other"}: cannot change roleRef', id="role-ref"),
    pytest.param("ResourceSlice", {"spec driver": "other.example.com"}, 'spec.driver: Invalid value: "other.example.com": ' + IMMUTABLE, id="slice-driver"),
    pytest.param("StorageVersionMigration", {"spec resource resource": "gadgets"}, 'spec: Invalid value: {"resource":{"group":"example.com","resource":"gadgets"}}: ' + IMMUTABLE, id="migration"),
    pytest.param("CustomResourceDefinition", {"spec names plural": "gadgets"}, 'spec.names.plural: Invalid value: "gadgets": ' + IMMUTABLE, id="definition-plural"),
]

ALLOWED = [
    pytest.param("Deployment", {"spec replicas": 5}, id="deployment-replicas"),
    pytest.param("StatefulSet", {"spec replicas": 5}, id="stateful-set-replicas"),
    pytest.param("StatefulSet", {"spec template metadata annotations": {"a": "b"}}, id="stateful-set-template"),
    pytest.param("StatefulSet", {"spec ordinals": {"start": 3}}, id="stateful-set-ordinals"),
    pytest.param("StatefulSet", {"spec revisionHistoryLimit": 2}, id="stateful-set-history"),
    pytest.param("Job", {"spec parallelism": 3}, id="job-parallelism"),
    pytest.param("Job", {"spec suspend": True}, id="job-suspend"),
    pytest.param("Job", {"spec activeDeadlineSeconds": 10}, id="job-deadline"),
    pytest.param("CSINode", {"spec drivers 0 allocatable": {"count": 4}}, id="node-allocatable"),
    pytest.param("CustomResourceDefinition", {"spec scope": "Cluster"}, id="scope-before-established"),
]
# fmt: on


@pytest.mark.parametrize(("kind", "changes", "message"), REFUSED)
def test_update_of_a_fixed_field_is_refused(
    kind: str, changes: dict[str, Any], message: str
) -> None:
    """What a kind fixes at creation cannot be changed by an update."""
    _, faults = roads.updated(roads.stored(kind), changes)
    assert message in roads.messages(faults)


@pytest.mark.parametrize(("kind", "changes"), ALLOWED)
def test_update_of_a_free_field_is_accepted(kind: str, changes: dict[str, Any]) -> None:
    """What a kind leaves open may change."""
    _, faults = roads.updated(roads.stored(kind), changes)
    assert roads.messages(faults) == []


def test_job_template_is_fixed_once_it_runs() -> None:
    """The template of a Job that is not suspended cannot change."""
    changes = {"spec template spec nodeSelector": {"zone": "a"}}
    _, faults = roads.updated(roads.stored("Job"), changes)
    (fault,) = faults
    assert fault.field == "spec.template"
    assert fault.body.endswith(IMMUTABLE)


def test_suspended_job_may_be_told_where_to_run() -> None:
    """Scheduling directives of a suspended Job that never started may change."""
    existing = roads.stored("Job", {"spec suspend": True})
    _, faults = roads.updated(existing, {"spec template spec nodeSelector": {"zone": "a"}})
    assert faults == []
    _, faults = roads.updated(existing, {"spec template spec containers 0 image": "other"})
    assert [fault.field for fault in faults] == ["spec.template"]


def test_indexed_job_grows_with_its_parallelism() -> None:
    """Completions of an indexed Job change in step with its parallelism, or not at all."""
    indexed = {"spec completionMode": "Indexed", "spec completions": 3, "spec parallelism": 3}
    existing = roads.stored("Job", indexed)
    _, faults = roads.updated(existing, {"spec completions": 5, "spec parallelism": 5})
    assert faults == []
    _, faults = roads.updated(existing, {"spec completions": 5})
    assert roads.messages(faults) == [
        "spec.completions: Invalid value: 5: can only be modified in tandem with spec.parallelism"
    ]


def test_claim_and_template_specs_are_fixed() -> None:
    """The spec of a resource claim, and of its template, is decided at creation."""
    for kind in ("ResourceClaim", "ResourceClaimTemplate"):
        existing = roads.stored(kind)
        _, faults = roads.updated(existing, {"spec": {}})
        assert "spec" in [fault.field for fault in faults]
        assert all(fault.body.endswith(IMMUTABLE) for fault in faults)


def test_stored_version_stays_known() -> None:
    """A version that objects were stored in cannot leave the definition."""
    existing = roads.stored("CustomResourceDefinition")
    _, faults = roads.updated(existing, {"spec versions 0 name": "v2"})
    assert [fault.field for fault in faults] == ["status.storedVersions[0]"]
    assert "v1 was previously a storage version" in faults[0].body


def test_established_definition_keeps_its_scope() -> None:
    """Once served, a definition cannot change scope or kind."""
    existing = roads.stored("CustomResourceDefinition")
    existing["status"]["conditions"] = [{"type": "Established", "status": "True"}]
    _, faults = roads.updated(existing, {"spec scope": "Cluster", "spec names kind": "Gadget"})
    assert roads.messages(faults) == [
        f'spec.scope: Invalid value: "Cluster": {IMMUTABLE}',
        f'spec.names.kind: Invalid value: "Gadget": {IMMUTABLE}',
    ]
