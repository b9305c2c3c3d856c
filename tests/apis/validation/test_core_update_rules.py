# SPDX-License-Identifier: Apache-2.0
# ruff: noqa: E501 -- one row, one line: a table reads better unbroken
from __future__ import annotations

import pytest
import rejections
from rejections import GONE
from test_core_rules import KINDS
from test_pod_rules import POD

from pyk8s.apis.defaults import core as defaults
from pyk8s.apis.validation import (
    configuration,
    controllers,
    events,
    meta,
    namespaces,
    nodes,
    pod_resize,
    pod_updates,
    quotas,
    services,
    storage,
)

FROZEN = "field is immutable when `immutable` is set"
FIXED = "field is immutable"
CHANGED = "may not change once set"
POD_UPDATE = (
    "spec: Forbidden: pod updates may not change fields other than `spec.containers[*].image`,"
    "`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only "
    "additions to existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set "
    "to 1 if it was previously negative)"
)
CLAIM = (
    "spec: Forbidden: spec is immutable after creation except resources.requests and "
    "volumeAttributesClassName for bound claims"
)
C = "spec containers 0"


def _objects(kind, stored, changes):
    base = POD if kind == "Pod" else KINDS[kind][0]
    existing = rejections.changed({"apiVersion": "v1", "kind": kind, **base}, stored)
    default = defaults.default_pod if kind == "Pod" else KINDS[kind][1]
    default(existing)
    updated = rejections.changed(existing, changes)
    default(updated)
    return updated, existing


def _event_update(updated, existing):
    return events.validate_event_update(updated, existing, strict=True)


UPDATES = {
    "Pod": pod_updates.validate_pod_update,
    "Pod/status": pod_updates.validate_pod_status_update,
    "Pod/ephemeralcontainers": pod_updates.validate_ephemeral_containers_update,
    "Pod/resize": pod_resize.validate_pod_resize,
    "Service": services.validate_service_update,
    "Service/status": services.validate_service_status_update,
    "ConfigMap": configuration.validate_config_map_update,
    "Secret": configuration.validate_secret_update,
    "Namespace": namespaces.validate_namespace_update,
    "Namespace/status": namespaces.validate_namespace_status_update,
    "Node": nodes.validate_node_update,
    "ResourceQuota": quotas.validate_resource_quota_update,
    "PersistentVolume": storage.validate_volume_update,
    "PersistentVolumeClaim": storage.validate_claim_update,
    "ReplicationController/status": controllers.validate_replication_controller_status_update,
    "Event": _event_update,
}
BOUND = {"status": {"phase": "Bound", "capacity": {"storage": "1Gi"}}}
IPS = {"spec clusterIP": "10.0.0.1", "spec clusterIPs": ["10.0.0.1"]}
DUAL = {
    "spec clusterIP": "10.0.0.1",
    "spec clusterIPs": ["10.0.0.1", "fd00::1"],
    "spec ipFamilies": ["IPv4", "IPv6"],
}
ENDED = {
    "spec restartPolicy": "Never",
    "status": {"containerStatuses": [{"name": "main", "state": {"terminated": {"exitCode": 0}}}]},
}

