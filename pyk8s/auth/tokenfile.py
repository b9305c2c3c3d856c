# SPDX-License-Identifier: Apache-2.0
"""Static tokens from a CSV file: `token,user,uid,"group1,group2"`, the last column optional.

The file is read once, at the start. Rules and messages are those of upstream's
authentication/token/tokenfile.
"""

from __future__ import annotations

import csv
import io
import logging
from collections.abc import Mapping
from pathlib import Path

from pyk8s.auth.user import UserInfo

logger = logging.getLogger(__name__)


class TokenFileError(Exception):
    """The file cannot be read or is not of the form it must have; one line for the operator."""


class TokenFile:
    """Knows the holders of a fixed set of tokens."""

    def __init__(self, users: Mapping[str, UserInfo]) -> None:
        self._users = users

    async def authenticate_token(self, token: str) -> UserInfo | None:
        return self._users.get(token)


def load(path: str) -> TokenFile:
    """Raises TokenFileError."""
    try:
        text = Path(path).read_text(encoding="utf-8")
    except OSError as error:
        raise TokenFileError(f"cannot read token file {path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise TokenFileError(f"token file {path} is not UTF-8 text") from error
    return TokenFile(parse(text, path))


def parse(text: str, path: str) -> dict[str, UserInfo]:
    """The users by token; `path` is what messages call the file. Empty lines are skipped, an
    empty token is warned of and skipped, of a token given twice the last line counts."""
    users: dict[str, UserInfo] = {}
    number = 0
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        for record in reader:
            if not record:
                continue
            number += 1
            _add(users, record, number, path)
    except csv.Error as error:
        raise TokenFileError(f"token file {path}, line {reader.line_num}: {error}") from error
    return users


def _add(users: dict[str, UserInfo], record: list[str], number: int, path: str) -> None:
    if len(record) < 3:
        raise TokenFileError(
            f"token file '{path}' must have at least 3 columns "
            f"(token, user name, user uid), found {len(record)}"
        )
    token, name, uid = record[:3]
    if not token:
        logger.warning("empty token found: file=%s record=%d", path, number)
        return
    if token in users:
        logger.warning("duplicate token found: file=%s record=%d", path, number)
    groups = tuple(record[3].split(",")) if len(record) > 3 else ()
    users[token] = UserInfo(name, uid=uid, groups=groups)
