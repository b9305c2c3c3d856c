# SPDX-License-Identifier: Apache-2.0
"""Simulated volumes: what an external provisioner of a CSI driver does, without any storage.

    claim of a class of ours, node chosen -> PersistentVolume `pvc-UID`, bound by the controllers
    volume Released, to be deleted        -> gone

They hold nothing and can be reached from every node; class, driver and annotations say that they
are simulated. Mirrors the behaviour of `sig-storage-lib-external-provisioner`.
"""

from __future__ import annotations

import asyncio
import logging

from pyk8s.apimachinery import errors, meta
from pyk8s.apimachinery.gvk import Object
from pyk8s.client import events, informer, resources, worker
from pyk8s.client.client import Client
from pyk8s.client.workqueue import WorkQueue
from pyk8s.componenthelpers import volumes

_log = logging.getLogger(__name__)

PROVISIONER = "simulated.pyk8s.io"
CLASS_NAME = "simulated"
_IS_DEFAULT = "storageclass.kubernetes.io/is-default-class"
_DESCRIPTION = "kubernetes.io/description"
_WHAT_IT_IS = "Simulated by pyk8s: nothing that is written to such a volume is kept."

# A claim by namespace and name, or a volume, which has no namespace.
Key = tuple[str, str]


def simulated_class() -> Object:
    return {
        "apiVersion": "storage.k8s.io/v1",
        "kind": "StorageClass",
        "metadata": {
            "name": CLASS_NAME,
            "annotations": {_IS_DEFAULT: "true", _DESCRIPTION: _WHAT_IT_IS},
        },
        "provisioner": PROVISIONER,
        "reclaimPolicy": "Delete",
        "volumeBindingMode": "WaitForFirstConsumer",
    }


def wants_volume(claim: Object) -> bool:
    """The binder has asked us for a volume, and none is there yet."""
    asked = meta.annotations(claim).get(volumes.STORAGE_PROVISIONER) == PROVISIONER
    return asked and not claim["spec"].get("volumeName") and not meta.is_being_deleted(claim)


def is_to_go(volume: Object) -> bool:
    """One of ours that its claim has left, and nobody is to look at any more."""
    ours = meta.annotations(volume).get(volumes.PROVISIONED_BY) == PROVISIONER
    policy = volume["spec"].get("persistentVolumeReclaimPolicy")
    released = volumes.phase(volume) == "Released" and not meta.is_being_deleted(volume)
    return ours and policy == "Delete" and released


def new_volume(claim: Object, storage_class: Object) -> Object:
    """The volume for the claim, not created yet."""
    name = f"pvc-{meta.uid(claim)}"
    spec = claim["spec"]
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {
            "name": name,
            "annotations": {volumes.PROVISIONED_BY: PROVISIONER, _DESCRIPTION: _WHAT_IT_IS},
        },
        "spec": {
            "capacity": {"storage": str(volumes.requested(claim))},
            "accessModes": spec["accessModes"],
            "volumeMode": volumes.mode_of(claim),
            "storageClassName": volumes.class_of(claim),
            "persistentVolumeReclaimPolicy": storage_class.get("reclaimPolicy") or "Delete",
            "mountOptions": storage_class.get("mountOptions") or [],
            "claimRef": volumes.reference_to(claim),
            "csi": {"driver": PROVISIONER, "volumeHandle": name},
        },
    }


def refusal(claim: Object) -> str:
    """Why no volume can be made for the claim; empty where one can."""
    spec = claim["spec"]
    if spec.get("dataSourceRef") or spec.get("dataSource"):
        return "simulated volumes hold no data, so none can be made from a data source"
    if spec.get("selector"):
        return "claim.Spec.Selector is not supported"
    return ""


class Provisioner:
    """Makes and removes the volumes of every class that names it. `run` until cancelled."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._recorder = events.EventRecorder(client, PROVISIONER)
        self._queue: WorkQueue[Key] = WorkQueue("simulated volumes")
        self._informers = informer.SharedInformers(client)
        self._claims = self._informers.of(resources.PERSISTENT_VOLUME_CLAIMS)
        self._volumes = self._informers.of(resources.PERSISTENT_VOLUMES)
        self._classes = self._informers.of(resources.STORAGE_CLASSES)
        self._claims.add_event_handler(informer.on_any_change(self._claim_changed))
        self._volumes.add_event_handler(informer.on_any_change(self._volume_changed))

    async def run(self) -> None:
        await self._ensure_class()
        async with asyncio.TaskGroup() as group:
            self._informers.start(group)
            group.create_task(self._recorder.run())
            await self._informers.wait_until_synced()
            await worker.work(self._queue, self._reconcile)

    async def _ensure_class(self) -> None:
        """One that is there stays as its user made it."""
        try:
            await self._client.create(resources.STORAGE_CLASSES, simulated_class())
        except errors.StatusError as error:
            if error.reason != errors.ALREADY_EXISTS:
                raise

    def _claim_changed(self, claim: Object) -> None:
        if wants_volume(claim):
            self._queue.add(meta.namespaced_name(claim))

    def _volume_changed(self, volume: Object) -> None:
        if is_to_go(volume):
            self._queue.add(("", meta.name(volume)))

    async def _reconcile(self, key: Key) -> None:
        namespace, name = key
        if not namespace:
            volume = self._volumes.indexer.get(key)
            if volume is not None and is_to_go(volume):
                await self._remove(name)
            return
        claim = self._claims.indexer.get(key)
        if claim is not None and wants_volume(claim):
            await self._provision(claim)

    async def _remove(self, name: str) -> None:
        try:
            await self._client.delete(resources.PERSISTENT_VOLUMES, name)
        except errors.StatusError as error:
            if error.reason != errors.NOT_FOUND:
                raise

    async def _provision(self, claim: Object) -> None:
        storage_class = self._classes.lister.get(volumes.class_of(claim))
        if storage_class is None:
            # The binder tells the user, and asks again when it is there.
            return
        if why := refusal(claim):
            message = f'failed to provision volume with StorageClass "{CLASS_NAME}": {why}'
            self._tell(claim, events.WARNING, "ProvisioningFailed", message)
            return
        volume = new_volume(claim, storage_class)
        try:
            await self._client.create(resources.PERSISTENT_VOLUMES, volume)
        except errors.StatusError as error:
            if error.reason != errors.ALREADY_EXISTS:
                raise
            return
        message = f"Successfully provisioned volume {meta.name(volume)}"
        self._tell(claim, events.NORMAL, "ProvisioningSucceeded", message)

    def _tell(self, claim: Object, type: str, reason: str, message: str) -> None:
        whole = {"apiVersion": "v1", "kind": "PersistentVolumeClaim", **claim}
        self._recorder.event(whole, type, reason, message)
