# SPDX-License-Identifier: Apache-2.0
"""Selectable fields: by which fields a field selector may ask, and what an object has in them.

Every kind may be selected by name and namespace; the kinds below by more. A selector's keys are
first converted from the words of the version that was asked (`convert_field_selector`), then
compared with the fields of the stored form (`Selectable.fields_of`). Upstream keeps the two sides
in `AddFieldLabelConversionFunc` and in each registry's `ToSelectableFields`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from pyk8s.apimachinery.gojson import quoted_string
from pyk8s.apimachinery.gvk import GroupResource, GroupVersionKind, Object

Fields = dict[str, str]

NAME = "metadata.name"
NAMESPACE = "metadata.namespace"


NOT_SUPPORTED = "field label not supported: {key}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Selectable:
    """The selectable fields of one kind, in one version.

    `allowed` are the keys a client may use in the stored version's words. `aliases` lead from
    other keys to those. `fields_of` gives every selectable field of an object, as text; a
    field that upstream accepts but never fills reads as empty. `indexed` are the fields that
    deserve an index, because controllers watch by them. `refusal` is upstream's word for any
    other key, with the places `key` and `quoted`.
    """

    allowed: frozenset[str]
    fields_of: Callable[[Object], Fields]
    aliases: Mapping[str, str] = field(default_factory=dict)
    indexed: tuple[str, ...] = ()
    refusal: str = NOT_SUPPORTED

    def convert(self, key: str, value: str) -> tuple[str, str]:
        """The key as stored, and the value; raises ValueError for a key that is not allowed."""
        if key in self.aliases:
            return self.aliases[key], value
        if key in self.allowed:
            return key, value
        raise ValueError(self.refusal.format(key=key, quoted=quoted_string(key)))


def of(resource: GroupResource) -> Selectable:
    """What may be selected; resources without fields of their own are known by name alone."""
    return _BY_RESOURCE.get(resource, METADATA_ONLY)


def convert_field_selector(gvk: GroupVersionKind, key: str, value: str) -> tuple[str, str]:
    """`Selectable.convert` for a built-in kind."""
    return _BY_KIND.get(gvk, METADATA_ONLY).convert(key, value)


def metadata_fields(obj: Object) -> Fields:
    """Name, and namespace when there is one: a cluster-scoped object has no such field."""
    metadata = obj.get("metadata") or {}
    fields = {NAME: metadata.get("name", "")}
    if "namespace" in metadata:
        fields[NAMESPACE] = metadata["namespace"]
    return fields


METADATA_ONLY = Selectable(
    allowed=frozenset({NAME, NAMESPACE}),
    fields_of=metadata_fields,
    refusal=f'{{quoted}} is not a known field selector: only "{NAME}", "{NAMESPACE}"',
)


def _bool(value: Any) -> str:
    return "true" if value else "false"


def _pod_fields(pod: Object) -> Fields:
    spec = pod.get("spec") or {}
    status = pod.get("status") or {}
    pod_ips = status.get("podIPs") or ()
    return {
        **metadata_fields(pod),
        "spec.nodeName": spec.get("nodeName", ""),
        "spec.restartPolicy": spec.get("restartPolicy", ""),
        "spec.schedulerName": spec.get("schedulerName", ""),
        "spec.serviceAccountName": spec.get("serviceAccountName", ""),
        "spec.hostNetwork": _bool(spec.get("hostNetwork")),
        "status.phase": status.get("phase", ""),
        "status.podIP": pod_ips[0].get("ip", "") if pod_ips else status.get("podIP", ""),
        "status.nominatedNodeName": status.get("nominatedNodeName", ""),
    }


def _node_fields(node: Object) -> Fields:
    spec = node.get("spec") or {}
    return {**metadata_fields(node), "spec.unschedulable": _bool(spec.get("unschedulable"))}


def _namespace_fields(namespace: Object) -> Fields:
    status = namespace.get("status") or {}
    return {**metadata_fields(namespace), "status.phase": status.get("phase", "")}


def _secret_fields(secret: Object) -> Fields:
    return {**metadata_fields(secret), "type": secret.get("type", "")}


def _service_fields(service: Object) -> Fields:
    spec = service.get("spec") or {}
    return {
        **metadata_fields(service),
        "spec.clusterIP": spec.get("clusterIP", ""),
        "spec.type": spec.get("type", ""),
    }


def _replication_controller_fields(controller: Object) -> Fields:
    status = controller.get("status") or {}
    return {**metadata_fields(controller), "status.replicas": str(status.get("replicas") or 0)}


def _job_fields(job: Object) -> Fields:
    status = job.get("status") or {}
    # The key and the field differ in name upstream too.
    return {**metadata_fields(job), "status.successful": str(status.get("succeeded") or 0)}


_INVOLVED_OBJECT = (
    "kind",
    "namespace",
    "name",
    "uid",
    "apiVersion",
    "resourceVersion",
    "fieldPath",
)


def _event_fields(event: Object) -> Fields:
    involved = event.get("involvedObject") or {}
    reporting = event.get("reportingComponent", "")
    source = (event.get("source") or {}).get("component", "")
    return {
        **metadata_fields(event),
        **{f"involvedObject.{name}": involved.get(name, "") for name in _INVOLVED_OBJECT},
        "reason": event.get("reason", ""),
        "reportingComponent": reporting,
        "source": source or reporting,
        "type": event.get("type", ""),
    }


def _spec_fields(*names: str) -> Callable[[Object], Fields]:
    """Plain text fields of the spec."""

    def fields_of(obj: Object) -> Fields:
        spec = obj.get("spec") or {}
        return {**metadata_fields(obj), **{f"spec.{name}": spec.get(name, "") for name in names}}

    return fields_of


def _selectable(
    fields_of: Callable[[Object], Fields],
    *keys: str,
    aliases: Mapping[str, str] | None = None,
    indexed: tuple[str, ...] = (),
    refusal: str = NOT_SUPPORTED,
) -> Selectable:
    return Selectable(
        allowed=frozenset(keys),
        fields_of=fields_of,
        aliases=aliases or {},
        indexed=indexed,
        refusal=refusal,
    )


_BOTH = (NAME, NAMESPACE)
_EVENT_KEYS = ("reason", "source", "type", *_BOTH)
_EVENT = _selectable(
    _event_fields,
    *(f"involvedObject.{name}" for name in _INVOLVED_OBJECT),
    "reportingComponent",
    *_EVENT_KEYS,
)
# events.k8s.io asks in its own words and shares the store of the core group.
_EVENTS_V1 = _selectable(
    _event_fields,
    *_EVENT_KEYS,
    aliases={
        **{f"regarding.{name}": f"involvedObject.{name}" for name in _INVOLVED_OBJECT},
        "reportingController": "reportingComponent",
    },
)

_CERTIFICATES = "certificates.k8s.io"
# GVK of the version that is asked, plural of its resource, and what may be selected there.
_KINDS: tuple[tuple[GroupVersionKind, str, Selectable], ...] = (
    (
        GroupVersionKind("", "v1", "Pod"),
        "pods",
        _selectable(
            _pod_fields,
            *_BOTH,
            "spec.nodeName",
            "spec.restartPolicy",
            "spec.schedulerName",
            "spec.serviceAccountName",
            "spec.hostNetwork",
            "status.phase",
            "status.podIP",
            # Upstream accepts this one and never fills it.
            "status.podIPs",
            "status.nominatedNodeName",
            aliases={"spec.host": "spec.nodeName"},
            indexed=("spec.nodeName",),
        ),
    ),
    (
        GroupVersionKind("", "v1", "Node"),
        "nodes",
        _selectable(_node_fields, NAME, "spec.unschedulable"),
    ),
    (
        GroupVersionKind("", "v1", "Namespace"),
        "namespaces",
        _selectable(_namespace_fields, NAME, "status.phase"),
    ),
    (
        GroupVersionKind("", "v1", "Secret"),
        "secrets",
        _selectable(_secret_fields, *_BOTH, "type"),
    ),
    (
        GroupVersionKind("", "v1", "Service"),
        "services",
        _selectable(_service_fields, *_BOTH, "spec.clusterIP", "spec.type"),
    ),
    (
        GroupVersionKind("", "v1", "ReplicationController"),
        "replicationcontrollers",
        _selectable(_replication_controller_fields, *_BOTH, "status.replicas"),
    ),
    (GroupVersionKind("", "v1", "Event"), "events", _EVENT),
    (GroupVersionKind("events.k8s.io", "v1", "Event"), "events", _EVENTS_V1),
    (
        GroupVersionKind("batch", "v1", "Job"),
        "jobs",
        _selectable(
            _job_fields,
            *_BOTH,
            "status.successful",
            refusal="field label {quoted} not supported for Job",
        ),
    ),
    (
        GroupVersionKind(_CERTIFICATES, "v1", "CertificateSigningRequest"),
        "certificatesigningrequests",
        _selectable(_spec_fields("signerName"), NAME, "spec.signerName"),
    ),
    (
        GroupVersionKind(_CERTIFICATES, "v1", "ClusterTrustBundle"),
        "clustertrustbundles",
        _selectable(_spec_fields("signerName"), NAME, "spec.signerName"),
    ),
    (
        GroupVersionKind(_CERTIFICATES, "v1", "PodCertificateRequest"),
        "podcertificaterequests",
        _selectable(
            _spec_fields("signerName", "podName", "nodeName"),
            NAME,
            "spec.signerName",
            "spec.podName",
            "spec.nodeName",
            indexed=("spec.nodeName",),
        ),
    ),
    (
        GroupVersionKind("resource.k8s.io", "v1", "ResourceSlice"),
        "resourceslices",
        _selectable(
            _spec_fields("nodeName", "driver"),
            NAME,
            "spec.nodeName",
            "spec.driver",
            indexed=("spec.nodeName",),
            refusal=("field label not supported for resource.k8s.io/v1, Kind=ResourceSlice: {key}"),
        ),
    ),
)
_BY_KIND = {gvk: selectable for gvk, _, selectable in _KINDS}
_BY_RESOURCE = {
    GroupResource(gvk.group, resource): selectable for gvk, resource, selectable in _KINDS
}
