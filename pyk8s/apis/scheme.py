# SPDX-License-Identifier: Apache-2.0
"""The scheme: what each served resource is, looked up by resource or by kind.

    routes.tsv (derived)  +  the tables below (short names, storage)  ->  builtin()

Custom resources are more of the same: `Scheme([*builtin().resources, *custom])`.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from pyk8s.apimachinery.gvk import (
    GroupKind,
    GroupResource,
    GroupVersion,
    GroupVersionKind,
    GroupVersionResource,
    parse_group_version,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Subresource:
    """`kind` is what travels: Scale for deployments/scale, the parent's kind for status."""

    name: str
    kind: GroupVersionKind
    verbs: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Resource:
    """One served resource in one version. `verbs` are discovery's words, sorted
    (`create delete deletecollection get list patch update watch`)."""

    group: str
    version: str
    resource: str
    kind: str
    singular: str
    namespaced: bool
    verbs: tuple[str, ...]
    short_names: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    subresources: Mapping[str, Subresource]
    # Where and as what the objects are stored; several versions share one store. The prefix is
    # the key's part after `/registry/`, without slashes at its ends; it is empty for what is
    # answered without being stored (see `stored`).
    storage_version: GroupVersionKind
    storage_prefix: str
    # A DELETE that ends the object answers with the object instead of a Status.
    returns_deleted_object: bool = False
    # Warned of on every request to this version, reads included; empty while it is not on its
    # way out.
    deprecation: str = ""

    @property
    def group_version(self) -> GroupVersion:
        return GroupVersion(self.group, self.version)

    @property
    def group_resource(self) -> GroupResource:
        return GroupResource(self.group, self.resource)

    @property
    def group_kind(self) -> GroupKind:
        return GroupKind(self.group, self.kind)

    @property
    def gvk(self) -> GroupVersionKind:
        return GroupVersionKind(self.group, self.version, self.kind)

    @property
    def gvr(self) -> GroupVersionResource:
        return GroupVersionResource(self.group, self.version, self.resource)

    @property
    def list_kind(self) -> str:
        return self.kind + "List"

    @property
    def stored(self) -> bool:
        """False for reviews, bindings and component statuses, which nothing keeps."""
        return bool(self.storage_prefix)


class Scheme:
    """Every served resource, fixed once made. Groups are in the order in which discovery lists
    them, versions with the preferred one first, resources of a group version by name."""

    def __init__(self, resources: Iterable[Resource]) -> None:
        by_group: dict[str, list[Resource]] = {}
        for resource in resources:
            by_group.setdefault(resource.group, []).append(resource)
        self.groups: tuple[str, ...] = tuple(sorted(by_group, key=group_order))
        self._versions = {
            group: tuple(sorted({r.version for r in members}, key=version_order))
            for group, members in by_group.items()
        }
        self.resources: tuple[Resource, ...] = tuple(
            resource
            for group in self.groups
            for resource in sorted(
                by_group[group], key=lambda r: (version_order(r.version), r.resource)
            )
        )
        self.by_resource: Mapping[GroupVersionResource, Resource] = MappingProxyType(
            {resource.gvr: resource for resource in self.resources}
        )
        self.by_kind: Mapping[GroupVersionKind, Resource] = MappingProxyType(
            {resource.gvk: resource for resource in self.resources}
        )

    def versions(self, group: str) -> tuple[str, ...]:
        """The served versions of a group, the preferred one first; raises KeyError."""
        return self._versions[group]

    def preferred_version(self, group: str) -> str:
        return self._versions[group][0]

    @property
    def group_versions(self) -> tuple[GroupVersion, ...]:
        return tuple(
            GroupVersion(group, version)
            for group in self.groups
            for version in self.versions(group)
        )

    def resources_of(self, group_version: GroupVersion) -> tuple[Resource, ...]:
        """The resources of one group version by name; empty when it is not served."""
        return tuple(r for r in self.resources if r.group_version == group_version)


@functools.cache
def builtin() -> Scheme:
    """The resources that a kube-apiserver of this release serves by default."""
    return Scheme(_read_routes(Path(__file__).with_name("routes.tsv").read_text()))


def group_order(group: str) -> tuple[int, str]:
    """Sorts the built-in groups as the aggregator does, by priority, and others after them."""
    return _GROUP_POSITIONS.get(group, len(_GROUP_POSITIONS)), group


def version_order(version: str) -> tuple[int, int, int, str]:
    """Sorts the preferred version first: v2, v1, v1beta1, v1alpha2, v1alpha1, then other words
    by the alphabet (apimachinery's CompareKubeAwareVersionStrings)."""
    match = _VERSION.match(version)
    if match is None:
        return len(_STABILITIES), 0, 0, version
    stability = _STABILITIES.index(match["stability"] or "")
    return stability, -int(match["major"]), -int(match["minor"] or 0), version


