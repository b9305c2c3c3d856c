# SPDX-License-Identifier: Apache-2.0
"""What a server serves, by its own word: aggregated discovery, or the older documents."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, field

from pyk8s.apimachinery import errors, gvk
from pyk8s.apimachinery.gvk import GroupKind, GroupVersionResource, Object
from pyk8s.client.client import Client

_AGGREGATED = (
    "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json"
)


@dataclass(frozen=True, slots=True)
class Resource:
    """One resource in the version its group prefers."""

    gvr: GroupVersionResource
    kind: str
    namespaced: bool
    verbs: frozenset[str]


@dataclass(frozen=True, slots=True)
class Served:
    """`failed` holds the group versions whose resources could not be learned, with why; what
    belongs to them is missing from `resources`."""

    resources: tuple[Resource, ...]
    failed: dict[str, str] = field(default_factory=dict)


async def preferred_resources(client: Client) -> Served:
    """Every resource once, without subresources. Raises StatusError and ServerUnreachable when
    the server tells nothing at all."""
    found: list[Resource] = []
    failed: dict[str, str] = {}
    for root in ("/api", "/apis"):
        document = await client.get_path(root, _AGGREGATED)
        if document.get("kind") == "APIGroupDiscoveryList":
            found += _aggregated(document, failed)
        else:
            found += await _legacy(client, document, failed)
    return Served(tuple(found), failed)


def by_kind(served: Served) -> dict[GroupKind, Resource]:
    return {GroupKind(r.gvr.group, r.kind): r for r in served.resources}


def _aggregated(document: Object, failed: dict[str, str]) -> Iterator[Resource]:
    for group in document.get("items") or ():
        name = (group.get("metadata") or {}).get("name") or ""
        seen: set[str] = set()
        # The versions stand in order of preference; a resource counts in the first that has it.
        for version in group.get("versions") or ():
            if version.get("freshness") == "Stale":
                failed[f"{name}/{version['version']}"] = "stale GroupVersion discovery"
            for item in version.get("resources") or ():
                if item["resource"] in seen:
                    continue
                seen.add(item["resource"])
                yield Resource(
                    GroupVersionResource(name, version["version"], item["resource"]),
                    (item.get("responseKind") or {}).get("kind") or "",
                    item.get("scope") == "Namespaced",
                    frozenset(item.get("verbs") or ()),
                )


async def _legacy(client: Client, document: Object, failed: dict[str, str]) -> list[Resource]:
    versions = [("", f"/api/{version}") for version in document.get("versions") or ()]
    for group in document.get("groups") or ():
        preferred = (group.get("preferredVersion") or {}).get("groupVersion") or ""
        ordered = [preferred, *(v["groupVersion"] for v in group.get("versions") or ())]
        versions += [(group["name"], f"/apis/{v}") for v in dict.fromkeys(ordered) if v]
    documents = await asyncio.gather(*(_resource_list(client, where) for _, where in versions))
    found: dict[tuple[str, str], Resource] = {}
    for (group, where), answer in zip(versions, documents, strict=True):
        if isinstance(answer, errors.StatusError):
            failed[where.removeprefix("/apis/").removeprefix("/api/")] = answer.message
            continue
        version = gvk.parse_group_version(answer["groupVersion"]).version
        for item in answer.get("resources") or ():
            key = (group, item["name"])
            if "/" in item["name"] or key in found:
                continue
            resource = GroupVersionResource(group, version, item["name"])
            verbs = frozenset(item.get("verbs") or ())
            found[key] = Resource(resource, item["kind"], bool(item.get("namespaced")), verbs)
    return list(found.values())


async def _resource_list(client: Client, where: str) -> Object | errors.StatusError:
    try:
        return await client.get_path(where)
    except errors.StatusError as error:
        return error
