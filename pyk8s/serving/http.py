# SPDX-License-Identifier: Apache-2.0
"""aiohttp's server on a socket with TLS."""

from __future__ import annotations

import socket
import ssl

from aiohttp import web

_SHUTDOWN_SECONDS_MAX = 0.5
_BACKLOG = 1024


def listen(address: str, port: int) -> socket.socket:
    """Port 0 takes a free one. Raises OSError with a line for the operator."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    try:
        return socket.create_server((address, port), family=family, backlog=_BACKLOG)
    except OSError as error:
        raise OSError(f"cannot listen on {address} port {port}: {error.strerror}") from error


async def serve(
    application: web.Application, listening: socket.socket, tls: ssl.SSLContext
) -> web.AppRunner:
    """Returns when it answers; to be cleaned up."""
    runner = web.AppRunner(
        application,
        access_log=None,
        # Who follows a log and goes away would be waited for until the next line.
        handler_cancellation=True,
        shutdown_timeout=_SHUTDOWN_SECONDS_MAX,
    )
    await runner.setup()
    await web.SockSite(runner, listening, ssl_context=tls).start()
    return runner
