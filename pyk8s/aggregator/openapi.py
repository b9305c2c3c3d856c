# SPDX-License-Identifier: Apache-2.0
"""OpenAPI of other servers' group versions.

    v3   the index is read in the background, the documents behind it are asked for through the
         proxy when a client wants one
    v2   the whole document is downloaded in the background, and what it says of the group version
         becomes part of this server's

Only what concerns the group version of the APIService is taken over. Mirrors kube-aggregator's
`pkg/controllers/openapi` and `openapiv3`; a server without OpenAPI v3 has none here, where
upstream converts its v2.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

from pyk8s.aggregator import documents
from pyk8s.aggregator.apiservice import APIService
from pyk8s.aggregator.documents import Document, Garbage
from pyk8s.aggregator.downloads import DownloadError, Downloads, Pace, Source
from pyk8s.apis import openapi_v2_merge, openapi_v2_protobuf
from pyk8s.endpoints import negotiation

_SECONDS_MAX = 60.0
# Upstream: successfulUpdateDelay and failedUpdateMaxExpDelay.
_PACE = Pace(success_seconds=60.0, failure_seconds=60.0, failure_seconds_max=3600.0)


@dataclass(frozen=True, slots=True)
class _Swagger:
    document: Document
    etag: str


@dataclass(slots=True)
class RemoteOpenAPI:
    """`v2` and `v3` say what is known, which stays while a server does not answer; `on_change`
    is called when that is something else."""

    on_change: Callable[[], None]
    downloads: tuple[Downloads, ...] = field(init=False)
    _v2: dict[str, _Swagger] = field(default_factory=dict)
    _v3: dict[str, dict[str, Document]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.downloads = (
            Downloads("OpenAPI v2", self._ask_v2, _PACE),
            Downloads("OpenAPI v3", self._ask_v3, _PACE),
        )

    def v2(self, name: str) -> Document | None:
        """The part of an APIService's group version, as `openapi_v2_merge.merge` takes it."""
        known = self._v2.get(name)
        return known.document if known else None

    def v3(self, name: str) -> dict[str, Document]:
        """Entries of the index by path."""
        return self._v3.get(name, {})

    def changed(self, source: Source) -> None:
        for downloads in self.downloads:
            downloads.changed(source)

    def removed(self, name: str) -> None:
        for downloads in self.downloads:
            downloads.removed(name)
        self._v2.pop(name, None)
        self._v3.pop(name, None)

    async def stop(self) -> None:
        for downloads in self.downloads:
            await downloads.stop()

    # --- v2

    async def _ask_v2(self, source: Source) -> None:
        name = source.service.name
        before = self._v2.get(name)
        answer = await source.get(
            "/openapi/v2", negotiation.JSON, _SECONDS_MAX, before.etag if before else ""
        )
        if answer.status == 304:
            return
        if answer.status == 404:
            raise DownloadError("OpenAPI spec does not exist")
        if answer.status != 200:
            message = f"failed to retrieve openAPI spec, http error: status {answer.status}"
            raise DownloadError(message)
        # Large, and nothing that others should wait for.
        document = await asyncio.to_thread(_part_of, answer.body, f"{source.service.path}/")
        if before is None or before.document != document:
            self._v2[name] = _Swagger(document, answer.headers.get("etag", ""))
            self.on_change()

    # --- v3

    async def _ask_v3(self, source: Source) -> None:
        name = source.service.name
        answer = await source.get("/openapi/v3", negotiation.JSON, _SECONDS_MAX)
        if answer.status != 200:
            message = f"failed to retrieve openAPI v3 index, http error: status {answer.status}"
            raise DownloadError(message)
        try:
            entries = entries_of(documents.parse(answer.body), source.service)
        except Garbage as error:
            raise DownloadError(str(error)) from error
        if self._v3.get(name) != entries:
            self._v3[name] = entries
            self.on_change()


def _part_of(body: bytes, prefix: str) -> Document:
    """Raises DownloadError for what no client could read in this server's document."""
    try:
        part = openapi_v2_merge.of_paths(documents.parse(body), prefix)
        openapi_v2_protobuf.encode({"swagger": "2.0", "info": {}, **part})
    except (Garbage, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise DownloadError(f"no OpenAPI v2: {error!r}") from error
    return part


def entries_of(index: Document, service: APIService) -> dict[str, Document]:
    """What the index of a server says of the group version. Raises Garbage."""
    paths = index.get("paths")
    if not isinstance(paths, dict):
        raise Garbage("paths is not an object")
    path = service.path.lstrip("/")
    entry = paths.get(path)
    if entry is None:
        return {}
    url = entry.get("serverRelativeURL") if isinstance(entry, dict) else None
    if not isinstance(url, str) or not url.startswith(f"/openapi/v3/{path}"):
        raise Garbage("serverRelativeURL is not one")
    return {path: {"serverRelativeURL": url}}
