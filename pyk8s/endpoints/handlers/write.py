# SPDX-License-Identifier: Apache-2.0
"""POST and PUT."""

from __future__ import annotations

from pyk8s.apimachinery import codec
from pyk8s.apimachinery.gvk import Object
from pyk8s.endpoints import bodies, options, ownership, representation
from pyk8s.endpoints.endpoint import Endpoint
from pyk8s.endpoints.handlers import context_of
from pyk8s.endpoints.request import Request
from pyk8s.registry.store import Existing


async def create(request: Request, endpoint: Endpoint) -> None:
    write = options.write_options(request.query, "CreateOptions")
    obj = await bodies.read_object(request, endpoint, write)
    bodies.check_namespace(obj, request.info.namespace)
    obj = endpoint.defaulted(obj)
    endpoint.track(None, obj, ownership.writer(request, write))
    item = await endpoint.store.create(context_of(request, write), obj)
    await representation.send_item(request, endpoint, item, status_code=201)


async def update(request: Request, endpoint: Endpoint) -> None:
    await update_subresource(request, endpoint, "")


async def update_subresource(request: Request, endpoint: Endpoint, subresource: str) -> None:
    """PUT of the object, or of the part of it that the subresource lets through."""
    write = options.write_options(request.query, "UpdateOptions")
    obj = await bodies.read_object(request, endpoint, write)
    bodies.check_name(obj, request.info.name, request.info.namespace)
    obj = endpoint.defaulted(obj)
    by = ownership.writer(request, write)
    # A retry after a lost race starts from what the client sent, not from what the first try
    # made of it.
    sent = codec.encode_json(obj)
    first: list[Object] = [obj]

    async def make_updated(existing: Existing | None) -> Object:
        updated = first.pop() if first else codec.decode_json(sent)
        endpoint.track(existing.obj if existing else None, updated, by, subresource)
        return updated

    written = await endpoint.store.update(
        context_of(request, write), request.info.name, make_updated, subresource=subresource
    )
    await representation.send_item(
        request, endpoint, written.item, status_code=201 if written.created else 200
    )
