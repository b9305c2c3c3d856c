# SPDX-License-Identifier: Apache-2.0
# ruff: noqa: E501 -- one row, one line: a table reads better unbroken
from __future__ import annotations

import base64

import pytest
import rejections
from rejections import CIDR, CONFIG_KEY, GONE, IP, LABEL, PORT, QUALIFIED, SUBDOMAIN

from pyk8s.apis.defaults import core as defaults
from pyk8s.apis.validation import (
    configuration,
    controllers,
    endpoints,
    events,
    namespaces,
    nodes,
    pod_updates,
    quotas,
    services,
    storage,
)

META = {"name": "x", "namespace": "default"}
TEMPLATE = {
    "metadata": {"labels": {"a": "b"}},
    "spec": {"containers": [{"name": "c", "image": "i"}]},
}
NEGATIVE = "must be greater than or equal to 0"
LB = "may only be used when `type` is 'LoadBalancer'"


def _encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def _strict_event(event):
    return events.validate_event(event, strict=True)


def _event(event):
    return events.validate_event(event, strict=False)


def _nothing(obj):
    """Kinds without defaults."""


# kind -> (sound object without kind, defaulter, validator)
KINDS = {
    "Service": ({"metadata": META, "spec": {"ports": [{"port": 80}]}}, defaults.default_service, services.validate_service),
    "ConfigMap": ({"metadata": META, "data": {"a": "b"}}, _nothing, configuration.validate_config_map),
    "Secret": ({"metadata": META, "data": {"a": "Yg=="}}, defaults.default_secret, configuration.validate_secret),
    "Namespace": ({"metadata": {"name": "x"}}, defaults.default_namespace, namespaces.validate_namespace),
    "Node": ({"metadata": {"name": "x"}}, defaults.default_node, nodes.validate_node),
    "ServiceAccount": ({"metadata": META}, _nothing, controllers.validate_service_account),
    "Endpoints": ({"metadata": META, "subsets": [{"addresses": [{"ip": "10.0.0.1"}], "ports": [{"port": 80}]}]}, defaults.default_endpoints, endpoints.validate_endpoints),
    "Event": ({"metadata": META, "involvedObject": {"namespace": "default"}}, defaults.default_event, _event),
    "LimitRange": ({"metadata": META, "spec": {"limits": [{"type": "Container"}]}}, defaults.default_limit_range, quotas.validate_limit_range),
    "ResourceQuota": ({"metadata": META, "spec": {"hard": {"pods": "1"}}}, defaults.default_resource_quota, quotas.validate_resource_quota),
    "PersistentVolume": ({"metadata": {"name": "x"}, "spec": {"capacity": {"storage": "1Gi"}, "accessModes": ["ReadWriteOnce"], "hostPath": {"path": "/a"}}}, defaults.default_persistent_volume, storage.validate_volume),
    "PersistentVolumeClaim": ({"metadata": META, "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}}, defaults.default_persistent_volume_claim, storage.validate_claim),
    "ReplicationController": ({"metadata": META, "spec": {"selector": {"a": "b"}, "template": TEMPLATE}}, defaults.default_replication_controller, controllers.validate_replication_controller),
    "PodTemplate": ({"metadata": META, "template": TEMPLATE}, defaults.default_pod_template_object, controllers.validate_pod_template_object),
    "Binding": ({"metadata": META, "target": {"kind": "Node", "name": "n"}}, _nothing, pod_updates.validate_binding),
}  # fmt: skip

ROWS = [
    # Service
    ("Service", "name", {"metadata name": "a.b"}, 'metadata.name: Invalid value: "a.b": must not contain dots'),
    ("Service", "no-ports", {"spec ports": []}, "spec.ports: Required value"),
    ("Service", "port", {"spec ports 0 port": 0, "spec ports 0 targetPort": 1}, f"spec.ports[0].port: Invalid value: 0: {PORT}"),
    ("Service", "target-port", {"spec ports 0 targetPort": 70000}, f"spec.ports[0].targetPort: Invalid value: 70000: {PORT}"),
    ("Service", "target-name", {"spec ports 0 targetPort": "a--b"}, 'spec.ports[0].targetPort: Invalid value: "a--b": must not contain consecutive hyphens'),
    ("Service", "protocol", {"spec ports 0 protocol": "HTTP"}, 'spec.ports[0].protocol: Unsupported value: "HTTP": supported values: "SCTP", "TCP", "UDP"'),
    ("Service", "unnamed-ports", {"spec ports": [{"port": 80, "name": "a"}, {"port": 81}]}, "spec.ports[1].name: Required value"),
    ("Service", "port-name-twice", {"spec ports": [{"port": 80, "name": "a"}, {"port": 81, "name": "a"}]}, 'spec.ports[1].name: Duplicate value: "a"'),
    ("Service", "port-name", {"spec ports 0 name": "A"}, f'spec.ports[0].name: Invalid value: "A": {LABEL}'),
    ("Service", "port-twice", {"spec ports": [{"port": 80, "name": "a"}, {"port": 80, "name": "b"}]}, 'spec.ports[1]: Duplicate value: {"protocol":"TCP","port":80}'),
    ("Service", "node-port-cluster-ip", {"spec ports 0 nodePort": 30000}, "spec.ports[0].nodePort: Forbidden: may not be used when `type` is 'ClusterIP'"),
    ("Service", "node-port-twice", {"spec type": "NodePort", "spec ports": [{"port": 80, "name": "a", "nodePort": 30000}, {"port": 81, "name": "b", "nodePort": 30000}]}, "spec.ports[1].nodePort: Duplicate value: 30000"),
    ("Service", "app-protocol", {"spec ports 0 appProtocol": "a b"}, f'spec.ports[0].appProtocol: Invalid value: "a b": {QUALIFIED}'),
    ("Service", "type", {"spec type": "Magic"}, 'spec.type: Unsupported value: "Magic": supported values: "ClusterIP", "ExternalName", "LoadBalancer", "NodePort"'),
    ("Service", "affinity", {"spec sessionAffinity": "Cookie"}, 'spec.sessionAffinity: Unsupported value: "Cookie": supported values: "ClientIP", "None"'),
    ("Service", "affinity-timeout", {"spec sessionAffinity": "ClientIP", "spec sessionAffinityConfig": {"clientIP": {"timeoutSeconds": 86401}}}, "spec.sessionAffinityConfig.clientIP.timeoutSeconds: Invalid value: 86401: must be greater than 0 and less than 86400"),
    ("Service", "cluster-ip", {"spec clusterIP": "1.2", "spec clusterIPs": ["1.2"]}, f'spec.clusterIPs[0]: Invalid value: "1.2": {IP}'),
    ("Service", "cluster-ips-mismatch", {"spec clusterIP": "10.0.0.1", "spec clusterIPs": ["10.0.0.2"]}, 'spec.clusterIPs: Invalid value: ["10.0.0.2"]: first value must match `clusterIP`'),
    ("Service", "cluster-ips-alone", {"spec clusterIPs": ["10.0.0.2"]}, 'spec.clusterIPs: Invalid value: ["10.0.0.2"]: must be empty when `clusterIP` is not specified'),
    ("Service", "same-family", {"spec clusterIP": "10.0.0.1", "spec clusterIPs": ["10.0.0.1", "10.0.0.2"]}, 'spec.clusterIPs: Invalid value: ["10.0.0.1","10.0.0.2"]: may specify no more than one IP for each IP family'),
    ("Service", "wrong-family", {"spec clusterIP": "10.0.0.1", "spec clusterIPs": ["10.0.0.1"], "spec ipFamilies": ["IPv6"]}, 'spec.clusterIPs[0]: Invalid value: "10.0.0.1": expected an IPv6 value as indicated by `ipFamilies[0]`'),
    ("Service", "family", {"spec ipFamilies": ["IPv5"]}, 'spec.ipFamilies[0]: Unsupported value: "IPv5": supported values: "IPv4", "IPv6"'),
    ("Service", "family-policy", {"spec ipFamilyPolicy": "Dual"}, 'spec.ipFamilyPolicy: Unsupported value: "Dual": supported values: "PreferDualStack", "RequireDualStack", "SingleStack"'),
    ("Service", "headless-node-port", {"spec type": "NodePort", "spec clusterIP": "None", "spec clusterIPs": ["None"]}, "spec.clusterIPs[0]: Invalid value: \"None\": may not be set to 'None' for NodePort services"),
    ("Service", "external-name", {"spec type": "ExternalName"}, "spec.externalName: Required value"),
    ("Service", "external-name-form", {"spec type": "ExternalName", "spec externalName": "A"}, f'spec.externalName: Invalid value: "A": {SUBDOMAIN}'),
    ("Service", "external-name-ip", {"spec type": "ExternalName", "spec externalName": "a", "spec clusterIPs": ["10.0.0.1"]}, "spec.clusterIPs: Forbidden: may not be set for ExternalName services"),
    ("Service", "external-ip-loopback", {"spec externalIPs": ["127.0.0.1"]}, 'spec.externalIPs[0]: Invalid value: "127.0.0.1": may not be in the loopback range (127.0.0.0/8, ::1/128)'),
    ("Service", "source-ranges", {"spec type": "LoadBalancer", "spec loadBalancerSourceRanges": ["10.0.0.1/33"]}, f'spec.LoadBalancerSourceRanges[0]: Invalid value: "10.0.0.1/33": {CIDR}'),
    ("Service", "source-ranges-type", {"spec loadBalancerSourceRanges": ["10.0.0.0/8"]}, f"spec.LoadBalancerSourceRanges: Forbidden: {LB}"),
    ("Service", "class-type", {"spec loadBalancerClass": "a/b"}, f"spec.loadBalancerClass: Forbidden: {LB}"),
    ("Service", "allocate-type", {"spec allocateLoadBalancerNodePorts": True}, f"spec.allocateLoadBalancerNodePorts: Forbidden: {LB}"),
    ("Service", "external-policy", {"spec externalTrafficPolicy": "Local"}, 'spec.externalTrafficPolicy: Invalid value: "Local": may only be set for externally-accessible services'),
    ("Service", "internal-policy", {"spec internalTrafficPolicy": "Near"}, 'spec.internalTrafficPolicy: Unsupported value: "Near": supported values: "Cluster", "Local"'),
    ("Service", "distribution", {"spec trafficDistribution": "Near"}, 'spec.trafficDistribution: Unsupported value: "Near": supported values: "PreferClose", "PreferSameNode", "PreferSameZone"'),
    ("Service", "health-check", {"spec healthCheckNodePort": 1}, "spec.healthCheckNodePort: Invalid value: 1: may only be set when `type` is 'LoadBalancer' and `externalTrafficPolicy` is 'Local'"),
    # ConfigMap and Secret
    ("ConfigMap", "key", {"data": {"a b": ""}}, f'data[a b]: Invalid value: "a b": {CONFIG_KEY}'),
    ("ConfigMap", "key-dots", {"data": {"..a": ""}}, "data[..a]: Invalid value: \"..a\": must not start with '..'"),
    ("ConfigMap", "key-in-both", {"binaryData": {"a": "Yg=="}}, 'data[a]: Invalid value: "a": duplicate of key present in binaryData'),
    ("ConfigMap", "binary-key", {"binaryData": {"b/c": "Yg=="}}, f'binaryData[b/c]: Invalid value: "b/c": {CONFIG_KEY}'),
    ("ConfigMap", "too-big", {"data": {"a": "x" * 1048577}}, "[]: Too long: may not be more than 1048576 bytes"),
    ("Secret", "key", {"data": {"a b": ""}}, f'data[a b]: Invalid value: "a b": {CONFIG_KEY}'),
    ("Secret", "string-data-key", {"stringData": {"a b": ""}}, f'data[a b]: Invalid value: "a b": {CONFIG_KEY}'),
    ("Secret", "too-big", {"data": {"a": _encoded("x" * 1048577)}}, "data: Too long: may not be more than 1048576 bytes"),
    ("Secret", "tls", {"type": "kubernetes.io/tls"}, ["data[tls.crt]: Required value", "data[tls.key]: Required value"]),
    ("Secret", "docker", {"type": "kubernetes.io/dockerconfigjson"}, "data[.dockerconfigjson]: Required value"),
    ("Secret", "docker-cfg", {"type": "kubernetes.io/dockercfg"}, "data[.dockercfg]: Required value"),
    ("Secret", "basic-auth", {"type": "kubernetes.io/basic-auth"}, ["data[username]: Required value", "data[password]: Required value"]),
    ("Secret", "ssh", {"type": "kubernetes.io/ssh-auth"}, "data[ssh-privatekey]: Required value"),
    ("Secret", "token", {"type": "kubernetes.io/service-account-token"}, "metadata.annotations[kubernetes.io/service-account.name]: Required value"),
    # Namespace, Node, ServiceAccount
    ("Namespace", "name", {"metadata name": "a.b"}, 'metadata.name: Invalid value: "a.b": must not contain dots'),
    ("Namespace", "namespaced", {"metadata namespace": "a"}, "metadata.namespace: Forbidden: not allowed on this type"),
    ("Namespace", "finalizer", {"spec finalizers": ["mine"]}, 'spec.finalizers: Invalid value: "mine": name is neither a standard finalizer name nor is it fully qualified'),
    ("Node", "name", {"metadata name": "A"}, f'metadata.name: Invalid value: "A": {SUBDOMAIN}'),
    ("Node", "taint-key", {"spec taints": [{"key": "a b", "effect": "NoSchedule"}]}, f'metadata.taints[0].key: Invalid value: "a b": {QUALIFIED}'),
    ("Node", "taint-effect", {"spec taints": [{"key": "a"}]}, "metadata.taints[0].effect: Required value"),
    ("Node", "taint-twice", {"spec taints": [{"key": "a", "effect": "NoSchedule"}] * 2}, 'metadata.taints[1]: Duplicate value: {"key":"a","effect":"NoSchedule"}: taints must be unique by key and effect pair'),
    ("Node", "cidr", {"spec podCIDR": "10.0.0.0"}, f'spec.podCIDRs[0]: Invalid value: "10.0.0.0": {CIDR}'),
    ("Node", "cidrs-family", {"spec podCIDRs": ["10.0.0.0/24", "10.0.1.0/24"]}, 'spec.podCIDRs: Invalid value: ["10.0.0.0/24","10.0.1.0/24"]: may specify no more than one CIDR for each IP family'),
    ("Node", "capacity", {"status capacity": {"cpu": "-1"}, "status allocatable": {}}, f'status.capacity.cpu: Invalid value: "-1": {NEGATIVE}'),
    ("ServiceAccount", "name", {"metadata name": "A"}, f'metadata.name: Invalid value: "A": {SUBDOMAIN}'),
    # Endpoints
    ("Endpoints", "no-address", {"subsets 0 addresses": []}, "subsets[0]: Required value: must specify `addresses` or `notReadyAddresses`"),
    ("Endpoints", "ip", {"subsets 0 addresses 0 ip": "x"}, [f'subsets[0].addresses[0].ip: Invalid value: "x": {IP}', 'subsets[0].addresses[0].ip: Invalid value: "x": must be a valid IP address']),
    ("Endpoints", "link-local", {"subsets 0 addresses 0 ip": "169.254.1.1"}, 'subsets[0].addresses[0].ip: Invalid value: "169.254.1.1": may not be in the link-local range (169.254.0.0/16, fe80::/10)'),
    ("Endpoints", "unspecified", {"subsets 0 addresses 0 ip": "0.0.0.0"}, 'subsets[0].addresses[0].ip: Invalid value: "0.0.0.0": may not be unspecified (0.0.0.0)'),
    ("Endpoints", "port", {"subsets 0 ports 0 port": 0}, f"subsets[0].ports[0].port: Invalid value: 0: {PORT}"),
    ("Endpoints", "unnamed", {"subsets 0 ports": [{"port": 1, "name": "a"}, {"port": 2}]}, "subsets[0].ports[1].name: Required value"),
    # Event
    ("Event", "namespace", {"involvedObject namespace": "other"}, 'involvedObject.namespace: Invalid value: "other": does not match event.namespace'),
    ("Event", "reporting", {"eventTime": "2026-01-01T00:00:00.000000Z", "reportingInstance": "i", "action": "a", "reason": "r"}, ["reportingComponent: Required value", "reportingComponent: Invalid value: \"\": name part must be non-empty", f'reportingComponent: Invalid value: "": {QUALIFIED}']),
    ("Event", "action", {"eventTime": "2026-01-01T00:00:00.000000Z", "reportingComponent": "c", "reportingInstance": "i", "action": "a" * 129, "reason": "r"}, 'action: Invalid value: "": can have at most 128 characters'),
    # LimitRange
    ("LimitRange", "type", {"spec limits 0 type": "Box"}, 'spec.limits[0].type: Invalid value: "Box": must be a standard limit type or fully qualified'),
    ("LimitRange", "type-twice", {"spec limits 1": {"type": "Container"}}, 'spec.limits[1].type: Duplicate value: "Container"'),
    ("LimitRange", "min-max", {"spec limits 0": {"type": "Pod", "min": {"cpu": "2"}, "max": {"cpu": "1"}}}, 'spec.limits[0].min[cpu]: Invalid value: "2": min value 2 is greater than max value 1'),
    ("LimitRange", "pod-default", {"spec limits 0": {"type": "Pod", "default": {"cpu": "2"}}}, "spec.limits[0].default: Forbidden: may not be specified when `type` is 'Pod'"),
    ("LimitRange", "request-above", {"spec limits 0": {"type": "Container", "default": {"cpu": "1"}, "defaultRequest": {"cpu": "2"}}}, 'spec.limits[0].defaultRequest[cpu]: Invalid value: "2": default request value 2 is greater than default limit value 1'),
    ("LimitRange", "ratio", {"spec limits 0": {"type": "Pod", "min": {"cpu": "1"}, "max": {"cpu": "2"}, "maxLimitRequestRatio": {"cpu": "3"}}}, 'spec.limits[0].maxLimitRequestRatio[cpu]: Invalid value: "3": ratio 3 is greater than max/min = 2.000000'),
    ("LimitRange", "claim", {"spec limits 0": {"type": "PersistentVolumeClaim"}}, "spec.limits[0].limits: Required value: either minimum or maximum storage value is required, but neither was provided"),
    # ResourceQuota
    ("ResourceQuota", "resource", {"spec hard": {"dogs": "1"}}, ['spec.hard[dogs]: Invalid value: "dogs": must be a standard resource type or fully qualified', 'spec.hard[dogs]: Invalid value: "dogs": must be a standard resource for quota']),
    ("ResourceQuota", "fraction", {"spec hard": {"pods": "500m"}}, 'spec.hard[pods]: Invalid value: "500m": must be an integer'),
    ("ResourceQuota", "negative", {"spec hard": {"pods": "-1"}}, f'spec.hard[pods]: Invalid value: "-1": {NEGATIVE}'),
    ("ResourceQuota", "scope", {"spec scopes": ["Bad"], "spec hard": {}}, 'spec.scopes: Invalid value: ["Bad"]: unsupported scope'),
    ("ResourceQuota", "scope-resource", {"spec scopes": ["BestEffort"], "spec hard": {"cpu": "1"}}, 'spec.scopes: Invalid value: ["BestEffort"]: unsupported scope applied to resource'),
    ("ResourceQuota", "scope-pair", {"spec scopes": ["BestEffort", "NotBestEffort"]}, 'spec.scopes: Invalid value: ["BestEffort","NotBestEffort"]: conflicting scopes'),
    ("ResourceQuota", "selector", {"spec scopeSelector": {"matchExpressions": [{"scopeName": "PriorityClass", "operator": "In"}]}}, "spec.scopeSelector.matchExpressions.values: Required value: must be at least one value when `operator` is 'In' or 'NotIn' for scope selector"),
    # PersistentVolume
    ("PersistentVolume", "modes", {"spec accessModes": []}, "spec.accessModes: Required value"),
    ("PersistentVolume", "glusterfs-namespace", {"spec hostPath": GONE, "spec glusterfs": {"endpoints": "e", "path": "p", "endpointsNamespace": ""}}, 'spec.glusterfs.endpointsNamespace: Invalid value: "": if the endpointnamespace is set, it must be a valid namespace name'),
    ("PersistentVolume", "mode", {"spec accessModes": ["RW"]}, 'spec.accessModes: Unsupported value: "RW": supported values: "ReadOnlyMany", "ReadWriteMany", "ReadWriteOnce", "ReadWriteOncePod"'),
    ("PersistentVolume", "once-pod", {"spec accessModes": ["ReadWriteOncePod", "ReadWriteOnce"]}, "spec.accessModes: Forbidden: may not use ReadWriteOncePod with other access modes"),
    ("PersistentVolume", "capacity", {"spec capacity": {}}, ["spec.capacity: Required value", 'spec.capacity: Unsupported value: {}: supported values: "storage"']),
    ("PersistentVolume", "size", {"spec capacity storage": "0"}, 'spec.capacity[storage]: Invalid value: "0": must be greater than zero'),
    ("PersistentVolume", "reclaim", {"spec persistentVolumeReclaimPolicy": "Keep"}, 'spec.persistentVolumeReclaimPolicy: Unsupported value: "Keep": supported values: "Delete", "Recycle", "Retain"'),
    ("PersistentVolume", "no-source", {"spec hostPath": GONE}, "spec: Required value: must specify a volume type"),
    ("PersistentVolume", "two-sources", {"spec nfs": {"server": "s", "path": "/a"}}, "spec.nfs: Forbidden: may not specify more than 1 volume type"),
    ("PersistentVolume", "recycle-root", {"spec hostPath path": "/", "spec persistentVolumeReclaimPolicy": "Recycle"}, "spec.persistentVolumeReclaimPolicy: Forbidden: may not be 'recycle' for a hostPath mount of '/'"),
    ("PersistentVolume", "local", {"spec hostPath": GONE, "spec local": {"path": "/a"}}, "spec.nodeAffinity: Required value: Local volume requires node affinity"),
    ("PersistentVolume", "csi", {"spec hostPath": GONE, "spec csi": {"driver": "d"}}, "spec.csi.volumeHandle: Required value"),
    ("PersistentVolume", "volume-mode", {"spec volumeMode": "Tape"}, 'spec.volumeMode: Unsupported value: "Tape": supported values: "Block", "Filesystem"'),
    ("PersistentVolume", "class", {"spec storageClassName": "A"}, f'spec.storageClassName: Invalid value: "A": {SUBDOMAIN}'),
    # PersistentVolumeClaim
    ("PersistentVolumeClaim", "modes", {"spec accessModes": []}, "spec.accessModes: Required value: at least 1 access mode is required"),
    ("PersistentVolumeClaim", "storage", {"spec resources": {}}, "spec.resources[storage]: Required value"),
    ("PersistentVolumeClaim", "size", {"spec resources requests storage": "-1"}, 'spec.resources[storage]: Invalid value: "-1": must be greater than zero'),
    ("PersistentVolumeClaim", "source-kind", {"spec dataSource": {"kind": "Pod", "name": "p"}}, "spec.dataSource: Invalid value: \"Pod\": must be 'PersistentVolumeClaim' when referencing the default apiGroup"),
    ("PersistentVolumeClaim", "source-and-namespace", {"spec dataSource": {"kind": "PersistentVolumeClaim", "name": "p"}, "spec dataSourceRef": {"kind": "PersistentVolumeClaim", "name": "p", "namespace": "n"}}, 'spec: Invalid value: "spec.dataSource": may not be specified when dataSourceRef.namespace is specified'),
    ("PersistentVolumeClaim", "sources-differ", {"spec dataSource": {"kind": "PersistentVolumeClaim", "name": "p"}, "spec dataSourceRef": {"kind": "PersistentVolumeClaim", "name": "q"}}, 'spec: Invalid value: "spec.dataSource": must match dataSourceRef'),
    ("PersistentVolumeClaim", "selector", {"spec selector": {"matchExpressions": [{"key": "a", "operator": "Is"}]}}, 'spec.selector.matchExpressions[0].operator: Invalid value: "Is": not a valid selector operator'),
    # ReplicationController, PodTemplate, Binding
    ("ReplicationController", "replicas", {"spec replicas": -1}, f"spec.replicas: Invalid value: -1: {NEGATIVE}"),
    ("ReplicationController", "no-selector", {"spec selector": {}, "spec template metadata": {}}, "spec.selector: Required value"),
    ("ReplicationController", "mismatch", {"spec selector": {"a": "c"}}, 'spec.template.metadata.labels: Invalid value: {"a":"b"}: `selector` does not match template `labels`'),
    ("ReplicationController", "no-template", {"spec template": GONE}, "spec.template: Required value"),
    ("ReplicationController", "restart", {"spec template spec restartPolicy": "Never"}, 'spec.template.spec.restartPolicy: Unsupported value: "Never": supported values: "Always"'),
    ("ReplicationController", "deadline", {"spec template spec activeDeadlineSeconds": 1}, "spec.template.spec.activeDeadlineSeconds: Forbidden: activeDeadlineSeconds in ReplicationController is not Supported"),
    ("PodTemplate", "image", {"template spec containers 0 image": ""}, "template.spec.containers[0].image: Required value"),
    ("Binding", "kind", {"target kind": "Rack"}, 'target.kind: Unsupported value: "Rack": supported values: "Node", "<empty>"'),
    ("Binding", "name", {"target name": ""}, "target.name: Required value"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "changes", "expected"),
    [pytest.param(row[0], *row[2:], id=f"{row[0]}-{row[1]}") for row in ROWS],
)
def test_an_object_that_breaks_a_rule_is_refused_in_upstreams_words(kind, changes, expected):
    """Each fault has upstream's reason, path and sentence."""
    base, default, validate = KINDS[kind]
    obj = rejections.changed({"apiVersion": "v1", "kind": kind, **base}, changes)
    rejections.check_create(validate, default, obj, expected)


@pytest.mark.parametrize("kind", KINDS)
def test_a_sound_object_has_no_faults(kind):
    """The objects that the rows change are themselves accepted."""
    base, default, validate = KINDS[kind]
    obj = rejections.changed({"apiVersion": "v1", "kind": kind, **base}, {})
    default(obj)
    assert validate(obj) == []


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        pytest.param({"type": "Odd"}, 'type: Invalid value: "": has invalid value: Odd', id="type"),
        pytest.param({"count": 1}, 'count: Invalid value: "": needs to be unset', id="count"),
        pytest.param(
            {"series": {"count": 1, "lastObservedTime": "2026-01-01T00:00:00.000000Z"}},
            'series.count: Invalid value: "": should be at least 2',
            id="series",
        ),
    ],
)
def test_the_newer_events_api_is_strict(changes, expected):
    """What core/v1 lets pass is refused through events.k8s.io/v1."""
    event = {
        "kind": "Event",
        "metadata": META,
        "involvedObject": {"namespace": "default"},
        "eventTime": "2026-01-01T00:00:00.000000Z",
        "reportingComponent": "c",
        "reportingInstance": "i",
        "action": "a",
        "reason": "r",
        "type": "Normal",
    }
    defaults.default_event(event)
    assert _strict_event(event) == []
    rejections.check(_strict_event(rejections.changed(event, changes)), expected)


def test_docker_secrets_must_hold_json():
    """The content itself never appears in the answer."""
    secret = {
        "metadata": META,
        "type": "kubernetes.io/dockerconfigjson",
        "data": {".dockerconfigjson": _encoded("hunter2")},
    }
    [fault] = configuration.validate_secret(secret)
    assert fault.field == "data[.dockerconfigjson]"
    assert fault.body.startswith('Invalid value: "<secret contents redacted>": ')
    assert "hunter2" not in fault.message
