# SPDX-License-Identifier: Apache-2.0
"""API servers without their HTTP side, and the gestures that tests of Services repeat."""

from __future__ import annotations

import contextlib
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import pytest

from pyk8s.admission import interface as admission
from pyk8s.apimachinery import errors
from pyk8s.apimachinery.gvk import Object
from pyk8s.apis import scheme
from pyk8s.auth.user import UserInfo
from pyk8s.registry import builder, deletion
from pyk8s.registry.context import RequestContext
from pyk8s.registry.services.ranges import ServiceRanges
from pyk8s.registry.services.repair import Repair
from pyk8s.registry.services.store import ServiceStore
from pyk8s.registry.store import Existing
from pyk8s.server import bootstrap
from pyk8s.storage.cacher.store import Cacher
from pyk8s.storage.interface import EtcdOptions, ListOptions

_RESOURCES = ("services", "endpoints", "ipaddresses", "servicecidrs", "endpointslices")


class Server:
    """The Stores of one API server, and the gestures that tests repeat."""

    def __init__(
        self, options: EtcdOptions, cidrs: str, ports: tuple[int, int], chain: admission.Chain
    ) -> None:
        self.backend = Cacher(options)
        self.ranges = ServiceRanges.parse(cidrs, ports)
        self.stores = builder.build(
            [r for r in scheme.builtin().resources if r.resource in _RESOURCES],
            self.backend,
            chain,
            builder.Options(
                key_prefix=options.prefix, event_ttl_seconds=60, service_ranges=self.ranges
            ),
        )
        services = self.stores["services/specs"]
        assert isinstance(services, ServiceStore)
        self.services = services
        self.addresses = self.stores["ipaddresses"]
        self.cidrs = self.stores["servicecidrs"]
        self.pools = services.pools
        self.repair = Repair(services, self.pools)

    async def start(self) -> None:
        await self.backend.start()
        await bootstrap.ensure_service_cidr(self.stores, self.ranges.cidrs)
        await self.repair.run_once()

    async def stop(self) -> None:
        await self.backend.stop()

    async def create(self, name: str = "web", *, dry_run: bool = False, **spec: Any) -> Object:
        obj = service(name, **spec)
        self.services.strategy.default(obj)
        return (await self.services.create(context(dry_run), obj)).object()

    async def update(
        self, name: str, change: Callable[[Object], Any], *, dry_run: bool = False
    ) -> Object:
        """As a client that reads, changes, and writes."""

        async def make_updated(found: Existing | None) -> Object:
            assert found is not None
            existing = found.copy()
            change(existing["spec"])
            self.services.strategy.default(existing)
            return existing

        written = await self.services.update(context(dry_run), name, make_updated)
        return written.item.object()

    async def replace(self, name: str, **spec: Any) -> Object:
        """As a client that writes its manifest again."""

        async def make_updated(found: Existing | None) -> Object:
            obj = service(name, **spec)
            self.services.strategy.default(obj)
            return obj

        return (await self.services.update(context(), name, make_updated)).item.object()

    async def delete(self, name: str) -> None:
        await self.services.delete(context(), name, deletion.DeleteOptions())

    async def taken(self) -> list[str]:
        listed = await self.addresses.list(ListOptions())
        return [item.object()["metadata"]["name"] for item in listed.items]

    async def ports(self) -> list[int]:
        return self.pools.ports.listed((await self.pools.ports.read())[0])

    async def add_cidr(self, name: str, *cidrs: str) -> None:
        obj: Object = {
            "kind": "ServiceCIDR",
            "apiVersion": "networking.k8s.io/v1",
            "metadata": {"name": name},
            "spec": {"cidrs": list(cidrs)},
        }
        await self.cidrs.create(RequestContext(user=UserInfo("admin")), obj)


def context(dry_run: bool = False) -> RequestContext:
    return RequestContext(user=UserInfo("admin"), namespace="default", dry_run=dry_run)


def service(name: str, **spec: Any) -> Object:
    """One port 80, unless the spec says otherwise."""
    ports = [] if spec.get("type") == "ExternalName" else [{"port": 80}]
    return {
        "kind": "Service",
        "apiVersion": "v1",
        "metadata": {"name": name, "namespace": "default"},
        "spec": {"ports": ports, "selector": {"app": name}, **spec},
    }


@contextlib.contextmanager
def refused(code: int, message: str) -> Iterator[None]:
    """What is within is refused with just that message."""
    with pytest.raises(errors.StatusError) as caught:
        yield
    assert (caught.value.code, caught.value.message) == (code, message)


MakeServer = Callable[..., Awaitable[Server]]
