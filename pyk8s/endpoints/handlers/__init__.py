# SPDX-License-Identifier: Apache-2.0
"""One module per verb: read the options, call the Store, send the answer.

A handler is `async (request, endpoint) -> None` and raises StatusError for everything that is
not a success. It knows HTTP and the Store, no kind.
"""

from __future__ import annotations

from pyk8s.endpoints.endpoint import Endpoint
from pyk8s.endpoints.options import WriteOptions
from pyk8s.endpoints.request import Request
from pyk8s.registry.context import RequestContext


def context_of(request: Request, write: WriteOptions | None = None) -> RequestContext:
    """What the registry is to know of this request."""
    context = RequestContext(
        user=request.user,
        namespace=request.info.namespace,
        api_group=request.info.group,
        warnings=request.warnings,
    )
    if write is not None:
        context.dry_run = write.dry_run
        context.field_manager = write.field_manager
    return context


__all__ = ["Endpoint", "Request", "context_of"]
