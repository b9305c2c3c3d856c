# SPDX-License-Identifier: Apache-2.0
"""By what services and owners select a pod: for spread constraints that a pod does not write.

Mirrors upstream's `plugins/helper/spread.go`, DefaultSelector.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pyk8s.apimachinery import labels, meta
from pyk8s.apimachinery.gvk import GroupVersionResource, Object
from pyk8s.client import informer, reflector, resources
from pyk8s.client.client import Client

_OWNERS: Mapping[tuple[str, str], GroupVersionResource] = {
    ("v1", "ReplicationController"): resources.REPLICATION_CONTROLLERS,
    ("apps/v1", "ReplicaSet"): resources.REPLICA_SETS,
    ("apps/v1", "StatefulSet"): resources.STATEFUL_SETS,
}


class ServicesAndOwners:
    """Follows Services, ReplicationControllers, ReplicaSets and StatefulSets."""

    def __init__(self, client: Client) -> None:
        self.version = 0
        self._services = self._follow(client, resources.SERVICES)
        self._owners = {
            each: self._follow(client, each) for each in dict.fromkeys(_OWNERS.values())
        }

    @property
    def informers(self) -> Sequence[informer.SharedInformer]:
        return (self._services, *self._owners.values())

    def of(self, pod: Object) -> labels.Selector:
        """What all of them demand together; everything, if nobody demands anything."""
        namespace, pod_labels = meta.namespace(pod), meta.labels(pod)
        same: dict[str, str] = {}
        for service in self._services.lister.list(namespace):
            selector = service["spec"].get("selector")
            if selector and labels.from_set(selector).matches(pod_labels):
                same |= selector
        more: Sequence[labels.Requirement] = ()
        owner = self._owner_of(pod)
        if owner is not None and owner["kind"] == "ReplicationController":
            same |= owner["spec"].get("selector") or {}
        elif owner is not None:
            more = labels.from_label_selector(owner["spec"].get("selector")).requirements
        if not same and not more:
            return labels.EVERYTHING
        return labels.from_requirements([*labels.from_set(same).requirements, *more])

    def _owner_of(self, pod: Object) -> dict[str, Any] | None:
        reference = meta.controller_of(pod)
        if reference is None:
            return None
        resource = _OWNERS.get((reference.get("apiVersion", ""), reference["kind"]))
        if resource is None:
            return None
        found = self._owners[resource].lister.get(reference["name"], meta.namespace(pod))
        return None if found is None else {**found, "kind": reference["kind"]}

    def _follow(self, client: Client, resource: GroupVersionResource) -> informer.SharedInformer:
        source = reflector.ResourceListWatcher(client=client, resource=resource)
        found = informer.SharedInformer(source, transform=informer.without_managed_fields)
        found.add_event_handler(
            informer.Handler(
                on_add=lambda obj, _: self._changed(),
                on_update=self._updated,
                on_delete=lambda deleted: self._changed(),
            )
        )
        return found

    def _updated(self, before: Object, after: Object) -> None:
        # Their statuses change all the time and select nothing.
        if before["spec"].get("selector") != after["spec"].get("selector"):
            self._changed()

    def _changed(self) -> None:
        self.version += 1
