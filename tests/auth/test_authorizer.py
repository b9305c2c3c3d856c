# SPDX-License-Identifier: Apache-2.0
"""Who may do what, and how a refusal reads."""

from __future__ import annotations

from typing import Any

import pytest

from pyk8s.auth.authorizer import (
    AllowedPaths,
    Attributes,
    BasicUsers,
    Decision,
    PrivilegedGroups,
    Union,
    Verdict,
    forbidden,
)
from pyk8s.auth.user import UserInfo

ADMIN = UserInfo("admin", groups=("system:masters",))
JANE = UserInfo("jane", groups=("dev",))


class Certain:
    def __init__(self, decision: Decision, reason: str = "") -> None:
        self.verdict = (decision, reason)

    async def authorize(self, attributes: Attributes) -> Verdict:
        return self.verdict


def request(user: UserInfo = JANE, **more: Any) -> Attributes:
    return Attributes(user=user, **{"verb": "get", **more})


async def test_privileged_groups() -> None:
    """Members may do everything; of others nothing is said."""
    authorizer = PrivilegedGroups()
    assert (await authorizer.authorize(request(ADMIN)))[0] is Decision.ALLOW
    assert (await authorizer.authorize(request(JANE)))[0] is Decision.NO_OPINION


@pytest.mark.parametrize(
    ("attributes", "decision"),
    [
        pytest.param(request(path="/livez"), Decision.ALLOW, id="livez"),
        pytest.param(request(path="/version"), Decision.ALLOW, id="version"),
        pytest.param(request(path="/livez/ping"), Decision.NO_OPINION, id="single check"),
        pytest.param(request(path="/metrics"), Decision.NO_OPINION, id="other path"),
        pytest.param(
            request(path="/livez", is_resource_request=True), Decision.NO_OPINION, id="resource"
        ),
    ],
)
async def test_allowed_paths(attributes: Attributes, decision: Decision) -> None:
    """Exactly these paths are open to all, and no resource is."""
    assert (await AllowedPaths().authorize(attributes))[0] is decision


REVIEW = {"group": "authentication.k8s.io", "resource": "selfsubjectreviews", "verb": "create"}


@pytest.mark.parametrize(
    ("groups", "asked", "decision"),
    [
        pytest.param(True, {**REVIEW, "is_resource_request": True}, Decision.ALLOW, id="self"),
        pytest.param(False, {**REVIEW, "is_resource_request": True}, Decision.NO_OPINION,
                     id="nobody"),
        pytest.param(True, {**REVIEW, "is_resource_request": True, "resource": "tokenreviews"},
                     Decision.NO_OPINION, id="others"),
        pytest.param(True, {"path": "/apis/apps/v1"}, Decision.ALLOW, id="discovery"),
        pytest.param(True, {"path": "/apisx"}, Decision.NO_OPINION, id="another path"),
        pytest.param(True, {"path": "/api", "verb": "post"}, Decision.NO_OPINION, id="a write"),
    ],
)  # fmt: skip
async def test_basic_users(groups: bool, asked: dict[str, Any], decision: Decision) -> None:
    """Who is authenticated may ask about themselves and what is served, and nothing else."""
    user = UserInfo("jane", groups=("system:authenticated",) if groups else ())
    assert (await BasicUsers().authorize(request(user, **asked)))[0] is decision


@pytest.mark.parametrize(
    ("members", "verdict"),
    [
        pytest.param(["NO_OPINION", "ALLOW", "DENY"], (Decision.ALLOW, "1"), id="allow first"),
        pytest.param(["NO_OPINION", "DENY", "ALLOW"], (Decision.DENY, "1"), id="deny first"),
        pytest.param(["NO_OPINION", "NO_OPINION"], (Decision.NO_OPINION, "0\n1"), id="nobody"),
        pytest.param([], (Decision.NO_OPINION, ""), id="empty"),
    ],
)
async def test_union(members: list[str], verdict: Verdict) -> None:
    """The first opinion counts; without one the reasons are joined."""
    union = Union([Certain(Decision[name], str(at)) for at, name in enumerate(members)])
    assert await union.authorize(request()) == verdict


@pytest.mark.parametrize(
    ("attributes", "message"),
    [
        pytest.param(
            request(verb="list", resource="pods", namespace="default", is_resource_request=True),
            'pods is forbidden: User "jane" cannot list resource "pods" in API group "" '
            'in the namespace "default"',
            id="namespaced",
        ),
        pytest.param(
            request(
                group="apps",
                resource="deployments",
                subresource="scale",
                namespace="a",
                name="web",
                is_resource_request=True,
            ),
            'deployments.apps "web" is forbidden: User "jane" cannot get resource '
            '"deployments/scale" in API group "apps" in the namespace "a"',
            id="subresource",
        ),
        pytest.param(
            request(verb="delete", resource="nodes", name="n1", is_resource_request=True),
            'nodes "n1" is forbidden: User "jane" cannot delete resource "nodes" '
            'in API group "" at the cluster scope',
            id="cluster scope",
        ),
        pytest.param(
            request(path="/foo"), 'forbidden: User "jane" cannot get path "/foo"', id="path"
        ),
    ],
)
def test_forbidden(attributes: Attributes, message: str) -> None:
    """403 with upstream's words and details."""
    error = forbidden(attributes)
    assert (error.code, error.reason, error.message) == (403, "Forbidden", message)
    details = error.status.get("details", {})
    assert details.get("kind", "") == attributes.resource
    assert details.get("name", "") == attributes.name


def test_forbidden_with_a_reason() -> None:
    """The authorizer's reason follows."""
    message = forbidden(request(path="/foo"), "no rule").message
    assert message == 'forbidden: User "jane" cannot get path "/foo": no rule'
