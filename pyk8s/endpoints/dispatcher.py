# SPDX-License-Identifier: Apache-2.0
"""From RequestInfo to the handler: one dict lookup for resources, one for fixed paths.

A custom resource is one more entry in the dict. A group version that is delegated has none:
what is below it goes to its one handler. What is not there is a 404, a verb that the
resource lacks a 405, a subresource that upstream serves and this server does not yet a 501 with
its name.
"""

from __future__ import annotations

from collections.abc import Mapping

from pyk8s.apimachinery import errors
from pyk8s.apimachinery.gvk import GroupVersion, GroupVersionResource
from pyk8s.endpoints.endpoint import Handler, Route
from pyk8s.endpoints.request import Request
from pyk8s.endpoints.requestinfo import RequestInfo

# Verbs that address the collection and cannot carry a name in the path, and those that must.
_COLLECTION_VERBS = frozenset({"create", "list", "deletecollection"})
_NAMED_VERBS = frozenset({"get", "update", "patch", "delete"})

# Served across all namespaces as well; everything else needs the namespace in the path.
_ACROSS_NAMESPACES = frozenset({"list", "watch"})

_METHODS = {
    "create": "POST",
    "get": "GET",
    "list": "GET",
    "watch": "GET",
    "update": "PUT",
    "patch": "PATCH",
    "delete": "DELETE",
    "deletecollection": "DELETE",
}


class Dispatcher:
    """Routes can be added and removed while requests are served."""

    def __init__(self, paths: Mapping[str, Handler], prefixes: Mapping[str, Handler]) -> None:
        """`paths` are matched whole, `prefixes` (ending in a slash) by what they begin."""
        self._paths = dict(paths)
        self._prefixes = dict(prefixes)
        self._routes: dict[tuple[str, str, str], Route] = {}
        # Who answers for a whole group version; and the routes of such, until it is taken back.
        self._delegates: dict[tuple[str, str], Handler] = {}
        self._covered: dict[tuple[str, str, str], Route] = {}

    def install(self, route: Route) -> None:
        resource = route.resource
        covered = resource.group_version in self._delegates
        (self._covered if covered else self._routes)[resource.gvr] = route

    def uninstall(self, resource: GroupVersionResource) -> None:
        self._routes.pop(resource, None)
        self._covered.pop(resource, None)

    def delegate(self, group_version: GroupVersion, handler: Handler) -> None:
        """From here on this handler answers every request for the group version, discovery of it
        included, whatever routes of it are installed."""
        self._delegates[group_version] = handler
        for key in [key for key in self._routes if key[:2] == group_version]:
            self._covered[key] = self._routes.pop(key)

    def take_back(self, group_version: GroupVersion) -> None:
        """The routes of the group version answer again, if there are any."""
        self._delegates.pop(group_version, None)
        for key in [key for key in self._covered if key[:2] == group_version]:
            self._routes[key] = self._covered.pop(key)

    def is_delegated(self, info: RequestInfo) -> bool:
        return bool(self._delegates) and (info.group, info.version) in self._delegates

    async def handle(self, request: Request) -> None:
        info = request.info
        if not info.is_resource_request:
            await self._handle_path(request)
            return
        route = self._routes.get((info.group, info.version, info.resource))
        if route is None:
            delegate = self._delegates.get((info.group, info.version))
            if delegate is None:
                raise errors.page_not_found()
            await delegate(request)
            return
        _check_scope(info, route)
        handlers = route.handlers
        if info.subresource:
            handlers = _subresource_handlers(info, route)
        handler = handlers.get(info.verb)
        if handler is None or (not info.subresource and not _addressed_right(info, route)):
            raise _not_allowed(info, handlers)
        if route.resource.deprecation:
            request.warnings.append(route.resource.deprecation)
        await handler(request)

    async def _handle_path(self, request: Request) -> None:
        path = request.info.path
        if self._delegates and (delegate := self._delegates.get(_group_version_of(path))):
            await delegate(request)
            return
        handler = self._paths.get(path) or self._paths.get(path.rstrip("/"))
        if handler is None:
            handler = next(
                (found for prefix, found in self._prefixes.items() if path.startswith(prefix)),
                None,
            )
        if handler is None:
            raise errors.page_not_found()
        if request.method not in ("GET", "HEAD"):
            error = errors.method_not_allowed()
            error.headers.append(("Allow", "GET, HEAD"))
            raise error
        await handler(request)


def _group_version_of(path: str) -> tuple[str, str]:
    """The group version whose discovery the path is, if it is one's."""
    match path.strip("/").split("/"):
        case ["api", version]:
            return "", version
        case ["apis", group, version]:
            return group, version
    return "", ""


def _check_scope(info: RequestInfo, route: Route) -> None:
    """A cluster-scoped resource has no namespace in its path, a named object of a namespaced
    one always has. Authorization has seen the namespace of /namespaces/NAME by now; from here
    on it is the object's name alone."""
    resource = route.resource
    if not resource.namespaced:
        if info.namespace and resource.resource != "namespaces":
            raise errors.page_not_found()
        info.namespace = ""
    elif not info.namespace and len(info.parts) > 1 and info.verb != "watch":
        raise errors.page_not_found()


def _subresource_handlers(info: RequestInfo, route: Route) -> Mapping[str, Handler]:
    handlers = route.subresources.get(info.subresource)
    if handlers is not None:
        return handlers
    if info.subresource in route.resource.subresources:
        name = f"{route.resource.resource}/{info.subresource}"
        raise errors.not_implemented(f"the subresource {name} is not served by this server yet")
    raise errors.page_not_found()


def _addressed_right(info: RequestInfo, route: Route) -> bool:
    if info.verb in _ACROSS_NAMESPACES:
        return True
    if route.resource.namespaced and not info.namespace:
        return False
    if info.verb in _COLLECTION_VERBS:
        return len(info.parts) < 2
    return info.verb not in _NAMED_VERBS or bool(info.name)


def _not_allowed(info: RequestInfo, handlers: Mapping[str, Handler]) -> errors.StatusError:
    fitting = _NAMED_VERBS if info.name else _COLLECTION_VERBS | {"watch"}
    verbs = handlers if info.subresource else [verb for verb in handlers if verb in fitting]
    methods = sorted({_METHODS[verb] for verb in verbs if verb in _METHODS})
    error = errors.method_not_allowed()
    error.headers.append(("Allow", ", ".join(methods)))
    return error
