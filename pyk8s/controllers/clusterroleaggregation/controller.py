# SPDX-License-Identifier: Apache-2.0
"""ClusterRoles with an aggregationRule.

Mirrors upstream's `clusterroleaggregation_controller.go`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from pyk8s.apimachinery import labels, meta
from pyk8s.apimachinery.gvk import GroupVersionResource, Object
from pyk8s.client.client import APPLY_PATCH, Patch
from pyk8s.client.store import Key
from pyk8s.controllers.controller import ObjectController

CLUSTER_ROLES = GroupVersionResource("rbac.authorization.k8s.io", "v1", "clusterroles")


class ClusterRoleAggregationController(ObjectController):
    name = "clusterrole-aggregation-controller"
    resource = CLUSTER_ROLES

    def enqueue(self, obj: Object) -> None:
        """Whatever role changes, any that is made of others may be made of it."""
        for role in self.objects.lister.list():
            if role.get("aggregationRule"):
                self.queue.add(meta.namespaced_name(role))

    async def reconcile(self, key: Key) -> None:
        role = self.objects.indexer.get(key)
        if role is None or not role.get("aggregationRule"):
            return
        rules = aggregated_rules(role, self.objects.lister.list())
        if rules == (role.get("rules") or []):
            return
        content = {
            "apiVersion": str(CLUSTER_ROLES.group_version),
            "kind": "ClusterRole",
            "metadata": {"name": meta.name(role)},
            "rules": rules,
        }
        patch = Patch(content=content, type=APPLY_PATCH, field_manager=self.name, force=True)
        await self.client.patch(self.resource, key, patch)


def aggregated_rules(role: Object, roles: Iterable[Object]) -> list[dict[str, Any]]:
    """The rules of all other roles that a selector matches, by selector, then by name, each
    once."""
    found: list[dict[str, Any]] = []
    others = sorted((r for r in roles if meta.name(r) != meta.name(role)), key=meta.name)
    for selector in role["aggregationRule"].get("clusterRoleSelectors") or ():
        matching = labels.from_label_selector(selector)
        for other in others:
            if matching.matches(meta.labels(other)):
                found += [rule for rule in other.get("rules") or () if rule not in found]
    return found
