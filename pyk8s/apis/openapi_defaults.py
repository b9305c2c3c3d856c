# SPDX-License-Identifier: Apache-2.0
"""The defaults that the v3 documents state, and v2 does not.

Upstream derives them from its Go types: a field that is a struct by value defaults to `{}`, one
that is always written defaults to its zero value, one that is a pointer to nothing. The schemas
do not tell these apart, so the structs held by value stand here; explicit defaults too.
"""

from __future__ import annotations

from typing import Any

from pyk8s.apis import schemas
from pyk8s.apis.schemas import Schema

_ZERO: dict[str, Any] = {"string": "", "integer": 0, "number": 0, "boolean": False}

_META = "io.k8s.apimachinery.pkg.apis.meta.v1"
_EXTENSIONS = "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1"
# Structs that write themselves as something else than an object: `{}` would not fit them.
_OWN_FORM = frozenset(
    {
        schemas.QUANTITY,
        schemas.INT_OR_STRING,
        f"{_META}.Time",
        f"{_META}.MicroTime",
        f"{_META}.FieldsV1",
        "io.k8s.apimachinery.pkg.runtime.RawExtension",
        f"{_EXTENSIONS}.JSON",
        f"{_EXTENSIONS}.JSONSchemaPropsOrArray",
        f"{_EXTENSIONS}.JSONSchemaPropsOrBool",
        f"{_EXTENSIONS}.JSONSchemaPropsOrStringArray",
    }
)


def default_of_property(name: str, field: str, property_: Schema, *, required: bool) -> Any:
    """The default of a definition's field, None when it has none."""
    explicit = _EXPLICIT.get(name, {}).get(field)
    if explicit is not None:
        return explicit
    if "$ref" in property_:
        return {} if _is_by_value(name, field, property_) else None
    if not required or field in _REQUIRED_POINTERS.get(name, ()):
        return None
    return _zero_of(property_)


def default_of_element(element: Schema) -> Any:
    """The default of a list's item or a map's value: never a pointer, so always its zero."""
    if "$ref" in element:
        return None if schemas.ref_name(element["$ref"]) in _OWN_FORM else {}
    return _zero_of(element)


def _zero_of(described: Schema) -> Any:
    if described.get("format") == "byte":
        return None  # a slice, though it travels as a string
    return _ZERO.get(described.get("type", ""))


def _is_by_value(name: str, field: str, property_: Schema) -> bool:
    if schemas.ref_name(property_["$ref"]) in _OWN_FORM:
        return False
    if field == "metadata":
        return True
    if field in ("spec", "status") and schemas.GVK_EXTENSION in schemas.definition(name):
        return True
    return field in _BY_VALUE.get(name, ())


def _core(fields: dict[str, Any]) -> dict[str, Any]:
    return {f"io.k8s.api.core.v1.{type_}": value for type_, value in fields.items()}


_RBD = {"keyring": "/etc/ceph/keyring", "pool": "rbd", "user": "admin"}
_SCALE_IO = {"fsType": "xfs", "storageMode": "ThinProvisioned"}
_NAME = {"name": ""}
# The `+default=` tags of the served types.
_EXPLICIT: dict[str, dict[str, Any]] = _core(
    {
        "AzureDiskVolumeSource": {
            "cachingMode": "ReadWrite",
            "fsType": "ext4",
            "kind": "Shared",
            "readOnly": False,
        },
        "ConfigMapEnvSource": _NAME,
        "ConfigMapKeySelector": _NAME,
        "ConfigMapProjection": _NAME,
        "ConfigMapVolumeSource": _NAME,
        "ContainerPort": {"protocol": "TCP"},
        "GRPCAction": {"service": ""},
        "ISCSIPersistentVolumeSource": {"iscsiInterface": "default"},
        "ISCSIVolumeSource": {"iscsiInterface": "default"},
        "LocalObjectReference": _NAME,
        "RBDPersistentVolumeSource": _RBD,
        "RBDVolumeSource": _RBD,
        "ReplicationControllerSpec": {"minReadySeconds": 0, "replicas": 1},
        "ScaleIOPersistentVolumeSource": _SCALE_IO,
        "ScaleIOVolumeSource": _SCALE_IO,
        "SecretEnvSource": _NAME,
        "SecretKeySelector": _NAME,
        "SecretProjection": _NAME,
        "ServicePort": {"protocol": "TCP"},
    }
)

# Scalars that must be given and are pointers all the same.
_REQUIRED_POINTERS = {
    "io.k8s.api.admissionregistration.v1.MutatingWebhook": ("sideEffects",),
    "io.k8s.api.admissionregistration.v1.ValidatingWebhook": ("sideEffects",),
    "io.k8s.api.core.v1.EvictionResponder": ("priority",),
    "io.k8s.api.networking.v1.HTTPIngressPath": ("pathType",),
}

