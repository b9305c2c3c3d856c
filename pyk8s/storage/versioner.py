# SPDX-License-Identifier: Apache-2.0
"""Between resourceVersion, the token clients see, and revision, etcd's number.

Mirrors apiserver's `APIObjectVersioner`: decimal, unsigned, 64 bits, and "" reads as 0.
"""

from __future__ import annotations

from pyk8s.storage import errors

_MAX = 2**64 - 1


def parse(resource_version: str) -> int:
    """Raises InvalidToken with the text of upstream's `ParseResourceVersion`."""
    if not resource_version:
        return 0
    if not (resource_version.isascii() and resource_version.isdigit()):
        raise _invalid(resource_version, "invalid syntax")
    revision = int(resource_version) if len(resource_version) <= 20 else _MAX + 1
    if revision > _MAX:
        raise _invalid(resource_version, "value out of range")
    return revision


def _invalid(text: str, why: str) -> errors.InvalidToken:
    parsing = f'strconv.ParseUint: parsing "{text}": {why}'
    return errors.InvalidToken(f'resourceVersion: Invalid value: "{text}": {parsing}')