_VERSION = re.compile(r"^v(?P<major>[1-9]\d*)(?:(?P<stability>alpha|beta)(?P<minor>[1-9]\d*))?$")
_STABILITIES = ("", "beta", "alpha")

# groupPriorityMinimum and, by version, versionPriority of the APIServices that kube-apiserver
# registers for itself (pkg/controlplane/apiserver/aggregator.go and
# cmd/kube-apiserver/app/aggregator.go). The group of APIServices itself has none.
PRIORITIES: dict[str, tuple[int, dict[str, int]]] = {
    "": (18000, {"v1": 1}),
    "apps": (17800, {"v1": 15}),
    "events.k8s.io": (17750, {"v1": 15}),
    "authentication.k8s.io": (17700, {"v1": 15}),
    "authorization.k8s.io": (17600, {"v1": 15}),
    "autoscaling": (17500, {"v1": 15, "v2": 30}),
    "batch": (17400, {"v1": 15}),
    "certificates.k8s.io": (17300, {"v1": 15}),
    "networking.k8s.io": (17200, {"v1": 15}),
    "policy": (17100, {"v1": 15}),
    "rbac.authorization.k8s.io": (17000, {"v1": 15}),
    "storage.k8s.io": (16800, {"v1": 15}),
    "admissionregistration.k8s.io": (16700, {"v1": 15}),
    "apiextensions.k8s.io": (16700, {"v1": 15}),
    "scheduling.k8s.io": (16600, {"v1": 15}),
    "coordination.k8s.io": (16500, {"v1": 15}),
    "node.k8s.io": (16300, {"v1": 15}),
    "discovery.k8s.io": (16200, {"v1": 15}),
    "resource.k8s.io": (16200, {"v1": 20}),
    "flowcontrol.apiserver.k8s.io": (16100, {"v1": 21}),
    "storagemigration.k8s.io": (15800, {"v1": 15}),
}

# The legacy group is listed apart, under /api.
_GROUPS = ("", "apiregistration.k8s.io", *(group for group in PRIORITIES if group))
_GROUP_POSITIONS = {group: position for position, group in enumerate(_GROUPS)}

_SHORT_NAMES: dict[tuple[str, str], tuple[str, ...]] = {
    ("", "componentstatuses"): ("cs",),
    ("", "configmaps"): ("cm",),
    ("", "endpoints"): ("ep",),
    ("", "events"): ("ev",),
    ("", "limitranges"): ("limits",),
    ("", "namespaces"): ("ns",),
    ("", "nodes"): ("no",),
    ("", "persistentvolumeclaims"): ("pvc",),
    ("", "persistentvolumes"): ("pv",),
    ("", "pods"): ("po",),
    ("", "replicationcontrollers"): ("rc",),
    ("", "resourcequotas"): ("quota",),
    ("", "serviceaccounts"): ("sa",),
    ("", "services"): ("svc",),
    ("apiextensions.k8s.io", "customresourcedefinitions"): ("crd", "crds"),
    ("apps", "daemonsets"): ("ds",),
    ("apps", "deployments"): ("deploy",),
    ("apps", "replicasets"): ("rs",),
    ("apps", "statefulsets"): ("sts",),
    ("autoscaling", "horizontalpodautoscalers"): ("hpa",),
    ("batch", "cronjobs"): ("cj",),
    ("certificates.k8s.io", "certificatesigningrequests"): ("csr",),
    ("events.k8s.io", "events"): ("ev",),
    ("networking.k8s.io", "ingresses"): ("ing",),
    ("networking.k8s.io", "ipaddresses"): ("ip",),
    ("networking.k8s.io", "networkpolicies"): ("netpol",),
    ("policy", "poddisruptionbudgets"): ("pdb",),
    ("scheduling.k8s.io", "priorityclasses"): ("pc",),
    ("storage.k8s.io", "storageclasses"): ("sc",),
    ("storage.k8s.io", "volumeattributesclasses"): ("vac",),
}

