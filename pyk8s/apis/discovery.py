# SPDX-License-Identifier: Apache-2.0
"""The discovery documents, built from whatever resources are served at the moment.

    legacy       /api  /api/v1  /apis  /apis/GROUP  /apis/GROUP/VERSION
    aggregated   /api  /apis, as APIGroupDiscoveryList when the client accepts it

Pure functions of the resources given, so that custom resources appear by being among them, and
of what is registered by APIServices: these say the order, and what other servers serve. Keys stand
in the order in which kube-apiserver writes them.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from pyk8s.apimachinery.gvk import GroupVersion, GroupVersionKind
from pyk8s.apis import scheme
from pyk8s.apis.scheme import Resource, Subresource

Document = dict[str, Any]

# The group of APIServices comes first, whatever they say, and needs none. Upstream:
# APIRegistrationGroupPriority.
_FIRST_GROUP = "apiregistration.k8s.io"
_FIRST_PRIORITY = 20000
# Of group versions that nobody gave a place: those of custom resources.
_GROUP_PRIORITY, _VERSION_PRIORITY = 1000, 100

AGGREGATED_GROUP = "apidiscovery.k8s.io"
AGGREGATED_VERSIONS = ("v2", "v2beta1")


class Registered(NamedTuple):
    """A group version as an APIService registers it. One that this server serves itself is
    `local`; of another's `version` is the APIVersionDiscovery, None while nothing is known."""

    group_version: GroupVersion
    group_priority: int
    version_priority: int
    local: bool
    version: Document | None = None


def api_versions(server_address: str) -> Document:
    """`/api`: the legacy group has one version. `server_address` is this server's host:port."""
    return {
        "kind": "APIVersions",
        "versions": ["v1"],
        "serverAddressByClientCIDRs": [
            {"clientCIDR": "0.0.0.0/0", "serverAddress": server_address},
        ],
    }


def api_group_list(
    resources: Iterable[Resource], registered: Iterable[Registered] = ()
) -> Document:
    """`/apis`: every group but the legacy one, in order of priority. Where anything is registered
    only that is listed, the registration of APIs itself, and what has no place in the order."""
    listed = _listed(resources, registered)
    groups = [_group(group, versions) for group, versions in listed.items() if group]
    return {"kind": "APIGroupList", "apiVersion": "v1", "groups": groups}


def api_group(
    group: str, resources: Iterable[Resource], registered: Iterable[Registered] = ()
) -> Document:
    """`/apis/GROUP`; raises KeyError when nobody serves the group."""
    resources = tuple(resources)
    versions = _listed(resources, registered).get(group) or _listed(resources, ())[group]
    return {"kind": "APIGroup", "apiVersion": "v1", **_group(group, versions)}


def api_resource_list(group_version: GroupVersion, resources: Iterable[Resource]) -> Document:
    """`/api/v1` or `/apis/GROUP/VERSION`: each resource by name, its subresources after it."""
    members = [r for r in resources if r.group_version == group_version]
    # Answers about the legacy group carry no apiVersion, for clients older than it.
    head = {"apiVersion": "v1"} if group_version.group else {}
    return {
        "kind": "APIResourceList",
        **head,
        "groupVersion": str(group_version),
        "resources": [
            entry
            for resource in sorted(members, key=lambda r: r.resource)
            for entry in _api_resources(resource)
        ],
    }


def aggregated(
    resources: Iterable[Resource],
    *,
    legacy: bool,
    version: str = AGGREGATED_VERSIONS[0],
    registered: Iterable[Registered] = (),
) -> Document:
    """`/api` when legacy, else `/apis`, each group with all its resources in one answer. What
    this server serves is in it whether or not it is registered; of other servers, what is known.
    """
    found: dict[GroupVersion, Document] = {}
    places: dict[GroupVersion, _Place] = {}
    for group, members in _by_group(resources).items():
        for name in _versions(members):
            group_version = GroupVersion(group, name)
            found[group_version] = _version_discovery(name, members)
            places[group_version] = _place_of(group_version)
    for entry in registered:
        if entry.local:
            continue
        # Until its own server has said anything, nothing is said for it.
        found.pop(entry.group_version, None)
        if entry.version is not None:
            found[entry.group_version] = entry.version
        places[entry.group_version] = entry.group_priority, entry.version_priority
    return {
        "kind": "APIGroupDiscoveryList",
        "apiVersion": f"{AGGREGATED_GROUP}/{version}",
        "metadata": {},
        "items": [
            {
                "metadata": {"name": group} if group else {},
                "versions": [found[GroupVersion(group, name)] for name in versions],
            }
            for group, versions in _in_order({gv: places[gv] for gv in found}).items()
            if legacy == (group == "")
        ],
    }


# groupPriorityMinimum and versionPriority.
_Place = tuple[int, int]


