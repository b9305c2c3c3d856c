# SPDX-License-Identifier: Apache-2.0
"""GET, PUT, PATCH and apply of …/scale."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from pyk8s.apimachinery import errors, fieldset, managedfields, patchschema
from pyk8s.apimachinery.fieldmanager import Writer
from pyk8s.apimachinery.gvk import GroupVersionKind, Object
from pyk8s.apis import columns
from pyk8s.endpoints import bodies, negotiation, options, ownership, representation
from pyk8s.endpoints.endpoint import Decode, Endpoint, Handler
from pyk8s.endpoints.handlers import context_of
from pyk8s.endpoints.handlers import patch as patching
from pyk8s.endpoints.request import Request
from pyk8s.registry import scale
from pyk8s.registry.store import Existing
from pyk8s.storage import interface as storage

_ACCEPTED = (
    patching.JSON_PATCH,
    patching.MERGE_PATCH,
    patching.STRATEGIC_MERGE_PATCH,
    patching.APPLY_PATCH,
)

# The Scale a client wants, made from the one that is (whose object must not be changed).
_Change = Callable[[Object], Object]


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
        await self._write(request, write, lambda existing: wanted)

    async def patch(self, request: Request) -> None:
        media_type = negotiation.body_media_type(
            request.headers.get("content-type", "") or "none", _ACCEPTED
        )
        applying = media_type == patching.APPLY_PATCH
        write = options.write_options(request.query, "PatchOptions", applying=applying)
        if applying:
            body = await patching.read_applied(request, write, self.gvk)
            manager = ownership.field_manager(self.gvk, False, "scale")
            by = ownership.writer(request, write)
            await self._write(request, write, lambda existing: manager.apply(existing, body, by))
            return
        apply = patching.compiled(media_type, await request.body(), self.patch_schema)
        await self._write(request, write, lambda existing: patching.applied(apply, existing))

    async def _write(self, request: Request, write: options.WriteOptions, change: _Change) -> None:
        info = request.info
        by = ownership.writer(request, write)

        async def make_updated(existing: Existing | None) -> Object:
            if existing is None:
                resource = self.endpoint.resource.group_resource
                raise errors.not_found(resource, info.name)
            updated = existing.copy()
            live = self._scale_of(existing.obj)
            wanted = bodies.to_typed(request, self, write, {**change(live)}, [])
            bodies.check_name(wanted, info.name, info.namespace)
            scale.apply_scale(updated, wanted)
            self._track(live, wanted, updated, by)
            return updated

        written = await self.endpoint.store.update(
            context_of(request, write), info.name, make_updated, may_create=False
        )
        await self._send(request, written.item)

    def _scale_of(self, obj: Object) -> Object:
        """The Scale, with the entries of managedFields that own the replicas."""
        shown = scale.scale_of(obj)
        entries = managedfields.to_scale(managedfields.of(obj), self._replicas())
        return managedfields.put(shown, entries)

    def _track(self, live: Object, wanted: Object, updated: Object, by: Writer) -> None:
        """A write to the Scale changes who owns the replicas of the object it stands for."""
        manager = ownership.field_manager(self.gvk, False, "scale")
        of_scale = manager.update(live, wanted, by)
        api_version = str(self.endpoint.gvk.group_version)
        entries = managedfields.from_scale(
            managedfields.of(updated), of_scale, api_version, self._replicas()
        )
        updated["metadata"] = managedfields.put(updated, entries)["metadata"]

    def _replicas(self) -> managedfields.ReplicasPaths:
        api_version = str(self.endpoint.gvk.group_version)
        return {api_version: fieldset.named("spec", "replicas")}

    async def _send(self, request: Request, item: storage.Item) -> None:
        await representation.send_object(request, scale.scale_of(item.object()), columns.SCALE)
