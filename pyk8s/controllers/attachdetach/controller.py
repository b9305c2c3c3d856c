# SPDX-License-Identifier: Apache-2.0
"""The attach-detach controller. Mirrors upstream's `pkg/controller/volume/attachdetach`.

One node at a time, from its pods and from the VolumeAttachments that are there: nothing has to be
remembered but since when a detach waits.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable

from pyk8s.apimachinery import errors, meta
from pyk8s.apimachinery.gvk import Object
from pyk8s.client import events, informer, resources
from pyk8s.client.client import DeleteOptions, Patch
from pyk8s.componenthelpers import attachments, volumes
from pyk8s.controllers import nodes
from pyk8s.controllers.attachdetach import decisions
from pyk8s.controllers.attachdetach.decisions import Need
from pyk8s.controllers.controller import Context, Controller
from pyk8s.controllers.persistentvolume.controller import CLAIM_INDEX, pods_by_claim

_BY_NODE = "spec.nodeName"
_BY_VOLUME = "spec.source.persistentVolumeName"
# Who waits for a volume that is attached elsewhere looks again this often at least.
_RETRY_SECONDS = 30.0


def _by_node(attachment: Object) -> Iterable[str]:
    return (attachments.node_of(attachment),)


def _by_volume(attachment: Object) -> Iterable[str]:
    name = attachments.volume_name(attachment)
    return (name,) if name else ()


class AttachDetachController(Controller[str]):
    """Keys are names of nodes."""

    name = "persistentvolume-attach-detach-controller"
    component = "attachdetach-controller"

    def __init__(self, context: Context, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__(context)
        self._clock = clock
        # Since when a detach waits for the kubelet, by attachment; those that were seen before
        # they were attached; and what of it was last told, by pod and volume.
        self._waits: dict[str, float] = {}
        self._awaited: set[str] = set()
        self._told: dict[str, str] = {}
        self._nodes = self.informer(resources.NODES)
        self._pods = self.informer(resources.PODS)
        self._claims = self.informer(resources.PERSISTENT_VOLUME_CLAIMS)
        self._volumes = self.informer(resources.PERSISTENT_VOLUMES)
        self._drivers = self.informer(resources.CSI_DRIVERS)
        self._attachments = self.informer(resources.VOLUME_ATTACHMENTS)
        self._pods.indexer.add_index(nodes.NODE_INDEX, nodes.by_node)
        self._pods.indexer.add_index(CLAIM_INDEX, pods_by_claim)
        self._attachments.indexer.add_index(_BY_NODE, _by_node)
        self._attachments.indexer.add_index(_BY_VOLUME, _by_volume)
        self._pods.add_event_handler(informer.on_any_change(self._pod_changed))
        self._claims.add_event_handler(informer.on_any_change(self._claim_changed))
        self._volumes.add_event_handler(informer.on_any_change(self._volume_changed))
        self._drivers.add_event_handler(informer.on_any_change(self._driver_changed))
        self._attachments.add_event_handler(informer.on_any_change(self._attachment_changed))
        self._nodes.add_event_handler(informer.on_any_change(self._node_changed))

    def subject(self, key: str) -> Object | None:
        return self._nodes.lister.get(key)

    # --- what changed

    def _pod_changed(self, pod: Object) -> None:
        if (node := nodes.name_of(pod)) and volumes.claim_names(pod):
            self.queue.add(node)

    def _claim_changed(self, claim: Object) -> None:
        for pod in self._pods.indexer.by_index(CLAIM_INDEX, "/".join(meta.namespaced_name(claim))):
            self._pod_changed(pod)

    def _volume_changed(self, volume: Object) -> None:
        for pod in self._pods_of(volume):
            self._pod_changed(pod)
        # Nobody needs it any more, and it may be gone: then nothing else tells its attachments.
        for attachment in self._attachments.indexer.by_index(_BY_VOLUME, meta.name(volume)):
            self.queue.add(attachments.node_of(attachment))

    def _driver_changed(self, driver: Object) -> None:
        for volume in self._volumes.indexer.list():
            if attachments.driver_of(volume) == meta.name(driver):
                self._volume_changed(volume)

    def _attachment_changed(self, attachment: Object) -> None:
        self.queue.add(attachments.node_of(attachment))
        volume = self._volumes.lister.get(attachments.volume_name(attachment))
        if volume is not None:
            # Who waits for it on another node may have it now.
            self._volume_changed(volume)

    def _node_changed(self, node: Object) -> None:
        name = meta.name(node)
        if self._attachments.indexer.index_keys(_BY_NODE, name):
            self.queue.add(name)

    def _pods_of(self, volume: Object) -> list[Object]:
        reference = volume["spec"].get("claimRef") or {}
        value = f"{reference.get('namespace') or ''}/{reference.get('name') or ''}"
        return [
            pod for pod in self._pods.indexer.by_index(CLAIM_INDEX, value) if nodes.name_of(pod)
        ]

    # --- one node

    async def reconcile(self, key: str) -> None:
        node = self._nodes.lister.get(key)
        if node is not None and not decisions.is_managed(node):
            return
        needs = self._needs(key, node) if node is not None else []
        plan = decisions.plan(node, needs, self._own(key))
        if node is not None:
            node = await self._report(node, plan.attached)
        for attachment in (*plan.detach, *plan.hanging):
            await self._detach(attachment, node)
        for need in plan.attach:
            await self._attach(need, key)
        for need in needs:
            self._tell_outcome(need, key)

    def _needs(self, name: str, node: Object) -> list[Need]:
        found: dict[str, tuple[Object, list[Object]]] = {}
        for pod in self._pods.indexer.by_index(nodes.NODE_INDEX, name):
            if not decisions.needs_volumes(pod, node):
                continue
            for claim_name in volumes.claim_names(pod):
                volume = self._attachable(meta.namespace(pod), claim_name)
                if volume is not None:
                    found.setdefault(meta.name(volume), (volume, []))[1].append(pod)
        return [Need(volume, tuple(pods)) for volume, pods in found.values()]

    def _attachable(self, namespace: str, claim_name: str) -> Object | None:
        """The volume of the claim, where it is one that has to be attached."""
        claim = self._claims.lister.get(claim_name, namespace)
        if claim is None or volumes.phase(claim) != "Bound":
            return None
        volume = self._volumes.lister.get(claim["spec"].get("volumeName") or "")
        driver = attachments.driver_of(volume) if volume is not None else ""
        if not driver or not attachments.is_required(self._drivers.lister.get(driver)):
            return None
        return volume

    def _own(self, node: str) -> list[tuple[Object, Object | None]]:
        """The attachments of the node that were made here, and not by somebody else."""
        found: list[tuple[Object, Object | None]] = []
        for attachment in self._attachments.indexer.by_index(_BY_NODE, node):
            volume = self._volumes.lister.get(attachments.volume_name(attachment))
            if volume is None or not attachments.driver_of(volume):
                # Its volume went before it: the form of the name is all there is to tell by.
                if meta.name(attachment).startswith("csi-") and volume is None:
                    found.append((attachment, None))
            elif attachments.attachment_name(volume, node) == meta.name(attachment):
                found.append((attachment, volume))
        return found

    async def _report(self, node: Object, attached: Iterable[str]) -> Object:
        """Let the Node say what is attached to it; the Node as it is after that."""
        wanted = decisions.reported(attached)
        status = node.get("status") or {}
        if wanted == (status.get("volumesAttached") or []):
            return node
        patch = Patch(content={"status": {"volumesAttached": wanted or None}})
        name = meta.namespaced_name(node)
        try:
            return await self.client.patch(resources.NODES, name, patch, "status")
        except errors.StatusError as error:
            if error.reason != errors.NOT_FOUND:
                raise
            return node

    async def _attach(self, need: Need, node: str) -> None:
        elsewhere = [
            attachment
            for attachment in self._attachments.indexer.by_index(_BY_VOLUME, meta.name(need.volume))
            if attachments.node_of(attachment) != node
        ]
        if elsewhere and attachments.is_exclusive(need.volume):
            users = [pod for pod in self._pods_of(need.volume) if nodes.name_of(pod) != node]
            for pod in need.pods:
                message = decisions.multi_attach_message(need.volume, pod, users)
                self._tell(need.volume, pod, (events.WARNING, "FailedAttachVolume", message))
            self.queue.add_after(node, _RETRY_SECONDS)
            return
        attachment = attachments.new_attachment(need.volume, node)
        self._awaited.add(meta.name(attachment))
        try:
            await self.client.create(resources.VOLUME_ATTACHMENTS, attachment)
        except errors.StatusError as error:
            if error.reason != errors.ALREADY_EXISTS:
                raise

    async def _detach(self, attachment: Object, node: Object | None) -> None:
        name = meta.name(attachment)
        if meta.is_being_deleted(attachment):
            return
        volume = self._volumes.lister.get(attachments.volume_name(attachment))
        since = self._waits.setdefault(name, self._clock())
        # Asked of the Node as it was after it no longer said that the volume is attached: from
        # then on its kubelet begins nothing new with it.
        is_used = volume is not None and (
            attachments.unique_name(volume) in decisions.in_use_of(node)
        )
        if is_used and not decisions.may_be_forced(node, self._clock() - since):
            left = since + decisions.FORCE_SECONDS - self._clock()
            self.queue.add_after(attachments.node_of(attachment), max(_RETRY_SECONDS, left))
            return
        self._waits.pop(name, None)
        self._awaited.discard(name)
        options = DeleteOptions(uid=meta.uid(attachment))
        try:
            await self.client.delete(resources.VOLUME_ATTACHMENTS, name, options=options)
        except errors.StatusError as error:
            if error.reason not in (errors.NOT_FOUND, errors.CONFLICT):
                raise

    # --- what users are told

    def _tell_outcome(self, need: Need, node: str) -> None:
        name = attachments.attachment_name(need.volume, node)
        self._waits.pop(name, None)
        attachment = self._attachments.lister.get(name)
        if attachment is None:
            return
        if attachments.is_attached(attachment):
            if name not in self._awaited:
                return
            self._awaited.discard(name)
            message = decisions.success_message(need.volume)
            what = (events.NORMAL, "SuccessfulAttachVolume", message)
        else:
            self._awaited.add(name)
            error = attachments.attach_error(attachment)
            if not error:
                return
            message = decisions.failure_message(need.volume, error)
            what = (events.WARNING, "FailedAttachVolume", message)
        for pod in need.pods:
            self._tell(need.volume, pod, what)

    def _tell(self, volume: Object, pod: Object, what: tuple[str, str, str]) -> None:
        """An event of type, reason and message, unless it was the last one of pod and volume."""
        key = f"{meta.uid(pod)}/{meta.name(volume)}"
        if self._told.get(key) == what[2]:
            return
        if len(self._told) >= _TOLD_MAX:
            self._told.clear()
        self._told[key] = what[2]
        self.context.recorder.event(pod, *what)


# So many pods with volumes are remembered; then what was told may be told again.
_TOLD_MAX = 50_000