def _listed(
    resources: Iterable[Resource], registered: Iterable[Registered]
) -> dict[str, list[str]]:
    """The versions of every group that legacy discovery lists."""
    own = {resource.group_version for resource in resources}
    places = {gv: (group, version) for gv, group, version, *_ in registered}
    listed = [gv for gv in own if not places or gv.group == _FIRST_GROUP or _is_unplaced(gv)]
    for group_version in listed:
        places.setdefault(group_version, _place_of(group_version))
    return _in_order(places)


def storage_version_hash(storage_version: GroupVersionKind) -> str:
    """Clients compare it to learn that objects are stored in another version."""
    digest = hashlib.sha256("/".join(storage_version).encode()).digest()
    return base64.b64encode(digest[:8]).decode()


def etag(document: bytes) -> str:
    """The ETag header of an encoded document, quotes included; equal documents have equal ones."""
    return f'"{hashlib.sha512(document).hexdigest().upper()}"'


def _by_group(resources: Iterable[Resource]) -> dict[str, list[Resource]]:
    by_group: dict[str, list[Resource]] = {}
    for resource in resources:
        by_group.setdefault(resource.group, []).append(resource)
    return {group: by_group[group] for group in sorted(by_group, key=scheme.group_order)}


def _is_unplaced(group_version: GroupVersion) -> bool:
    return group_version.version not in scheme.PRIORITIES.get(group_version.group, (0, {}))[1]


def _place_of(group_version: GroupVersion) -> _Place:
    group, version = group_version
    if group == _FIRST_GROUP:
        return _FIRST_PRIORITY, 0
    group_priority, versions = scheme.PRIORITIES.get(group, (_GROUP_PRIORITY, {}))
    return group_priority, versions.get(version, _VERSION_PRIORITY)


def _in_order(places: Mapping[GroupVersion, _Place]) -> dict[str, list[str]]:
    """The groups by their highest priority, the versions of each by theirs."""
    highest: dict[str, int] = {}
    for (group, _), (priority, _) in places.items():
        highest[group] = max(priority, highest.get(group, 0))

    def order(group_version: GroupVersion) -> tuple[Any, ...]:
        group, version = group_version
        place = places[group_version][1]
        return -highest[group], group, -place, scheme.version_order(version)

    ordered: dict[str, list[str]] = {}
    for group, version in sorted(places, key=order):
        ordered.setdefault(group, []).append(version)
    return ordered


def _versions(members: Iterable[Resource]) -> list[str]:
    return sorted({resource.version for resource in members}, key=scheme.version_order)


def _group(group: str, names: Iterable[str]) -> Document:
    versions = [{"groupVersion": f"{group}/{version}", "version": version} for version in names]
    return {"name": group, "versions": versions, "preferredVersion": versions[0]}


def _api_resources(resource: Resource) -> Iterable[Document]:
    yield {
        "name": resource.resource,
        "singularName": resource.singular,
        "namespaced": resource.namespaced,
        "kind": resource.kind,
        "verbs": list(resource.verbs),
        **_names(resource),
        **_storage(resource),
    }
    for subresource in _subresources(resource):
        yield {
            "name": f"{resource.resource}/{subresource.name}",
            "singularName": "",
            "namespaced": resource.namespaced,
            **_foreign(resource, subresource.kind),
            "kind": subresource.kind.kind,
            "verbs": list(subresource.verbs),
        }


def _names(resource: Resource) -> Document:
    lists = {"shortNames": resource.short_names, "categories": resource.categories}
    return {key: list(names) for key, names in lists.items() if names}


def _storage(resource: Resource) -> Document:
    if not resource.stored:
        return {}
    return {"storageVersionHash": storage_version_hash(resource.storage_version)}


def _foreign(resource: Resource, kind: GroupVersionKind) -> Document:
    """Group and version of a kind, when they are not those of the list it stands in."""
    if kind.group_version == resource.group_version:
        return {}
    return {"group": kind.group, "version": kind.version}


def _subresources(resource: Resource) -> list[Subresource]:
    return [resource.subresources[name] for name in sorted(resource.subresources)]


def _version_discovery(version: str, members: Iterable[Resource]) -> Document:
    resources = sorted((r for r in members if r.version == version), key=lambda r: r.resource)
    return {
        "version": version,
        "resources": [_resource_discovery(resource) for resource in resources],
        "freshness": "Current",
    }


def _resource_discovery(resource: Resource) -> Document:
    entry = {
        "resource": resource.resource,
        "responseKind": _response_kind(resource, resource.gvk),
        "scope": "Namespaced" if resource.namespaced else "Cluster",
        "singularResource": resource.singular,
        "verbs": list(resource.verbs),
        **_names(resource),
    }
    if resource.subresources:
        entry["subresources"] = [
            {
                "subresource": subresource.name,
                "responseKind": _response_kind(resource, subresource.kind),
                "verbs": list(subresource.verbs),
            }
            for subresource in _subresources(resource)
        ]
    return entry


def _response_kind(resource: Resource, kind: GroupVersionKind) -> Document:
    """Empty group and version mean those of the containing group version."""
    return {"group": "", "version": "", **_foreign(resource, kind), "kind": kind.kind}
