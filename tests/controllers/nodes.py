# SPDX-License-Identifier: Apache-2.0
"""A stand-in for nodes: it says of Pods that they run. It runs nothing, and binds only pods that
ask for one node by name, where a test says so."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable

from pyk8s.apimachinery import errors, meta, times
from pyk8s.client import informer, reflector, resources
from pyk8s.client.client import Client, DeleteOptions, Patch
from pyk8s.client.workqueue import WorkQueue
from pyk8s.controllers.daemonset import nodes

Object = dict

# A nodeSelector that no real node has.
NOWHERE = {"example.com/nowhere": "true"}


class Kubelet:
    """Every pod of the namespace that `runs` says yes to becomes Running and Ready. `most` is
    how many there ever were at one time, not counting those on their way out."""

    def __init__(self, client: Client, namespace: str) -> None:
        self.runs: Callable[[Object], bool] = lambda pod: True
        self.binds = False
        self.most = 0
        self.least_ready = 0
        self._client = client
        source = reflector.ResourceListWatcher(
            client=client, resource=resources.PODS, namespace=namespace
        )
        self.pods = informer.SharedInformer(source)
        self._queue: WorkQueue[tuple[str, str]] = WorkQueue()
        self.pods.add_event_handler(informer.on_any_change(self._changed))

    def _changed(self, pod: Object) -> None:
        alive = [p for p in self.pods.indexer.list() if not meta.is_being_deleted(p)]
        self.most = max(self.most, len(alive))
        self.least_ready = min(self.least_ready, self.ready())
        self._queue.add(meta.namespaced_name(pod))

    def ready(self) -> int:
        return sum("status" in p and "podIP" in p["status"] for p in self.pods.indexer.list())

    def watch_from_here(self) -> None:
        self.most = len(self.pods.indexer)
        self.least_ready = self.ready()

    def let_run(self, runs: Callable[[Object], bool]) -> None:
        self.runs = runs
        for key in self.pods.indexer:
            self._queue.add(key)

    async def work(self) -> None:
        while True:
            key = await self._queue.get()
            pod = self.pods.indexer.get(key)
            if pod is not None and self.binds:
                await self._place(pod)
            if pod is not None and self.runs(pod) and "podIP" not in pod["status"]:
                await self._run(pod)
            self._queue.done(key)

    async def _place(self, pod: Object) -> None:
        """Bind the pod to the node it asks for; end it once it is told to go."""
        namespace, name = meta.namespaced_name(pod)
        try:
            if meta.is_being_deleted(pod):
                options = DeleteOptions(grace_period_seconds=0, uid=meta.uid(pod))
                await self._client.delete(resources.PODS, name, namespace, options)
            elif not pod["spec"].get("nodeName") and (node := nodes.target_of(pod)):
                binding = {"metadata": {"name": name}, "target": {"kind": "Node", "name": node}}
                owner = (namespace, name)
                await self._client.create_subresource(resources.PODS, owner, "binding", binding)
        except errors.StatusError as error:
            if error.reason not in (errors.NOT_FOUND, errors.CONFLICT):
                raise

    async def _run(self, pod: Object) -> None:
        ready = {"type": "Ready", "status": "True", "lastTransitionTime": times.now()}
        status = {"phase": "Running", "podIP": "192.0.2.1", "conditions": [ready]}
        patch = Patch(content={"status": status})
        try:
            await self._client.patch(resources.PODS, meta.namespaced_name(pod), patch, "status")
        except errors.StatusError as error:
            if error.reason != errors.NOT_FOUND:
                raise


@contextlib.asynccontextmanager
async def running(client: Client, namespace: str) -> AsyncIterator[Kubelet]:
    kubelet = Kubelet(client, namespace)
    tasks = [asyncio.ensure_future(kubelet.pods.run())]
    tasks += [asyncio.ensure_future(kubelet.work()) for _ in range(4)]
    await kubelet.pods.wait_until_synced()
    yield kubelet
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)
