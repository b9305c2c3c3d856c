# SPDX-License-Identifier: Apache-2.0
"""What controllers that own pods make of what happens to these.

    added       its owner looks; one without an owner is offered to all whose selector it matches
    changed     its owner looks, and the one it had; one without an owner is offered again once
                its labels changed or it lost its owner
    marked      as good as gone: its place may be filled
    gone        its owner looks

Mirrors the handlers that upstream's ReplicaSet, DaemonSet and StatefulSet controllers have alike.
"""

from __future__ import annotations

from pyk8s.apimachinery import labels, meta
from pyk8s.apimachinery.gvk import Object
from pyk8s.client import informer, resources
from pyk8s.client.store import Key
from pyk8s.controllers import pods
from pyk8s.controllers.controller import Context, OwnerController
from pyk8s.controllers.expectations import Expectations


class PodOwnerController(OwnerController):
    """Finds pods by CONTROLLER_INDEX in `pods`. What is expected in `expectations` is struck out
    as it is seen; who expects nothing there need not care."""

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.expectations: Expectations[Key] = Expectations()
        self.pods = self.informer(resources.PODS)
        self.pods.indexer.add_index(pods.CONTROLLER_INDEX, pods.by_controller)
        self.pods.add_event_handler(
            informer.Handler(
                on_add=self._pod_added, on_update=self._pod_updated, on_delete=self._pod_deleted
            )
        )

    def selector(self, owner: Object) -> labels.Selector:
        """Which pods may be the owner's."""
        return labels.from_label_selector(owner["spec"].get("selector"))

    def _pod_added(self, pod: Object, initial: bool) -> None:
        if meta.is_being_deleted(pod):
            self._pod_deleted(pod)
        elif (key := self.owner_key(pod)) is not None:
            self.expectations.creation_observed(key)
            self.queue.add(key)
        elif meta.controller_of(pod) is None:
            self._offer(pod)

    def _pod_updated(self, before: Object, pod: Object) -> None:
        if meta.is_being_deleted(pod) and not meta.is_being_deleted(before):
            self._pod_deleted(pod)
            return
        for key in {self.owner_key(before), self.owner_key(pod)} - {None}:
            assert key is not None
            self.queue.add(key)
        if meta.controller_of(pod) is None and (
            meta.labels(pod) != meta.labels(before) or meta.controller_of(before) is not None
        ):
            self._offer(pod)

    def _pod_deleted(self, deleted: informer.Deleted) -> None:
        pod = informer.last_known(deleted)
        if (key := self.owner_key(pod)) is not None:
            self.expectations.deletion_observed(key, meta.uid(pod))
            self.queue.add(key)

    def _offer(self, pod: Object) -> None:
        for owner in self.objects.lister.list(meta.namespace(pod)):
            if self.selector(owner).matches(meta.labels(pod)):
                self.enqueue(owner)
