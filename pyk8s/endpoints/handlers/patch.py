# SPDX-License-Identifier: Apache-2.0
"""PATCH: JSON patch, merge patch and strategic merge patch.

The patch is applied to what is stored, in the version the client named, and again when another
writer was quicker. The result goes the way of any update. Mirrors apiserver's
`handlers/patch.go`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pyk8s.apimachinery import (
    codec,
    errors,
    jsonpatch,
    mergepatch,
    patcherrors,
    patchschema,
    strategicpatch,
)
from pyk8s.apimachinery.gvk import Object
from pyk8s.endpoints import bodies, negotiation, options, representation
from pyk8s.endpoints.endpoint import Endpoint
from pyk8s.endpoints.handlers import context_of
from pyk8s.endpoints.request import Request

JSON_PATCH = "application/json-patch+json"
MERGE_PATCH = "application/merge-patch+json"
STRATEGIC_MERGE_PATCH = "application/strategic-merge-patch+json"

Apply = Callable[[Object], Object]


async def patch(request: Request, endpoint: Endpoint) -> None:
    await patch_subresource(request, endpoint, "")


async def patch_subresource(request: Request, endpoint: Endpoint, subresource: str) -> None:
    media_type = negotiation.body_media_type(
        request.headers.get("content-type", "") or "none", _accepted(endpoint)
    )
    write = options.write_options(request.query, "PatchOptions")
    schema = endpoint.patch_schema() if endpoint.patch_schema else None
    apply = compiled(media_type, await request.body(), schema)

    async def make_updated(existing: Object | None) -> Object:
        if existing is None:
            raise errors.not_found(endpoint.resource.group_resource, request.info.name)
        patched = applied(apply, endpoint.served(existing))
        obj = bodies.to_typed(request, endpoint, write, patched, [])
        bodies.check_name(obj, request.info.name, request.info.namespace)
        obj = endpoint.stored(obj)
        endpoint.store.strategy.default(obj)
        return obj

    written = await endpoint.store.update(
        context_of(request, write),
        request.info.name,
        make_updated,
        subresource=subresource,
        may_create=False,
    )
    await representation.send_item(request, endpoint, written.item)


def _accepted(endpoint: Endpoint) -> tuple[str, ...]:
    if endpoint.patch_schema is None:
        return (JSON_PATCH, MERGE_PATCH)
    return (JSON_PATCH, MERGE_PATCH, STRATEGIC_MERGE_PATCH)


def compiled(media_type: str, body: bytes, schema: patchschema.PatchSchema | None) -> Apply:
    """The patch as a function from the object that is to the one that will be. Its results
    share with nothing: the document is read anew for each, which costs less than to copy."""

    def read() -> Any:
        try:
            return codec.decode_json(body)
        except codec.DecodeError as error:
            raise errors.bad_request(f"error decoding patch: {error}") from None

    if media_type == JSON_PATCH:
        return lambda existing: jsonpatch.apply(existing, read())
    if media_type == MERGE_PATCH:
        return lambda existing: mergepatch.apply(existing, read())
    assert schema is not None  # strategic merge is accepted only with one
    return lambda existing: strategicpatch.apply(existing, read(), schema)


def applied(apply: Apply, existing: Object) -> Object:
    try:
        patched = apply(existing)
    except patcherrors.PatchError as error:
        raise _status_error(error) from None
    if not isinstance(patched, dict):
        raise errors.bad_request("the patched document is not an object")
    return patched


def _status_error(error: patcherrors.PatchError) -> errors.StatusError:
    match error:
        case patcherrors.UnprocessablePatchError():
            # Upstream keeps what failed to itself.
            message = "the server rejected our request due to an error in our request"
            return errors.StatusError(422, errors.INVALID, message)
        case patcherrors.OversizedPatchError():
            return errors.request_entity_too_large(str(error))
        case patcherrors.UnclassifiedPatchError():
            return errors.StatusError(500, "", str(error))
        case _:
            return errors.bad_request(str(error))
