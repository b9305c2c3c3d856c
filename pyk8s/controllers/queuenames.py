# SPDX-License-Identifier: Apache-2.0
"""What the queues of controllers are called in upstream's workqueue_* metrics.

Dashboards and alerts know them by these names, few of which are the controllers' own. A
controller whose queue has no single counterpart there keeps its name.
"""

from __future__ import annotations

NAMES = {
    "clusterrole-aggregation-controller": "ClusterRoleAggregator",
    "cronjob-controller": "cronjob",
    "daemonset-controller": "daemonset",
    "deployment-controller": "deployment",
    "disruption-controller": "disruption",
    "endpoints-controller": "endpoint",
    "endpointslice-controller": "endpoint_slice",
    "endpointslice-mirroring-controller": "endpoint_slice_mirroring",
    "ephemeral-volume-controller": "ephemeral_volume",
    "garbage-collector-controller": "garbage_collector_attempt_to_delete",
    "horizontal-pod-autoscaler-controller": "horizontalpodautoscaler",
    "job-controller": "job",
    "namespace-controller": "namespace",
    "node-lifecycle-controller": "node_lifecycle_controller",
    "persistentvolume-expander-controller": "volume_expand",
    "persistentvolume-protection-controller": "pvprotection",
    "persistentvolumeclaim-protection-controller": "pvcprotection",
    "pod-garbage-collector-controller": "orphaned_pods_nodes",
    "replicaset-controller": "replicaset",
    "replicationcontroller-controller": "replicationmanager",
    "resourcequota-controller": "resourcequota_primary",
    "root-ca-certificate-publisher-controller": "root_ca_cert_publisher",
    "service-lb-controller": "service",
    "serviceaccount-controller": "serviceaccount",
    "statefulset-controller": "statefulset",
    "taint-eviction-controller": "noexec_taint_pod",
    "token-cleaner-controller": "token_cleaner",
    "ttl-after-finished-controller": "ttl_jobs_to_delete",
    "ttl-controller": "ttlcontroller",
}


def of(controller: str) -> str:
    return NAMES.get(controller, controller)
