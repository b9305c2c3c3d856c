# SPDX-License-Identifier: Apache-2.0
"""Carries out a preemption: the victims are told why, and deleted.

Mirrors `framework/preemption/executor.go`.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence

from pyk8s.apimachinery import errors, meta, times
from pyk8s.apimachinery.gvk import Object
from pyk8s.client import eventsv1, resources
from pyk8s.client.client import STRATEGIC_MERGE_PATCH, Client, DeleteOptions, Patch
from pyk8s.scheduler.framework.podinfo import PodInfo
from pyk8s.scheduler.framework.waiting import WaitingPods
from pyk8s.scheduler.nominator import Nominator
from pyk8s.scheduler.plugins import defaultpreemption

_log = logging.getLogger(__name__)


class Preemptor:
    def __init__(
        self,
        client: Client,
        recorder: eventsv1.EventRecorder,
        nominator: Nominator,
        waiting: WaitingPods,
    ) -> None:
        self._waiting = waiting
        self._client = client
        self._recorder = recorder
        self._nominator = nominator

    async def make_room(self, pod: PodInfo, node: str, victims: Sequence[PodInfo]) -> None:
        """Victims that are gone already are no fault. Raises StatusError, ServerUnreachable."""
        for victim in victims:
            await self._end(pod, node, victim)
        for other in self._nominator.on(node):
            if other.priority < pod.priority:
                # It may have lost its place by this, and has to look for another.
                self._nominator.remove(other.uid)
                await self._patch_status(other.pod, {"nominatedNodeName": None})

    async def _end(self, pod: PodInfo, node: str, victim: PodInfo) -> None:
        scheduler = pod.pod["spec"].get("schedulerName", "")
        condition: Object = {
            "type": defaultpreemption.DISRUPTION_TARGET,
            "status": "True",
            "reason": defaultpreemption.BY_SCHEDULER,
            "message": f"{scheduler}: preempting to accommodate a higher priority pod",
            "lastTransitionTime": times.now(),
        }
        if generation := victim.pod["metadata"].get("generation"):
            condition["observedGeneration"] = generation
        if (held := self._waiting.get(victim.uid)) is not None:
            # It is on no node yet: it need not end, only look for another one.
            held.reject(defaultpreemption.DefaultPreemption.name, "preempted")
        elif not meta.is_being_deleted(victim.pod):
            try:
                await self._patch_status(victim.pod, {"conditions": [condition]})
                namespace, name = victim.key
                options = DeleteOptions(uid=victim.uid)
                await self._client.delete(resources.PODS, name, namespace, options)
            except errors.StatusError as error:
                if error.code not in (404, 409):
                    raise
                _log.info("victim is gone: pod=%s error=%s", victim.key, error)
                return
        _log.info("preempted: pod=%s by=%s node=%s", victim.key, pod.key, node)
        telling = eventsv1.Telling(
            type=eventsv1.NORMAL,
            reason="Preempted",
            action="Preempting",
            note=f"Preempted by pod {pod.uid} on node {node}",
            related=_whole(pod.pod),
            controller=pod.pod["spec"].get("schedulerName", ""),
        )
        self._recorder.event(_whole(victim.pod), telling)

    async def _patch_status(self, pod: Object, status: Object) -> None:
        content = {"metadata": {"uid": meta.uid(pod)}, "status": status}
        patch = Patch(content=content, type=STRATEGIC_MERGE_PATCH)
        await self._client.patch(resources.PODS, meta.namespaced_name(pod), patch, "status")


def _whole(pod: Object) -> Object:
    """Items of a list may lack their kind, which an Event needs."""
    return {"apiVersion": "v1", "kind": "Pod", **pod}
