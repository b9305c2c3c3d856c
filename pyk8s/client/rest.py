# SPDX-License-Identifier: Apache-2.0
"""One HTTP request to the server, and what comes of it: the only door to the HTTP library.

A request waits for its turn in the client's budget, is sent, and is sent again when the server
asks for that (429 or a 5xx, with Retry-After) or when a read lost its connection: ten times at
most, as client-go's `rest/with_retry.go`. What is no success is raised as StatusError, with the
Status the server sent or one made of the HTTP answer.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple, TypeVar
from urllib.parse import urlsplit

import aiohttp

import pyk8s
from pyk8s.apimachinery import codec, errors
from pyk8s.client import backoff
from pyk8s.client.kubeconfig import ClientConfig
from pyk8s.client.requestmetrics import RequestMetrics

JSON = "application/json"

# client-go's defaults for a client that says nothing.
DEFAULT_QPS = 5.0
DEFAULT_BURST = 10

RETRIES_MAX = 10
_LOST_CONNECTION_RETRY_SECONDS = 1.0
# A request that is no watch: the server gives up on it after a minute itself.
REQUEST_SECONDS_MAX = 65.0
_CONNECT_SECONDS_MAX = 30.0
# A watch may deliver a whole resource at once; more per read is fewer wake-ups.
_READ_BUFFER_BYTES = 1 << 20

# Requests of all clients over one pool that are under way; watches do not count. More would
# only be more connections, each with its TLS handshake, to a server that is busy anyway.
_REQUESTS_AT_ONCE = 32

# Connections that died under a request, told apart from a server that is not there.
_LOST = (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError, aiohttp.ClientPayloadError)


R = TypeVar("R")


class ServerUnreachable(Exception):
    """No answer: nobody listens, the connection broke, TLS failed, or the time was up. Whether
    a write was carried out is not known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """`path` begins with a slash. `query` values that are empty are left out."""

    method: str
    path: str
    query: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = None
    content_type: str = JSON
    accept: str = JSON
    seconds_max: float | None = REQUEST_SECONDS_MAX


class Stream:
    """The body of an answer as it comes. To be closed."""

    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self._response = response

    async def read_some(self) -> bytes:
        """What has arrived, at least one byte; empty once the stream has ended, whether in order
        or not."""
        try:
            return await self._response.content.readany()
        except (aiohttp.ClientError, ConnectionError, TimeoutError):
            return b""

    def close(self) -> None:
        self._response.close()


def _new_session(config: ClientConfig) -> aiohttp.ClientSession:
    session = aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0, ssl=config.tls if config.tls is not None else True),
        headers=config.headers,
        read_bufsize=_READ_BUFFER_BYTES,
        cookie_jar=aiohttp.DummyCookieJar(),
    )
    # It would send a PUT or DELETE again by itself when a kept connection breaks under it, and
    # nobody would know that it may have been carried out twice. There is no public switch.
    session._retry_connection = False
    return session


class _Refused(Exception):
    """An answer that is no success, and when to ask again, if at all."""

    def __init__(self, failure: errors.StatusError, retry_after_seconds: int | None) -> None:
        super().__init__(failure.message)
        self.failure = failure
        self.retry_after_seconds = retry_after_seconds


class _Pool(NamedTuple):
    """Connections, how many requests may use them at a time, and what these count."""

    session: aiohttp.ClientSession
    slots: asyncio.Semaphore
    metrics: RequestMetrics


def _new_pool(config: ClientConfig) -> _Pool:
    return _Pool(_new_session(config), asyncio.Semaphore(_REQUESTS_AT_ONCE), RequestMetrics())


