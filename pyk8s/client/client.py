# SPDX-License-Identifier: Apache-2.0
"""The verbs of the API on plain dicts, for any resource by its GroupVersionResource.

One class serves built-in and custom resources alike, as client-go's dynamic client does: what a
resource is called is all a client must know of it. Everything here raises StatusError for what
the server refuses and rest.ServerUnreachable where no answer came.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import quote

from pyk8s.apimachinery import codec, errors, meta
from pyk8s.apimachinery.gvk import GroupVersion, GroupVersionResource, Object
from pyk8s.client import rest
from pyk8s.client.watch import Watch

JSON_PATCH = "application/json-patch+json"
MERGE_PATCH = "application/merge-patch+json"
STRATEGIC_MERGE_PATCH = "application/strategic-merge-patch+json"
APPLY_PATCH = "application/apply-patch+yaml"

METADATA_ONLY = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1,application/json"
METADATA_LIST_ONLY = (
    "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json"
)

# client-go's pager: large enough to be quick, small enough for the server to answer in one go.
PAGE_LIMIT = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class ListOptions:
    """metav1.ListOptions of a LIST; empty where nothing is asked. `metadata_only` asks for
    objects without anything but their metadata."""

    label_selector: str = ""
    field_selector: str = ""
    resource_version: str = ""
    resource_version_match: str = ""
    limit: int = 0
    continue_token: str = ""
    metadata_only: bool = False

    def query(self) -> dict[str, str]:
        return {
            "labelSelector": self.label_selector,
            "fieldSelector": self.field_selector,
            "resourceVersion": self.resource_version,
            "resourceVersionMatch": self.resource_version_match,
            "limit": str(self.limit or ""),
            "continue": self.continue_token,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchOptions:
    """metav1.ListOptions of a WATCH. Bookmarks come as events of type BOOKMARK."""

    label_selector: str = ""
    field_selector: str = ""
    resource_version: str = ""
    resource_version_match: str = ""
    send_initial_events: bool = False
    allow_bookmarks: bool = False
    timeout_seconds: int = 0
    metadata_only: bool = False

    def query(self) -> dict[str, str]:
        return {
            "watch": "true",
            "labelSelector": self.label_selector,
            "fieldSelector": self.field_selector,
            "resourceVersion": self.resource_version,
            "resourceVersionMatch": self.resource_version_match,
            "sendInitialEvents": "true" if self.send_initial_events else "",
            "allowWatchBookmarks": "true" if self.allow_bookmarks else "",
            "timeoutSeconds": str(self.timeout_seconds or ""),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class DeleteOptions:
    """metav1.DeleteOptions. With `uid` or `resource_version`, only that very object or state is
    deleted, and any other is answered with Conflict."""

    grace_period_seconds: int | None = None
    propagation_policy: str = ""
    uid: str = ""
    resource_version: str = ""

    def body(self) -> bytes:
        document: Object = {"kind": "DeleteOptions", "apiVersion": "v1"}
        if self.grace_period_seconds is not None:
            document["gracePeriodSeconds"] = self.grace_period_seconds
        if self.propagation_policy:
            document["propagationPolicy"] = self.propagation_policy
        preconditions = {"uid": self.uid, "resourceVersion": self.resource_version}
        if named := {key: value for key, value in preconditions.items() if value}:
            document["preconditions"] = named
        return codec.encode_json(document)


@dataclass(frozen=True, slots=True, kw_only=True)
class Patch:
    """What is to change, in one of the forms the server takes. `force` is for APPLY_PATCH."""

    content: Any
    type: str = MERGE_PATCH
    field_manager: str = ""
    force: bool = False

    def query(self) -> dict[str, str]:
        return {"fieldManager": self.field_manager, "force": "true" if self.force else ""}


_NO_LIST_OPTIONS = ListOptions()
_NO_WATCH_OPTIONS = WatchOptions()
_NO_DELETE_OPTIONS = DeleteOptions()


def path(resource: GroupVersionResource, namespace: str = "", *names: str) -> str:
    """`/apis/GROUP/VERSION[/namespaces/NAMESPACE]/RESOURCE[/NAME[/SUBRESOURCE]]`."""
    root = f"/apis/{resource.group}/{resource.version}" if resource.group else "/api/v1"
    scope = f"/namespaces/{quote(namespace, safe='')}" if namespace else ""
    tail = "".join(f"/{quote(name, safe='')}" for name in names if name)
    return f"{root}{scope}/{resource.resource}{tail}"


class Client:
    """Reads and writes objects. `namespace` is empty for cluster-scoped resources, and for a
    LIST or WATCH over all namespaces."""

    def __init__(self, rest_client: rest.RESTClient) -> None:
        self.rest = rest_client

    async def get(
        self, resource: GroupVersionResource, name: str, namespace: str = "", subresource: str = ""
    ) -> Object:
        """As fresh as the server's storage."""
        where = path(resource, namespace, name, subresource)
        return await self._object(rest.Request(method="GET", path=where))

    async def get_metadata(
        self, resource: GroupVersionResource, name: str, namespace: str = ""
    ) -> Object:
        where = path(resource, namespace, name)
        return await self._object(rest.Request(method="GET", path=where, accept=METADATA_ONLY))

    async def list(
        self,
        resource: GroupVersionResource,
        namespace: str = "",
        options: ListOptions = _NO_LIST_OPTIONS,
    ) -> Object:
        """The list object of one request: one page when `options` has a limit."""
        return await self._object(
            rest.Request(
                method="GET",
                path=path(resource, namespace),
                query=options.query(),
                accept=METADATA_LIST_ONLY if options.metadata_only else rest.JSON,
            )
        )

    async def pages(
        self,
        resource: GroupVersionResource,
        namespace: str = "",
        options: ListOptions = _NO_LIST_OPTIONS,
    ) -> AsyncIterator[Object]:
        """All pages, as list objects of one revision. Raises StatusError with reason Expired
        when the list takes longer than the server keeps that revision: begin anew."""
        options = replace(options, limit=options.limit or PAGE_LIMIT)
        while True:
            page = await self.list(resource, namespace, options)
            yield page
            token = (page.get("metadata") or {}).get("continue")
            if not token:
                return
            # A continue token carries the revision; naming another one is an error.
            options = replace(
                options, continue_token=token, resource_version="", resource_version_match=""
            )

    async def watch(
        self,
        resource: GroupVersionResource,
        namespace: str = "",
        options: WatchOptions = _NO_WATCH_OPTIONS,
    ) -> Watch:
        """Events from `options.resource_version` on; to be closed."""
        request = rest.Request(
            method="GET",
            path=path(resource, namespace),
            query=options.query(),
            accept=METADATA_ONLY if options.metadata_only else rest.JSON,
            seconds_max=None,
        )
        return Watch(await self.rest.stream(request))

    async def create(
        self, resource: GroupVersionResource, obj: Object, namespace: str = ""
    ) -> Object:
        """The object as stored. `namespace` where the object itself names none."""
        where = path(resource, meta.namespace(obj) or namespace)
        return await self._write("POST", where, obj)

    async def create_subresource(
        self, resource: GroupVersionResource, owner: tuple[str, str], subresource: str, obj: Object
    ) -> Object:
        """POST to a subresource of the object with this namespace and name: binding, eviction,
        token."""
        namespace, name = owner
        return await self._write("POST", path(resource, namespace, name, subresource), obj)

    async def update(
        self, resource: GroupVersionResource, obj: Object, subresource: str = ""
    ) -> Object:
        """Replace the object, or the part of it that is the subresource. With a resourceVersion
        in it, only that state is replaced; any other is answered with Conflict."""
        where = path(resource, meta.namespace(obj), meta.name(obj), subresource)
        return await self._write("PUT", where, obj)

    async def update_status(self, resource: GroupVersionResource, obj: Object) -> Object:
        return await self.update(resource, obj, "status")

    async def patch(
        self,
        resource: GroupVersionResource,
        namespaced_name: tuple[str, str],
        patch: Patch,
        subresource: str = "",
    ) -> Object:
        """The object as stored after the change."""
        namespace, name = namespaced_name
        return await self._object(
            rest.Request(
                method="PATCH",
                path=path(resource, namespace, name, subresource),
                query=patch.query(),
                body=codec.encode_json(patch.content),
                content_type=patch.type,
            )
        )

    async def delete(
        self,
        resource: GroupVersionResource,
        name: str,
        namespace: str = "",
        options: DeleteOptions = _NO_DELETE_OPTIONS,
    ) -> Object:
        """A Status, or the object where finalizers or a grace period keep it."""
        return await self._object(
            rest.Request(method="DELETE", path=path(resource, namespace, name), body=options.body())
        )

    async def delete_collection(
        self,
        resource: GroupVersionResource,
        namespace: str,
        options: DeleteOptions = _NO_DELETE_OPTIONS,
        selected: ListOptions = _NO_LIST_OPTIONS,
    ) -> Object:
        return await self._object(
            rest.Request(
                method="DELETE",
                path=path(resource, namespace),
                query=selected.query(),
                body=options.body(),
            )
        )

    async def get_path(
        self, where: str, accept: str = rest.JSON, query: Mapping[str, str] | None = None
    ) -> Object:
        """Whatever document stands at a path: discovery, /version, metrics."""
        return await self._object(
            rest.Request(method="GET", path=where, query=query or {}, accept=accept)
        )

    async def _write(self, method: str, where: str, obj: Object) -> Object:
        return await self._object(
            rest.Request(method=method, path=where, body=codec.encode_json(obj))
        )

    async def _object(self, request: rest.Request) -> Object:
        body = await self.rest.request(request)
        try:
            decoded = codec.decode_json(body)
        except codec.DecodeError as error:
            raise errors.internal_error(f"the answer of the server is not JSON: {error}") from error
        if not isinstance(decoded, dict):
            raise errors.internal_error("the answer of the server is not an object")
        return decoded


def with_kind(obj: Object, group_version: GroupVersion, kind: str) -> Object:
    """The object, complete: the items of a list may lack apiVersion and kind. Changes it."""
    obj.setdefault("apiVersion", str(group_version))
    obj.setdefault("kind", kind)
    return obj