# what, stored changes, changes of the update, sentences
ROWS = [
    # metadata, the same for every kind
    ("ConfigMap", "name", {}, {"metadata name": "y"}, f'metadata.name: Invalid value: "y": {FIXED}'),
    ("ConfigMap", "uid", {"metadata uid": "u"}, {"metadata uid": "v"}, f'metadata.uid: Invalid value: "v": {FIXED}'),
    ("ConfigMap", "generation", {"metadata generation": 2}, {"metadata generation": 1}, "metadata.generation: Invalid value: 1: must not be decremented"),
    ("ConfigMap", "finalizer", {"metadata deletionTimestamp": "2026-01-01T00:00:00Z"}, {"metadata finalizers": ["a.b/c"]}, 'metadata.finalizers: Forbidden: no new finalizers can be added if the object is being deleted, found new finalizers []string{"a.b/c"}'),
    # Pod
    ("Pod", "command", {}, {f"{C} command": ["sh"]}, POD_UPDATE),
    ("Pod", "added", {}, {"spec containers 1": {"name": "b", "image": "i"}}, "spec.containers: Forbidden: pod updates may not add or remove containers"),
    ("Pod", "deadline-up", {"spec activeDeadlineSeconds": 5}, {"spec activeDeadlineSeconds": 6}, "spec.activeDeadlineSeconds: Invalid value: 6: must be less than or equal to previous value"),
    ("Pod", "deadline-gone", {"spec activeDeadlineSeconds": 5}, {"spec activeDeadlineSeconds": GONE}, "spec.activeDeadlineSeconds: Invalid value: null: must not update from a positive integer to nil value"),
    ("Pod", "toleration", {"spec tolerations": [{"key": "a", "operator": "Exists"}]}, {"spec tolerations": []}, "spec.tolerations: Forbidden: existing toleration can not be modified except its tolerationSeconds"),
    ("Pod", "gate", {"spec schedulingGates": [{"name": "a"}]}, {"spec schedulingGates": [{"name": "b"}]}, "spec.schedulingGates[0].name: Forbidden: only deletion is allowed, but found new scheduling gate 'b'"),
    ("Pod", "gated-selector", {"spec schedulingGates": [{"name": "a"}], "spec nodeSelector": {"a": "b"}}, {"spec nodeSelector": {"a": "c"}}, 'spec.nodeSelector: Invalid value: {"a":"c"}: only additions to spec.nodeSelector are allowed (no mutations or deletions)'),
    ("Pod", "mirror", {"spec nodeName": "n"}, {"metadata annotations": {"kubernetes.io/config.mirror": "h"}}, "metadata.annotations[kubernetes.io/config.mirror]: Forbidden: may not add mirror pod annotation"),
    ("Pod/status", "restart", ENDED, {"status containerStatuses 0 state": {"running": {}}}, "status.containerStatuses[0].state: Forbidden: may not be transitioned to non-terminated state"),
    ("Pod/status", "qos", {"status": {"qosClass": "BestEffort"}}, {"status qosClass": "Burstable"}, f'status.qosClass: Invalid value: "Burstable": {FIXED}'),
    ("Pod/status", "host-ip", {}, {"status": {"hostIP": "10.0.0.1", "hostIPs": [{"ip": "10.0.0.2"}]}}, 'status.hostIPs[0].ip: Invalid value: "10.0.0.2": must be equal to `hostIP`'),
    ("Pod/status", "pod-ips", {}, {"status": {"podIPs": [{"ip": "10.0.0.1"}, {"ip": "10.0.0.2"}]}}, 'status.podIPs: Invalid value: [{"ip":"10.0.0.1"},{"ip":"10.0.0.2"}]: may specify no more than one IP for each IP family'),
    ("Pod/ephemeralcontainers", "removed", {"spec ephemeralContainers": [{"name": "e", "image": "i"}]}, {"spec ephemeralContainers": []}, 'spec.ephemeralContainers: Forbidden: existing ephemeral containers "e" may not be removed\n'),
    ("Pod/resize", "image", {}, {f"{C} image": "other"}, "spec: Forbidden: only cpu and memory resources are mutable"),
    ("Pod/resize", "removed", {f"{C} resources": {"requests": {"cpu": "1", "memory": "1Gi"}}}, {f"{C} resources": {"requests": {"cpu": "1"}}}, "spec.containers[0].resources.requests: Forbidden: resource requests cannot be removed"),
    ("Pod/resize", "qos", {f"{C} resources": {"requests": {"cpu": "1"}}, "status": {"qosClass": "Burstable"}}, {f"{C} resources": {"requests": {"cpu": "1", "memory": "1Gi"}, "limits": {"cpu": "1", "memory": "1Gi"}}}, 'spec: Invalid value: "Burstable": Pod QOS Class may not change as a result of resizing'),
    ("Pod/resize", "static", {"spec nodeName": "n", "metadata annotations": {"kubernetes.io/config.mirror": "h"}}, {}, "[]: Forbidden: static pods cannot be resized"),
    # Service
    ("Service", "cluster-ip", IPS, {"spec clusterIP": "10.0.0.2", "spec clusterIPs": ["10.0.0.2"]}, f'spec.clusterIPs[0]: Invalid value: ["10.0.0.2"]: {CHANGED}'),
    ("Service", "cluster-ip-gone", IPS, {"spec clusterIP": GONE, "spec clusterIPs": GONE}, "spec.clusterIPs[0]: Invalid value: []: primary clusterIP can not be unset"),
    ("Service", "released", DUAL, {"spec clusterIPs": ["10.0.0.1"], "spec ipFamilies": ["IPv4"], "spec ipFamilyPolicy": "PreferDualStack"}, ["spec.ipFamilyPolicy: Invalid value: \"PreferDualStack\": must be set to 'SingleStack' when releasing the secondary clusterIP", "spec.ipFamilyPolicy: Invalid value: \"PreferDualStack\": must be set to 'SingleStack' when releasing the secondary ipFamily"]),
    ("Service", "family", {**IPS, "spec ipFamilies": ["IPv4"]}, {"spec ipFamilies": ["IPv6"]}, [f'spec.ipFamilies[0]: Invalid value: ["IPv6"]: {CHANGED}', 'spec.clusterIPs[0]: Invalid value: "10.0.0.1": expected an IPv6 value as indicated by `ipFamilies[0]`']),
    ("Service", "class", {"spec type": "LoadBalancer", "spec loadBalancerClass": "a/b"}, {"spec loadBalancerClass": "a/c"}, f'spec.loadBalancerClass: Invalid value: "a/c": {CHANGED}'),
    ("Service/status", "ingress", {}, {"status loadBalancer ingress": [{"ip": "10.0.0.1"}]}, "status.loadBalancer.ingress: Forbidden: may only be used when `spec.type` is 'LoadBalancer'"),
    ("Service/status", "ip-mode", {"spec type": "LoadBalancer"}, {"status loadBalancer ingress": [{"hostname": "a.b", "ipMode": "VIP"}]}, "status.loadBalancer.ingress[0].ipMode: Forbidden: may not be specified when `ip` is not set"),
    # configuration
    ("ConfigMap", "frozen-data", {"immutable": True}, {"data a": "c"}, f"data: Forbidden: {FROZEN}"),
    ("ConfigMap", "frozen", {"immutable": True}, {"immutable": GONE}, f"immutable: Forbidden: {FROZEN}"),
    ("ConfigMap", "frozen-binary", {"immutable": True}, {"binaryData": {"b": "Yg=="}}, f"binaryData: Forbidden: {FROZEN}"),
    ("Secret", "type", {}, {"type": "other"}, f'type: Invalid value: "other": {FIXED}'),
    ("Secret", "frozen-data", {"immutable": True}, {"data a": "Yw=="}, f"data: Forbidden: {FROZEN}"),
    # Namespace, Node
    ("Namespace/status", "phase", {}, {"status phase": "Terminating"}, "status.Phase: Invalid value: \"Terminating\": may only be 'Active' if `deletionTimestamp` is empty"),
    ("Node", "cidr", {"spec podCIDR": "10.0.0.0/24"}, {"spec podCIDR": "10.0.1.0/24", "spec podCIDRs": ["10.0.1.0/24"]}, 'spec.podCIDRs: Forbidden: node updates may not change podCIDR except from "" to valid'),
    ("Node", "provider", {"spec providerID": "a"}, {"spec providerID": "b"}, 'spec.providerID: Forbidden: node updates may not change providerID except from "" to valid'),
    ("Node", "address-twice", {}, {"status addresses": [{"type": "Hostname", "address": "a"}] * 2}, 'status.addresses[1]: Duplicate value: {"type":"Hostname","address":"a"}'),
    # quota, storage
    ("ResourceQuota", "scopes", {"spec scopes": ["BestEffort"]}, {"spec scopes": ["NotBestEffort"]}, f'spec.scopes: Invalid value: ["NotBestEffort"]: {FIXED}'),
    ("PersistentVolume", "source", {}, {"spec hostPath path": "/b"}, "spec.persistentvolumesource: Forbidden: spec.persistentvolumesource is immutable after creation"),
    ("PersistentVolume", "mode", {}, {"spec volumeMode": "Block"}, f'volumeMode: Invalid value: "Block": {FIXED}'),
    ("PersistentVolumeClaim", "class", {"spec storageClassName": "a"}, {"spec storageClassName": "b"}, CLAIM),
    ("PersistentVolumeClaim", "unbound-growth", {}, {"spec resources requests storage": "2Gi"}, CLAIM),
    ("PersistentVolumeClaim", "volume-name", {"spec volumeName": "a"}, {"spec volumeName": "b"}, CLAIM),
    ("PersistentVolumeClaim", "shrink", {**BOUND, "spec resources requests storage": "2Gi"}, {"spec resources requests storage": "1Gi"}, "spec.resources.requests.storage: Forbidden: field can not be less than status.capacity"),
    # others
    ("ReplicationController/status", "ready", {}, {"status": {"replicas": 1, "readyReplicas": 2}}, "status.readyReplicas: Invalid value: 2: cannot be greater than status.replicas"),
    ("Event", "reason", {"eventTime": "2026-01-01T00:00:00.000000Z", "reportingComponent": "c", "reportingInstance": "i", "action": "a", "reason": "r"}, {"reason": "s"}, f'reason: Invalid value: "s": {FIXED}'),
]  # fmt: skip


