# SPDX-License-Identifier: Apache-2.0
"""One namespace, for tests that assert the state of the world: what is there, what has gone."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from typing import Any

from cluster import ControlPlane, eventually

from pyk8s.apimachinery import errors, meta
from pyk8s.apimachinery.gvk import GroupVersionResource
from pyk8s.client import kubeconfig, resources, rest
from pyk8s.client.client import Client, DeleteOptions, ListOptions, Patch

Object = dict[str, Any]


class World:
    """Short verbs in one namespace."""

    def __init__(self, client: Client, namespace: str) -> None:
        self.client = client
        self.namespace = namespace

    async def create(
        self, resource: GroupVersionResource, obj: Object, *owners: Object, **reference: Any
    ) -> Object:
        """With references to the owners; `reference` goes into each of them."""
        if owners:
            named = [{**_reference(owner), **reference} for owner in owners]
            obj = {**obj, "metadata": {**obj["metadata"], "ownerReferences": named}}
        return await self.client.create(resource, obj, self.namespace)

    async def find(self, resource: GroupVersionResource, name: str) -> Object | None:
        try:
            return await self.client.get(resource, name, self.namespace)
        except errors.StatusError as error:
            if error.reason != errors.NOT_FOUND:
                raise
            return None

    async def list(self, resource: GroupVersionResource, selector: str = "") -> list[Object]:
        options = ListOptions(label_selector=selector)
        return (await self.client.list(resource, self.namespace, options))["items"]

    async def names(self, resource: GroupVersionResource, selector: str = "") -> list[str]:
        return sorted(map(meta.name, await self.list(resource, selector)))

    async def delete(self, resource: GroupVersionResource, name: str, policy: str = "") -> None:
        options = DeleteOptions(propagation_policy=policy)
        await self.client.delete(resource, name, self.namespace, options)

    async def patch(
        self, resource: GroupVersionResource, name: str, content: Object, subresource: str = ""
    ) -> Object:
        patch = Patch(content=content)
        return await self.client.patch(resource, (self.namespace, name), patch, subresource)

    async def until_gone(self, resource: GroupVersionResource, name: str) -> None:
        async def is_gone() -> bool:
            return await self.find(resource, name) is None

        await eventually(is_gone, f"{resource} {name} is gone")

    async def until_names(self, resource: GroupVersionResource, *names: str) -> None:
        async def are() -> bool:
            return await self.names(resource) == sorted(names)

        await eventually(are, f"{resource} are {names}")


def _reference(owner: Object) -> Object:
    keys = {key: owner[key] for key in ("apiVersion", "kind")}
    return {**keys, "name": meta.name(owner), "uid": meta.uid(owner)}


@contextlib.asynccontextmanager
async def bare_world(plane: ControlPlane, namespace: str) -> AsyncIterator[World]:
    """A namespace of its own where nothing runs but an API server; the nodes that a test made are
    gone afterwards."""
    connection = rest.RESTClient(kubeconfig.load(str(plane.kubeconfig)), qps=0)
    world = World(Client(connection), namespace)
    await world.client.create(resources.NAMESPACES, {"metadata": {"name": namespace}})
    await world.create(resources.SERVICE_ACCOUNTS, {"metadata": {"name": "default"}})
    yield world
    await world.client.delete_collection(resources.NODES, "")
    await connection.close()