class RESTClient:
    """One server, one identity, one request budget; connections are kept and shared.

    `qps` and `burst` bound how many requests leave per second, as in client-go; 0 or less means
    no bound. To be made on a running event loop, and closed.
    """

    def __init__(
        self,
        config: ClientConfig,
        *,
        user_agent: str = "",
        qps: float = DEFAULT_QPS,
        burst: int = DEFAULT_BURST,
        pool: _Pool | None = None,
    ) -> None:
        self.config = config
        self._host = urlsplit(config.server).netloc
        self._limiter = backoff.TokenBucket(qps, burst)
        self.user_agent = user_agent or f"pyk8s/{pyk8s.__version__}"
        self._pool = pool or _new_pool(config)
        self._owns_pool = pool is None

    def named(self, user_agent: str, *, qps: float, burst: int) -> RESTClient:
        """Another client over the same connections, with a name and a budget of its own. It
        needs no closing, and ends with this one."""
        return RESTClient(self.config, user_agent=user_agent, qps=qps, burst=burst, pool=self._pool)

    @property
    def metrics(self) -> RequestMetrics:
        """Of this client and all that share its connections."""
        return self._pool.metrics

    def to(self, server: str) -> RESTClient:
        """The same client of another server, such as a kubelet, that this one's credentials are
        meant for as well. It needs no closing, and ends with this one."""
        config = replace(self.config, server=server)
        return RESTClient(config, user_agent=self.user_agent, qps=0, pool=self._pool)

    async def close(self) -> None:
        if self._owns_pool:
            await self._pool.session.close()

    async def request(self, request: Request) -> bytes:
        """The body of a success. Raises StatusError, ServerUnreachable or KubeconfigError."""
        began = time.monotonic()
        try:
            return await self._retried(request, self._whole)
        finally:
            self.metrics.took(self._labels(request), time.monotonic() - began)

    async def stream(self, request: Request) -> Stream:
        """The headers of a success are here, the body follows. Raises as `request` does."""
        return Stream(await self._retried(request, self._attempt))

    async def _whole(self, request: Request) -> bytes:
        async with self._pool.slots:
            response = await self._attempt(request)
            try:
                return await response.read()
            finally:
                response.release()

    async def _retried(self, request: Request, send: Callable[[Request], Awaitable[R]]) -> R:
        for attempt in range(RETRIES_MAX + 1):
            last = attempt == RETRIES_MAX
            await self._in_budget(request)
            try:
                return await send(request)
            except _Refused as refused:
                if refused.retry_after_seconds is None or last:
                    raise refused.failure from None
                delay: float = refused.retry_after_seconds
                code: int | None = refused.failure.code
            except (aiohttp.ClientError, OSError, TimeoutError) as error:
                if last or not _may_send_again(request, error):
                    text = f"{request.method} {request.path}: {error!r}"
                    raise ServerUnreachable(text) from error
                # At first it may only be a kept connection that the server has closed.
                delay, code = _LOST_CONNECTION_RETRY_SECONDS if attempt else 0.0, None
            self.metrics.retried(code, self._labels(request))
            await asyncio.sleep(delay)
        raise AssertionError("the last attempt returns or raises")

    async def _attempt(self, request: Request) -> aiohttp.ClientResponse:
        headers = {"Accept": request.accept, "User-Agent": self.user_agent}
        if request.body is not None:
            headers["Content-Type"] = request.content_type
        if authorization := self.config.credentials.header():
            headers["Authorization"] = authorization
        try:
            response = await self._send(request, headers)
        except (aiohttp.ClientError, OSError, TimeoutError):
            self.metrics.sent(None, self._labels(request))
            raise
        self.metrics.sent(response.status, self._labels(request))
        if response.status < 300:
            return response
        raise _Refused(await _failure(response), _retry_after_seconds(response))

    async def _in_budget(self, request: Request) -> None:
        began = time.monotonic()
        await self._limiter.wait()
        self.metrics.waited(self._labels(request), time.monotonic() - began)

    def _labels(self, request: Request) -> tuple[str, str]:
        return request.method, self._host

    async def _send(self, request: Request, headers: Mapping[str, str]) -> aiohttp.ClientResponse:
        return await self._pool.session.request(
            request.method,
            self.config.server + request.path,
            params={key: value for key, value in request.query.items() if value},
            data=request.body,
            headers=headers,
            timeout=aiohttp.ClientTimeout(
                total=request.seconds_max, sock_connect=_CONNECT_SECONDS_MAX
            ),
            server_hostname=self.config.tls_server_name or None,
            allow_redirects=False,
        )


def _may_send_again(request: Request, error: Exception) -> bool:
    """A read whose connection broke; not one that was refused, nor one that took too long."""
    lost = isinstance(error, _LOST) and not isinstance(error, aiohttp.ClientConnectorError)
    return lost and request.method == "GET"


def _retry_after_seconds(response: aiohttp.ClientResponse) -> int | None:
    """None: not to be sent again."""
    if response.status != 429 and response.status < 500:
        return None
    text = response.headers.get("Retry-After", "")
    return int(text) if text.isascii() and text.isdigit() else None


async def _failure(response: aiohttp.ClientResponse) -> errors.StatusError:
    try:
        body = await response.read()
    except (aiohttp.ClientError, OSError, TimeoutError):
        body = b""
    finally:
        response.release()
    try:
        status = codec.decode_json(body)
    except codec.DecodeError:
        status = None
    if isinstance(status, dict) and status.get("kind") == "Status":
        return status_error(status)
    return _generic(response.status, body)


def status_error(status: Mapping[str, Any]) -> errors.StatusError:
    """The exception a v1 Status stands for."""
    error = errors.StatusError(
        int(status.get("code") or 500),
        status.get("reason") or "",
        status.get("message") or "unknown",
        status.get("details") or None,
    )
    error.continue_token = (status.get("metadata") or {}).get("continue") or ""
    return error


_GENERIC = {
    400: (errors.BAD_REQUEST, "the server rejected our request for an unknown reason"),
    401: (errors.UNAUTHORIZED, "the server has asked for the client to provide credentials"),
    403: (errors.FORBIDDEN, "the server refused the request"),
    404: (errors.NOT_FOUND, "the server could not find the requested resource"),
    405: (errors.METHOD_NOT_ALLOWED, "the server does not allow this method on the resource"),
    406: (errors.NOT_ACCEPTABLE, "the server was unable to respond with an accepted content type"),
    409: (errors.CONFLICT, "the server reported a conflict"),
    410: (errors.GONE, "the resource is gone"),
    415: (errors.UNSUPPORTED_MEDIA_TYPE, "the body was in a format the server does not support"),
    422: (errors.INVALID, "the server rejected our request due to an error in our request"),
    429: (errors.TOO_MANY_REQUESTS, "the server has received too many requests"),
    503: (errors.SERVICE_UNAVAILABLE, "the server is currently unable to handle the request"),
    504: (errors.TIMEOUT, "the server was unable to return a response in time"),
}


def generic_message(code: int) -> str:
    """What is said of an answer that does not speak for itself."""
    return _GENERIC.get(code, ("", f"the server answered {code}"))[1]


def _generic(code: int, body: bytes) -> errors.StatusError:
    """What upstream's NewGenericServerResponse makes of an answer that is no Status."""
    unknown = (errors.INTERNAL_ERROR if code >= 500 else "Unknown", "")
    reason, message = _GENERIC.get(code, unknown)[0], generic_message(code)
    text = body[:2048].decode(errors="replace").strip()
    return errors.StatusError(code, reason, f"{message}: {text}" if text else message)
