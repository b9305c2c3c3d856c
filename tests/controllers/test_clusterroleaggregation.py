# SPDX-License-Identifier: Apache-2.0
"""ClusterRoles that are made of others."""

from __future__ import annotations

from typing import Any

from cluster import eventually
from world import World

from pyk8s.client.client import Patch
from pyk8s.controllers.clusterroleaggregation.controller import CLUSTER_ROLES

Object = dict[str, Any]


def rule(resource: str) -> Object:
    return {"apiGroups": [""], "resources": [resource], "verbs": ["get"]}


async def test_follows_its_parts(world: World) -> None:
    """A role that matches adds its rules, each once, and takes them along when it goes."""
    own = world.namespace
    selector = {"matchLabels": {"to": own}}
    whole = {
        "metadata": {"name": f"{own}-whole"},
        "aggregationRule": {"clusterRoleSelectors": [selector]},
        "rules": [],
    }
    await world.client.create(CLUSTER_ROLES, whole)
    for name, resources in (("b", ["pods"]), ("a", ["nodes", "pods"])):
        metadata = {"name": f"{own}-{name}", "labels": {"to": own}}
        part = {"metadata": metadata, "rules": [rule(each) for each in resources]}
        await world.client.create(CLUSTER_ROLES, part)

    async def until(*wanted: str) -> None:
        async def are() -> bool:
            found = await world.client.get(CLUSTER_ROLES, f"{own}-whole")
            return (found.get("rules") or []) == [rule(each) for each in wanted]

        await eventually(are, f"rules for {wanted}")

    await until("nodes", "pods")
    patch = Patch(content={"rules": [rule("secrets")]})
    await world.client.patch(CLUSTER_ROLES, ("", f"{own}-a"), patch)
    await until("secrets", "pods")
    await world.client.delete(CLUSTER_ROLES, f"{own}-a")
    await until("pods")
