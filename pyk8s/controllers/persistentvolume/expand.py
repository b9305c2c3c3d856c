# SPDX-License-Identifier: Apache-2.0
"""Says of claims that ask for more than they have who will see to it: somebody outside.

The part of `pkg/controller/volume/expand` that is left without plugins that can grow a volume.
"""

from __future__ import annotations

from pyk8s.apimachinery import meta, quantity
from pyk8s.apimachinery.gvk import Object
from pyk8s.client import events, informer, resources
from pyk8s.client.store import Key
from pyk8s.componenthelpers import volumes
from pyk8s.controllers.controller import Context, Controller

_MESSAGE = (
    "Ignoring the PVC: didn't find a plugin capable of expanding the volume; waiting for an "
    "external controller to process this PVC."
)


def asks_for_more(claim: Object) -> bool:
    """It is bound, and to less than it asks for."""
    if volumes.phase(claim) != "Bound":
        return False
    has = (claim["status"].get("capacity") or {}).get("storage")
    return has is not None and quantity.parse(has) < volumes.requested(claim)


class PersistentVolumeExpander(Controller[Key]):
    name = "persistentvolume-expander-controller"
    component = "volume_expand"

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self._claims = self.informer(resources.PERSISTENT_VOLUME_CLAIMS)
        self._volumes = self.informer(resources.PERSISTENT_VOLUMES)
        self._claims.add_event_handler(
            informer.Handler(
                on_add=lambda claim, _: self._enqueue(claim), on_update=self._claim_updated
            )
        )

    def _claim_updated(self, before: Object, claim: Object) -> None:
        if volumes.requested(before) < volumes.requested(claim):
            self._enqueue(claim)

    def _enqueue(self, claim: Object) -> None:
        if asks_for_more(claim):
            self.queue.add(meta.namespaced_name(claim))

    async def reconcile(self, key: Key) -> None:
        claim = self._claims.indexer.get(key)
        if claim is None or not asks_for_more(claim):
            return
        volume = self._volumes.lister.get(claim["spec"]["volumeName"])
        if volume is not None and volumes.is_bound_to(volume, claim):
            whole = {"apiVersion": "v1", "kind": "PersistentVolumeClaim", **claim}
            self.context.recorder.event(whole, events.NORMAL, "ExternalExpanding", _MESSAGE)
