# SPDX-License-Identifier: Apache-2.0
"""Discovery of other servers' group versions, for this server's own document.

The aggregated document of the other server, or its list of resources where it has none; one that
does not answer, or with what is no discovery, is listed without resources and as stale. Mirrors
kube-aggregator's `pkg/apiserver/handler_discovery.go`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from pyk8s.aggregator import documents
from pyk8s.aggregator.documents import Document, Garbage
from pyk8s.aggregator.downloads import DownloadError, Downloads, Pace, Source
from pyk8s.apis import discovery
from pyk8s.endpoints import negotiation
from pyk8s.endpoints.relay import Fetched

_SECONDS_MAX = 5.0
_LIST = "APIGroupDiscoveryList"
_ACCEPT = ",".join(
    f"{negotiation.JSON};g={discovery.AGGREGATED_GROUP};v={version};as={_LIST}"
    for version in discovery.AGGREGATED_VERSIONS
)


@dataclass(frozen=True, slots=True)
class _Known:
    version: Document
    # Of the aggregated document it is from; empty where it is from none.
    etag: str = ""


class RemoteDiscovery:
    """`version` says what is known; `on_change` is called when that is something else."""

    def __init__(self, on_change: Callable[[], None]) -> None:
        self._on_change = on_change
        self._known: dict[str, _Known] = {}
        self.downloads = Downloads("discovery", self._ask, Pace())

    def version(self, name: str) -> Document | None:
        """The APIVersionDiscovery for an APIService; None before its server was asked."""
        known = self._known.get(name)
        return known.version if known else None

    def removed(self, name: str) -> None:
        self.downloads.removed(name)
        self._known.pop(name, None)

    async def _ask(self, source: Source) -> None:
        name, group_version = source.service.name, source.service.group_version
        try:
            known = await self._fetch(source)
        except (DownloadError, Garbage) as error:
            self._keep(name, _Known(documents.unknown(group_version.version)))
            raise DownloadError(str(error)) from error
        self._keep(name, known)

    def _keep(self, name: str, known: _Known) -> None:
        before = self._known.get(name)
        self._known[name] = known
        if before is None or before.version != known.version:
            self._on_change()

    async def _fetch(self, source: Source) -> _Known:
        service = source.service
        before = self._known.get(service.name)
        etag = before.etag if before else ""
        answer = await source.get("/apis", _ACCEPT, _SECONDS_MAX, etag)
        if answer.status == 304 and before is not None:
            return before
        if answer.status == 200 and _is_aggregated(answer):
            body = documents.parse(answer.body)
            version = documents.of_aggregated(body, service.group_version)
            return _Known(version, answer.headers.get("etag", ""))
        answer = await source.get(service.path, negotiation.JSON, _SECONDS_MAX)
        if answer.status != 200:
            raise DownloadError(
                f"failed to download legacy discovery for {service.path}: status {answer.status}"
            )
        version = documents.of_legacy(documents.parse(answer.body), service.group_version)
        return _Known(version)


def _is_aggregated(answer: Fetched) -> bool:
    """Whether it is of the kind that was asked for, and not the list of groups."""
    for clause in negotiation.parse_accept(answer.headers.get("content-type", "")):
        return clause.get("as") == _LIST and clause.get("v") in discovery.AGGREGATED_VERSIONS
    return False
