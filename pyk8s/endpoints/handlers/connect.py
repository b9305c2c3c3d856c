# SPDX-License-Identifier: Apache-2.0
"""Subresources that lead elsewhere: log, exec, attach, portforward, proxy.

Checked and authorized here, then passed on; what comes back is not looked into. Mirrors
upstream's `registry/core/pod/rest` and its siblings.
"""

from __future__ import annotations

import posixpath
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from pyk8s.admission import interface as admission
from pyk8s.apimachinery import errors, field, times
from pyk8s.apimachinery.gvk import GroupKind, GroupVersionKind, Object
from pyk8s.apis import scheme
from pyk8s.auth import authorizer
from pyk8s.endpoints import filters, options, relay, response
from pyk8s.endpoints.dialing import DialError
from pyk8s.endpoints.endpoint import Handler
from pyk8s.endpoints.forwarding import Changes
from pyk8s.endpoints.handlers.actions import Subresources
from pyk8s.endpoints.request import UPGRADE, Request
from pyk8s.registry import locations
from pyk8s.registry.locations import Location

# As much of a kubelet's refusal as is read. Upstream: maxReadLength.
_REFUSAL_BYTES_MAX = 50000

# Our names of the streams, and a kubelet's.
_STREAM_PARAMETERS = (
    ("stdin", "input"), ("stdout", "output"), ("stderr", "error"), ("tty", "tty")
)  # fmt: skip
_LOG_FLAGS = ("follow", "previous", "timestamps")
_LOG_NUMBERS = ("sinceSeconds", "tailLines", "limitBytes")

# Everything a proxied server may be asked; OPTIONS has no verb of its own.
_PROXY_VERBS = ("get", "create", "update", "patch", "delete", "")

