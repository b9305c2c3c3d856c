# SPDX-License-Identifier: Apache-2.0
"""A bare ASGI app behind one HTTP server: what a request costs before any of the API's work.

    python -m hack.benchmarks.bare hypercorn|pyk8s DIRECTORY

Serves on a free port of 127.0.0.1, with the certificates that are in DIRECTORY or put there, and
prints the port. `hypercorn` is that server as it comes, on uvloop; what it answers per second
is the R that other figures are measured in.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import uvloop

from pyk8s.server import certificates, listener, serving

# As long as a pod of two kilobytes.
BODY = b'{"kind":"Pod","apiVersion":"v1","data":"' + b"x" * 2000 + b'"}'
_HEADERS = [
    (b"audit-id", b"00000000-0000-4000-8000-000000000000"),
    (b"cache-control", b"no-cache, private"),
    (b"content-type", b"application/json"),
    (b"content-length", b"%d" % len(BODY)),
]


async def app(scope, receive, send) -> None:
    if scope["type"] != "http":
        return
    more = True
    while more:
        more = (await receive()).get("more_body", False)
    await send({"type": "http.response.start", "status": 200, "headers": _HEADERS})
    await send({"type": "http.response.body", "body": BODY, "more_body": False})


async def on_hypercorn(files: certificates.Files) -> None:
    import hypercorn.asyncio
    import hypercorn.config

    bound = listener.listen("127.0.0.1", 0)
    print(bound.getsockname()[1], flush=True)
    config = hypercorn.config.Config()
    config.bind = [f"fd://{bound.detach()}"]
    config.certfile, config.keyfile = str(files.serving_cert), str(files.serving_key)
    config.errorlog = None
    await hypercorn.asyncio.serve(app, config)


async def on_pyk8s(files: certificates.Files) -> None:
    tls = serving.tls_context(str(files.serving_cert), str(files.serving_key))
    server = serving.Server(app, tls)
    bound = listener.listen("127.0.0.1", 0)
    print(bound.getsockname()[1], flush=True)
    await server.start(bound)
    await asyncio.Event().wait()


if __name__ == "__main__":
    _, name, directory = sys.argv
    made = certificates.ensure(Path(directory), ["localhost", "127.0.0.1"])
    uvloop.run({"hypercorn": on_hypercorn, "pyk8s": on_pyk8s}[name](made))
