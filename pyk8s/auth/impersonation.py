# SPDX-License-Identifier: Apache-2.0
"""Acting as somebody else: who a request wants to be by its Impersonate-* headers, and whether its
user may.

Each thing asked for, the name, every group, the uid, every value of extra, needs a permission of
its own, by the verb `impersonate`. Mirrors apiserver's `endpoints/filters/impersonation`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple
from urllib.parse import unquote

from pyk8s.apimachinery import errors, names
from pyk8s.auth import authorizer, user
from pyk8s.auth.serviceaccount import GROUP
from pyk8s.auth.user import UserInfo
from pyk8s.componenthelpers.tokensigning import USER_PREFIX

PREFIX = b"impersonate-"
_USER, _GROUP, _UID = b"impersonate-user", b"impersonate-group", b"impersonate-uid"
_EXTRA = b"impersonate-extra-"
_AUTHENTICATION = "authentication.k8s.io"

Headers = Sequence[tuple[bytes, bytes]]


class Part(NamedTuple):
    """One thing that is asked for; `resource` is what it needs the permission on."""

    kind: str
    resource: str
    name: str
    namespace: str = ""
    group: str = ""
    key: str = ""

    def __str__(self) -> str:
        """As Go prints an ObjectReference."""
        api_version = f"{self.group}/v1" if self.group else ""
        fields = (self.kind, self.namespace, self.name, "", api_version, "", self.key)
        return "{" + " ".join(fields) + "}"

    def attributes(self, requester: UserInfo) -> authorizer.Attributes:
        return authorizer.Attributes(
            user=requester,
            verb="impersonate",
            is_resource_request=True,
            group=self.group,
            version="v1" if self.group else "",
            resource=self.resource,
            subresource=self.key,
            namespace=self.namespace,
            name=self.name,
        )


def parts(headers: Headers) -> list[Part]:
    """Names of headers are in lower case. Raises StatusError 400 for parts without a user."""
    found: list[Part] = []
    for name in _values(headers, _USER)[:1]:
        found.append(_of_user(name))
    has_user = bool(found)
    found += [Part("Group", "groups", value) for value in _values(headers, _GROUP)]
    for header, raw in headers:
        if header.startswith(_EXTRA):
            key = unquote(header[len(_EXTRA) :].decode("latin-1").lower())
            value = raw.decode("utf-8", "replace")
            found.append(Part("UserExtra", "userextras", value, group=_AUTHENTICATION, key=key))
    for value in _values(headers, _UID)[:1]:
        found.append(Part("UID", "uids", value, group=_AUTHENTICATION))
    if found and not has_user:
        shown = " ".join(map(str, found))
        raise errors.bad_request(f"requested [{shown}] without impersonating a user")
    return found


def _values(headers: Headers, wanted: bytes) -> list[str]:
    return [value.decode("utf-8", "replace") for name, value in headers if name == wanted and value]


def _of_user(name: str) -> Part:
    if name.startswith(USER_PREFIX):
        namespace, _, account = name.removeprefix(USER_PREFIX).partition(":")
        if not names.is_dns1123_label(namespace) and not names.is_dns1123_subdomain(account):
            return Part("ServiceAccount", "serviceaccounts", account, namespace)
    return Part("User", "users", name)


def user_of(found: Sequence[Part]) -> UserInfo:
    """Who the request acts as. Groups that are named are all there are, but for the mark of who
    is authenticated and who is not."""
    first = found[0]
    groups = [part.name for part in found if part.kind == "Group"]
    name = first.name
    if first.kind == "ServiceAccount":
        name = f"{USER_PREFIX}{first.namespace}:{first.name}"
        groups = groups or [GROUP, f"{GROUP}:{first.namespace}"]
    if name == user.ANONYMOUS:
        marks: tuple[str, ...] = (user.UNAUTHENTICATED,)
    else:
        marks = (user.AUTHENTICATED, user.UNAUTHENTICATED)
    if not any(mark in groups for mark in marks):
        groups.append(marks[0])
    extra: dict[str, tuple[str, ...]] = {}
    for part in found:
        if part.kind == "UserExtra":
            extra[part.key] = (*extra.get(part.key, ()), part.name)
    uid = next((part.name for part in found if part.kind == "UID"), "")
    return UserInfo(name, uid=uid, groups=tuple(groups), extra=extra)


async def impersonated(
    requester: UserInfo, headers: Headers, authorize: authorizer.Authorizer
) -> UserInfo | None:
    """Who the request acts as; None for itself. Raises StatusError 400, and 403 for what the
    requester may not be."""
    found = parts(headers)
    if not found:
        return None
    for part in found:
        attributes = part.attributes(requester)
        decision, reason = await authorize.authorize(attributes)
        if decision is not authorizer.Decision.ALLOW:
            raise authorizer.forbidden(attributes, reason)
    return user_of(found)
