# SPDX-License-Identifier: Apache-2.0
"""What the server says of pods, nodes and namespaces, brought to table, index and queue.

    watch -> NodeTable, PodIndex, Nominator: what is    -> Queue: what may let a waiting pod pass

As `pkg/scheduler/eventhandlers.go`.
"""

from __future__ import annotations

from collections.abc import Callable, Container
from dataclasses import dataclass, field

from pyk8s.apimachinery import meta
from pyk8s.apimachinery.gvk import GroupVersionResource, Object
from pyk8s.client import informer, reflector, resources
from pyk8s.client.client import Client
from pyk8s.scheduler.framework import clusterevents as ce
from pyk8s.scheduler.framework import podinfo
from pyk8s.scheduler.framework.nodetable import NodeTable
from pyk8s.scheduler.framework.podinfo import PodInfo
from pyk8s.scheduler.nominator import Nominator
from pyk8s.scheduler.podindex import PodIndex
from pyk8s.scheduler.queue import Queue

_ENDED = ("Succeeded", "Failed")


@dataclass(slots=True, kw_only=True)
class Cluster:
    """What the loop and the server's news share. `schedulers` are the names of those whose pods
    are scheduled here; `assumed` the pods, by uid, that are taken to be on a node until the server
    says so itself."""

    nodes: NodeTable
    index: PodIndex
    nominator: Nominator
    queue: Queue
    schedulers: Container[str]
    assumed: set[str] = field(default_factory=set)


def nominated_node(pod: Object) -> str:
    return (pod.get("status") or {}).get("nominatedNodeName") or ""


class EventHandlers:
    """`on_gone(pod, node)` is called for an assumed pod that is gone before it was bound."""

    def __init__(
        self, client: Client, cluster: Cluster, on_gone: Callable[[PodInfo, str], None]
    ) -> None:
        self._client = client
        self._cluster = cluster
        self._on_gone = on_gone
        self.pods = self._follow(resources.PODS, self._pod_added, self._pod_updated, self._pod_gone)
        self.nodes = self._follow(
            resources.NODES, self._node_added, self._node_updated, self._node_gone
        )
        self.namespaces = self._follow(
            resources.NAMESPACES,
            lambda namespace: self._namespace_changed(None, namespace),
            self._namespace_changed,
            lambda namespace: cluster.index.set_namespace(meta.name(namespace), None),
        )

    def _follow(
        self,
        resource: GroupVersionResource,
        added: Callable[[Object], None],
        updated: Callable[[Object, Object], None],
        gone: Callable[[Object], None],
    ) -> informer.SharedInformer:
        source = reflector.ResourceListWatcher(client=self._client, resource=resource)
        found = informer.SharedInformer(
            source, name=resource.resource, transform=informer.without_managed_fields
        )
        found.add_event_handler(
            informer.Handler(
                on_add=lambda obj, _: added(obj),
                on_update=updated,
                on_delete=lambda deleted: gone(informer.last_known(deleted)),
            )
        )
        return found

    # --- pods

    def _pod_added(self, pod: Object) -> None:
        self._pod_changed(None, pod)

    def _pod_updated(self, before: Object, pod: Object) -> None:
        if meta.uid(before) != meta.uid(pod):
            self._pod_gone(before)
            self._pod_changed(None, pod)
            return
        if nominated_node(before) and not nominated_node(pod):
            # A promise of our own that is not written yet is not touched by other news.
            self._cluster.nominator.remove(meta.uid(pod))
        self._pod_changed(before, pod)

    def _pod_changed(self, before: Object | None, pod: Object) -> None:
        if (pod.get("status") or {}).get("phase") in _ENDED:
            self._pod_gone(pod)
            return
        cluster, uid, spec = self._cluster, meta.uid(pod), pod["spec"]
        if spec.get("nodeName"):
            self._on_node(before, pod, spec["nodeName"])
        elif uid in cluster.assumed or spec.get("schedulerName") not in cluster.schedulers:
            return
        elif meta.is_being_deleted(pod):
            cluster.queue.remove(uid)
            cluster.nominator.remove(uid)
        else:
            info = podinfo.of(pod)
            if nominated := nominated_node(pod):
                cluster.nominator.add(info, nominated)
            cluster.queue.add(info)

    def _on_node(self, before: Object | None, pod: Object, node: str) -> None:
        cluster, uid = self._cluster, meta.uid(pod)
        known = cluster.nodes.info_of(uid) or cluster.queue.knows(uid)
        info = podinfo.updated(known, pod)
        cluster.assumed.discard(uid)
        cluster.queue.remove(uid)
        cluster.nominator.remove(uid)
        cluster.nodes.update_pod(info, node)
        if known is None or before is None or not before["spec"].get("nodeName"):
            cluster.queue.event(ce.ASSIGNED_POD_ADD, None, pod)
            return
        for event in ce.pod_changes(known, info):
            cluster.queue.event(event, before, pod)

    def _pod_gone(self, pod: Object) -> None:
        cluster, uid = self._cluster, meta.uid(pod)
        cluster.queue.remove(uid)
        cluster.nominator.remove(uid)
        was_assumed, node = uid in cluster.assumed, cluster.nodes.node_of(uid)
        cluster.assumed.discard(uid)
        if (info := cluster.nodes.remove_pod(uid)) is not None:
            if was_assumed:
                # Whoever binds it need not wait any longer.
                self._on_gone(info, node)
            cluster.queue.event(ce.ASSIGNED_POD_DELETE, info.pod, None)

    # --- nodes and namespaces

    def _node_added(self, node: Object) -> None:
        self._cluster.nodes.set_node(node)
        self._cluster.queue.event(ce.NODE_ADD, None, node)

    def _node_updated(self, before: Object, node: Object) -> None:
        changes = [*ce.node_changes(before, node)]
        if changes or _is_cordoned(before) != _is_cordoned(node):
            self._cluster.nodes.set_node(node)
        else:
            self._cluster.nodes.refresh_node(node)
        for event in changes:
            self._cluster.queue.event(event, before, node)

    def _node_gone(self, node: Object) -> None:
        self._cluster.nodes.remove_node(meta.name(node))
        self._cluster.queue.event(ce.NODE_DELETE, node, None)

    def _namespace_changed(self, before: Object | None, namespace: Object) -> None:
        index = self._cluster.index
        version = index.version
        index.set_namespace(meta.name(namespace), meta.labels(namespace))
        if version != index.version:
            self._cluster.queue.event(ce.NAMESPACE_UPDATE, before, namespace)


def _is_cordoned(node: Object) -> bool:
    return bool((node.get("spec") or {}).get("unschedulable"))