# Structs held by value, beside metadata everywhere and spec and status of kinds.
_BY_VALUE: dict[str, tuple[str, ...]] = {
    "io.k8s.api.admissionregistration.v1.MutatingWebhook": ("clientConfig",),
    "io.k8s.api.admissionregistration.v1.ValidatingWebhook": ("clientConfig",),
    "io.k8s.api.apps.v1.DaemonSetSpec": (
        "template",
        "updateStrategy",
    ),
    "io.k8s.api.apps.v1.DeploymentSpec": (
        "strategy",
        "template",
    ),
    "io.k8s.api.apps.v1.ReplicaSetSpec": ("template",),
    "io.k8s.api.apps.v1.StatefulSetSpec": (
        "template",
        "updateStrategy",
    ),
    "io.k8s.api.authentication.v1.SelfSubjectReviewStatus": ("userInfo",),
    "io.k8s.api.authentication.v1.TokenReviewStatus": ("user",),
    "io.k8s.api.autoscaling.v1.HorizontalPodAutoscalerSpec": ("scaleTargetRef",),
    "io.k8s.api.autoscaling.v2.ContainerResourceMetricSource": ("target",),
    "io.k8s.api.autoscaling.v2.ContainerResourceMetricStatus": ("current",),
    "io.k8s.api.autoscaling.v2.ExternalMetricSource": (
        "metric",
        "target",
    ),
    "io.k8s.api.autoscaling.v2.ExternalMetricStatus": (
        "current",
        "metric",
    ),
    "io.k8s.api.autoscaling.v2.HorizontalPodAutoscalerSpec": ("scaleTargetRef",),
    "io.k8s.api.autoscaling.v2.ObjectMetricSource": (
        "describedObject",
        "metric",
        "target",
    ),
    "io.k8s.api.autoscaling.v2.ObjectMetricStatus": (
        "current",
        "describedObject",
        "metric",
    ),
    "io.k8s.api.autoscaling.v2.PodsMetricSource": (
        "metric",
        "target",
    ),
    "io.k8s.api.autoscaling.v2.PodsMetricStatus": (
        "current",
        "metric",
    ),
    "io.k8s.api.autoscaling.v2.ResourceMetricSource": ("target",),
    "io.k8s.api.autoscaling.v2.ResourceMetricStatus": ("current",),
    "io.k8s.api.batch.v1.CronJobSpec": ("jobTemplate",),
    "io.k8s.api.batch.v1.JobSpec": ("template",),
    "io.k8s.api.batch.v1.JobTemplateSpec": ("spec",),
    "io.k8s.api.core.v1.Binding": ("target",),
    "io.k8s.api.core.v1.Container": ("resources",),
    "io.k8s.api.core.v1.ContainerStatus": (
        "lastState",
        "state",
    ),
    "io.k8s.api.core.v1.EphemeralContainer": ("resources",),
    "io.k8s.api.core.v1.Event": (
        "involvedObject",
        "source",
    ),
    "io.k8s.api.core.v1.NodeDaemonEndpoints": ("kubeletEndpoint",),
    "io.k8s.api.core.v1.NodeStatus": (
        "daemonEndpoints",
        "nodeInfo",
    ),
    "io.k8s.api.core.v1.PersistentVolumeClaimSpec": ("resources",),
    "io.k8s.api.core.v1.PersistentVolumeClaimTemplate": ("spec",),
    "io.k8s.api.core.v1.PodTemplate": ("template",),
    "io.k8s.api.core.v1.PodTemplateSpec": ("spec",),
    "io.k8s.api.core.v1.PreferredSchedulingTerm": ("preference",),
    "io.k8s.api.core.v1.ServiceStatus": ("loadBalancer",),
    "io.k8s.api.core.v1.WeightedPodAffinityTerm": ("podAffinityTerm",),
    "io.k8s.api.discovery.v1.Endpoint": ("conditions",),
    "io.k8s.api.events.v1.Event": (
        "deprecatedSource",
        "regarding",
    ),
    "io.k8s.api.flowcontrol.v1.FlowSchemaSpec": ("priorityLevelConfiguration",),
    "io.k8s.api.flowcontrol.v1.LimitedPriorityLevelConfiguration": ("limitResponse",),
    "io.k8s.api.networking.v1.HTTPIngressPath": ("backend",),
    "io.k8s.api.networking.v1.IngressServiceBackend": ("port",),
    "io.k8s.api.networking.v1.IngressStatus": ("loadBalancer",),
    "io.k8s.api.networking.v1.NetworkPolicySpec": ("podSelector",),
    "io.k8s.api.rbac.v1.ClusterRoleBinding": ("roleRef",),
    "io.k8s.api.rbac.v1.RoleBinding": ("roleRef",),
    "io.k8s.api.resource.v1.AllocationResult": ("devices",),
    "io.k8s.api.resource.v1.DeviceTaintRuleSpec": ("taint",),
    "io.k8s.api.resource.v1.ResourceClaimSpec": ("devices",),
    "io.k8s.api.resource.v1.ResourceClaimTemplateSpec": ("spec",),
    "io.k8s.api.resource.v1.ResourceSliceSpec": ("pool",),
    "io.k8s.api.storage.v1.VolumeAttachmentSpec": ("source",),
    "io.k8s.api.storagemigration.v1.StorageVersionMigrationSpec": ("resource",),
    f"{_EXTENSIONS}.CustomResourceDefinitionSpec": ("names",),
    f"{_EXTENSIONS}.CustomResourceDefinitionStatus": ("acceptedNames",),
    f"{_META}.APIGroup": ("preferredVersion",),
}
