# SPDX-License-Identifier: Apache-2.0
"""How many pods their controllers mean to have, all together.

pod -> its controller -> Deployment above a ReplicaSet, or itself -> spec.replicas
                     '-> any other kind: its scale, by the server's word
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from pyk8s.apimachinery import errors, gvk, meta
from pyk8s.apimachinery.gvk import GroupKind, GroupVersionResource, Object
from pyk8s.client import discovery, resources
from pyk8s.client.client import Client, path
from pyk8s.client.informer import SharedInformer

_CACHED = {
    GroupKind("", "ReplicationController"): resources.REPLICATION_CONTROLLERS,
    GroupKind("apps", "Deployment"): resources.DEPLOYMENTS,
    GroupKind("apps", "ReplicaSet"): resources.REPLICA_SETS,
    GroupKind("apps", "StatefulSet"): resources.STATEFUL_SETS,
}
RESOURCES = tuple(_CACHED.values())


class NoScale(Exception):
    """Nobody can say how many pods there should be."""


@dataclass(slots=True)
class Scale:
    """The sum of the controllers' scales, and the pods that have no controller."""

    replicas: int = 0
    unmanaged: list[str] = field(default_factory=list)


class Scales:
    """`informers` of RESOURCES save asking the server."""

    def __init__(
        self, client: Client, informers: dict[GroupVersionResource, SharedInformer]
    ) -> None:
        self._client = client
        self._informers = informers

    async def of(self, pods: Sequence[Object]) -> Scale:
        """Raises NoScale, StatusError and ServerUnreachable."""
        found = Scale()
        by_reference: dict[str, int] = {}
        by_controller: dict[str, int] = {}
        for pod in pods:
            reference = meta.controller_of(pod)
            if reference is None:
                found.unmanaged.append(meta.name(pod))
            elif reference["uid"] not in by_reference:
                owner = await self._controller(reference, meta.namespace(pod))
                if owner is None:
                    raise NoScale(f'found no controllers for pod "{meta.name(pod)}"')
                uid, replicas = owner
                by_reference[reference["uid"]] = replicas
                by_controller[uid] = replicas
        found.replicas = sum(by_controller.values())
        return found

    async def _controller(self, reference: Object, namespace: str) -> tuple[str, int] | None:
        """The uid and the replicas of the topmost controller that is known here; None when the
        one referred to is gone."""
        owner = self._cached(reference, namespace)
        above = meta.controller_of(owner) if owner is not None else None
        if above is not None and above["kind"] == "Deployment":
            owner = self._cached(above, namespace)
        if owner is not None:
            return meta.uid(owner), owner["spec"].get("replicas", 1)
        return await self._by_subresource(reference, namespace)

    def _cached(self, reference: Object, namespace: str) -> Object | None:
        group = gvk.parse_group_version(reference["apiVersion"]).group
        resource = _CACHED.get(GroupKind(group, reference["kind"]))
        if resource is None:
            return None
        owner = self._informers[resource].indexer.get((namespace, reference["name"]))
        return owner if owner is not None and meta.uid(owner) == reference["uid"] else None

    async def _by_subresource(self, reference: Object, namespace: str) -> tuple[str, int] | None:
        version = gvk.parse_group_version(reference["apiVersion"])
        served = await discovery.preferred_resources(self._client)
        kind = discovery.by_kind(served).get(GroupKind(version.group, reference["kind"]))
        if kind is None:
            raise NoScale(
                f'no matches for kind "{reference["kind"]}" in version "{reference["apiVersion"]}"'
            )
        try:
            scale = await self._client.get(kind.gvr, reference["name"], namespace, "scale")
        except errors.StatusError as error:
            if error.reason != errors.NOT_FOUND:
                raise
            if not await self._has_scale(kind.gvr):
                name = kind.gvr.group_resource
                raise NoScale(f"{name} does not implement the scale subresource") from error
            return None
        if meta.uid(scale) != reference["uid"]:
            return None
        return meta.uid(scale), scale["spec"].get("replicas", 0)

    async def _has_scale(self, resource: GroupVersionResource) -> bool:
        where = path(resource).rpartition("/")[0]
        listed = (await self._client.get_path(where)).get("resources") or ()
        return any(each["name"] == f"{resource.resource}/scale" for each in listed)
