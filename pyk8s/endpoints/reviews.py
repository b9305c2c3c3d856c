# SPDX-License-Identifier: Apache-2.0
"""Kinds that are asked and not stored: who am I, may I, whose token is this.

A POST answers the object with its status filled in; nothing is kept. Mirrors upstream's
`registry/authentication` and `registry/authorization`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from pyk8s.apimachinery import errors, field
from pyk8s.apimachinery.gvk import GroupVersionKind, Object
from pyk8s.apis import scheme
from pyk8s.apis.validation import reviews as validation
from pyk8s.auth import authenticator, authorizer
from pyk8s.auth.user import AUTHENTICATED, UserInfo
from pyk8s.endpoints import bodies, options, response
from pyk8s.endpoints.endpoint import Decode, Handler, Route
from pyk8s.endpoints.request import Request

Answer = Callable[["Reviews", Request, Object], Awaitable[Object]]


@dataclass(frozen=True, slots=True)
class _Typed:
    """As much of an Endpoint as reading a body needs."""

    gvk: GroupVersionKind
    decode: Decode


class Reviews:
    def __init__(
        self,
        authorize: authorizer.Authorizer,
        tokens: authenticator.Tokens,
    ) -> None:
        self._authorizer = authorize
        self._tokens = tokens

    def route(self, resource: scheme.Resource, decode: Decode) -> Route | None:
        """The route of a review kind, None for any other resource."""
        answer = _ANSWERS.get((resource.group, resource.resource))
        if answer is None:
            return None
        return Route(
            resource=resource,
            handlers={"create": self._creator(_Typed(resource.gvk, decode), answer)},
            subresources={},
        )

    def _creator(self, typed: _Typed, answer: Answer) -> Handler:
        async def create(request: Request) -> None:
            write = options.write_options(request.query, "CreateOptions")
            review = await bodies.read_object(request, typed, write)
            bodies.check_namespace(review, request.info.namespace)
            review["status"] = await answer(self, request, review)
            await response.send_object(request, review, status_code=201)

        return create

    async def self_subject(self, request: Request, review: Object) -> Object:
        return {"userInfo": _user_info(request.user)}

    async def token(self, request: Request, review: Object) -> Object:
        spec = review.get("spec") or {}
        why = validation.validate_token_review(review)
        if why:
            raise errors.bad_request(why)
        if review["metadata"].get("namespace"):
            raise errors.bad_request("namespace is not allowed on this type")
        audiences = spec.get("audiences") or self._tokens.audiences
        try:
            found = await self._tokens.vouch(spec["token"], audiences)
        except authenticator.TokenRejected as error:
            return {"user": {}, "error": f"[invalid bearer token, {error}]"}
        if found is None:
            return {"user": {}, "error": "invalid bearer token"}
        user = authenticator.with_authenticated_group(found.user)
        status: Object = {"authenticated": True, "user": _user_info(user)}
        if found.audiences:
            status["audiences"] = list(found.audiences)
        return status

    async def self_subject_access(self, request: Request, review: Object) -> Object:
        spec = review.get("spec") or {}
        return await self._access(review, spec, request.user)

    async def subject_access(self, request: Request, review: Object) -> Object:
        spec = review.get("spec") or {}
        if not spec.get("user") and not spec.get("groups"):
            path = field.Path("spec", "user")
            why = "at least one of user or group must be specified"
            _refuse(review, [field.invalid(path, spec.get("user") or "", why)])
        return await self._access(review, spec, _user_of(spec))

    async def local_subject_access(self, request: Request, review: Object) -> Object:
        attributes = (review.get("spec") or {}).get("resourceAttributes") or {}
        namespace = attributes.get("namespace") or ""
        if namespace != request.info.namespace:
            path = field.Path("spec", "resourceAttributes", "namespace")
            why = f"must match metadata.namespace: {request.info.namespace}"
            _refuse(review, [field.invalid(path, namespace, why)])
        return await self.subject_access(request, review)

    async def _access(self, review: Object, spec: Object, user: UserInfo) -> Object:
        resource, path = spec.get("resourceAttributes"), spec.get("nonResourceAttributes")
        if (resource is None) == (path is None):
            where = field.Path("spec", "resourceAttributes")
            why = "exactly one of nonResourceAttributes or resourceAttributes must be specified"
            _refuse(review, [field.invalid(where, resource, why)])
        attributes = _resource_attributes(user, resource) if resource else _path(user, path or {})
        decision, reason = await self._authorizer.authorize(attributes)
        status: Object = {"allowed": decision is authorizer.Decision.ALLOW}
        if decision is authorizer.Decision.DENY:
            status["denied"] = True
        if reason:
            status["reason"] = reason
        return status

    async def rules(self, request: Request, review: Object) -> Object:
        """What the caller may do in a namespace: all or the basics, until roles say more."""
        namespace = (review.get("spec") or {}).get("namespace") or ""
        if not namespace:
            raise errors.bad_request("no namespace on request")
        everything = authorizer.Attributes(
            user=request.user, verb="*", is_resource_request=True, group="*", resource="*"
        )
        decision, _ = await self._authorizer.authorize(everything)
        if decision is not authorizer.Decision.ALLOW:
            return _basic_rules(request.user)
        return {
            "resourceRules": [{"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}],
            "nonResourceRules": [{"verbs": ["*"], "nonResourceURLs": ["*"]}],
            "incomplete": False,
        }


_ANSWERS: Mapping[tuple[str, str], Answer] = {
    ("authentication.k8s.io", "selfsubjectreviews"): Reviews.self_subject,
    ("authentication.k8s.io", "tokenreviews"): Reviews.token,
    ("authorization.k8s.io", "selfsubjectaccessreviews"): Reviews.self_subject_access,
    ("authorization.k8s.io", "subjectaccessreviews"): Reviews.subject_access,
    ("authorization.k8s.io", "localsubjectaccessreviews"): Reviews.local_subject_access,
    ("authorization.k8s.io", "selfsubjectrulesreviews"): Reviews.rules,
}


def _basic_rules(user: UserInfo) -> Object:
    """Of one who may not do everything."""
    paths = [*authorizer.ALWAYS_ALLOWED_PATHS]
    rules: list[Object] = []
    if AUTHENTICATED in user.groups:
        paths += [each for path in authorizer.DISCOVERY_PATHS for each in (path, f"{path}/*")]
        rules = [
            {"verbs": ["create"], "apiGroups": [group], "resources": [resource]}
            for group, resource in authorizer.SELF_REVIEWS
        ]
    non_resource = [{"verbs": ["get"], "nonResourceURLs": sorted(paths)}]
    return {"resourceRules": rules, "nonResourceRules": non_resource, "incomplete": False}


def _refuse(review: Object, faults: list[field.Error]) -> None:
    group, _, _ = review["apiVersion"].rpartition("/")
    kind = GroupVersionKind(group, "v1", review["kind"]).group_kind
    raise errors.invalid(kind, review["metadata"].get("name", ""), faults)


def _user_info(user: UserInfo) -> Object:
    info: Object = {"username": user.name}
    if user.uid:
        info["uid"] = user.uid
    if user.groups:
        info["groups"] = list(user.groups)
    if user.extra:
        info["extra"] = {key: list(values) for key, values in user.extra.items()}
    return info


def _user_of(spec: Object) -> UserInfo:
    return UserInfo(
        spec.get("user") or "",
        spec.get("uid") or "",
        tuple(spec.get("groups") or ()),
        {key: tuple(values) for key, values in (spec.get("extra") or {}).items()},
    )


def _resource_attributes(user: UserInfo, spec: Object) -> authorizer.Attributes:
    names = ("verb", "group", "version", "resource", "subresource", "namespace", "name")
    return authorizer.Attributes(
        user=user, is_resource_request=True, **{name: spec.get(name) or "" for name in names}
    )


def _path(user: UserInfo, spec: Object) -> authorizer.Attributes:
    return authorizer.Attributes(
        user=user, verb=spec.get("verb") or "", path=spec.get("path") or ""
    )
