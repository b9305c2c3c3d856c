# SPDX-License-Identifier: Apache-2.0
"""Who is let in by which credential, and what several authenticators say together."""

from __future__ import annotations

import pytest

from pyk8s.apimachinery import errors
from pyk8s.auth.authenticator import (
    ANONYMOUS_USER,
    BearerToken,
    Credentials,
    Union,
    bearer_token,
    with_authenticated_group,
)
from pyk8s.auth.tokenfile import TokenFile
from pyk8s.auth.user import UserInfo

JANE = UserInfo("jane", groups=("dev",))
JOE = UserInfo("joe")


class Certain:
    """Says the same of everyone."""

    def __init__(self, answer: UserInfo | None) -> None:
        self.answer = answer

    async def authenticate(self, credentials: Credentials) -> UserInfo | None:
        return self.answer


class Refusing:
    async def authenticate(self, credentials: Credentials) -> UserInfo | None:
        raise errors.unauthorized()


@pytest.mark.parametrize(
    ("header", "token"),
    [
        pytest.param("Bearer abc", "abc", id="plain"),
        pytest.param("bearer abc", "abc", id="scheme in lower case"),
        pytest.param("  Bearer abc  ", "abc", id="spaces around"),
        pytest.param("Bearer abc def", "abc", id="more after it"),
        pytest.param("Bearer  abc", "", id="two spaces"),
        pytest.param("Bearer", "", id="nothing after it"),
        pytest.param("Basic abc", "", id="another scheme"),
        pytest.param("", "", id="empty"),
    ],
)
def test_bearer_token(header: str, token: str) -> None:
    """The token is what stands between the first and the second space."""
    assert bearer_token(header) == token


async def test_known_token() -> None:
    """A token in the file is its user."""
    bearer = BearerToken([TokenFile({}), TokenFile({"abc": JANE})])
    assert await bearer.authenticate(Credentials(authorization="Bearer abc")) == JANE


async def test_unknown_token_is_refused() -> None:
    """401, also where there is no token file at all."""
    for bearer in (BearerToken([TokenFile({"abc": JANE})]), BearerToken([])):
        with pytest.raises(errors.StatusError) as caught:
            await bearer.authenticate(Credentials(authorization="Bearer other"))
        assert (caught.value.code, caught.value.reason) == (401, "Unauthorized")


async def test_first_that_knows_the_caller_wins() -> None:
    """Later ones are not asked, and earlier refusals do not count."""
    union = Union([Certain(None), Refusing(), Certain(JANE), Certain(JOE)])
    found = await union.authenticate(Credentials())
    assert found is not None
    assert found.name == "jane"


async def test_refusal_counts_when_nobody_knows_the_caller() -> None:
    """A bad credential is 401, none at all is None."""
    with pytest.raises(errors.StatusError):
        await Union([Refusing(), Certain(None)]).authenticate(Credentials())
    assert await Union([Certain(None)]).authenticate(Credentials()) is None


@pytest.mark.parametrize(
    ("user", "groups"),
    [
        pytest.param(JANE, ("dev", "system:authenticated"), id="added last"),
        pytest.param(
            UserInfo("x", groups=("system:authenticated",)), ("system:authenticated",), id="once"
        ),
        pytest.param(ANONYMOUS_USER, ("system:unauthenticated",), id="not to the anonymous"),
        pytest.param(
            UserInfo("x", groups=("system:unauthenticated",)),
            ("system:unauthenticated",),
            id="not to the unauthenticated",
        ),
    ],
)
def test_authenticated_group(user: UserInfo, groups: tuple[str, ...]) -> None:
    """Everyone who is let in is a member of system:authenticated."""
    assert with_authenticated_group(user).groups == groups
