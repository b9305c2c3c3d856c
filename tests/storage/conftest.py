# SPDX-License-Identifier: Apache-2.0
"""Storage under test: bare etcd and the cacher over it, with pods of a prefix of their own."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from outage import Way

from pyk8s.apimachinery import fields, labels
from pyk8s.apimachinery.gvk import GroupResource, Object
from pyk8s.storage import errors
from pyk8s.storage import etcd as bare_etcd
from pyk8s.storage.cacher.store import Cacher
from pyk8s.storage.interface import (
    Backend,
    EtcdOptions,
    Item,
    ListOptions,
    ListResult,
    Predicate,
    ResourceConfig,
    Storage,
    Watcher,
    WatchEvent,
    WatchOptions,
)

Change = Callable[[Object], None]


def fields_of(obj: Object) -> dict[str, str]:
    return {
        "metadata.name": obj["metadata"].get("name", ""),
        "metadata.namespace": obj["metadata"].get("namespace", ""),
        "spec.nodeName": obj.get("spec", {}).get("nodeName", ""),
    }


def changing(change: Change) -> Callable[[Item | None], Awaitable[Object]]:
    """An update function that decodes, changes, and returns."""

    async def update(item: Item | None) -> Object:
        assert item is not None
        obj = item.object()
        change(obj)
        return obj

    return update


def select(selector: str = "", field_selector: str = "") -> Predicate:
    return Predicate(
        label_selector=labels.parse(selector) if selector else labels.EVERYTHING,
        field_selector=fields.parse(field_selector) if field_selector else fields.EVERYTHING,
    )


def name_of(event: WatchEvent) -> str:
    return event.item.object()["metadata"]["name"] if event.item else ""


def names(items: Sequence[Item]) -> list[str]:
    return [item.object()["metadata"]["name"] for item in items]


class Pods:
    """A storage of pods, and the few gestures that tests repeat."""

    names = staticmethod(names)
    changing = staticmethod(changing)
    select = staticmethod(select)

    def __init__(self, backend: Backend, prefix: str, **config: Any) -> None:
        self.backend = backend
        self.config = ResourceConfig(
            group_resource=GroupResource("", "pods"),
            key_prefix=f"{prefix}/pods/",
            namespaced=True,
            fields_of=fields_of,
            **{"indexes": ("spec.nodeName",), **config},
        )
        self.storage: Storage = backend.storage_for(self.config)

    def key(self, name: str, namespace: str = "default") -> str:
        return f"{self.config.key_prefix}{namespace}/{name}"

    @staticmethod
    def obj(name: str, namespace: str = "default", node: str = "", **metadata: Any) -> Object:
        metadata = {"name": name, "namespace": namespace, **metadata}
        spec = {"nodeName": node} if node else {}
        return {"kind": "Pod", "apiVersion": "v1", "metadata": metadata, "spec": spec}

    async def create(
        self, name: str, namespace: str = "default", node: str = "", **metadata: Any
    ) -> Item:
        obj = self.obj(name, namespace, node, **metadata)
        return await self.storage.create(self.key(name, namespace), obj)

    async def get(self, name: str, namespace: str = "default", version: str = "") -> Item:
        return await self.storage.get(self.key(name, namespace), resource_version=version)

    async def update(self, name: str, change: Change, namespace: str = "default") -> Item:
        return await self.storage.guaranteed_update(self.key(name, namespace), changing(change))

    async def relabel(self, name: str, **values: str) -> Item:
        return await self.update(name, lambda obj: obj["metadata"].update(labels=values))

    async def bind(self, name: str, node: str) -> Item:
        return await self.update(name, lambda obj: obj["spec"].update(nodeName=node))

    async def delete(self, name: str, namespace: str = "default", **options: Any) -> Item:
        return await self.storage.delete(self.key(name, namespace), **options)

    async def list(self, namespace: str = "", selector: str = "", **options: Any) -> ListResult:
        predicate = select(selector, options.pop("fields", ""))
        return await self.storage.list(
            ListOptions(namespace=namespace, predicate=predicate, **options)
        )

    async def watch(
        self, namespace: str = "", selector: str = "", version: str = "0", **options: Any
    ) -> Watching:
        predicate = select(selector, options.pop("fields", ""))
        wanted = WatchOptions(
            namespace=namespace, predicate=predicate, resource_version=version, **options
        )
        return Watching(await self.storage.watch(wanted))

    async def settle(self) -> None:
        """Everything written so far is seen by everyone."""
        await self.list()


class Watching:
    """A watcher, read event by event; each read ends, one way or the other."""

    def __init__(self, watcher: Watcher) -> None:
        self.watcher = watcher
        self._pending: list[WatchEvent] = []

    async def event(self) -> WatchEvent:
        while not self._pending:
            async with asyncio.timeout(5):
                batch = await self.watcher.next_batch()
            assert batch, "the watch has ended"
            self._pending.extend(batch)
        return self._pending.pop(0)

    async def events(self, count: int) -> list[WatchEvent]:
        return [await self.event() for _ in range(count)]

    async def seen(self, count: int) -> list[tuple[str, str]]:
        """Type and name of the next events."""
        return [(event.type, name_of(event)) for event in await self.events(count)]

    async def ended(self) -> bool:
        """Whether the watch ends after what was pending."""
        async with asyncio.timeout(5):
            while await self.watcher.next_batch():
                pass
        return True

    def close(self) -> None:
        self.watcher.close()


@contextlib.asynccontextmanager
async def checked(options: EtcdOptions) -> AsyncIterator[Cacher]:
    """A cacher that checks itself, in the end at the latest; to be started by the caller."""
    alarms: list[str] = []
    backend = Cacher(options, alarm=alarms.append)
    assert backend.self_check is not None
    yield backend
    with contextlib.suppress(errors.StorageError):
        await backend.self_check.run_once()
    await backend.stop()
    assert alarms == []


@pytest_asyncio.fixture
async def cached(etcd_options: EtcdOptions) -> AsyncIterator[Cacher]:
    """A started cacher."""
    async with checked(etcd_options) as backend:
        await backend.start()
        yield backend


@pytest_asyncio.fixture(params=["etcd", "cacher"])
async def pods(request: pytest.FixtureRequest, etcd_options: EtcdOptions) -> AsyncIterator[Pods]:
    """Pods in either implementation: whoever takes this fixture states the contract."""
    if request.param == "cacher":
        async with checked(etcd_options) as cacher:
            pods = Pods(cacher, etcd_options.prefix)
            await cacher.start()
            yield pods
        return
    backend = bare_etcd.open(etcd_options)
    pods = Pods(backend, etcd_options.prefix)
    await backend.start()
    yield pods
    await backend.stop()


@pytest_asyncio.fixture
async def cached_pods(cached: Cacher, etcd_options: EtcdOptions) -> Pods:
    """Pods in the cacher, for what only it promises; loaded."""
    pods = Pods(cached, etcd_options.prefix)
    await pods.settle()
    return pods


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """What waits three seconds for a revision waits a moment."""
    monkeypatch.setattr("pyk8s.storage.cacher.progress.WAIT_SECONDS", 0.05)


@pytest_asyncio.fixture
async def way(etcd: str, tmp_path: Path) -> AsyncIterator[Way]:
    """A way to etcd that can be cut."""
    way = Way(tmp_path / "etcd", etcd)
    await way.mend()
    yield way
    await way.cut()


@pytest_asyncio.fixture
async def distant_pods(etcd_options: EtcdOptions, way: Way) -> AsyncIterator[Pods]:
    """Pods in a cacher whose way to etcd can be cut."""
    async with checked(dataclasses.replace(etcd_options, servers=(way.url,))) as backend:
        pods = Pods(backend, etcd_options.prefix)
        await backend.start()
        yield pods


@pytest_asyncio.fixture
async def near_pods(etcd_options: EtcdOptions) -> AsyncIterator[Pods]:
    """The same pods straight on etcd, as another API server would reach them."""
    backend = bare_etcd.open(etcd_options)
    await backend.start()
    yield Pods(backend, etcd_options.prefix)
    await backend.stop()


@pytest.fixture
def pods_of() -> type[Pods]:
    """For tests that make a backend of their own."""
    return Pods
