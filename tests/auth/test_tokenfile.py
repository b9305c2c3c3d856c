# SPDX-License-Identifier: Apache-2.0
"""The CSV file of static tokens."""

from __future__ import annotations

from pathlib import Path

import pytest

from pyk8s.auth import tokenfile
from pyk8s.auth.user import UserInfo


@pytest.mark.parametrize(
    ("text", "users"),
    [
        pytest.param("t,u,1\n", {"t": UserInfo("u", uid="1")}, id="three columns"),
        pytest.param('t,u,1,"a,b"', {"t": UserInfo("u", uid="1", groups=("a", "b"))}, id="groups"),
        pytest.param("t,u,1,a,more", {"t": UserInfo("u", uid="1", groups=("a",))}, id="more"),
        pytest.param("t,u,1\n\nv,u,1", dict.fromkeys("tv", UserInfo("u", "1")), id="gap"),
        pytest.param('"a,""b""",u,1', {'a,"b"': UserInfo("u", uid="1")}, id="quotes"),
        pytest.param("t,u,1\nt,w,2", {"t": UserInfo("w", uid="2")}, id="last of two counts"),
        pytest.param(",u,1\n", {}, id="empty token is skipped"),
        pytest.param("", {}, id="empty file"),
    ],
)
def test_parse(text: str, users: dict[str, UserInfo]) -> None:
    """Lines become users, as upstream reads them."""
    assert tokenfile.parse(text, "f") == users


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param(
            "t,u",
            "token file 'f' must have at least 3 columns (token, user name, user uid), found 2",
            id="too few columns",
        ),
        pytest.param('t,u,1\n"t,u,1', "token file f, line 2: unexpected end of data", id="quote"),
    ],
)
def test_malformed(text: str, message: str) -> None:
    """What is no such file is refused with upstream's words."""
    with pytest.raises(tokenfile.TokenFileError) as caught:
        tokenfile.parse(text, "f")
    assert str(caught.value) == message


async def test_load(tmp_path: Path) -> None:
    """A file's tokens, and only those, name their users."""
    path = tmp_path / "tokens.csv"
    path.write_text('abc,jane,1,"dev"\n')
    loaded = tokenfile.load(str(path))
    assert await loaded.authenticate_token("abc") == UserInfo("jane", uid="1", groups=("dev",))
    assert await loaded.authenticate_token("abcd") is None


def test_unreadable_file_is_named(tmp_path: Path) -> None:
    """The message says which file, and why."""
    with pytest.raises(tokenfile.TokenFileError, match=r"missing\.csv: No such file"):
        tokenfile.load(str(tmp_path / "missing.csv"))
    binary = tmp_path / "binary.csv"
    binary.write_bytes(b"\xff\xfe")
    with pytest.raises(tokenfile.TokenFileError, match="not UTF-8"):
        tokenfile.load(str(binary))
