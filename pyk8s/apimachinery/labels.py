# SPDX-License-Identifier: Apache-2.0
"""Label selectors."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol


class Selector(Protocol):
    """A compiled label selector; prints as its canonical string."""

    @property
    def is_everything(self) -> bool: ...

    def matches(self, labels: Mapping[str, str]) -> bool: ...


class _Everything:
    is_everything = True

    def matches(self, labels: Mapping[str, str]) -> bool:
        return True

    def __str__(self) -> str:
        return ""


EVERYTHING: Selector = _Everything()