_CATEGORIES = {
    "all": {
        ("", "pods"),
        ("", "replicationcontrollers"),
        ("", "services"),
        ("apps", "daemonsets"),
        ("apps", "deployments"),
        ("apps", "replicasets"),
        ("apps", "statefulsets"),
        ("autoscaling", "horizontalpodautoscalers"),
        ("batch", "cronjobs"),
        ("batch", "jobs"),
    },
    "api-extensions": {
        ("admissionregistration.k8s.io", "mutatingadmissionpolicies"),
        ("admissionregistration.k8s.io", "mutatingadmissionpolicybindings"),
        ("admissionregistration.k8s.io", "mutatingwebhookconfigurations"),
        ("admissionregistration.k8s.io", "validatingadmissionpolicies"),
        ("admissionregistration.k8s.io", "validatingadmissionpolicybindings"),
        ("admissionregistration.k8s.io", "validatingwebhookconfigurations"),
        ("apiextensions.k8s.io", "customresourcedefinitions"),
        ("apiregistration.k8s.io", "apiservices"),
    },
}

# Upstream's test/integration/etcd/data.go fixes every key; these are not just the resource.
_STORAGE_PREFIXES = {
    ("", "endpoints"): "services/endpoints",
    ("", "nodes"): "minions",
    ("", "replicationcontrollers"): "controllers",
    ("", "services"): "services/specs",
    ("apiextensions.k8s.io", "customresourcedefinitions"): (
        "apiextensions.k8s.io/customresourcedefinitions"
    ),
    ("apiregistration.k8s.io", "apiservices"): "apiregistration.k8s.io/apiservices",
    ("networking.k8s.io", "ingresses"): "ingress",
}

# Where one store serves several versions or groups. Four kinds are newer than upstream's rule
# that the release before must be able to read what is stored, which writes them as beta
# (ClusterTrustBundle, PodCertificateRequest, StorageVersionMigration, DeviceTaintRule). No beta
# is served here, so they are stored as v1, which every release that has their v1 reads.
_STORAGE_VERSIONS = {
    ("autoscaling", "horizontalpodautoscalers"): GroupVersionKind(
        "autoscaling", "v2", "HorizontalPodAutoscaler"
    ),
    ("events.k8s.io", "events"): GroupVersionKind("", "v1", "Event"),
}

# Upstream's prerelease-lifecycle tags, in the words of its `deprecation.WarningMessage`.
_DEPRECATIONS = {
    ("", "componentstatuses"): "v1 ComponentStatus is deprecated in v1.19+",
    ("", "endpoints"): (
        "v1 Endpoints is deprecated in v1.33+; use discovery.k8s.io/v1 EndpointSlice"
    ),
}


@dataclass(frozen=True, slots=True)
class _Row:
    """One line of routes.tsv."""

    group_version: GroupVersion
    resource: str
    subresource: str
    namespaced: bool
    kind: GroupVersionKind
    verbs: tuple[str, ...]
    deletes: str


def _read_routes(text: str) -> Iterator[Resource]:
    rows = [_read_row(line) for line in text.splitlines() if not line.startswith("#")]
    subresources: dict[GroupVersionResource, dict[str, Subresource]] = {}
    for row in rows:
        if row.subresource:
            gvr = GroupVersionResource(*row.group_version, row.resource)
            subresources.setdefault(gvr, {})[row.subresource] = Subresource(
                name=row.subresource, kind=row.kind, verbs=row.verbs
            )
    for row in rows:
        if not row.subresource:
            gvr = GroupVersionResource(*row.group_version, row.resource)
            yield _resource(row, subresources.get(gvr, {}))


def _read_row(line: str) -> _Row:
    api_version, path, scope, kind, verbs, deletes = line.split("\t")
    resource, _, subresource = path.partition("/")
    group_version = parse_group_version(api_version)
    kind_version, _, kind_name = kind.rpartition("/")
    gvk = GroupVersionKind(
        *(parse_group_version(kind_version) if kind_version else group_version), kind_name
    )
    return _Row(
        group_version,
        resource,
        subresource,
        scope == "Namespaced",
        gvk,
        tuple(verbs.split(",")),
        deletes,
    )


def _resource(row: _Row, subresources: Mapping[str, Subresource]) -> Resource:
    key = (row.group_version.group, row.resource)
    stored = "get" in row.verbs and "create" in row.verbs
    return Resource(
        group=row.group_version.group,
        version=row.group_version.version,
        resource=row.resource,
        kind=row.kind.kind,
        singular=row.kind.kind.lower(),
        namespaced=row.namespaced,
        verbs=row.verbs,
        short_names=_SHORT_NAMES.get(key, ()),
        categories=tuple(name for name, members in _CATEGORIES.items() if key in members),
        subresources=MappingProxyType(dict(subresources)),
        storage_version=_STORAGE_VERSIONS.get(key, row.kind),
        storage_prefix=_STORAGE_PREFIXES.get(key, row.resource) if stored else "",
        returns_deleted_object=row.deletes == "object",
        deprecation=_DEPRECATIONS.get(key, ""),
    )
