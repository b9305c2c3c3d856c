# SPDX-License-Identifier: Apache-2.0
"""May they: what a request wants, and who decides on it.

An authorizer allows, denies, or has no opinion; the union asks in order and stops at the first
opinion. Nobody's opinion means no. Role-based access control is one more authorizer in the union.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from pyk8s.apimachinery import errors
from pyk8s.apimachinery.gojson import quoted_string
from pyk8s.apimachinery.gvk import GroupResource
from pyk8s.auth.user import AUTHENTICATED, SYSTEM_MASTERS, UserInfo

# Open to everyone: upstream's --authorization-always-allow-paths, and what its ClusterRole
# system:public-info-viewer grants to the unauthenticated. Single checks below them are not.
ALWAYS_ALLOWED_PATHS = ("/healthz", "/livez", "/readyz", "/version", "/version/")

# What every authenticated user may ask: who they are, what they may, and what is served. The rules
# of upstream's ClusterRoles system:basic-user and system:discovery.
SELF_REVIEWS = (
    ("authentication.k8s.io", "selfsubjectreviews"),
    ("authorization.k8s.io", "selfsubjectaccessreviews"),
    ("authorization.k8s.io", "selfsubjectrulesreviews"),
)
DISCOVERY_PATHS = ("/api", "/apis", "/openapi")


@dataclass(frozen=True, slots=True, kw_only=True)
class Attributes:
    """What is asked, as in upstream's authorizer.Attributes.

    `verb` is the Kubernetes verb (`list`, `deletecollection`) of a resource request and the
    HTTP method in lower case otherwise. `path` is the URL path.
    """

    user: UserInfo
    verb: str
    path: str = ""
    is_resource_request: bool = False
    group: str = ""
    version: str = ""
    resource: str = ""
    subresource: str = ""
    namespace: str = ""
    name: str = ""


class Decision(enum.Enum):
    ALLOW = "allow"
    DENY = "deny"
    NO_OPINION = "no opinion"


Verdict = tuple[Decision, str]
_NO_OPINION: Verdict = (Decision.NO_OPINION, "")
_ALLOW: Verdict = (Decision.ALLOW, "")


class Authorizer(Protocol):
    async def authorize(self, attributes: Attributes) -> Verdict:
        """The decision and its reason, which may be empty."""
        ...


class PrivilegedGroups:
    """Members of these groups may do everything."""

    def __init__(self, groups: Iterable[str] = (SYSTEM_MASTERS,)) -> None:
        self._groups = frozenset(groups)

    async def authorize(self, attributes: Attributes) -> Verdict:
        return _NO_OPINION if self._groups.isdisjoint(attributes.user.groups) else _ALLOW


class AllowedPaths:
    """Everyone may use these paths, by whatever method the path serves."""

    def __init__(self, paths: Iterable[str] = ALWAYS_ALLOWED_PATHS) -> None:
        self._paths = frozenset(paths)

    async def authorize(self, attributes: Attributes) -> Verdict:
        if not attributes.is_resource_request and attributes.path in self._paths:
            return _ALLOW
        return _NO_OPINION


class BasicUsers:
    """Whoever is authenticated may ask about themselves and discover what is served."""

    async def authorize(self, attributes: Attributes) -> Verdict:
        if AUTHENTICATED not in attributes.user.groups:
            return _NO_OPINION
        if attributes.is_resource_request:
            is_own = (attributes.group, attributes.resource) in SELF_REVIEWS
            allowed = is_own and attributes.verb == "create" and not attributes.subresource
        else:
            below = any(attributes.path.startswith(f"{path}/") for path in DISCOVERY_PATHS)
            allowed = attributes.verb == "get" and (below or attributes.path in DISCOVERY_PATHS)
        return _ALLOW if allowed else _NO_OPINION


class Union:
    """The first opinion counts. Without one the reasons of all are joined, as upstream does."""

    def __init__(self, authorizers: Sequence[Authorizer]) -> None:
        self._authorizers = tuple(authorizers)

    async def authorize(self, attributes: Attributes) -> Verdict:
        reasons: list[str] = []
        for authorizer in self._authorizers:
            decision, reason = await authorizer.authorize(attributes)
            if decision is not Decision.NO_OPINION:
                return decision, reason
            if reason:
                reasons.append(reason)
        return Decision.NO_OPINION, "\n".join(reasons)


def forbidden(attributes: Attributes, reason: str = "") -> errors.StatusError:
    """The 403 for a request nobody allowed; upstream's responsewriters.ForbiddenStatusError."""
    why = forbidden_message(attributes)
    if reason:
        why = f"{why}: {reason}"
    resource = GroupResource(attributes.group, attributes.resource)
    return errors.forbidden(resource, attributes.name, why)


def forbidden_message(attributes: Attributes) -> str:
    """Who cannot do what where; upstream's forbiddenMessage."""
    who = f"User {quoted_string(attributes.user.name)} cannot {attributes.verb}"
    if not attributes.is_resource_request:
        return f"{who} path {quoted_string(attributes.path)}"
    resource = attributes.resource
    if attributes.subresource:
        resource = f"{resource}/{attributes.subresource}"
    what = f"resource {quoted_string(resource)} in API group {quoted_string(attributes.group)}"
    if attributes.namespace:
        return f"{who} {what} in the namespace {quoted_string(attributes.namespace)}"
    return f"{who} {what} at the cluster scope"
