# SPDX-License-Identifier: Apache-2.0
"""Answers: bytes with the headers every answer carries, Statuses, and streams."""

from __future__ import annotations

import gzip

from pyk8s.apimachinery import codec, errors, yamlcodec
from pyk8s.apimachinery.gvk import Object
from pyk8s.apis import protobuf
from pyk8s.endpoints import negotiation
from pyk8s.endpoints.request import Request

# Upstream compresses nothing smaller: below this the CPU costs more than the bytes.
_GZIP_BYTES_MIN = 128 * 1024
_GZIP_LEVEL = 1

# What one answer may carry in Warning headers (upstream truncates at 4 KiB as well).
_WARNINGS_BYTES_MAX = 4096
_WARNING_BYTES_MAX = 256

Headers = list[tuple[bytes, bytes]]


_NOT_CACHED = b"no-cache, private"


def _headers(request: Request, content_type: str, cache_control: bytes = _NOT_CACHED) -> Headers:
    headers = [
        (b"audit-id", request.audit_id.encode()),
        (b"cache-control", cache_control),
        (b"content-type", content_type.encode()),
    ]
    if request.warnings:
        headers += [(b"warning", text) for text in _warning_values(request.warnings)]
    return headers


def _warning_values(warnings: list[str]) -> list[bytes]:
    """RFC 7234 values, `299 - "text"`; repeated texts once, long ones cut when many."""
    texts = list(dict.fromkeys(warnings))
    if sum(len(text) for text in texts) > _WARNINGS_BYTES_MAX:
        texts = [text[:_WARNING_BYTES_MAX] for text in texts]
    values, size = [], 0
    for text in texts:
        cleaned = "".join(c if c.isprintable() else " " for c in text)
        quoted = cleaned.replace("\\", "\\\\").replace('"', '\\"')
        size += len(quoted)
        if size > _WARNINGS_BYTES_MAX:
            break
        values.append(f'299 - "{quoted}"'.encode())
    return values


async def send_bytes(
    request: Request,
    body: bytes,
    *,
    status_code: int = 200,
    content_type: str = negotiation.JSON,
    extra_headers: Headers | None = None,
    cache_control: bytes | None = None,
) -> None:
    """One complete answer, compressed when it is large and the client asked for that."""
    headers = _headers(request, content_type, cache_control or _NOT_CACHED)
    if extra_headers:
        headers += extra_headers
    if len(body) > _GZIP_BYTES_MIN and "gzip" in request.headers.get("accept-encoding", ""):
        body = gzip.compress(body, _GZIP_LEVEL, mtime=0)
        headers += [(b"content-encoding", b"gzip"), (b"vary", b"Accept-Encoding")]
    headers.append((b"content-length", b"%d" % len(body)))
    request.response_started = True
    await request.send({"type": "http.response.start", "status": status_code, "headers": headers})
    if request.method == "HEAD":
        body = b""
    await request.send({"type": "http.response.body", "body": body, "more_body": False})


async def send_object(request: Request, obj: Object, *, status_code: int = 200) -> None:
    """An object that is shown as it is: a Status, a review, a token."""
    media_type = negotiation.negotiate(
        request.headers.get("accept", ""), transforms=False
    ).media_type
    body = encode(obj, media_type, pretty=wants_pretty(request))
    await send_bytes(request, body, status_code=status_code, content_type=media_type)


async def start_stream(request: Request, content_type: str) -> None:
    """Headers of an answer that goes on; they are on the wire when this returns."""
    request.response_started = True
    headers = _headers(request, content_type)
    await request.send({"type": "http.response.start", "status": 200, "headers": headers})
    await request.send({"type": "http.response.body", "body": b"", "more_body": True})


async def send_chunk(request: Request, chunk: bytes) -> None:
    await request.send({"type": "http.response.body", "body": chunk, "more_body": True})


async def end_stream(request: Request) -> None:
    await request.send({"type": "http.response.body", "body": b"", "more_body": False})


async def send_error(request: Request, error: errors.StatusError) -> None:
    """The error as a v1 Status, in the media type the client asked for where it can be."""
    headers: Headers = [(k.lower().encode(), v.encode()) for k, v in error.headers]
    if error.retry_after_seconds:
        headers.append((b"retry-after", str(error.retry_after_seconds).encode()))
    media_type = _error_media_type(request)
    body = encode(error.status, media_type, pretty=wants_pretty(request))
    await send_bytes(
        request,
        body,
        status_code=error.code,
        content_type=media_type,
        extra_headers=headers,
    )


def _error_media_type(request: Request) -> str:
    try:
        return negotiation.negotiate(request.headers.get("accept", "")).media_type
    except errors.StatusError:
        return negotiation.JSON


def encode(value: Object, media_type: str, *, pretty: bool = False) -> bytes:
    """An object in that media type. What is sent as protobuf names its kind."""
    if media_type == negotiation.PROTOBUF:
        return protobuf.encode(value)
    if media_type == negotiation.YAML:
        return yamlcodec.encode_yaml(value)
    return codec.encode_json_pretty(value) if pretty else codec.encode_json(value)


def wants_pretty(request: Request) -> bool:
    """Upstream prints for people: when asked to, and for browsers, curl and wget unasked."""
    if request.query and (values := request.query.get("pretty")):
        return values[0].lower() not in ("0", "false")
    return request.headers.get("user-agent", "").startswith(("curl", "Wget", "Mozilla/5.0"))
