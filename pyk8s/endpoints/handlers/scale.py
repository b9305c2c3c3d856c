# SPDX-License-Identifier: Apache-2.0
"""GET, PUT and PATCH of …/scale."""

from __future__ import annotations

from dataclasses import dataclass

from pyk8s.apimachinery import patchschema
from pyk8s.apimachinery.gvk import GroupVersionKind, Object
from pyk8s.apis import columns
from pyk8s.endpoints import bodies, negotiation, options, representation
from pyk8s.endpoints.endpoint import Decode, Endpoint, Handler
from pyk8s.endpoints.handlers import context_of
from pyk8s.endpoints.handlers import patch as patching
from pyk8s.endpoints.request import Request
from pyk8s.registry import scale
from pyk8s.storage import interface as storage


@dataclass(frozen=True, slots=True)
class ScaleHandlers:
    """The Scale of one scalable endpoint. `decode` reads a Scale."""

    endpoint: Endpoint
    decode: Decode
    patch_schema: patchschema.PatchSchema
    gvk: GroupVersionKind = scale.SCALE

    def handlers(self) -> dict[str, Handler]:
        return {"get": self.get, "update": self.update, "patch": self.patch}

    async def get(self, request: Request) -> None:
        info = request.info
        item = await self.endpoint.store.get(info.namespace, info.name)
        await self._send(request, item)

    async def update(self, request: Request) -> None:
        write = options.write_options(request.query, "UpdateOptions")
        wanted = await bodies.read_object(request, self, write)
        bodies.check_name(wanted, request.info.name, request.info.namespace)

        async def make_updated(existing: Object | None) -> Object:
            assert existing is not None  # may_create is False below
            scale.apply_scale(existing, wanted)
            return existing

        written = await self.endpoint.store.update(
            context_of(request, write), request.info.name, make_updated, may_create=False
        )
        await self._send(request, written.item)

    async def patch(self, request: Request) -> None:
        accepted = (patching.JSON_PATCH, patching.MERGE_PATCH, patching.STRATEGIC_MERGE_PATCH)
        media_type = negotiation.body_media_type(
            request.headers.get("content-type", "") or "none", accepted
        )
        write = options.write_options(request.query, "PatchOptions")
        apply = patching.compiled(media_type, await request.body(), self.patch_schema)

        async def make_updated(existing: Object | None) -> Object:
            assert existing is not None  # may_create is False below
            patched = patching.applied(apply, scale.scale_of(existing))
            wanted = bodies.to_typed(request, self, write, patched, [])
            bodies.check_name(wanted, request.info.name, request.info.namespace)
            scale.apply_scale(existing, wanted)
            return existing

        written = await self.endpoint.store.update(
            context_of(request, write), request.info.name, make_updated, may_create=False
        )
        await self._send(request, written.item)

    async def _send(self, request: Request, item: storage.Item) -> None:
        shown = scale.scale_of(item.object())
        await representation.send_object(request, shown, columns.SCALE)
