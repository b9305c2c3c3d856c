# SPDX-License-Identifier: Apache-2.0
"""Asking a server over TLS whether something is there, with no client to load."""

from __future__ import annotations

import asyncio
import contextlib
import ssl


async def answers_ok(address: tuple[str, int], tls: ssl.SSLContext, path: str) -> bool:
    """Whether a GET of the path is answered by 200; False as well where nobody answers."""
    try:
        reader, writer = await asyncio.open_connection(*address, ssl=tls)
    except (OSError, ssl.SSLError):
        return False
    try:
        request = f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
        writer.write(request.encode())
        status_line = await reader.readline()
        return status_line.split()[1:2] == [b"200"]
    except (OSError, ssl.SSLError):
        return False
    finally:
        writer.close()
        with contextlib.suppress(OSError, ssl.SSLError):
            await writer.wait_closed()
