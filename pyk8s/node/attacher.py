# SPDX-License-Identifier: Apache-2.0
"""Attaches volumes to simulated nodes: what an external attacher of a CSI driver does, without
anything to attach.

    VolumeAttachment to a node of ours -> status.attached, with a word that it is simulated

It answers for the driver of simulated volumes, and for those that are not installed (there is no
CSIDriver), as nobody else would. One that is installed brings an attacher of its own.
"""

from __future__ import annotations

import asyncio
from collections.abc import Container

from pyk8s.apimachinery import errors, meta
from pyk8s.apimachinery.gvk import Object
from pyk8s.client import informer, resources, worker
from pyk8s.client.client import Client, Patch
from pyk8s.client.workqueue import WorkQueue
from pyk8s.componenthelpers import attachments
from pyk8s.node.provisioner import PROVISIONER

# Whoever looks at a VolumeAttachment sees this.
_METADATA = {"simulated": "true"}


def simulated_driver() -> Object:
    return {
        "apiVersion": "storage.k8s.io/v1",
        "kind": "CSIDriver",
        "metadata": {
            "name": PROVISIONER,
            "annotations": {
                "kubernetes.io/description": "Simulated by pyk8s: there is no such driver."
            },
        },
        "spec": {"attachRequired": True, "podInfoOnMount": False},
    }


class Attacher:
    """Attaches to `nodes`, by name. `run` until cancelled."""

    def __init__(self, client: Client, nodes: Container[object]) -> None:
        self._client = client
        self._nodes = nodes
        self._queue: WorkQueue[str] = WorkQueue("simulated attachments")
        self._informers = informer.SharedInformers(client)
        self._attachments = self._informers.of(resources.VOLUME_ATTACHMENTS)
        self._drivers = self._informers.of(resources.CSI_DRIVERS)
        self._attachments.add_event_handler(informer.on_any_change(self._changed))

    async def run(self) -> None:
        await self._ensure_driver()
        async with asyncio.TaskGroup() as group:
            self._informers.start(group)
            await self._informers.wait_until_synced()
            await worker.work(self._queue, self._reconcile)

    async def _ensure_driver(self) -> None:
        """One that is there stays as its user made it."""
        try:
            await self._client.create(resources.CSI_DRIVERS, simulated_driver())
        except errors.StatusError as error:
            if error.reason != errors.ALREADY_EXISTS:
                raise

    def _changed(self, attachment: Object) -> None:
        self._queue.add(meta.name(attachment))

    def is_ours(self, attachment: Object) -> bool:
        driver = attachment["spec"]["attacher"]
        if attachments.node_of(attachment) not in self._nodes:
            return False
        return driver == PROVISIONER or self._drivers.lister.get(driver) is None

    async def _reconcile(self, name: str) -> None:
        attachment = self._attachments.lister.get(name)
        if attachment is None or meta.is_being_deleted(attachment):
            return
        if (attachment.get("status") or {}).get("attached") or not self.is_ours(attachment):
            return
        status = {"attached": True, "attachError": None, "attachmentMetadata": _METADATA}
        content = {"metadata": {"uid": meta.uid(attachment)}, "status": status}
        patch = Patch(content=content)
        try:
            await self._client.patch(resources.VOLUME_ATTACHMENTS, ("", name), patch, "status")
        except errors.StatusError as error:
            if error.reason not in (errors.NOT_FOUND, errors.CONFLICT):
                raise
