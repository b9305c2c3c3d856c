# SPDX-License-Identifier: Apache-2.0
"""Headers that go on to another server."""

from __future__ import annotations

import pytest

from pyk8s.aggregator import transport
from pyk8s.auth.requestheader import Names
from pyk8s.auth.user import UserInfo
from pyk8s.endpoints import forwarding
from pyk8s.endpoints.dialing import DialError
from pyk8s.endpoints.relay import Relay
from pyk8s.registry.locations import Location


@pytest.mark.parametrize(
    "user",
    [
        pytest.param(UserInfo("jane\r\nX-Remote-Group: system:masters"), id="name"),
        pytest.param(UserInfo("jane", groups=("a\nb",)), id="group"),
        pytest.param(UserInfo("jane", extra={"key": ("\0",)}), id="extra"),
    ],
)
def test_name_that_would_end_its_line(user: UserInfo) -> None:
    """Nobody becomes another by the way he is written."""
    with pytest.raises(DialError, match="invalid header field value for"):
        forwarding.check(transport.identity_headers(user))


def test_identity() -> None:
    """Name, uid, each group, and extra by keys that a header may have."""
    user = UserInfo("jané", "42", ("dev", "ops"), {"example.com/scope%": ("a", "b")})
    headers = transport.identity_headers(user)
    assert headers == [
        (b"x-remote-user", "jané".encode()),
        (b"x-remote-uid", b"42"),
        (b"x-remote-group", b"dev"),
        (b"x-remote-group", b"ops"),
        (b"x-remote-extra-example.com%2Fscope%25", b"a"),
        (b"x-remote-extra-example.com%2Fscope%25", b"b"),
    ]
    forwarding.check(headers)


@pytest.mark.parametrize(
    ("name", "dropped"),
    [
        (b"x-remote-user", True),
        (b"x-remote-uid", True),
        (b"x-remote-group", True),
        (b"x-remote-extra-scopes", True),
        (b"x-our-user", True),
        (b"x-our-extra-scopes", True),
        (b"x-our-extra", False),
        (b"accept", False),
    ],
)
def test_what_a_client_may_not_say(name: bytes, dropped: bool) -> None:
    """Headers by which the other server learns who asks, by whatever names it reads them."""
    names = Names(username=("X-Our-User",), extra_prefix=("X-Our-Extra-",))
    assert transport.says_who(names)(name) is dropped


@pytest.mark.parametrize(
    "host", [pytest.param("a" * 70 + ".example.com", id="long"), pytest.param("a..b", id="empty")]
)
async def test_name_that_nobody_can_have(host: str) -> None:
    """A host whose name no DNS could hold is not found, as any other that is not there."""
    location = Location(scheme="https", host=host, port=443)
    with pytest.raises(DialError, match="no such host"):
        await Relay().fetch(location, [], 1000)
