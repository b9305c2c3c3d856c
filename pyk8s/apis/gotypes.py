# SPDX-License-Identifier: Apache-2.0
"""The Go type of a schema, as it stands in decoding errors: `of type int32`, `of type v1.PodSpec`.

The OpenAPI schema names structs but not the named string and map types of the Go packages
(`v1.Protocol`, `v1.ResourceList`), which the error texts show; `_NAMED` lists them.
"""

from __future__ import annotations

import functools
from typing import Any

Schema = dict[str, Any]

# Per package: `Struct field=Type ...`; a list's or a map's entry names the element, except where
# a type in braces names the whole map.
_NAMED = """
@io.k8s.api.core.v1 v1
ComponentCondition type=ComponentConditionType status=ConditionStatus
Container imagePullPolicy=PullPolicy terminationMessagePolicy=TerminationMessagePolicy
Container restartPolicy=ContainerRestartPolicy
ContainerPort protocol=Protocol
ContainerResizePolicy resourceName=ResourceName restartPolicy=ResourceResizeRestartPolicy
ContainerStatus allocatedResources={ResourceList}
EmptyDirVolumeSource medium=StorageMedium
EndpointPort protocol=Protocol
EphemeralContainer imagePullPolicy=PullPolicy terminationMessagePolicy=TerminationMessagePolicy
HTTPGetAction scheme=URIScheme
HostPathVolumeSource type=HostPathType
LimitRangeItem type=LimitType max={ResourceList} min={ResourceList} default={ResourceList}
LimitRangeItem defaultRequest={ResourceList} maxLimitRequestRatio={ResourceList}
NamespaceCondition type=NamespaceConditionType status=ConditionStatus
NamespaceSpec finalizers=FinalizerName
NamespaceStatus phase=NamespacePhase
NodeAddress type=NodeAddressType
NodeCondition type=NodeConditionType status=ConditionStatus
NodeSelectorRequirement operator=NodeSelectorOperator
NodeStatus capacity={ResourceList} allocatable={ResourceList} phase=NodePhase
ObjectReference uid=types.UID
PersistentVolumeClaimSpec accessModes=PersistentVolumeAccessMode volumeMode=PersistentVolumeMode
PersistentVolumeClaimStatus phase=PersistentVolumeClaimPhase capacity={ResourceList}
PersistentVolumeClaimStatus accessModes=PersistentVolumeAccessMode
PersistentVolumeSpec capacity={ResourceList} accessModes=PersistentVolumeAccessMode
PersistentVolumeSpec persistentVolumeReclaimPolicy=PersistentVolumeReclaimPolicy
PersistentVolumeSpec volumeMode=PersistentVolumeMode
PersistentVolumeStatus phase=PersistentVolumePhase
PodCondition type=PodConditionType status=ConditionStatus
PodReadinessGate conditionType=PodConditionType
PodOS name=OSName
PodSecurityContext fsGroupChangePolicy=PodFSGroupChangePolicy
PodSpec restartPolicy=RestartPolicy dnsPolicy=DNSPolicy preemptionPolicy=PreemptionPolicy
PodSpec overhead={ResourceList}
PodStatus phase=PodPhase qosClass=PodQOSClass
PortStatus protocol=Protocol
ReplicationControllerCondition type=ReplicationControllerConditionType status=ConditionStatus
ResourceQuotaSpec hard={ResourceList} scopes=ResourceQuotaScope
ResourceQuotaStatus hard={ResourceList} used={ResourceList}
ResourceRequirements limits={ResourceList} requests={ResourceList}
ScopedResourceSelectorRequirement scopeName=ResourceQuotaScope
ScopedResourceSelectorRequirement operator=ScopeSelectorOperator
SeccompProfile type=SeccompProfileType
Secret type=SecretType
SecurityContext procMount=ProcMountType
Capabilities add=Capability drop=Capability
ServicePort protocol=Protocol
ServiceSpec type=ServiceType sessionAffinity=ServiceAffinity ipFamilies=IPFamily
ServiceSpec externalTrafficPolicy=ServiceExternalTrafficPolicy ipFamilyPolicy=IPFamilyPolicy
ServiceSpec internalTrafficPolicy=ServiceInternalTrafficPolicy
Taint effect=TaintEffect
Toleration operator=TolerationOperator effect=TaintEffect
TopologySpreadConstraint whenUnsatisfiable=UnsatisfiableConstraintAction
TopologySpreadConstraint nodeAffinityPolicy=NodeInclusionPolicy nodeTaintsPolicy=NodeInclusionPolicy
VolumeMount mountPropagation=MountPropagationMode recursiveReadOnly=RecursiveReadOnlyMode
VolumeResourceRequirements limits={ResourceList} requests={ResourceList}
@io.k8s.api.apps.v1 v1
DaemonSetCondition type=DaemonSetConditionType status=ConditionStatus
DaemonSetUpdateStrategy type=DaemonSetUpdateStrategyType
DeploymentCondition type=DeploymentConditionType status=ConditionStatus
DeploymentStrategy type=DeploymentStrategyType
ReplicaSetCondition type=ReplicaSetConditionType status=ConditionStatus
StatefulSetCondition type=StatefulSetConditionType status=ConditionStatus
StatefulSetSpec podManagementPolicy=PodManagementPolicyType
StatefulSetUpdateStrategy type=StatefulSetUpdateStrategyType
@io.k8s.api.batch.v1 v1
CronJobSpec concurrencyPolicy=ConcurrencyPolicy
JobCondition type=JobConditionType status=ConditionStatus
JobSpec completionMode=CompletionMode podReplacementPolicy=PodReplacementPolicy
@io.k8s.api.autoscaling.v2 v2
HPAScalingPolicy type=HPAScalingPolicyType
HPAScalingRules selectPolicy=ScalingPolicySelect
MetricSpec type=MetricSourceType
MetricTarget type=MetricTargetType
ContainerResourceMetricSource name=v1.ResourceName
ResourceMetricSource name=v1.ResourceName
@io.k8s.api.networking.v1 v1
HTTPIngressPath pathType=PathType
NetworkPolicyPort protocol=Protocol
NetworkPolicySpec policyTypes=PolicyType
@io.k8s.api.storage.v1 v1
StorageClass reclaimPolicy=PersistentVolumeReclaimPolicy volumeBindingMode=VolumeBindingMode
CSIDriverSpec volumeLifecycleModes=VolumeLifecycleMode fsGroupPolicy=FSGroupPolicy
@io.k8s.api.discovery.v1 v1
EndpointPort protocol=Protocol
EndpointSlice addressType=AddressType
@io.k8s.api.scheduling.v1 v1
PriorityClass preemptionPolicy=PreemptionPolicy
@io.k8s.api.admissionregistration.v1 v1
MutatingWebhook failurePolicy=FailurePolicyType matchPolicy=MatchPolicyType
MutatingWebhook sideEffects=SideEffectClass reinvocationPolicy=ReinvocationPolicyType
RuleWithOperations operations=OperationType scope=ScopeType
ValidatingWebhook failurePolicy=FailurePolicyType matchPolicy=MatchPolicyType
ValidatingWebhook sideEffects=SideEffectClass
@io.k8s.api.certificates.v1 v1
CertificateSigningRequestSpec usages=KeyUsage
CertificateSigningRequestCondition type=RequestConditionType status=ConditionStatus
@io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1 v1
CustomResourceConversion strategy=ConversionStrategyType
CustomResourceDefinitionCondition type=CustomResourceDefinitionConditionType status=ConditionStatus
CustomResourceDefinitionSpec scope=ResourceScope
@io.k8s.apimachinery.pkg.apis.meta.v1 v1
Condition status=ConditionStatus
DeleteOptions propagationPolicy=DeletionPropagation
LabelSelectorRequirement operator=LabelSelectorOperator
ManagedFieldsEntry operation=ManagedFieldsOperationType
ObjectMeta uid=types.UID
OwnerReference uid=types.UID
Preconditions uid=types.UID
"""

