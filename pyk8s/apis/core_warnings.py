# SPDX-License-Identifier: Apache-2.0
"""What a client is warned of about Services, Nodes, volumes and claims: fields with no effect,
fields on their way out."""

from __future__ import annotations

from pyk8s.apimachinery import field
from pyk8s.apimachinery.gvk import Object
from pyk8s.apis import pod_warnings, services

_BETA_CLASS = "volume.beta.kubernetes.io/storage-class"
_MOUNT_OPTIONS = "volume.beta.kubernetes.io/mount-options"
_TOPOLOGY_HINTS = "service.kubernetes.io/topology-aware-hints"
_TOPOLOGY_MODE = "service.kubernetes.io/topology-mode"
_MOUNTABLE_SECRETS = "kubernetes.io/enforce-mountable-secrets"
_CLASS_DEPRECATED = 'deprecated since v1.8; use "storageClassName" attribute instead'
_SPEC = field.Path("spec")
_ANNOTATIONS = field.Path("metadata", "annotations")


def warnings_for_service(service: Object) -> list[str]:
    spec = service["spec"]
    warnings = []
    if _TOPOLOGY_HINTS in service["metadata"].get("annotations", {}):
        warnings.append(
            f"annotation {_TOPOLOGY_HINTS} is deprecated, please use {_TOPOLOGY_MODE} instead"
        )
    if spec.get("type") == services.EXTERNAL_NAME:
        if spec.get("externalIPs"):
            warnings.append('spec.externalIPs is ignored when spec.type is "ExternalName"')
    elif spec.get("externalName"):
        warnings.append('spec.externalName is ignored when spec.type is not "ExternalName"')
    if services.is_headless(spec):
        if spec.get("loadBalancerIP"):
            warnings.append("spec.loadBalancerIP is ignored for headless services")
        if spec.get("externalIPs"):
            warnings.append("spec.externalIPs is ignored for headless services")
        if spec.get("sessionAffinity") != "None":
            warnings.append("spec.SessionAffinity is ignored for headless services")
    return warnings


def warnings_for_node(node: Object) -> list[str]:
    spec = node.get("spec") or {}
    warnings = []
    if "configSource" in spec:
        warnings.append("spec.configSource: the feature is no longer available")
    if spec.get("externalID"):
        warnings.append("spec.externalID: this field is deprecated, and is unused by Kubernetes")
    return warnings


def warnings_for_volume(volume: Object) -> list[str]:
    spec = volume["spec"]
    annotations = volume["metadata"].get("annotations", {})
    warnings = []
    if _BETA_CLASS in annotations:
        warnings.append(f"{_ANNOTATIONS.key(_BETA_CLASS)}: {_CLASS_DEPRECATED}")
    if _MOUNT_OPTIONS in annotations:
        detail = 'deprecated since v1.31; use "mountOptions" attribute instead'
        warnings.append(f"{_ANNOTATIONS.key(_MOUNT_OPTIONS)}: {detail}")
    if spec.get("persistentVolumeReclaimPolicy") == "Recycle":
        warnings.append(
            "spec.persistentVolumeReclaimPolicy: The Recycle reclaim policy is deprecated. "
            "Instead, the recommended approach is to use dynamic provisioning."
        )
    affinity = (spec.get("nodeAffinity") or {}).get("required") or {}
    for index, term in enumerate(affinity.get("nodeSelectorTerms", ())):
        at = _SPEC.child("nodeAffinity", "required", "nodeSelectorTerms").index(index)
        warnings += pod_warnings.node_selector_term_warnings(term, at)
    for kind, detail in pod_warnings.DEPRECATED_VOLUMES.items():
        if kind in spec:
            shown = pod_warnings.VOLUME_PATHS.get(kind, kind)
            warnings.append(f"{_SPEC.child(shown)}: {detail}")
    return warnings


def warnings_for_claim(claim: Object) -> list[str]:
    warnings = []
    if _BETA_CLASS in claim["metadata"].get("annotations", {}):
        warnings.append(f"{_ANNOTATIONS.key(_BETA_CLASS)}: {_CLASS_DEPRECATED}")
    return warnings + pod_warnings.claim_spec_warnings(claim["spec"], _SPEC)


def warnings_for_service_account(account: Object) -> list[str]:
    if _MOUNTABLE_SECRETS not in account["metadata"].get("annotations", {}):
        return []
    detail = "deprecated in v1.32+; prefer separate namespaces to isolate access to mounted secrets"
    return [f"{_ANNOTATIONS.key(_MOUNTABLE_SECRETS)}: {detail}"]
