# SPDX-License-Identifier: Apache-2.0
"""The discovery documents, built from whatever resources are served at the moment.

    legacy       /api  /api/v1  /apis  /apis/GROUP  /apis/GROUP/VERSION
    aggregated   /api  /apis, as APIGroupDiscoveryList when the client accepts it

Pure functions of the resources given, so that custom resources appear by being among them. Keys
stand in the order in which kube-apiserver writes them.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Sequence
from typing import Any

from pyk8s.apimachinery.gvk import GroupVersion, GroupVersionKind
from pyk8s.apis import scheme
from pyk8s.apis.scheme import Resource, Subresource

Document = dict[str, Any]

AGGREGATED_GROUP = "apidiscovery.k8s.io"
AGGREGATED_VERSIONS = ("v2", "v2beta1")


def api_versions(server_address: str) -> Document:
    """`/api`: the legacy group has one version. `server_address` is this server's host:port."""
    return {
        "kind": "APIVersions",
        "versions": ["v1"],
        "serverAddressByClientCIDRs": [
            {"clientCIDR": "0.0.0.0/0", "serverAddress": server_address},
        ],
    }


def api_group_list(resources: Iterable[Resource]) -> Document:
    """`/apis`: every group but the legacy one, in order of priority."""
    by_group = _by_group(resources)
    groups = [_group(group, members) for group, members in by_group.items() if group]
    return {"kind": "APIGroupList", "apiVersion": "v1", "groups": groups}


def api_group(group: str, resources: Iterable[Resource]) -> Document:
    """`/apis/GROUP`; raises KeyError when no resource belongs to the group."""
    return {"kind": "APIGroup", "apiVersion": "v1", **_group(group, _by_group(resources)[group])}


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
    resources: Iterable[Resource], *, legacy: bool, version: str = AGGREGATED_VERSIONS[0]
) -> Document:
    """`/api` when legacy, else `/apis`, each group with all its resources in one answer."""
    by_group = _by_group(resources)
    return {
        "kind": "APIGroupDiscoveryList",
        "apiVersion": f"{AGGREGATED_GROUP}/{version}",
        "metadata": {},
        "items": [
            {
                "metadata": {"name": group} if group else {},
                "versions": [
                    _version_discovery(version, members) for version in _versions(members)
                ],
            }
            for group, members in by_group.items()
            if legacy == (group == "")
        ],
    }


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


def _versions(members: Iterable[Resource]) -> list[str]:
    return sorted({resource.version for resource in members}, key=scheme.version_order)


def _group(group: str, members: Sequence[Resource]) -> Document:
    versions = [
        {"groupVersion": f"{group}/{version}", "version": version} for version in _versions(members)
    ]
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
