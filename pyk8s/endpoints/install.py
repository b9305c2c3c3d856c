# SPDX-License-Identifier: Apache-2.0
"""Routes of the built-in resources: verbs and subresources bound to their handlers."""

from __future__ import annotations

import functools
from collections.abc import Awaitable, Callable, Mapping, Sequence

from pyk8s.apimachinery import errors, patchschema
from pyk8s.apimachinery.gvk import GroupVersionKind, Object
from pyk8s.apis import columns, conversion, decode, schemas, scheme, selectable
from pyk8s.endpoints import ownership
from pyk8s.endpoints.endpoint import Decode, Endpoint, Handler, Route
from pyk8s.endpoints.handlers import delete, patch, read, watch, write
from pyk8s.endpoints.handlers.scale import ScaleHandlers
from pyk8s.endpoints.request import Request
from pyk8s.registry import scale
from pyk8s.registry.store import Store

_Handle = Callable[[Request, Endpoint], Awaitable[None]]

_VERBS: dict[str, _Handle] = {
    "create": write.create,
    "get": read.get,
    "list": read.list_,
    "update": write.update,
    "patch": patch.patch,
    "delete": delete.delete,
    "deletecollection": delete.delete_collection,
}


def route(
    resource: scheme.Resource,
    store: Store,
    watches: watch.Watches,
    more: Mapping[str, Mapping[str, Handler]],
) -> Route:
    """The complete route of one stored built-in resource in one version. `more` are handlers
    of subresources that are no part of the object, by verb."""
    endpoint = Endpoint(
        resource=resource,
        store=store,
        decode=decoder(resource.gvk),
        convert_field=functools.partial(selectable.convert_field_selector, resource.gvk),
        columns=columns.columns_for(resource.group_resource),
        patch_schema=functools.partial(patch_schema, resource.gvk),
        to_storage=_conversion(resource.gvk, resource.storage_version),
        from_storage=_conversion(resource.storage_version, resource.gvk),
        field_managers=functools.partial(
            ownership.field_manager, resource.gvk, "status" in resource.subresources
        ),
    )
    verbs: dict[str, _Handle] = {**_VERBS, "watch": watches.watch}
    handlers = {verb: _bound(verbs[verb], endpoint) for verb in resource.verbs}
    subresources = {**_subresources(endpoint), **more}
    return Route(resource=resource, handlers=handlers, subresources=subresources)


@functools.cache
def patch_schema(gvk: GroupVersionKind) -> patchschema.PatchSchema:
    """What strategic merge needs of a built-in kind; read when the first patch comes."""
    return patchschema.PatchSchema(schemas.definition(schemas.definition_of(gvk)), schemas.resolve)


def decoder(gvk: GroupVersionKind) -> Decode:
    def decode_as(
        obj: Object, field_validation: str, duplicates: Sequence[str]
    ) -> tuple[Object, list[str]]:
        return decode.to_internal(obj, gvk, field_validation, duplicates)

    return decode_as


def _conversion(
    from_gvk: GroupVersionKind, to_gvk: GroupVersionKind
) -> Callable[[Object], Object] | None:
    if from_gvk == to_gvk:
        return None
    return lambda obj: conversion.convert(obj, from_gvk, to_gvk)


def unserved(resource: scheme.Resource) -> Route:
    """A resource that upstream has and this server answers by name only, with 501."""

    async def refuse(request: Request) -> None:
        name = resource.group_resource
        raise errors.not_implemented(f"the resource {name} is not served by this server yet")

    return Route(resource=resource, handlers=dict.fromkeys(resource.verbs, refuse), subresources={})


def _bound(handle: _Handle, endpoint: Endpoint) -> Handler:
    async def bound(request: Request) -> None:
        await handle(request, endpoint)

    return bound


def _subresources(endpoint: Endpoint) -> dict[str, Mapping[str, Handler]]:
    """Other views of the object; the dispatcher answers 501 for what the scheme lists and
    nobody serves."""
    known = endpoint.resource.subresources
    handlers: dict[str, Mapping[str, Handler]] = {}
    for subresource in known.values():
        # An update of the object itself, of which only a part comes through.
        if subresource.kind == endpoint.gvk and "update" in subresource.verbs:
            updates = _updates(endpoint, subresource.name)
            handlers[subresource.name] = {verb: updates[verb] for verb in subresource.verbs}
    if "scale" in known:
        scales = ScaleHandlers(endpoint, decoder(scale.SCALE), patch_schema(scale.SCALE))
        handlers["scale"] = scales.handlers()
    return handlers


def _updates(endpoint: Endpoint, subresource: str) -> dict[str, Handler]:
    """The object itself, of which an update lets only a part through."""

    async def update(request: Request) -> None:
        await write.update_subresource(request, endpoint, subresource)

    async def patched(request: Request) -> None:
        await patch.patch_subresource(request, endpoint, subresource)

    return {"get": _bound(read.get, endpoint), "update": update, "patch": patched}
