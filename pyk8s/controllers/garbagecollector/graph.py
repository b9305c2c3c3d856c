# SPDX-License-Identifier: Apache-2.0
"""Who owns whom, as far as the informers have told.

Nodes are keyed by uid. An owner that a reference names and no informer has shown is a virtual
node: whether it exists is for the server to say. Mirrors upstream's `graph_builder.go`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from pyk8s.apimachinery import gvk, meta
from pyk8s.apimachinery.gvk import GroupKind, GroupVersionResource, Object

ORPHAN = "orphan"
FOREGROUND = "foregroundDeletion"

Reference = dict[str, Any]


@dataclass(slots=True)
class Node:
    """One object. `resource` is None for a virtual node; `dependents` is a set in order."""

    uid: str
    kind: GroupKind
    namespace: str
    name: str
    resource: GroupVersionResource | None = None
    resource_version: str = ""
    owners: Sequence[Reference] = ()
    finalizers: Sequence[str] = ()
    is_being_deleted: bool = False
    dependents: dict[str, None] = field(default_factory=dict)

    @property
    def is_virtual(self) -> bool:
        return self.resource is None

    @property
    def is_deleting_dependents(self) -> bool:
        """It waits for its dependents to go first."""
        return self.is_being_deleted and FOREGROUND in self.finalizers

    @property
    def is_orphaning(self) -> bool:
        """Its dependents are to be cut loose before it goes."""
        return self.is_being_deleted and ORPHAN in self.finalizers

    def blocks(self, owner_uid: str) -> bool:
        """Whether this dependent keeps its owner from going in foreground."""
        return any(
            reference["uid"] == owner_uid and reference.get("blockOwnerDeletion")
            for reference in self.owners
        )


def kind_of(reference: Reference) -> GroupKind:
    group, _ = gvk.parse_group_version(reference.get("apiVersion") or "")
    return GroupKind(group, reference.get("kind") or "")


def is_meant(reference: Reference, node: Node, dependent_namespace: str) -> bool:
    """Whether the node is what the reference says: a uid alone is not enough, for an owner is
    cluster-scoped or in the namespace of its dependents."""
    return (
        node.uid == reference["uid"]
        and node.name == reference.get("name")
        and node.kind == kind_of(reference)
        and node.namespace in ("", dependent_namespace)
    )


class Graph:
    """`attempt(uid)` is called for what may have to be deleted, `orphan(uid)` for an owner whose
    dependents are to be cut loose. Nothing here suspends."""

    def __init__(self, attempt: Callable[[str], None], orphan: Callable[[str], None]) -> None:
        self._nodes: dict[str, Node] = {}
        self._attempt = attempt
        self._orphan = orphan

    def __len__(self) -> int:
        return len(self._nodes)

    def get(self, uid: str) -> Node | None:
        return self._nodes.get(uid)

    def dependents(self, node: Node) -> list[Node]:
        return [self._nodes[uid] for uid in node.dependents if uid in self._nodes]

    def observe(self, resource: GroupVersionResource, obj: Object) -> None:
        """An informer has shown this state of the object."""
        uid = meta.uid(obj)
        node = self._nodes.get(uid)
        if node is None:
            node = self._insert(uid)
        before = node.owners
        was_deleting, was_orphaning = node.is_deleting_dependents, node.is_orphaning
        was_virtual = node.is_virtual
        _update(node, resource, obj)
        self._rewire(node, before)
        if was_virtual and node.dependents:
            self._check_dependents(node)
        if node.is_orphaning and not was_orphaning:
            self._orphan(uid)
        if node.is_deleting_dependents and not was_deleting:
            self._attempt(uid)
            for dependent in node.dependents:
                self._attempt(dependent)
        elif node.owners and (was_virtual or node.owners != before):
            self._attempt(uid)

    def forget(self, uid: str) -> None:
        """The object is gone: what it owned may have to go, who waits for it may go on."""
        node = self._nodes.pop(uid, None)
        if node is None:
            return
        self._unlink(node, node.owners)
        for dependent in node.dependents:
            self._attempt(dependent)
        if node.dependents:
            # They still name it: one virtual node, which the server will deny at once.
            self._nodes[uid] = Node(
                uid, node.kind, node.namespace, node.name, dependents=node.dependents
            )

    def drop_virtual(self, uid: str) -> list[str]:
        """The server does not know this owner; the uids of those that named it."""
        node = self._nodes.get(uid)
        if node is None or not node.is_virtual:
            return []
        del self._nodes[uid]
        return [*node.dependents]

    def _insert(self, uid: str) -> Node:
        node = self._nodes[uid] = Node(uid, GroupKind("", ""), "", "")
        return node

    def _rewire(self, node: Node, before: Sequence[Reference]) -> None:
        if node.owners == before:
            return
        kept = {reference["uid"] for reference in node.owners}
        self._unlink(node, [reference for reference in before if reference["uid"] not in kept])
        for reference in node.owners:
            self._link(node, reference)
        # An owner that was blocked by this one may be free now.
        for reference in before:
            owner = self._nodes.get(reference["uid"])
            if owner is not None and owner.is_deleting_dependents:
                self._attempt(owner.uid)

    def _link(self, node: Node, reference: Reference) -> None:
        uid = reference["uid"]
        owner = self._nodes.get(uid)
        if owner is None:
            name = reference.get("name") or ""
            owner = self._nodes[uid] = Node(uid, kind_of(reference), node.namespace, name)
            self._attempt(uid)
        owner.dependents[node.uid] = None

    def _unlink(self, node: Node, references: Sequence[Reference]) -> None:
        for reference in references:
            owner = self._nodes.get(reference["uid"])
            if owner is None:
                continue
            owner.dependents.pop(node.uid, None)
            if owner.is_virtual and not owner.dependents:
                del self._nodes[owner.uid]
            elif owner.is_deleting_dependents:
                self._attempt(owner.uid)

    def _check_dependents(self, node: Node) -> None:
        """The owner has shown itself: those that named it by another name or from another
        namespace meant something else."""
        for dependent in self.dependents(node):
            for reference in dependent.owners:
                if reference["uid"] == node.uid and not is_meant(
                    reference, node, dependent.namespace
                ):
                    self._attempt(dependent.uid)


def _update(node: Node, resource: GroupVersionResource, obj: Object) -> None:
    node.kind = gvk.kind_of(obj).group_kind
    node.namespace, node.name = meta.namespaced_name(obj)
    node.resource = resource
    node.resource_version = meta.resource_version(obj)
    node.owners = meta.owner_references(obj)
    node.finalizers = meta.finalizers(obj)
    node.is_being_deleted = meta.is_being_deleted(obj)
