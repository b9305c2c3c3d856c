# SPDX-License-Identifier: Apache-2.0
"""GET of one object and of a list."""

from __future__ import annotations

from pyk8s.endpoints import options, representation
from pyk8s.endpoints.endpoint import Endpoint
from pyk8s.endpoints.request import Request
from pyk8s.storage import interface as storage


async def get(request: Request, endpoint: Endpoint) -> None:
    info = request.info
    resource_version = request.parameter("resourceVersion") if request.query else ""
    item = await endpoint.store.get(info.namespace, info.name, resource_version)
    await representation.send_item(request, endpoint, item)


async def list_(request: Request, endpoint: Endpoint) -> None:
    wanted = options.list_options(request.query, "", endpoint.convert_field, watch=False)
    result = await endpoint.store.list(selection(request, wanted))
    await representation.send_list(request, endpoint, result)


def selection(request: Request, wanted: options.ListOptions) -> storage.ListOptions:
    return storage.ListOptions(
        namespace=request.info.namespace,
        predicate=wanted.predicate,
        resource_version=wanted.resource_version,
        resource_version_match=wanted.resource_version_match,
        limit=wanted.limit,
        continue_token=wanted.continue_token,
    )
