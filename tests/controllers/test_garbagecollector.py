# SPDX-License-Identifier: Apache-2.0
"""What becomes of dependents, in a world with a garbage collector."""

from __future__ import annotations

import objects
import pytest
from cluster import eventually
from world import World

from pyk8s.apimachinery import meta
from pyk8s.apimachinery.gvk import GroupVersionResource
from pyk8s.client import resources
from pyk8s.controllers.garbagecollector.graph import Graph

CONFIGMAPS, SECRETS = resources.CONFIGMAPS, resources.SECRETS


def secret(name: str) -> dict:
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}}


def held(name: str) -> dict:
    obj = objects.configmap(name)
    obj["metadata"]["finalizers"] = ["example.com/hold"]
    return obj


async def release(world: World, name: str) -> None:
    found = await world.find(CONFIGMAPS, name)
    kept = [f for f in meta.finalizers(found) if f != "example.com/hold"]
    await world.patch(CONFIGMAPS, name, {"metadata": {"finalizers": kept}})


async def stays(world: World, name: str) -> None:
    """Proven by a later deletion that has been carried out."""
    owner = await world.create(SECRETS, secret(f"{name}-clock-owner"))
    await world.create(CONFIGMAPS, objects.configmap(f"{name}-clock"), owner)
    await world.delete(SECRETS, f"{name}-clock-owner")
    await world.until_gone(CONFIGMAPS, f"{name}-clock")
    assert await world.find(CONFIGMAPS, name) is not None


async def test_background(world: World) -> None:
    """Dependents and theirs go after the owner; who has another owner stays without the one."""
    owner = await world.create(SECRETS, secret("owner"))
    other = await world.create(SECRETS, secret("other"))
    child = await world.create(CONFIGMAPS, objects.configmap("child"), owner)
    await world.create(CONFIGMAPS, objects.configmap("grandchild"), child)
    await world.create(CONFIGMAPS, objects.configmap("shared"), owner, other)
    await world.delete(SECRETS, "owner", "Background")
    await world.until_gone(CONFIGMAPS, "child")
    await world.until_gone(CONFIGMAPS, "grandchild")

    async def has_one_owner() -> bool:
        shared = await world.find(CONFIGMAPS, "shared")
        return [r["name"] for r in meta.owner_references(shared)] == ["other"]

    await eventually(has_one_owner, "the reference to the dead owner is cut")


async def test_foreground(world: World) -> None:
    """The owner waits for the dependents that block it, and for no others."""
    owner = await world.create(SECRETS, secret("owner"))
    await world.create(CONFIGMAPS, held("blocks"), owner, blockOwnerDeletion=True)
    await world.create(CONFIGMAPS, held("trails"), owner)
    await world.delete(SECRETS, "owner", "Foreground")

    async def is_going() -> bool:
        found = await world.find(CONFIGMAPS, "blocks")
        return meta.is_being_deleted(found)

    await eventually(is_going, "the dependent is being deleted")
    waiting = await world.find(SECRETS, "owner")
    assert meta.finalizers(waiting) == ["foregroundDeletion"]
    await release(world, "blocks")
    await world.until_gone(SECRETS, "owner")
    await release(world, "trails")
    await world.until_gone(CONFIGMAPS, "trails")


async def test_orphan(world: World) -> None:
    """Dependents stay and forget the owner."""
    owner = await world.create(SECRETS, secret("owner"))
    for number in range(5):
        await world.create(CONFIGMAPS, objects.configmap(f"child-{number}"), owner)
    await world.delete(SECRETS, "owner", "Orphan")
    await world.until_gone(SECRETS, "owner")
    for number in range(5):
        child = await world.find(CONFIGMAPS, f"child-{number}")
        assert meta.owner_references(child) == ()
    await stays(world, "child-0")


async def test_circle_of_owners(world: World) -> None:
    """Two that own each other both go, in foreground as well."""
    first = await world.create(CONFIGMAPS, objects.configmap("first"))
    second = await world.create(
        CONFIGMAPS, objects.configmap("second"), first, blockOwnerDeletion=True
    )
    reference = {
        "apiVersion": "v1", "kind": "ConfigMap", "name": "second", "uid": meta.uid(second),
        "blockOwnerDeletion": True,
    }  # fmt: skip
    await world.patch(CONFIGMAPS, "first", {"metadata": {"ownerReferences": [reference]}})
    await world.delete(CONFIGMAPS, "first", "Foreground")
    await world.until_gone(CONFIGMAPS, "first")
    await world.until_gone(CONFIGMAPS, "second")


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"uid": "00000000-0000-0000-0000-000000000000"}, id="uid of nobody"),
        pytest.param({"name": "nobody"}, id="another name"),
        pytest.param({"kind": "ConfigMap"}, id="another kind"),
    ],
)
async def test_owner_that_does_not_exist(world: World, change: dict) -> None:
    """A reference that fits nothing leads nowhere: the object goes."""
    owner = await world.create(SECRETS, secret("owner"))
    await world.create(CONFIGMAPS, objects.configmap("child"), owner, **change)
    await world.until_gone(CONFIGMAPS, "child")
    assert await world.find(SECRETS, "owner") is not None


