# SPDX-License-Identifier: Apache-2.0
"""Subresources that are created and not kept: bindings, evictions, tokens.

A POST carries something out and answers with a Status, or with what was asked for.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from pyk8s.apimachinery.gvk import GroupVersionKind, Object
from pyk8s.apis import scheme
from pyk8s.endpoints import bodies, negotiation, options, response
from pyk8s.endpoints.endpoint import Decode, Handler, Route
from pyk8s.endpoints.handlers import context_of
from pyk8s.endpoints.request import Request
from pyk8s.registry import binding, eviction, tokens
from pyk8s.registry.context import RequestContext

# Makes of an object what is answered: the object, or a Status.
Act = Callable[[RequestContext, str, Object], Awaitable[Object]]

_CREATED = 201
_SUCCESS = {
    "kind": "Status",
    "apiVersion": "v1",
    "metadata": {},
    "status": "Success",
    "code": _CREATED,
}

# Both versions mean the same; old clients of kubectl drain send the first.
_EVICTIONS = ("policy/v1beta1", "policy/v1")

Subresources = dict[str, dict[str, Handler]]


@dataclass(frozen=True, slots=True)
class _Typed:
    """As much of an Endpoint as reading a body needs."""

    gvk: GroupVersionKind
    decode: Decode


@dataclass(frozen=True, slots=True, kw_only=True)
class Actions:
    """`decoder` makes what reads a body of a kind."""

    decoder: Callable[[GroupVersionKind], Decode]
    bindings: binding.Bindings
    evictions: eviction.Evictions
    token_requests: tokens.TokenRequests

    def of(self, resource: scheme.Resource) -> Subresources:
        """The handlers of one resource's subresources that are actions, by verb."""
        if resource.group_resource == ("", "pods"):
            return {
                "binding": {"create": self._creator(binding.BINDING, self._bind)},
                "eviction": {"create": self._creator(eviction.EVICTION, self._evict)},
            }
        if resource.group_resource == ("", "serviceaccounts"):
            create = self._creator(tokens.TOKEN_REQUEST, self.token_requests.create)
            return {"token": {"create": create}}
        return {}

    def route(self, resource: scheme.Resource) -> Route | None:
        """The route of `bindings`, the older way to bind; None for any other resource."""
        if resource.group_resource != ("", "bindings"):
            return None
        create = self._creator(binding.BINDING, self._bind)
        return Route(resource=resource, handlers={"create": create}, subresources={})

    def _creator(self, gvk: GroupVersionKind, act: Act) -> Handler:
        typed = _Typed(gvk, self.decoder(gvk))

        async def create(request: Request) -> None:
            write = options.write_options(request.query, "CreateOptions")
            obj = await _read(request, typed, write)
            bodies.check_namespace(obj, request.info.namespace)
            name = request.info.name or obj["metadata"].get("name") or ""
            answer = await act(context_of(request, write), name, obj)
            await response.send_object(request, answer, status_code=_CREATED)

        return create

    async def _bind(self, context: RequestContext, name: str, obj: Object) -> Object:
        await self.bindings.create(context, name, obj)
        return _SUCCESS

    async def _evict(self, context: RequestContext, name: str, obj: Object) -> Object:
        wanted = options.delete_options({}, obj.get("deleteOptions") or {})
        try:
            await self.evictions.create(context, name, obj, wanted)
        except eviction.SeveralBudgets:
            # Upstream answers this Status with the code of a success.
            return eviction.several_budgets()
        return _SUCCESS


async def _read(request: Request, typed: _Typed, write: options.WriteOptions) -> Object:
    if typed.gvk != eviction.EVICTION:
        return await bodies.read_object(request, typed, write)
    media_type = negotiation.body_media_type(request.headers.get("content-type", ""))
    document, duplicates = bodies.parse(
        await request.body(), media_type, write.field_validation, typed.gvk
    )
    if document.get("apiVersion") in _EVICTIONS:
        document["apiVersion"] = _EVICTIONS[-1]
    return bodies.to_typed(request, typed, write, document, duplicates)
