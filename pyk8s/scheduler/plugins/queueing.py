# SPDX-License-Identifier: Apache-2.0
"""SchedulingGates, PrioritySort and DefaultBinder: what stands before and after the nodes."""

from __future__ import annotations

from pyk8s.apimachinery import meta
from pyk8s.client import resources
from pyk8s.client.client import Client
from pyk8s.scheduler.framework.interface import CycleState
from pyk8s.scheduler.framework.podinfo import PodInfo
from pyk8s.scheduler.framework.status import SUCCESS, Status, unresolvable
from pyk8s.scheduler.plugins import hints


class SchedulingGates:
    """The API server tells of gates in the pod's condition; here they keep it from the queue."""

    name = "SchedulingGates"

    def events_to_register(self) -> hints.Registered:
        return hints.SCHEDULING_GATES

    def pre_enqueue(self, pod: PodInfo) -> Status:
        gates = pod.pod["spec"].get("schedulingGates")
        if not gates:
            return SUCCESS
        names = " ".join(gate["name"] for gate in gates)
        return unresolvable(f"waiting for scheduling gates: [{names}]")


class PrioritySort:
    """Higher priority first, then who waits longer."""

    name = "PrioritySort"

    def sort_key(self, pod: PodInfo, queued_at: float) -> tuple[float, float]:
        return (-pod.priority, queued_at)


class DefaultBinder:
    name = "DefaultBinder"

    def __init__(self, client: Client | None) -> None:
        self._client = client

    async def bind(self, state: CycleState, pod: PodInfo, node: str) -> Status:
        """Raises StatusError and ServerUnreachable."""
        namespace, name = pod.key
        binding = {
            "apiVersion": "v1",
            "kind": "Binding",
            "metadata": {"name": name, "namespace": namespace, "uid": meta.uid(pod.pod)},
            "target": {"kind": "Node", "name": node},
        }
        assert self._client is not None
        await self._client.create_subresource(resources.PODS, (namespace, name), "binding", binding)
        return SUCCESS
