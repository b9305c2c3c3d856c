# SPDX-License-Identifier: Apache-2.0
"""The names of the resources that controllers deal with, as the server spells them."""

from __future__ import annotations

from pyk8s.apimachinery.gvk import GroupVersionResource


def _core(resource: str) -> GroupVersionResource:
    return GroupVersionResource("", "v1", resource)


def _apps(resource: str) -> GroupVersionResource:
    return GroupVersionResource("apps", "v1", resource)


CONFIGMAPS = _core("configmaps")
ENDPOINTS = _core("endpoints")
EVENTS = _core("events")
NAMESPACES = _core("namespaces")
NODES = _core("nodes")
PERSISTENT_VOLUME_CLAIMS = _core("persistentvolumeclaims")
PERSISTENT_VOLUMES = _core("persistentvolumes")
PODS = _core("pods")
REPLICATION_CONTROLLERS = _core("replicationcontrollers")
RESOURCE_QUOTAS = _core("resourcequotas")
SECRETS = _core("secrets")
SERVICE_ACCOUNTS = _core("serviceaccounts")
SERVICES = _core("services")

CONTROLLER_REVISIONS = _apps("controllerrevisions")
DAEMON_SETS = _apps("daemonsets")
DEPLOYMENTS = _apps("deployments")
REPLICA_SETS = _apps("replicasets")
STATEFUL_SETS = _apps("statefulsets")

HORIZONTAL_POD_AUTOSCALERS = GroupVersionResource("autoscaling", "v2", "horizontalpodautoscalers")

EVENTS_V1 = GroupVersionResource("events.k8s.io", "v1", "events")

CRON_JOBS = GroupVersionResource("batch", "v1", "cronjobs")
JOBS = GroupVersionResource("batch", "v1", "jobs")

CERTIFICATE_SIGNING_REQUESTS = GroupVersionResource(
    "certificates.k8s.io", "v1", "certificatesigningrequests"
)
ENDPOINT_SLICES = GroupVersionResource("discovery.k8s.io", "v1", "endpointslices")
LEASES = GroupVersionResource("coordination.k8s.io", "v1", "leases")
CSI_DRIVERS = GroupVersionResource("storage.k8s.io", "v1", "csidrivers")
CSI_NODES = GroupVersionResource("storage.k8s.io", "v1", "csinodes")
CSI_STORAGE_CAPACITIES = GroupVersionResource("storage.k8s.io", "v1", "csistoragecapacities")
VOLUME_ATTRIBUTES_CLASSES = GroupVersionResource("storage.k8s.io", "v1", "volumeattributesclasses")
IP_ADDRESSES = GroupVersionResource("networking.k8s.io", "v1", "ipaddresses")
SERVICE_CIDRS = GroupVersionResource("networking.k8s.io", "v1", "servicecidrs")
STORAGE_CLASSES = GroupVersionResource("storage.k8s.io", "v1", "storageclasses")
VOLUME_ATTACHMENTS = GroupVersionResource("storage.k8s.io", "v1", "volumeattachments")
POD_DISRUPTION_BUDGETS = GroupVersionResource("policy", "v1", "poddisruptionbudgets")
