# SPDX-License-Identifier: Apache-2.0
"""/openapi/v2 and /openapi/v3: as JSON, v2 also as gnostic's protobuf message.

Documents are large and change only with the set of resources: each is built when it is first
asked for, beside the event loop, and served with an ETag. A v3 document asked for by its hash
may be kept for a year, as upstream says it.
"""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import pyk8s
from pyk8s.apimachinery import codec, errors
from pyk8s.apimachinery.gvk import Object as Document
from pyk8s.apis import openapi_v2, openapi_v2_merge, openapi_v2_protobuf, openapi_v3
from pyk8s.apis.scheme import Resource
from pyk8s.endpoints import negotiation, response
from pyk8s.endpoints.endpoint import Handler
from pyk8s.endpoints.request import Request

_Built = TypeVar("_Built")

_JSON_ONLY = (negotiation.JSON,)
_V2_PROTOBUF = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf"
# By the name with the @, which no media type may have, clients ask; upstream answers by the other.
_V2_SERVED = (
    negotiation.JSON,
    "application/com.github.proto-openapi.spec.v2@v1.0+protobuf",
    _V2_PROTOBUF,
)
_V3_PREFIX = "/openapi/v3/"


class _Swagger:
    """The v2 document of one set of resources, in two forms with one ETag, as upstream has it.

    Each is built when first asked for; not safe for several threads at a time.
    """

    def __init__(self, resources: Sequence[Resource]) -> None:
        self._resources = tuple(resources)

    @functools.cached_property
    def json(self) -> bytes:
        document = openapi_v2.build(self._resources, version=pyk8s.KUBERNETES_VERSION)
        return codec.encode_json(document)

    @functools.cached_property
    def etag(self) -> str:
        return openapi_v2.etag(self.json)

    @functools.cached_property
    def protobuf(self) -> bytes:
        return openapi_v2_protobuf.encode(codec.decode_json(self.json))

    def form(self, media_type: str) -> tuple[bytes, str]:
        return (self.json if media_type == negotiation.JSON else self.protobuf), self.etag


class _Merged(_Swagger):
    """The same with what other servers say of theirs."""

    def __init__(self, own: _Swagger, others: Sequence[Document]) -> None:
        self._own = own
        self._others = tuple(others)

    @functools.cached_property
    def json(self) -> bytes:
        own = codec.decode_json(self._own.json)
        return codec.encode_json(openapi_v2_merge.merge(own, self._others))


@dataclass(frozen=True, slots=True)
class Delegated:
    """A v3 document of another server: its entry in the index, and who answers for it."""

    entry: Document
    handler: Handler


class OpenAPI:
    """Serves the documents of a set of resources that may change while it runs, and those of
    other servers."""

    def __init__(self, resources: Sequence[Resource]) -> None:
        self._own = _Swagger(resources)
        self._swagger = self._own
        self._others: tuple[Document, ...] = ()
        self._delegated: dict[str, Delegated] = {}
        self._publisher = openapi_v3.Publisher(resources, version=pyk8s.KUBERNETES_VERSION)
        self._building = asyncio.Lock()

    def set_resources(self, resources: Sequence[Resource]) -> None:
        self._own = _Swagger(resources)
        self._swagger = _Merged(self._own, self._others) if self._others else self._own
        self._publisher = openapi_v3.Publisher(
            resources, version=pyk8s.KUBERNETES_VERSION, before=self._publisher
        )

    def set_others(self, v2: Sequence[Document], v3: Mapping[str, Delegated]) -> None:
        """What other servers serve: parts for the v2 document in order of priority, as
        `openapi_v2_merge.of_paths` makes them, and v3 documents by index path."""
        self._delegated = dict(v3)
        if self._others != tuple(v2):
            self._others = tuple(v2)
            self._swagger = _Merged(self._own, self._others) if self._others else self._own

    async def v2(self, request: Request) -> None:
        """client-go asks for protobuf; kubectl validates the items of a List by it."""
        media_type = negotiation.negotiate(
            request.headers.get("accept", ""), transforms=False, served=_V2_SERVED, plain=_V2_SERVED
        ).media_type
        swagger = self._swagger
        body, etag = await self._build(lambda: swagger.form(media_type))
        content_type = media_type if media_type == negotiation.JSON else _V2_PROTOBUF
        await _send(request, body, etag, content_type=content_type)

    async def v3_index(self, request: Request) -> None:
        negotiation.negotiate(
            request.headers.get("accept", ""), transforms=False, served=_JSON_ONLY
        )
        index = await self._build(self._publisher.index)
        if self._delegated:
            own = codec.decode_json(index)["paths"]
            others = {path: delegated.entry for path, delegated in self._delegated.items()}
            index = codec.encode_json({"paths": dict(sorted({**own, **others}.items()))})
        await _send(request, index, openapi_v2.etag(index))

    async def v3(self, request: Request) -> None:
        """One group version. A hash that is out of date leads on to the current one; one of
        another server is that server's to answer."""
        path = request.info.path.removeprefix(_V3_PREFIX)
        if (delegated := self._delegated.get(path)) is not None:
            await delegated.handler(request)
            return
        negotiation.negotiate(
            request.headers.get("accept", ""), transforms=False, served=_JSON_ONLY
        )
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

    async def _build(self, build: Callable[[], _Built]) -> _Built:
        # One at a time: the builders share what they have read of the schemas.
        async with self._building:
            return await asyncio.to_thread(build)


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
