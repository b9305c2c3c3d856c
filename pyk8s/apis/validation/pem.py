# SPDX-License-Identifier: Apache-2.0
"""PEM text, cut into its blocks.

The cryptography library reads certificates out of PEM, but passes over what else stands there,
and that is just what the rules of certificate objects are about.
"""

from __future__ import annotations

import base64
import binascii
import re
from typing import NamedTuple


class Block(NamedTuple):
    kind: str
    has_headers: bool
    der: bytes


_BLOCK = re.compile(
    r"^-----BEGIN (?P<kind>[^\n-]*)-----[ \t\r]*\n(?P<body>.*?)^-----END (?P=kind)-----[ \t\r]*$",
    re.DOTALL | re.MULTILINE,
)


def blocks(text: str) -> list[Block]:
    """Every well-formed block, in order; whatever is between them is skipped, as Go does."""
    found = []
    for match in _BLOCK.finditer(text):
        lines = [line.strip() for line in match["body"].splitlines()]
        headers = [line for line in lines if ":" in line]
        encoded = "".join(line for line in lines if ":" not in line)
        try:
            der = base64.b64decode(encoded, validate=True)
        except binascii.Error:
            continue
        found.append(Block(match["kind"], bool(headers), der))
    return found