Find = Callable[[Request], Awaitable[Location]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Connections:
    """`authorize` and `chain` are asked once more for what a connection does."""

    locations: locations.Locations
    relay: relay.Relay
    authorize: authorizer.Authorizer
    chain: admission.Chain

    def of(self, resource: scheme.Resource) -> Subresources:
        """The handlers of one resource's subresources that lead elsewhere, by verb."""
        found = self.locations
        if resource.group_resource == ("", "nodes"):
            return self._proxy(resource, lambda r: found.node(r.info.name))
        if resource.group_resource == ("", "services"):
            return self._proxy(resource, lambda r: found.service(r.info.namespace, r.info.name))
        if resource.group_resource != ("", "pods"):
            return {}
        streams: Subresources = {"log": {"get": self.log}}
        for name in ("exec", "attach", "portforward"):
            handler = self._stream(resource, name)
            streams[name] = {"get": handler, "create": handler}
        pods = self._proxy(resource, lambda r: found.pod(r.info.namespace, r.info.name))
        return {**streams, **pods}

    # --- logs

    async def log(self, request: Request) -> None:
        info = request.info
        query = _log_query(request)
        location = await self.locations.log(
            info.namespace, info.name, request.parameter("container"), query
        )
        if location is None:
            await response.send_bytes(request, b"", status_code=204, content_type="text/plain")
            return
        try:
            async with self.relay.get(request, location) as answer:
                if not 200 <= answer.status <= 206:
                    raise await _refusal(answer, info.name)
                await response.start_stream(request, "text/plain")
                async for chunk in answer.body:
                    await response.send_chunk(request, chunk)
                await response.end_stream(request)
        except DialError as error:
            if request.response_started:
                raise
            message = f'Get "{location.url}": {error}'
            raise errors.StatusError(500, "", message) from None

    # --- streams

    def _stream(self, resource: scheme.Resource, action: str) -> Handler:
        async def stream(request: Request) -> None:
            await self._authorize_stream(request)
            await self._admit(request, resource)
            location = await self._stream_location(request, action)
            if UPGRADE not in request.scope["extensions"]:
                raise errors.bad_request("Upgrade request required")
            await self._upgrade(request, location)

        return stream

    async def _authorize_stream(self, request: Request) -> None:
        """A WebSocket begins with a GET, but what it does is no reading
        (AuthorizePodWebsocketUpgradeCreatePermission)."""
        if request.info.verb != "get":
            return
        request.info.verb = "create"
        attributes = filters.attributes_of(request)
        decision, reason = await self.authorize.authorize(attributes)
        if decision is not authorizer.Decision.ALLOW:
            raise authorizer.forbidden(attributes, reason)

    async def _stream_location(self, request: Request, action: str) -> Location:
        info = request.info
        if action == "portforward":
            ports = ",".join(request.query.get("ports") or ())
            query = [("port", ports)] if ports else []
            return await self.locations.port_forward(info.namespace, info.name, query)
        query = [
            (theirs, "1")
            for ours, theirs in _STREAM_PARAMETERS
            if options.boolean(request.query, ours)
        ]
        if action == "exec":
            query += [("command", word) for word in request.query.get("command") or ()]
        container = request.parameter("container")
        return await self.locations.stream(action, info.namespace, info.name, container, query)

    async def _upgrade(self, request: Request, location: Location) -> None:
        try:
            await self.relay.upgrade(request, location)
        except DialError as error:
            if request.response_started:
                raise
            raise errors.StatusError(500, "", f"error dialing backend: {error}") from None

    async def _admit(self, request: Request, resource: scheme.Resource) -> None:
        info = request.info
        kind = resource.subresources[info.subresource].kind
        attributes = admission.Attributes(
            operation=admission.CONNECT,
            resource=resource.gvr,
            kind=kind,
            namespace=info.namespace,
            name=info.name,
            user=request.user,
            subresource=info.subresource,
            obj=_connect_options(kind, request),
            warnings=request.warnings,
        )
        await self.chain.admit(attributes)
        await self.chain.validate(attributes)

    # --- proxies

    def _proxy(self, resource: scheme.Resource, find: Find) -> Subresources:
        async def proxy(request: Request) -> None:
            await self._admit(request, resource)
            path = proxied_path(request)
            found = await find(request)
            query = request.scope["query_string"].decode("latin-1")
            location = Location(
                scheme=found.scheme,
                host=found.host,
                port=found.port,
                path=path,
                query=query,
                kubelet=found.kubelet,
            )
            if UPGRADE in request.scope["extensions"]:
                await self._upgrade(request, location)
            elif not path and request.method in ("GET", "HEAD"):
                await _redirect_to_root(request, query)
            else:
                await self._pass_on(request, location)

        return {"proxy": dict.fromkeys(_PROXY_VERBS, proxy)}

    async def _pass_on(self, request: Request, location: Location) -> None:
        host = request.headers.get("host", "").encode("latin-1")
        path = request.info.path.encode("latin-1")
        added = [
            (b"x-forwarded-uri", path),
            (b"x-forwarded-host", host),
            (b"x-forwarded-proto", b"https"),
        ]
        try:
            await self.relay.pass_on(request, location, Changes(added=added))
        except DialError as error:
            if request.response_started:
                raise
            message = f"error trying to reach service: {error}"
            raise errors.StatusError(503, errors.SERVICE_UNAVAILABLE, message) from None


def proxied_path(request: Request) -> str:
    """What follows `proxy` in the path, still percent-encoded: empty, or from its slash on."""
    namespaced = "namespaces" in request.info.path.split("/")[3:4] and request.info.namespace
    before = 7 if namespaced else 5
    parts = request.info.path.lstrip("/").split("/", before)
    if len(parts) <= before:
        return ""
    path = "/" + parts[before]
    # As path.Join does upstream: no way leads up and out.
    cleaned = posixpath.normpath(path)
    return f"{cleaned}/" if path.endswith("/") and cleaned != "/" else cleaned


async def _redirect_to_root(request: Request, query: str) -> None:
    """So that relative links of the first page lead through the proxy too."""
    target = f"{request.info.path}/{query and '?' + query}"
    await response.send_bytes(
        request,
        b"",
        status_code=301,
        content_type="text/plain",
        extra_headers=[(b"location", target.encode("latin-1"))],
    )


def _connect_options(kind: GroupVersionKind, request: Request) -> Object:
    """The options as an object, which is what admission sees."""
    obj: Object = {"kind": kind.kind, "apiVersion": str(kind.group_version), "metadata": {}}
    for name, values in request.query.items():
        if name in ("command", "ports"):
            obj[name] = values
        elif name in ("stdin", "stdout", "stderr", "tty"):
            obj[name] = bool(options.boolean(request.query, name))
        else:
            obj[name] = values[0]
    return obj


def _log_query(request: Request) -> list[tuple[str, str]]:
    """A kubelet's parameters from ours; raises 400 or 422 for what cannot be."""
    query = request.query
    numbers = {name: options.integer(query, name) for name in _LOG_NUMBERS}
    since = request.parameter("sinceTime")
    if since:
        try:
            since = times.format(times.parse(since))
        except ValueError as error:
            raise errors.bad_request(str(error)) from None
    faults = _log_faults(numbers, since)
    if faults:
        raise errors.invalid(GroupKind("", "PodLogOptions"), request.info.name, faults)
    found = [(name, "true") for name in _LOG_FLAGS if options.boolean(query, name)]
    found += [(name, str(number)) for name, number in numbers.items() if number is not None]
    if since:
        found.append(("sinceTime", since))
    return found


def _log_faults(numbers: dict[str, int | None], since: str) -> list[field.Error]:
    faults = []
    tail, limit, seconds = (numbers[k] for k in ("tailLines", "limitBytes", "sinceSeconds"))
    if tail is not None and tail < 0:
        detail = "must be greater than or equal to 0"
        faults.append(field.invalid(field.Path("tailLines"), tail, detail))
    if limit is not None and limit < 1:
        faults.append(field.invalid(field.Path("limitBytes"), limit, "must be greater than 0"))
    if seconds is not None and since:
        detail = "at most one of `sinceTime` or `sinceSeconds` may be specified"
        faults.append(field.forbidden(field.Path(""), detail))
    elif seconds is not None and seconds < 1:
        path = field.Path("sinceSeconds")
        faults.append(field.invalid(path, seconds, "must be greater than 0"))
    return faults


async def _refusal(answer: relay.Answer, name: str) -> errors.StatusError:
    """What a kubelet does not give, in the words of GenericHttpResponseChecker."""
    body = bytearray()
    async for chunk in answer.body:
        body += chunk
        if len(body) >= _REFUSAL_BYTES_MAX:
            break
    text = bytes(body[:_REFUSAL_BYTES_MAX]).decode("utf-8", "replace")
    if answer.status == 500:
        return errors.internal_error(text)
    if answer.status == 400:
        return errors.bad_request(text)
    reason, message = _GENERIC.get(
        answer.status,
        ("", f"the server responded with the status code {answer.status} but did not return "
         "more information"),
    )  # fmt: skip
    details = {"name": name, "kind": "pods/log"}
    return errors.StatusError(answer.status, reason, f"{message} ( pods/log {name})", details)


_GENERIC = {
    401: (errors.UNAUTHORIZED, "the server has asked for the client to provide credentials"),
    404: (errors.NOT_FOUND, "the server could not find the requested resource"),
    405: (
        errors.METHOD_NOT_ALLOWED,
        "the server does not allow this method on the requested resource",
    ),
    503: (
        errors.SERVICE_UNAVAILABLE,
        "the server is currently unable to handle the request",
    ),
}
