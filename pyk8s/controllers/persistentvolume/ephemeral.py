# SPDX-License-Identifier: Apache-2.0
"""Makes the claims of generic ephemeral volumes, which live as long as their pod.

Mirrors `pkg/controller/volume/ephemeral`. The garbage collector removes them with the pod.
"""

from __future__ import annotations

from typing import Any

from pyk8s.apimachinery import errors, meta
from pyk8s.apimachinery.gvk import Object
from pyk8s.client import events, informer, resources
from pyk8s.client.store import Key
from pyk8s.componenthelpers import volumes
from pyk8s.controllers.controller import Context, ObjectController
from pyk8s.controllers.persistentvolume.controller import CLAIM_INDEX, pods_by_claim


class EphemeralVolumeController(ObjectController):
    name = "ephemeral-volume-controller"
    component = "ephemeral_volume"
    resource = resources.PODS

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self._claims = self.informer(resources.PERSISTENT_VOLUME_CLAIMS)
        self.objects.indexer.add_index(CLAIM_INDEX, pods_by_claim)
        self._claims.add_event_handler(
            informer.Handler(
                on_delete=lambda deleted: self._claim_gone(informer.last_known(deleted))
            )
        )

    def enqueue(self, obj: Object) -> None:
        if not meta.is_being_deleted(obj) and any(_ephemeral(obj)):
            super().enqueue(obj)

    def subject(self, key: Key) -> Object | None:
        """What went wrong is told as upstream tells it, when it happens."""
        return None

    def _claim_gone(self, claim: Object) -> None:
        value = "/".join(meta.namespaced_name(claim))
        for pod in self.objects.indexer.by_index(CLAIM_INDEX, value):
            self.enqueue(pod)

    async def reconcile(self, key: Key) -> None:
        pod = self.objects.indexer.get(key)
        if pod is None or meta.is_being_deleted(pod):
            return
        for volume in _ephemeral(pod):
            try:
                await self._ensure_claim(pod, volume)
            except errors.StatusError as error:
                if error.reason != errors.ALREADY_EXISTS:
                    name = volumes.ephemeral_claim_name(pod, volume)
                    self._tell(pod, volume, f"create PVC {name}: {error}")
                # One that is there already is judged when the informer has it.
                raise

    async def _ensure_claim(self, pod: Object, volume: dict[str, Any]) -> None:
        name = volumes.ephemeral_claim_name(pod, volume)
        existing = self._claims.lister.get(name, meta.namespace(pod))
        if existing is None:
            await self.client.create(resources.PERSISTENT_VOLUME_CLAIMS, new_claim(pod, volume))
        elif why := volumes.not_for_pod(pod, existing):
            # Only the end of that claim changes it, and then the pod is looked at again.
            self._tell(pod, volume, why)

    def _tell(self, pod: Object, volume: dict[str, Any], why: str) -> None:
        message = f"ephemeral volume {volume['name']}: {why}"
        self.context.recorder.event(_whole(pod), events.WARNING, "FailedBinding", message)


def _whole(pod: Object) -> Object:
    """Items of a list may lack their kind."""
    return {"apiVersion": "v1", "kind": "Pod", **pod}


def _ephemeral(pod: Object) -> list[dict[str, Any]]:
    return [volume for volume in pod["spec"].get("volumes") or () if volume.get("ephemeral")]


def new_claim(pod: Object, volume: dict[str, Any]) -> Object:
    """The claim of this ephemeral volume, owned by the pod; not created yet."""
    template = volume["ephemeral"]["volumeClaimTemplate"]
    given = template.get("metadata") or {}
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {
            **{key: given[key] for key in ("annotations", "labels") if given.get(key)},
            "name": volumes.ephemeral_claim_name(pod, volume),
            "namespace": meta.namespace(pod),
            "ownerReferences": [meta.controller_reference(_whole(pod))],
        },
        "spec": template["spec"],
    }
