# SPDX-License-Identifier: Apache-2.0
"""Who a request acts as, and what that takes."""

from __future__ import annotations

import pytest

from pyk8s.apimachinery import errors
from pyk8s.auth import impersonation
from pyk8s.auth.authorizer import Attributes, Decision, Verdict
from pyk8s.auth.user import UserInfo

ADMIN = UserInfo("admin", groups=("system:masters",))


def headers(*pairs: tuple[str, str]) -> list[tuple[bytes, bytes]]:
    return [(f"impersonate-{name}".encode(), value.encode()) for name, value in pairs]


@pytest.mark.parametrize(
    ("given", "name", "groups"),
    [
        pytest.param([("user", "jane")], "jane", ("system:authenticated",), id="user"),
        pytest.param([("user", "jane"), ("group", "a"), ("group", "b")], "jane",
                     ("a", "b", "system:authenticated"), id="groups"),
        pytest.param([("user", "jane"), ("group", "system:unauthenticated")], "jane",
                     ("system:unauthenticated",), id="not authenticated"),
        pytest.param([("user", "system:anonymous")], "system:anonymous",
                     ("system:unauthenticated",), id="anonymous"),
        pytest.param([("user", "system:serviceaccount:ns:sa")], "system:serviceaccount:ns:sa",
                     ("system:serviceaccounts", "system:serviceaccounts:ns",
                      "system:authenticated"), id="account"),
        pytest.param([("user", "system:serviceaccount:ns:sa"), ("group", "a")],
                     "system:serviceaccount:ns:sa", ("a", "system:authenticated"),
                     id="account with groups"),
    ],
)  # fmt: skip
def test_who(given: list[tuple[str, str]], name: str, groups: tuple[str, ...]) -> None:
    """Groups that are named are all there are, but for the mark of the authenticated."""
    found = impersonation.user_of(impersonation.parts(headers(*given)))
    assert (found.name, found.groups) == (name, groups)


def test_uid_and_extra() -> None:
    """Keys of extra come in lower case, percent-encoded where they must be."""
    given = headers(("user", "j"), ("uid", "7"), ("extra-a%2fB", "x"), ("extra-a%2fb", "y"))
    found = impersonation.user_of(impersonation.parts(given))
    assert (found.uid, found.extra) == ("7", {"a/b": ("x", "y")})


def test_nobody_to_be() -> None:
    """Groups alone are nobody's."""
    with pytest.raises(errors.StatusError) as refused:
        impersonation.parts(headers(("group", "a"), ("uid", "7")))
    assert refused.value.code == 400
    assert refused.value.message == (
        "requested [{Group  a    } {UID  7  authentication.k8s.io/v1  }] without impersonating a "
        "user"
    )


class Allows:
    """An authorizer that allows to be these, and notes what it was asked."""

    def __init__(self, *allowed: tuple[str, str, str]) -> None:
        self.allowed = allowed
        self.asked: list[Attributes] = []

    async def authorize(self, attributes: Attributes) -> Verdict:
        self.asked.append(attributes)
        asked = (attributes.resource, attributes.namespace, attributes.name)
        return (Decision.ALLOW if asked in self.allowed else Decision.NO_OPINION), ""


async def test_each_part_needs_a_permission() -> None:
    """The name, every group and every value of extra."""
    given = headers(("user", "system:serviceaccount:ns:sa"), ("group", "a"), ("extra-k", "v"))
    everything = ("serviceaccounts", "ns", "sa"), ("groups", "", "a"), ("userextras", "", "v")
    authorizer = Allows(*everything)
    assert await impersonation.impersonated(ADMIN, given, authorizer)
    last = authorizer.asked[-1]
    assert (last.verb, last.group, last.subresource) == (
        "impersonate",
        "authentication.k8s.io",
        "k",
    )
    with pytest.raises(errors.StatusError) as refused:
        await impersonation.impersonated(ADMIN, given, Allows(everything[0]))
    assert refused.value.code == 403
    assert refused.value.message == (
        'groups "a" is forbidden: User "admin" cannot impersonate resource "groups" in API group '
        '"" at the cluster scope'
    )
    assert await impersonation.impersonated(ADMIN, [], Allows()) is None