async def test_owner_of_a_kind_that_is_not_served(world: World) -> None:
    """Nobody can tell whether it exists, so the object stays."""
    owner = await world.create(SECRETS, secret("owner"))
    unknown = {"apiVersion": "example.com/v1", "kind": "Unknown"}
    await world.create(CONFIGMAPS, objects.configmap("child"), owner, **unknown)
    await stays(world, "child")


async def test_owner_made_again_under_its_name(world: World) -> None:
    """The new one is another: what belonged to the old one goes."""
    old = await world.create(SECRETS, secret("owner"))
    await world.create(CONFIGMAPS, objects.configmap("child"), old)
    await world.delete(SECRETS, "owner", "Background")
    await world.create(SECRETS, secret("owner"))
    await world.until_gone(CONFIGMAPS, "child")
    assert await world.find(SECRETS, "owner") is not None


async def test_cluster_scoped_owner(world: World) -> None:
    """Its dependents are in any namespace."""
    name = f"owner-of-{world.namespace}"
    role = {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole"}
    roles = GroupVersionResource("rbac.authorization.k8s.io", "v1", "clusterroles")
    owner = await world.client.create(roles, {**role, "metadata": {"name": name}, "rules": []})
    await world.create(CONFIGMAPS, objects.configmap("child"), owner)
    await stays(world, "child")
    await world.client.delete(roles, name)
    await world.until_gone(CONFIGMAPS, "child")


# --- the graph alone


class Attempts:
    def __init__(self) -> None:
        self.attempted: list[str] = []
        self.orphaned: list[str] = []
        self.graph = Graph(self.attempted.append, self.orphaned.append)

    def show(self, uid: str, *owners: str, **metadata: object) -> None:
        references = [
            {"apiVersion": "v1", "kind": "ConfigMap", "name": owner, "uid": owner}
            for owner in owners
        ]
        named = {"name": uid, "namespace": "ns", "uid": uid, "resourceVersion": "1"}
        body = {**named, "ownerReferences": references, **metadata}
        obj = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": body}
        self.graph.observe(CONFIGMAPS, obj)


def test_dependent_shown_before_its_owner() -> None:
    """The owner is a virtual node until it shows itself; then the edge is there already."""
    seen = Attempts()
    seen.show("child", "owner")
    assert seen.graph.get("owner").is_virtual
    seen.show("owner")
    assert not seen.graph.get("owner").is_virtual
    assert [node.uid for node in seen.graph.dependents(seen.graph.get("owner"))] == ["child"]


def test_virtual_owner_goes_with_the_last_that_names_it() -> None:
    """Nothing is left of either."""
    seen = Attempts()
    seen.show("one", "owner")
    seen.show("two", "owner")
    seen.graph.forget("one")
    assert seen.graph.get("owner") is not None
    seen.graph.forget("two")
    assert len(seen.graph) == 0


def test_deleted_owner_has_its_dependents_attempted() -> None:
    """Each of them, once it is gone; none before."""
    seen = Attempts()
    seen.show("owner")
    seen.show("one", "owner")
    seen.show("two", "owner")
    seen.attempted.clear()
    seen.show("owner", resourceVersion="2")
    assert seen.attempted == []
    seen.graph.forget("owner")
    assert seen.attempted == ["one", "two"]


def test_foreground_and_orphan_are_noticed_once() -> None:
    """When the mark appears, not each time it is seen."""
    seen = Attempts()
    seen.show("owner")
    seen.show("child", "owner")
    seen.attempted.clear()
    marked = {"deletionTimestamp": "2026-01-01T00:00:00Z", "finalizers": ["foregroundDeletion"]}
    seen.show("owner", **marked)
    seen.show("owner", resourceVersion="3", **marked)
    assert seen.attempted == ["owner", "child"]
    seen.show("owner", **{**marked, "finalizers": ["orphan"]})
    assert seen.orphaned == ["owner"]
