# SPDX-License-Identifier: Apache-2.0
"""Defaults of the core group's kinds, and the fields that say one thing twice brought together.

The latter is what upstream does when it converts between v1 and its internal types: a Secret's
stringData, podCIDR and podCIDRs, podIP and podIPs.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from typing import Any

from pyk8s.apimachinery.gvk import GroupVersionKind, Object
from pyk8s.apis import services
from pyk8s.apis.defaults import pod_resources, pods, volumes

_AFFINITY_SECONDS = 10800
_NAMESPACE_LABEL = "kubernetes.io/metadata.name"


def default_service(service: Object) -> None:
    spec = service.setdefault("spec", {})
    if not spec.get("sessionAffinity"):
        spec["sessionAffinity"] = "None"
    if spec["sessionAffinity"] == "None":
        spec.pop("sessionAffinityConfig", None)
    elif spec["sessionAffinity"] == "ClientIP":
        client = (spec.get("sessionAffinityConfig") or {}).get("clientIP") or {}
        if "timeoutSeconds" not in client:
            spec["sessionAffinityConfig"] = {"clientIP": {"timeoutSeconds": _AFFINITY_SECONDS}}
    if not spec.get("type"):
        spec["type"] = services.CLUSTER_IP
    for port in spec.get("ports", ()):
        if not port.get("protocol"):
            port["protocol"] = "TCP"
        if not port.get("targetPort"):
            port["targetPort"] = port.get("port", 0)
    _default_traffic(spec)
    status = service.setdefault("status", {})
    balancer = status.setdefault("loadBalancer", {})
    if spec["type"] == services.LOAD_BALANCER:
        for ingress in balancer.get("ingress", ()):
            if ingress.get("ip"):
                ingress.setdefault("ipMode", "VIP")


def _default_traffic(spec: dict[str, Any]) -> None:
    if services.is_externally_accessible(spec) and not spec.get("externalTrafficPolicy"):
        spec["externalTrafficPolicy"] = "Cluster"
    if "internalTrafficPolicy" not in spec and services.needs_cluster_ip(spec):
        spec["internalTrafficPolicy"] = "Cluster"
    if spec["type"] == services.LOAD_BALANCER:
        spec.setdefault("allocateLoadBalancerNodePorts", True)


def default_secret(secret: Object) -> None:
    if not secret.get("type"):
        secret["type"] = "Opaque"
    plain = secret.pop("stringData", None)
    if plain:
        data = secret.setdefault("data", {})
        for key, value in plain.items():
            data[key] = base64.b64encode(value.encode()).decode()


def default_namespace(namespace: Object) -> None:
    metadata = namespace.setdefault("metadata", {})
    if metadata.get("name"):
        metadata.setdefault("labels", {})[_NAMESPACE_LABEL] = metadata["name"]
    namespace.setdefault("spec", {})
    status = namespace.setdefault("status", {})
    if not status.get("phase"):
        status["phase"] = "Active"


_NODE_INFO = (
    "machineID",
    "systemUUID",
    "bootID",
    "kernelVersion",
    "osImage",
    "containerRuntimeVersion",
    "kubeletVersion",
    "kubeProxyVersion",
    "operatingSystem",
    "architecture",
)


def default_node(node: Object) -> None:
    spec = node.setdefault("spec", {})
    cidr, cidrs = spec.get("podCIDR"), spec.get("podCIDRs")
    if cidr and (not cidrs or cidrs[0] != cidr):
        spec["podCIDRs"] = [cidr]
    elif cidrs and not cidr:
        spec["podCIDR"] = cidrs[0]
    status = node.setdefault("status", {})
    for kind in ("capacity", "allocatable"):
        if kind in status:
            pod_resources.round_up_to_milli(status[kind])
    if "allocatable" not in status and "capacity" in status:
        status["allocatable"] = dict(status["capacity"])
    # These are structs without pointers upstream, so they are always there.
    status.setdefault("daemonEndpoints", {}).setdefault("kubeletEndpoint", {"Port": 0})
    info = status.setdefault("nodeInfo", {})
    for name in _NODE_INFO:
        info.setdefault(name, "")


def default_pod(pod: Object) -> None:
    pods.default_pod(pod)
    status = pod.get("status")
    if status:
        ip, ips = status.get("podIP"), status.get("podIPs")
        if ip and (not ips or ips[0].get("ip") != ip):
            status["podIPs"] = [{"ip": ip}]
        elif ips and not ip:
            status["podIP"] = ips[0].get("ip", "")


def default_pod_template_object(template: Object) -> None:
    pods.default_pod_template(template.setdefault("template", {}))


def default_replication_controller(controller: Object) -> None:
    spec = controller.setdefault("spec", {})
    spec.setdefault("replicas", 1)
    template = spec.get("template")
    if template is not None:
        labels = (template.get("metadata") or {}).get("labels")
        if labels:
            if not spec.get("selector"):
                spec["selector"] = dict(labels)
            metadata = controller.setdefault("metadata", {})
            if not metadata.get("labels"):
                metadata["labels"] = dict(labels)
        pods.default_pod_template(template)
    controller.setdefault("status", {}).setdefault("replicas", 0)


def default_persistent_volume(volume: Object) -> None:
    spec = volume.setdefault("spec", {})
    if not spec.get("persistentVolumeReclaimPolicy"):
        spec["persistentVolumeReclaimPolicy"] = "Retain"
    spec.setdefault("volumeMode", "Filesystem")
    pod_resources.round_up_to_milli(spec.get("capacity", {}))
    volumes.default_persistent_source(spec)
    status = volume.setdefault("status", {})
    if not status.get("phase"):
        status["phase"] = "Pending"


def default_persistent_volume_claim(claim: Object) -> None:
    spec = claim.setdefault("spec", {})
    volumes.default_claim_spec(spec)
    pods.default_resource_requirements(spec["resources"])
    status = claim.setdefault("status", {})
    if not status.get("phase"):
        status["phase"] = "Pending"


def default_endpoints(endpoints: Object) -> None:
    for subset in endpoints.get("subsets", ()):
        for port in subset.get("ports", ()):
            if not port.get("protocol"):
                port["protocol"] = "TCP"


def default_limit_range(limit_range: Object) -> None:
    for limit in limit_range.setdefault("spec", {}).setdefault("limits", []):
        for bound in ("max", "min", "default", "defaultRequest", "maxLimitRequestRatio"):
            pod_resources.round_up_to_milli(limit.get(bound, {}))
        if limit.get("type") != "Container":
            continue
        limits = {**limit.get("max", {}), **limit.get("default", {})}
        requests = {**limit.get("min", {}), **limits, **limit.get("defaultRequest", {})}
        for name, amounts in (("default", limits), ("defaultRequest", requests)):
            if amounts:
                limit[name] = amounts


def default_resource_quota(quota: Object) -> None:
    spec, status = quota.setdefault("spec", {}), quota.setdefault("status", {})
    for amounts in (spec.get("hard"), status.get("hard"), status.get("used")):
        pod_resources.round_up_to_milli(amounts or {})


def default_event(event: Object) -> None:
    # Without omitempty upstream: there even when empty.
    event.setdefault("involvedObject", {})
    event.setdefault("source", {})
    event.setdefault("reportingComponent", "")
    event.setdefault("reportingInstance", "")


DEFAULTERS: Mapping[GroupVersionKind, Callable[[Object], None]] = {
    GroupVersionKind("", "v1", kind): defaulter
    for kind, defaulter in (
        ("Pod", default_pod),
        ("PodTemplate", default_pod_template_object),
        ("ReplicationController", default_replication_controller),
        ("Service", default_service),
        ("Secret", default_secret),
        ("Namespace", default_namespace),
        ("Node", default_node),
        ("PersistentVolume", default_persistent_volume),
        ("PersistentVolumeClaim", default_persistent_volume_claim),
        ("Endpoints", default_endpoints),
        ("LimitRange", default_limit_range),
        ("ResourceQuota", default_resource_quota),
        ("Event", default_event),
    )
}
