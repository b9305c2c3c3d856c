# SPDX-License-Identifier: Apache-2.0
"""What benchmarks of whole control planes share: processes below one, many requests at once."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

_REQUESTS_AT_ONCE = 32


def descendants(pid: int) -> Iterator[tuple[int, list[bytes]]]:
    """The processes below this one: pid and command line."""
    for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
        yield int(child), Path(f"/proc/{child}/cmdline").read_bytes().split(b"\0")
        yield from descendants(int(child))


async def all_at_once(items: Iterable[Any], do: Callable[[Any], Awaitable[object]]) -> None:
    """`do` each of them, 32 at a time."""
    shared = iter(items)

    async def work() -> None:
        for item in shared:
            await do(item)

    async with asyncio.TaskGroup() as group:
        for _ in range(_REQUESTS_AT_ONCE):
            group.create_task(work())
