# SPDX-License-Identifier: Apache-2.0
"""PATCH: JSON patch, merge patch, strategic merge patch, and server-side apply.

The patch is applied to what is stored, in the version the client named, and again when another
writer was quicker. The result goes the way of any update. Mirrors apiserver's
`handlers/patch.go`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from pyk8s.apimachinery import (
    codec,
    errors,
    field,
    gojson,
    jsonpatch,
    mergepatch,
    patcherrors,
    patchschema,
    strategicpatch,
)
from pyk8s.apimachinery.gvk import GroupKind, GroupVersionKind, Object
from pyk8s.apis import decode
from pyk8s.endpoints import bodies, negotiation, options, ownership, representation
from pyk8s.endpoints.endpoint import Endpoint
from pyk8s.endpoints.handlers import context_of
from pyk8s.endpoints.request import Request
from pyk8s.registry.store import Existing, MakeUpdated

JSON_PATCH = "application/json-patch+json"
MERGE_PATCH = "application/merge-patch+json"
STRATEGIC_MERGE_PATCH = "application/strategic-merge-patch+json"
APPLY_PATCH = "application/apply-patch+yaml"

Apply = Callable[[Object], Object]


async def patch(request: Request, endpoint: Endpoint) -> None:
    await patch_subresource(request, endpoint, "")


async def patch_subresource(request: Request, endpoint: Endpoint, subresource: str) -> None:
    media_type = negotiation.body_media_type(
        request.headers.get("content-type", "") or "none", _accepted(endpoint)
    )
    applying = media_type == APPLY_PATCH
    write = options.write_options(request.query, "PatchOptions", applying=applying)
    one = _Patch(request, endpoint, write, subresource)
    make = await (_applying(one) if applying else _patching(one, media_type))
    written = await endpoint.store.update(
        context_of(request, write),
        request.info.name,
        make,
        subresource=subresource,
        may_create=applying and not subresource,
    )
    await representation.send_item(
        request, endpoint, written.item, status_code=201 if written.created else 200
    )


@dataclass(frozen=True, slots=True)
class _Patch:
    request: Request
    endpoint: Endpoint
    write: options.WriteOptions
    subresource: str

    def typed(self, document: Object, duplicates: list[str]) -> Object:
        """What a patch made of an object, checked as any body is, in the storage version."""
        request, endpoint = self.request, self.endpoint
        obj = bodies.to_typed(request, endpoint, self.write, document, duplicates)
        bodies.check_name(obj, request.info.name, request.info.namespace)
        return endpoint.defaulted(obj)


async def _patching(one: _Patch, media_type: str) -> MakeUpdated:
    request, endpoint = one.request, one.endpoint
    schema = endpoint.patch_schema() if endpoint.patch_schema else None
    body = await request.body()
    apply = compiled(media_type, body, schema)
    duplicates = _duplicates(body, one.write)
    by = ownership.writer(request, one.write)

    def patched(existing: Existing) -> Object:
        return applied(apply, endpoint.served(existing.copy()))

    async def make_updated(existing: Existing | None) -> Object:
        if existing is None:
            raise errors.not_found(endpoint.resource.group_resource, request.info.name)
        try:
            obj = one.typed(patched(existing), duplicates)
        except decode.Unfit as error:
            if media_type == STRATEGIC_MERGE_PATCH:
                shown = gojson.printed(codec.decode_json(body))
            else:
                # Anew, for decoding works in place.
                shown = codec.encode_json(patched(existing)).decode()
            fault = field.invalid(field.Path("patch"), shown, error.why)
            raise errors.invalid(GroupKind("", ""), "", [fault]) from None
        endpoint.track(existing.obj, obj, by, one.subresource)
        return obj

    return make_updated


async def _applying(one: _Patch) -> MakeUpdated:
    """Server-side apply: the body is merged by who owns what, and may create the object."""
    request, endpoint = one.request, one.endpoint
    body = await read_applied(request, one.write, endpoint.gvk)
    manager = endpoint.field_managers(one.subresource)
    by = ownership.writer(request, one.write)

    async def make_updated(existing: Existing | None) -> Object:
        if existing is None and one.subresource:
            raise errors.not_found(endpoint.resource.group_resource, request.info.name)
        live = endpoint.served(existing.obj) if existing else None
        merged = manager.apply(live, body, by)
        # The result shares with what is stored and with the body, and decoding works in place.
        return one.typed(codec.decode_json(codec.encode_json(merged)), [])

    return make_updated


async def read_applied(
    request: Request, write: options.WriteOptions, gvk: GroupVersionKind
) -> Object:
    """The applied configuration, which is YAML, of which JSON is a part."""
    body = await request.body()
    document, duplicates = bodies.parse(body, negotiation.YAML, write.field_validation, gvk)
    if duplicates and write.field_validation == options.STRICT:
        raise errors.bad_request(f"error decoding patch: {duplicates[0]}")
    if write.field_validation != options.IGNORE:
        request.warnings += duplicates
    if not isinstance(document.get("metadata") or {}, dict):
        raise errors.bad_request("error decoding patch: metadata must be an object")
    return document


def _duplicates(body: bytes, write: options.WriteOptions) -> list[str]:
    """A sentence for what is in the patch twice. What is no JSON is told when it is applied."""
    if write.field_validation == options.IGNORE:
        return []
    try:
        _, paths = codec.decode_json_strict(body)
    except codec.DecodeError:
        return []
    return [f'duplicate field "{path}"' for path in paths]


def _accepted(endpoint: Endpoint) -> tuple[str, ...]:
    if endpoint.patch_schema is None:
        return (JSON_PATCH, MERGE_PATCH, APPLY_PATCH)
    return (JSON_PATCH, MERGE_PATCH, STRATEGIC_MERGE_PATCH, APPLY_PATCH)


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
