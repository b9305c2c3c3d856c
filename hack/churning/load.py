# SPDX-License-Identifier: Apache-2.0
"""Actors that change workloads at random, each its own few names in one namespace."""

from __future__ import annotations

import asyncio
import os
import random
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from pyk8s.apimachinery import errors
from pyk8s.apimachinery.gvk import GroupVersionResource
from pyk8s.client import resources
from pyk8s.client.client import Client, DeleteOptions, Patch

Object = dict[str, Any]

# What workloads are made of; a Service selects the pods of all of them.
LABELS = {"churn": "yes"}
KINDS: dict[str, tuple[GroupVersionResource, str]] = {
    "deployment": (resources.DEPLOYMENTS, "apps/v1"),
    "statefulset": (resources.STATEFUL_SETS, "apps/v1"),
    "daemonset": (resources.DAEMON_SETS, "apps/v1"),
    "job": (resources.JOBS, "batch/v1"),
}
_PROPER = {"deployment": "Deployment", "statefulset": "StatefulSet", "daemonset": "DaemonSet"}
_REPLICAS_MAX = 8
_PAUSE_SECONDS_MAX = 0.3
# The world may have moved on since an actor looked; whatever else is refused is a failure.
_EXPECTED = (errors.NOT_FOUND, errors.CONFLICT, errors.ALREADY_EXISTS)
_POLICIES = ("Background", "Background", "Foreground")


@dataclass(slots=True)
class Totals:
    """What was done, how often, and what went wrong that should not have."""

    done: Counter[str] = field(default_factory=Counter)
    passed_by: int = 0
    failures: list[str] = field(default_factory=list)


class Actor:
    """One that has a name per kind, and does one thing after the other until it is cancelled."""

    def __init__(
        self, client: Client, place: tuple[str, str], kubeconfig: str, chance: random.Random
    ) -> None:
        self._client = client
        self._namespace, self._name = place
        self._kubeconfig = kubeconfig
        self._chance = chance
        self._versions = 1

    async def run(self, totals: Totals) -> None:
        while True:
            kind = self._chance.choice(list(KINDS))
            action, act = self._chance.choice(self._actions(kind))
            try:
                await act(kind)
                totals.done[f"{action} {kind}"] += 1
            except errors.StatusError as error:
                if error.reason in _EXPECTED:
                    totals.passed_by += 1
                else:
                    totals.failures.append(f"{action} {kind}: {error}")
            await asyncio.sleep(self._chance.uniform(0, _PAUSE_SECONDS_MAX))

    def _actions(self, kind: str) -> list[tuple[str, Callable[[str], Awaitable[None]]]]:
        # A creation more often than a deletion, so that there is something to change.
        found = [("create", self._create)] * 3 + [("delete", self._delete)]
        if kind != "daemonset":
            found += [("scale", self._scale)] * 2
        if kind != "job":
            found += [("roll", self._roll)] * 2 + [("undo", self._undo)]
        if kind in ("deployment", "job"):
            found += [("pause", self._pause), ("resume", self._resume)]
        return found

    async def _create(self, kind: str) -> None:
        resource, version = KINDS[kind]
        made = _workload(kind, self._chance)
        named = {"name": self._name, "namespace": self._namespace, "labels": LABELS}
        made.update(apiVersion=version, metadata=named)
        await self._client.create(resource, made, self._namespace)

    async def _patch(self, kind: str, spec: Object) -> None:
        key = (self._namespace, self._name)
        await self._client.patch(KINDS[kind][0], key, Patch(content={"spec": spec}))

    async def _scale(self, kind: str) -> None:
        size = self._chance.randrange(_REPLICAS_MAX + 1)
        await self._patch(kind, {"parallelism" if kind == "job" else "replicas": size})

    async def _roll(self, kind: str) -> None:
        self._versions += 1
        annotations = {"version": str(self._versions)}
        await self._patch(kind, {"template": {"metadata": {"annotations": annotations}}})

    async def _pause(self, kind: str) -> None:
        await self._patch(kind, {"suspend" if kind == "job" else "paused": True})

    async def _resume(self, kind: str) -> None:
        await self._patch(kind, {"suspend" if kind == "job" else "paused": False})

    async def _delete(self, kind: str) -> None:
        options = DeleteOptions(propagation_policy=self._chance.choice(_POLICIES))
        await self._client.delete(KINDS[kind][0], self._name, self._namespace, options)

    async def _undo(self, kind: str) -> None:
        """By kubectl, which knows how: the API has no verb for it."""
        process = await asyncio.create_subprocess_exec(
            "kubectl", "--namespace", self._namespace, "rollout", "undo", f"{kind}/{self._name}",
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
            env={**os.environ, "KUBECONFIG": self._kubeconfig},
        )  # fmt: skip
        _, said = await process.communicate()
        text = said.decode()
        if process.returncode and not any(part in text for part in _NOTHING_TO_UNDO):
            raise errors.bad_request(text.strip())
        if process.returncode:
            raise errors.StatusError(404, errors.NOT_FOUND, text.strip())


_NOTHING_TO_UNDO = (
    "not found",
    "no rollout history found",
    "no last revision",
    "unable to find specified revision",
    "you cannot rollback a paused deployment",
    "cannot roll back",
    "the object has been modified",
    "skipped rollback",
)


def _workload(kind: str, chance: random.Random) -> Object:
    labels = {**LABELS, "kind": kind}
    container: Object = {"name": "main", "image": "nginx:1.27"}
    pod: Object = {"containers": [container], "terminationGracePeriodSeconds": 1}
    template = {"metadata": {"labels": labels}, "spec": pod}
    if kind == "job":
        container["command"] = ["sleep", str(chance.randrange(4))]
        pod["restartPolicy"] = "Never"
        count = chance.randrange(1, _REPLICAS_MAX)
        sizes = {"completions": count, "parallelism": chance.randrange(1, count + 1)}
        return {"kind": "Job", "spec": {"template": {**template, "metadata": {}}, **sizes}}
    spec: Object = {"selector": {"matchLabels": labels}, "template": template}
    if kind != "daemonset":
        spec["replicas"] = chance.randrange(_REPLICAS_MAX + 1)
    if kind == "statefulset":
        spec["serviceName"] = "all"
        spec["podManagementPolicy"] = chance.choice(("OrderedReady", "Parallel"))
    if kind == "deployment":
        spec["strategy"] = {"type": chance.choice(("RollingUpdate", "RollingUpdate", "Recreate"))}
    return {"kind": _PROPER[kind], "spec": spec}
