# SPDX-License-Identifier: Apache-2.0
"""Pod IPs out of one range: no I/O."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from typing import Any


class Addresses:
    """Pod IPs out of one range, each given to one pod at a time."""

    def __init__(self, network: str) -> None:
        self._fresh: Iterator[Any] = ipaddress.ip_network(network).hosts()
        self._free: list[str] = []
        self._taken: set[str] = set()

    def take(self) -> str:
        while True:
            address = self._free.pop(0) if self._free else str(next(self._fresh))
            if address not in self._taken:
                self._taken.add(address)
                return address

    def reserve(self, address: str) -> None:
        """Somebody has it already."""
        self._taken.add(address)

    def give_back(self, address: str) -> None:
        if address in self._taken:
            self._taken.remove(address)
            self._free.append(address)