_SCALARS = {
    ("string", ""): "string",
    ("string", "byte"): "[]uint8",
    ("boolean", ""): "bool",
    ("integer", "int32"): "int32",
    ("integer", "int64"): "int64",
    ("integer", ""): "int64",
    ("number", "double"): "float64",
    ("number", ""): "float64",
    ("object", ""): "map[string]interface {}",
}


def struct_name(definition: str) -> str:
    """`io.k8s.api.core.v1.PodSpec` -> `PodSpec`."""
    return definition.rpartition(".")[2]


def of_definition(definition: str) -> str:
    """`io.k8s.api.core.v1.PodSpec` -> `v1.PodSpec`."""
    return ".".join(definition.split(".")[-2:])


def of_field(definition: str, field: str, schema: Schema) -> str:
    """The Go type of a struct's field; a pointer's is that of what it points at."""
    return of_schema(schema, _named().get((definition, field), ""))


def of_schema(schema: Schema, named: str = "") -> str:
    """The Go type of a value with this schema; `named` is its own or its elements' type name."""
    if "$ref" in schema:
        return of_definition(schema["$ref"].rpartition("/")[2])
    if named.startswith("{"):
        return named.strip("{}")
    if schema.get("type") == "array":
        return "[]" + of_schema(schema["items"], named)
    if "additionalProperties" in schema:
        return "map[string]" + of_schema(schema["additionalProperties"], named)
    return named or _SCALARS[schema.get("type", "object"), schema.get("format", "")]


def element_name(definition: str, field: str) -> str:
    """The type name of a list field's elements where the schema does not give it, else empty."""
    named = _named().get((definition, field), "")
    return "" if named.startswith("{") else named


@functools.cache
def _named() -> dict[tuple[str, str], str]:
    named: dict[tuple[str, str], str] = {}
    for block in _NAMED.split("@")[1:]:
        head, *lines = block.strip().splitlines()
        package, version = head.split()
        for struct, *words in (line.split() for line in lines):
            for word in words:
                field, _, name = word.partition("=")
                named[f"{package}.{struct}", field] = _qualified(name, version)
    return named


def _qualified(name: str, version: str) -> str:
    if "." in name:
        return name
    return f"{{{version}.{name[1:]}" if name.startswith("{") else f"{version}.{name}"
