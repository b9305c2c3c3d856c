# SPDX-License-Identifier: Apache-2.0
"""What is served, for clients that ask: /api, /apis and below.

Legacy documents and the aggregated form behind the same two paths, told apart by the Accept
header's parameters. Every document is built when it is first asked for and kept until the set of
resources changes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from pyk8s.apimachinery import codec, errors
from pyk8s.apimachinery.gvk import GroupVersion, Object
from pyk8s.apis import discovery
from pyk8s.apis.scheme import Resource
from pyk8s.endpoints import negotiation, response
from pyk8s.endpoints.request import Request

_AGGREGATED_KIND = "APIGroupDiscoveryList"


class Discovery:
    """Serves discovery of a set of resources that may change while it runs."""

    def __init__(self, resources: Sequence[Resource], server_address: str) -> None:
        self._resources = tuple(resources)
        self._registered: tuple[discovery.Registered, ...] = ()
        self._server_address = server_address
        self._documents: dict[object, Object] = {}
        self._encoded: dict[object, tuple[bytes, str]] = {}

    def set_resources(self, resources: Sequence[Resource]) -> None:
        self._resources = tuple(resources)
        self._forget()

    def set_registered(self, registered: Sequence[discovery.Registered]) -> None:
        """What APIServices say of group versions, of this server and of others."""
        if self._registered != tuple(registered):
            self._registered = tuple(registered)
            self._forget()

    def _forget(self) -> None:
        self._documents.clear()
        self._encoded.clear()

    async def handle(self, request: Request) -> None:
        """Any path from /api and /apis down to a group version."""
        parts = request.info.path.strip("/").split("/")
        match parts:
            case ["api"] | ["apis"]:
                await self._root(request, legacy=parts[0] == "api")
            case ["api", version]:
                await self._resource_list(request, GroupVersion("", version))
            case ["apis", group]:
                await self._group(request, group)
            case ["apis", group, version]:
                await self._resource_list(request, GroupVersion(group, version))
            case _:
                raise errors.page_not_found()

    async def _root(self, request: Request, *, legacy: bool) -> None:
        version = _aggregated_version(request.headers.get("accept", ""))
        if version:
            await self._aggregated(request, version, legacy=legacy)
        elif legacy:
            address = self._server_address
            await self._send(request, "api", lambda: discovery.api_versions(address))
        else:
            await self._send(
                request,
                "apis",
                lambda: discovery.api_group_list(self._resources, self._registered),
            )

    async def _aggregated(self, request: Request, version: str, *, legacy: bool) -> None:
        key = (_AGGREGATED_KIND, version, legacy)
        if key not in self._encoded:
            document = discovery.aggregated(
                self._resources, legacy=legacy, version=version, registered=self._registered
            )
            body = codec.encode_json(document)
            self._encoded[key] = body, discovery.etag(body)
        body, etag = self._encoded[key]
        headers = [(b"etag", etag.encode()), (b"vary", b"Accept")]
        content_type = (
            f"{negotiation.JSON};g={discovery.AGGREGATED_GROUP};v={version};as={_AGGREGATED_KIND}"
        )
        unchanged = request.headers.get("if-none-match") == etag
        await response.send_bytes(
            request,
            b"" if unchanged else body,
            status_code=304 if unchanged else 200,
            content_type=content_type,
            extra_headers=headers,
        )

    async def _group(self, request: Request, group: str) -> None:
        known = any(resource.group == group for resource in self._resources)
        if not known and not any(each.group_version.group == group for each in self._registered):
            raise errors.page_not_found()
        await self._send(
            request, group, lambda: discovery.api_group(group, self._resources, self._registered)
        )

    async def _resource_list(self, request: Request, group_version: GroupVersion) -> None:
        if not any(resource.group_version == group_version for resource in self._resources):
            raise errors.page_not_found()
        await self._send(
            request,
            group_version,
            lambda: discovery.api_resource_list(group_version, self._resources),
        )

    async def _send(self, request: Request, key: object, build: Callable[[], Object]) -> None:
        document = self._documents.get(key)
        if document is None:
            document = self._documents[key] = build()
        wanted = negotiation.negotiate(request.headers.get("accept", ""), transforms=False)
        body = response.encode(document, wanted.media_type, pretty=response.wants_pretty(request))
        await response.send_bytes(request, body, content_type=wanted.media_type)


def _aggregated_version(accept: str) -> str:
    """The aggregated version a client wants before plain JSON, "" when it wants none.

    Parameters that are not understood (profile) are ignored, as upstream does.
    """
    for clause in negotiation.parse_accept(accept):
        if clause.type not in (negotiation.JSON, "*/*", "application/*"):
            continue
        if clause.get("as") != _AGGREGATED_KIND:
            return ""
        version = clause.get("v")
        if (
            clause.get("g") == discovery.AGGREGATED_GROUP
            and version in discovery.AGGREGATED_VERSIONS
        ):
            return version
    return ""