@pytest.mark.parametrize(
    ("what", "stored", "changes", "expected"),
    [pytest.param(row[0], *row[2:], id=f"{row[0]}-{row[1]}") for row in ROWS],
)
def test_an_update_that_breaks_a_rule_is_refused_in_upstreams_words(
    what, stored, changes, expected
):
    """What may not change, or not in this way, stands in upstream's reason, path and sentence."""
    kind = what.partition("/")[0]
    updated, existing = _objects(kind, stored, changes)
    faults = UPDATES[what](updated, existing)
    shown = [f.message if expected != POD_UPDATE else f.message.partition("\n")[0] for f in faults]
    assert shown == ([expected] if isinstance(expected, str) else expected)


@pytest.mark.parametrize(
    ("what", "stored", "changes"),
    [
        pytest.param("Pod", {}, {f"{C} image": "other"}, id="pod-image"),
        pytest.param("Pod", {}, {"metadata labels": {"a": "b"}}, id="pod-labels"),
        pytest.param("Pod", {}, {"spec tolerations": [{"operator": "Exists"}]}, id="toleration"),
        pytest.param("Pod", {}, {"spec activeDeadlineSeconds": 9}, id="deadline"),
        pytest.param(
            "Pod",
            {"spec schedulingGates": [{"name": "a"}]},
            {"spec schedulingGates": GONE, "spec nodeSelector": {"a": "b"}},
            id="gate-removed",
        ),
        pytest.param(
            "Pod",
            {"spec terminationGracePeriodSeconds": -1},
            {"spec terminationGracePeriodSeconds": 1},
            id="negative-grace",
        ),
        pytest.param(
            "Pod/resize",
            {f"{C} resources": {"requests": {"cpu": "1"}}},
            {f"{C} resources": {"requests": {"cpu": "2"}}},
            id="resize",
        ),
        pytest.param("Pod/status", ENDED, {"status phase": "Succeeded"}, id="pod-phase"),
        pytest.param(
            "Service",
            IPS,
            {"spec clusterIP": GONE, "spec clusterIPs": GONE, "spec type": "ExternalName",
             "spec externalName": "a.b"},
            id="to-external-name",
        ),
        pytest.param("ConfigMap", {}, {"data a": "c"}, id="data"),
        pytest.param("ConfigMap", {}, {"immutable": True}, id="freeze"),
        pytest.param("Node", {}, {"spec podCIDRs": ["10.0.0.0/24"]}, id="first-cidr"),
        pytest.param("PersistentVolumeClaim", {}, {"spec volumeName": "v"}, id="bind"),
        pytest.param(
            "PersistentVolumeClaim",
            {},
            {"spec storageClassName": "s"},
            id="class-where-none-was",
        ),
        pytest.param(
            "PersistentVolumeClaim",
            BOUND,
            {"spec resources requests storage": "2Gi"},
            id="growth",
        ),
    ],
)  # fmt: skip
def test_what_may_change_changes(what, stored, changes):
    """Updates that upstream allows have no faults."""
    kind = what.partition("/")[0]
    updated, existing = _objects(kind, stored, changes)
    assert UPDATES[what](updated, existing) == []


def test_only_one_owner_may_be_the_controller():
    """The second controller is named beside the first."""
    owners = [
        {"apiVersion": "v1", "kind": "Pod", "name": n, "uid": n, "controller": True} for n in "ab"
    ]
    pod = {"metadata": {"name": "x", "ownerReferences": owners}}
    faults = meta.validate_object_meta(pod, namespaced=False, name_rule=lambda name: [])
    assert [fault.field for fault in faults] == ["metadata.ownerReferences"]
    assert faults[0].body.endswith(
        'Only one reference can have Controller set to true. Found "true" in references for '
        "Pod/a and Pod/b"
    )
