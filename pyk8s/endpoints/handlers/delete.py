# SPDX-License-Identifier: Apache-2.0
"""DELETE of one object and of a collection."""

from __future__ import annotations

from pyk8s.apimachinery.gvk import GroupResource, Object
from pyk8s.endpoints import bodies, negotiation, options, representation, response
from pyk8s.endpoints.endpoint import Endpoint
from pyk8s.endpoints.handlers import context_of, read
from pyk8s.endpoints.request import Request
from pyk8s.registry import deletion
from pyk8s.registry.deleting import Deleted


async def delete(request: Request, endpoint: Endpoint) -> None:
    wanted = options.delete_options(request.query, await bodies.read_options(request))
    context = context_of(request)
    context.dry_run = wanted.dry_run
    deleted = await endpoint.store.delete(context, request.info.name, wanted)
    status_code = _status_code(deleted, wanted)
    group_resource = endpoint.resource.group_resource
    if deleted.removed and not endpoint.resource.returns_deleted_object:
        metadata = deleted.item.object()["metadata"]
        await _send_status(request, _success(group_resource, metadata), status_code)
        return
    await representation.send_item(request, endpoint, deleted.item, status_code=status_code)


def _status_code(deleted: Deleted, wanted: deletion.DeleteOptions) -> int:
    """202 is what clients got before finalizers for asking to delete dependents first."""
    return 202 if not deleted.removed and wanted.orphan_dependents is False else 200


def _success(resource: GroupResource, metadata: Object) -> Object:
    details = {
        "name": metadata["name"],
        "group": resource.group,
        "kind": resource.resource,
        "uid": metadata.get("uid", ""),
    }
    return {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Success",
        "details": {key: value for key, value in details.items() if value},
    }


async def _send_status(request: Request, status: Object, status_code: int) -> None:
    media_type = negotiation.negotiate(request.headers.get("accept", "")).media_type
    body = response.encode(status, media_type, pretty=response.wants_pretty(request))
    await response.send_bytes(request, body, status_code=status_code, content_type=media_type)


async def delete_collection(request: Request, endpoint: Endpoint) -> None:
    """Answers the list of what was deleted."""
    listed = options.list_options(request.query, "", endpoint.convert_field, watch=False)
    wanted = options.delete_options(request.query, await bodies.read_options(request))
    context = context_of(request)
    context.dry_run = wanted.dry_run
    result = await endpoint.store.delete_collection(
        context, read.selection(request, listed), wanted
    )
    await representation.send_list(request, endpoint, result)
