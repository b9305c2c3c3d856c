# SPDX-License-Identifier: Apache-2.0
"""What is to be attached to a node and what detached from it: no I/O.

Mirrors the reconciler of upstream's `pkg/controller/volume/attachdetach`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from pyk8s.apimachinery import meta
from pyk8s.apimachinery.gvk import Object
from pyk8s.componenthelpers import attachments
from pyk8s.controllers import nodes

# Upstream's maxWaitForUnmountDuration: after it, what hangs on an unhealthy node is detached.
FORCE_SECONDS = 6 * 60.0


class Need(NamedTuple):
    """A PersistentVolume and the pods of the node that need it."""

    volume: Object
    pods: tuple[Object, ...]


@dataclass(frozen=True, slots=True)
class Plan:
    """What to do for one node: volumes to attach, attachments to end, those that hang because
    their volume is still in use there, and what the Node is to say it has."""

    attach: tuple[Need, ...] = ()
    detach: tuple[Object, ...] = ()
    hanging: tuple[Object, ...] = ()
    attached: tuple[str, ...] = field(default=())


def is_managed(node: Object) -> bool:
    return meta.annotations(node).get(attachments.MANAGED) == "true"


def needs_volumes(pod: Object, node: Object | None) -> bool:
    """Whether the pod holds on to its volumes."""
    if not attachments.is_terminated(pod):
        return True
    return node is not None and meta.annotations(node).get(attachments.KEEPS_TERMINATED) == "true"


def plan(
    node: Object | None, needs: Iterable[Need], own: Collection[tuple[Object, Object | None]]
) -> Plan:
    """`own` are the attachments of the node that this controller has made, with their volumes;
    None for a volume that is gone."""
    there = {meta.name(attachment) for attachment, _ in own}
    name = attachments.node_of(next(iter(own))[0]) if own else ""
    name = meta.name(node) if node is not None else name
    needed = {attachments.attachment_name(need.volume, name): need for need in needs}
    attach = tuple(need for wanted, need in needed.items() if wanted not in there)
    detach, hanging, attached = [], [], []
    in_use = in_use_of(node)
    for attachment, volume in own:
        if meta.name(attachment) in needed and not meta.is_being_deleted(attachment):
            if volume is not None and attachments.is_attached(attachment):
                attached.append(attachments.unique_name(volume))
        elif volume is not None and attachments.unique_name(volume) in in_use:
            hanging.append(attachment)
        else:
            detach.append(attachment)
    return Plan(attach, tuple(detach), tuple(hanging), tuple(sorted(attached)))


def in_use_of(node: Object | None) -> frozenset[str]:
    return frozenset(((node or {}).get("status") or {}).get("volumesInUse") or ())


def may_be_forced(node: Object | None, waited_seconds: float) -> bool:
    """Whether a volume is detached though its kubelet has not said that it is done with it: at
    once from a node that is out of service, after a while from one that is not well."""
    if node is None or nodes.has_taint(node, nodes.OUT_OF_SERVICE):
        return True
    return waited_seconds >= FORCE_SECONDS and nodes.ready_status(node) != "True"


def reported(attached: Iterable[str]) -> list[Object]:
    """volumesAttached of a Node."""
    return [{"name": name, "devicePath": ""} for name in attached]


# --- what users are told


def multi_attach_message(volume: Object, pod: Object, users: Iterable[Object]) -> str:
    """For a pod whose volume is attached elsewhere; `users` are the pods that use it there."""
    others = [user for user in users if meta.uid(user) != meta.uid(pod)]
    near = [meta.name(user) for user in others if meta.namespace(user) == meta.namespace(pod)]
    far = len(others) - len(near)
    if not others:
        why = "Volume is already exclusively attached to one node and can't be attached to another"
    elif not near:
        why = f"Volume is already used by {far} pod(s) in different namespaces"
    else:
        why = f"Volume is already used by pod(s) {', '.join(near)}"
        why += f" and {far} pod(s) in different namespaces" if far else ""
    return f'Multi-Attach error for volume "{meta.name(volume)}" {why}'


def failure_message(volume: Object, error: Mapping[str, object]) -> str:
    text = error.get("message") or ""
    return f'AttachVolume.Attach failed for volume "{meta.name(volume)}" : {text}'


def success_message(volume: Object) -> str:
    return f'AttachVolume.Attach succeeded for volume "{meta.name(volume)}" '
