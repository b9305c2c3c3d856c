# SPDX-License-Identifier: Apache-2.0
"""/openapi/v2 and /openapi/v3, as JSON; the former also as protobuf, which kubectl reads.

Documents are large and change only with the set of resources: each is built when it is first
asked for, beside the event loop, and served with an ETag. A v3 document asked for by its hash
may be kept for a year, as upstream says it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence

import pyk8s
from pyk8s.apimachinery import codec, errors
from pyk8s.apis import openapi_protobuf, openapi_v2, openapi_v3
from pyk8s.apis.scheme import Resource
from pyk8s.endpoints import negotiation, response
from pyk8s.endpoints.request import Request

_JSON_ONLY = (negotiation.JSON,)

# The second is the name clients ask by since before there was a registered form of it.
_PROTOBUF = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf"
_V2 = (negotiation.JSON, _PROTOBUF, "application/com.github.proto-openapi.spec.v2@v1.0+protobuf")
_V3_PREFIX = "/openapi/v3/"


class OpenAPI:
    """Serves the documents of a set of resources that may change while it runs."""

    def __init__(self, resources: Sequence[Resource]) -> None:
        self._resources = tuple(resources)
        self._publisher = openapi_v3.Publisher(resources, version=pyk8s.KUBERNETES_VERSION)
        self._v2: dict[str, bytes] = {}
        self._building = asyncio.Lock()

    def set_resources(self, resources: Sequence[Resource]) -> None:
        self._resources = tuple(resources)
        self._publisher = openapi_v3.Publisher(
            resources, version=pyk8s.KUBERNETES_VERSION, before=self._publisher
        )
        self._v2 = {}

    async def v2(self, request: Request) -> None:
        accepted = negotiation.negotiate(
            request.headers.get("accept", ""), transforms=False, served=_V2, plain=_V2
        )
        media_type = negotiation.JSON if accepted.media_type == negotiation.JSON else _PROTOBUF
        built = self._v2
        if media_type not in built:
            resources = self._resources
            encode = _ENCODE_V2[media_type]
            built[media_type] = await self._build(lambda: encode(_build_v2(resources)))
        document = built[media_type]
        await _send(request, document, openapi_v2.etag(document), content_type=media_type)

    async def v3_index(self, request: Request) -> None:
        negotiation.negotiate(
            request.headers.get("accept", ""), transforms=False, served=_JSON_ONLY
        )
        index = await self._build(self._publisher.index)
        await _send(request, index, openapi_v2.etag(index))

    async def v3(self, request: Request) -> None:
        """One group version. A hash that is out of date leads on to the current one."""
        negotiation.negotiate(
            request.headers.get("accept", ""), transforms=False, served=_JSON_ONLY
        )
        path = request.info.path.removeprefix(_V3_PREFIX)
        publisher = self._publisher
        if path not in publisher.paths:
            raise errors.page_not_found()
        document = await self._build(lambda: publisher.document(path))
        current = publisher.hash(path)
        asked = request.parameter("hash")
        if asked and asked != current:
            location = f"{_V3_PREFIX}{path}?hash={current}".encode()
            await response.send_bytes(
                request, b"", status_code=301, extra_headers=[(b"location", location)]
            )
            return
        await _send(request, document, f'"{current}"', keep=bool(asked))

    async def _build(self, build: Callable[[], bytes]) -> bytes:
        # One at a time: the builders share what they have read of the schemas.
        async with self._building:
            return await asyncio.to_thread(build)


def _build_v2(resources: Sequence[Resource]) -> openapi_v2.Document:
    return openapi_v2.build(resources, version=pyk8s.KUBERNETES_VERSION)


_ENCODE_V2: Mapping[str, Callable[[openapi_v2.Document], bytes]] = {
    negotiation.JSON: codec.encode_json,
    _PROTOBUF: openapi_protobuf.encode,
}


async def _send(
    request: Request,
    body: bytes,
    etag: str,
    *,
    keep: bool = False,
    content_type: str = negotiation.JSON,
) -> None:
    headers = [(b"etag", etag.encode()), (b"vary", b"Accept")]
    unchanged = request.headers.get("if-none-match") == etag
    await response.send_bytes(
        request,
        b"" if unchanged else body,
        status_code=304 if unchanged else 200,
        content_type=content_type,
        extra_headers=headers,
        cache_control=b"public, immutable" if keep else None,
    )
