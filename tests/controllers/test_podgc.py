# SPDX-License-Identifier: Apache-2.0
"""Pods that nobody else removes."""

from __future__ import annotations

from typing import Any

import objects
from cluster import eventually
from nodes_of import add_node, run_pod
from running import running
from world import World

from pyk8s.client import resources
from pyk8s.client.client import Patch
from pyk8s.controllers.options import Options
from pyk8s.controllers.podgc.controller import PodGarbageCollector, first_to_go

Object = dict[str, Any]


async def test_pods_of_a_missing_node(quiet: World) -> None:
    """After the quarantine they fail, with the reason why, and go; those of other nodes stay."""
    await add_node(quiet, "stays")
    await add_node(quiet, "goes")
    await run_pod(quiet, "orphan", "goes")
    await quiet.patch(resources.PODS, "orphan", {"metadata": {"finalizers": ["example.com/hold"]}})
    await run_pod(quiet, "other", "stays")
    async with running(quiet.client, lambda c: PodGarbageCollector(c, 0.05)):
        await quiet.client.delete(resources.NODES, "goes")

        async def failed() -> Object | None:
            found = await quiet.find(resources.PODS, "orphan")
            return found if found["metadata"].get("deletionTimestamp") else None

        pod = await eventually(failed, "the orphan is deleted")
        (said,) = [c for c in pod["status"]["conditions"] if c["type"] == "DisruptionTarget"]
        assert (said["reason"], said["message"]) == (
            "DeletionByPodGC",
            "PodGC: node no longer exists",
        )
        assert pod["status"]["phase"] == "Failed"
        await quiet.patch(resources.PODS, "orphan", {"metadata": {"finalizers": None}})
        await quiet.until_names(resources.PODS, "other")


async def test_pods_of_a_node_out_of_service(quiet: World) -> None:
    """Those being deleted go without a kubelet; others stay."""
    await add_node(quiet, "n", "Unknown")
    await run_pod(quiet, "leaving", "n", terminationGracePeriodSeconds=3600)
    await run_pod(quiet, "staying", "n")
    async with running(quiet.client, PodGarbageCollector):
        await quiet.delete(resources.PODS, "leaving")
        assert await quiet.names(resources.PODS) == ["leaving", "staying"]
        taint = {"key": "node.kubernetes.io/out-of-service", "effect": "NoExecute"}
        patch = Patch(content={"spec": {"taints": [taint]}})
        await quiet.client.patch(resources.NODES, ("", "n"), patch)
        await quiet.until_names(resources.PODS, "staying")


async def test_too_many_finished_pods(quiet: World) -> None:
    """The oldest go until as many as may stay are left."""
    for number in range(4):
        await quiet.create(resources.PODS, objects.pod(f"p{number}"))
    async with running(quiet.client, PodGarbageCollector, Options(terminated_pod_gc_threshold=1)):
        for number in range(3):
            done = {"status": {"phase": "Succeeded"}}
            await quiet.patch(resources.PODS, f"p{number}", done, "status")
        await quiet.until_names(resources.PODS, "p2", "p3")


def test_evicted_pods_go_first() -> None:
    """Before those that ended by themselves, however young."""

    def pod(name: str, at: int, **status: str) -> Object:
        created = f"2026-01-01T00:00:0{at}Z"
        return {"metadata": {"name": name, "creationTimestamp": created}, "status": status}

    found = [
        pod("old", 1, phase="Succeeded"),
        pod("evicted", 3, phase="Failed", reason="Evicted"),
        pod("young", 2, phase="Failed"),
    ]
    assert [p["metadata"]["name"] for p in first_to_go(found, 1)] == ["evicted", "old"]
    assert first_to_go(found, 3) == []
