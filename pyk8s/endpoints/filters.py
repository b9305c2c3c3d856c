# SPDX-License-Identifier: Apache-2.0
"""What every request passes on its way to a handler, each filter a wrapper of the next.

    hang-up -> recover -> authenticate -> impersonate -> authorize -> limit -> deadline -> handler

`chain` composes them, in that order and in one place. Mirrors apiserver's
`server/config.go` DefaultBuildHandlerChain and `server/filters`.
"""

from __future__ import annotations

import asyncio
import logging
import sys
from collections import deque
from collections.abc import Callable
from typing import Any

from pyk8s.apimachinery import errors, meta
from pyk8s.auth import authenticator, authorizer, impersonation
from pyk8s.endpoints import response
from pyk8s.endpoints.endpoint import Handler
from pyk8s.endpoints.request import (
    CLIENT_AUTHORITY,
    CLIENT_CERTIFICATE,
    ON_DISCONNECT,
    ASGIApp,
    ClientDisconnected,
    Receive,
    Request,
    Scope,
    Send,
)
from pyk8s.endpoints.requestinfo import RequestInfo

_log = logging.getLogger(__name__)

# Verbs and subresources whose requests last as long as the client wants: no deadline, and no
# seat among the requests in flight. Upstream: BasicLongRunningRequestCheck.
_LONG_RUNNING_VERBS = frozenset({"watch", "proxy"})
_LONG_RUNNING_SUBRESOURCES = frozenset({"attach", "exec", "proxy", "log", "portforward"})

_READ_ONLY_VERBS = frozenset({"get", "list", "watch", "head"})

# Requests that wait for a seat; beyond that the answer is 429. One waiting request holds about
# 10 KiB, so a full queue holds 20 MiB.
_WAITING_MAX = 2000


def chain(
    handler: Handler,
    *,
    authenticate: authenticator.Authenticator,
    authorize: authorizer.Authorizer,
    limit: InFlightLimit,
    request_timeout_seconds: float,
) -> ASGIApp:
    """The complete ASGI application around one handler."""
    handler = Deadline(request_timeout_seconds).filter(handler)
    handler = limit.filter(handler)
    handler = with_authorization(handler, authorize)
    handler = with_impersonation(handler, authorize)
    handler = with_authentication(handler, authenticate)
    handler = with_recovery(handler)
    handler = with_hangup(handler)
    return as_asgi(handler)


def as_asgi(handler: Handler) -> ASGIApp:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await handler(Request(scope, receive, send))
        elif scope["type"] == "lifespan":
            await _lifespan(receive, send)
        else:
            # The server gives WebSockets out as requests that ask for an upgrade.
            raise RuntimeError(f"no ASGI scope of this server: {scope['type']}")

    return app


async def _lifespan(receive: Receive, send: Send) -> None:
    while True:
        message = await receive()
        await send({"type": message["type"] + ".complete"})
        if message["type"] == "lifespan.shutdown":
            return


def with_hangup(handler: Handler) -> Handler:
    """Who has gone away gets nothing done any more: what waits is not begun, what is under way is
    cancelled, as Go's server cancels the context of its request. What etcd was told already
    stays. Long-running requests see to their end themselves."""

    async def heard(request: Request) -> None:
        if not is_long_running(request):
            task = asyncio.current_task()
            assert task is not None, "requests are served in tasks"
            request.scope["extensions"][ON_DISCONNECT](task.cancel)
            if task.cancelling():
                # Gone before this began: nothing may happen up to the first wait either.
                raise asyncio.CancelledError
        await handler(request)

    return heard


def with_recovery(handler: Handler) -> Handler:
    """Errors become Statuses; what nobody expected becomes a 500 and a log entry, and ends
    nothing but its own request."""

    async def recover(request: Request) -> None:
        request.audit_id = request.headers.get("audit-id") or meta.new_uid()
        try:
            await handler(request)
        except errors.StatusError as error:
            if request.response_started:
                raise
            await response.send_error(request, error)
        except ClientDisconnected:
            return
        except Exception as error:
            _log.exception("request failed: method=%s path=%s", request.method, request.info.path)
            if request.response_started:
                raise
            await response.send_error(request, errors.internal_error(str(error) or repr(error)))

    return recover


def with_authentication(handler: Handler, authenticate: authenticator.Authenticator) -> Handler:
    async def authenticated(request: Request) -> None:
        extensions = request.scope["extensions"]
        credentials = authenticator.Credentials(
            authorization=request.headers.get("authorization", ""),
            client_certificate=extensions.get(CLIENT_CERTIFICATE, b""),
            client_authority=extensions.get(CLIENT_AUTHORITY, b""),
            headers=request.scope["headers"],
        )
        user = await authenticate.authenticate(credentials)
        request.user = user or authenticator.ANONYMOUS_USER
        await handler(request)

    return authenticated


def with_impersonation(handler: Handler, authorize: authorizer.Authorizer) -> Handler:
    """Who may act as somebody else, and says so in headers, does."""

    async def acting(request: Request) -> None:
        headers = request.scope["headers"]
        if any(name.startswith(impersonation.PREFIX) for name, _ in headers):
            found = await impersonation.impersonated(request.user, headers, authorize)
            request.user = found or request.user
        await handler(request)

    return acting


def with_authorization(handler: Handler, authorize: authorizer.Authorizer) -> Handler:
    """Nobody is refused before it is known who he is: without credentials the answer to what
    is not open to all is 401, with them 403."""

    async def authorized(request: Request) -> None:
        attributes = attributes_of(request)
        decision, reason = await authorize.authorize(attributes)
        if decision is authorizer.Decision.ALLOW:
            await handler(request)
        elif request.user is authenticator.ANONYMOUS_USER:
            raise errors.unauthorized()
        else:
            raise authorizer.forbidden(attributes, reason)

    return authorized


def attributes_of(request: Request) -> authorizer.Attributes:
    info = request.info
    return authorizer.Attributes(
        user=request.user,
        verb=info.verb,
        path=info.path,
        is_resource_request=info.is_resource_request,
        group=info.group,
        version=info.version,
        resource=info.resource,
        subresource=info.subresource,
        namespace=info.namespace,
        name=info.name,
    )


def is_long_running(request: Request) -> bool:
    info = request.info
    return info.verb in _LONG_RUNNING_VERBS or info.subresource in _LONG_RUNNING_SUBRESOURCES


class Deadline:
    """--request-timeout: an answer that has not begun by then is a 504.

    All requests have the same time, so the one that began first is due first, and one timer
    serves for all: arming and disarming one per request costs more than most of the other
    filters together.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        # When each is due, in that order.
        self._due: dict[asyncio.Task[Any], float] = {}
        self._timer: asyncio.TimerHandle | None = None

    def filter(self, handler: Handler) -> Handler:
        async def timed(request: Request) -> None:
            if is_long_running(request):
                await handler(request)
                return
            task = asyncio.current_task()
            assert task is not None, "requests are served in tasks"
            self._begin(task)
            try:
                await handler(request)
            except asyncio.CancelledError:
                # A task that is due is no longer listed; it may be cancelled for another
                # reason as well, and then that counts.
                if task in self._due or task.uncancel() > 0:
                    raise
                message = "request did not complete within the allotted timeout"
                raise errors.timeout(message) from None
            finally:
                self._due.pop(task, None)

        return timed

    def _begin(self, task: asyncio.Task[Any]) -> None:
        loop = asyncio.get_running_loop()
        due = loop.time() + self._seconds
        self._due[task] = due
        if self._timer is None:
            self._timer = loop.call_at(due, self._expire)

    def _expire(self) -> None:
        loop = asyncio.get_running_loop()
        self._timer = None
        now = loop.time()
        while self._due:
            task, due = next(iter(self._due.items()))
            if due > now:
                self._timer = loop.call_at(due, self._expire)
                return
            del self._due[task]
            task.cancel()


class InFlightLimit:
    """So many reads and so many writes at a time; the rest wait in turn, and when too many
    wait already, 429. Long-running requests and everything that is not a resource pass freely.

    So do those that are delegated to another server, which may ask this one before it answers:
    for a seat that one of them holds. A limit of 0 is none. Mirrors --max-requests-inflight and
    --max-mutating-requests-inflight, with a queue in front.
    """

    def __init__(
        self,
        read_only_max: int,
        mutating_max: int,
        is_delegated: Callable[[RequestInfo], bool] = lambda info: False,
    ) -> None:
        self._is_delegated = is_delegated
        self._read_only = _Seats(read_only_max)
        self._mutating = _Seats(mutating_max)

    def filter(self, handler: Handler) -> Handler:
        async def limited(request: Request) -> None:
            info = request.info
            if not info.is_resource_request or is_long_running(request):
                await handler(request)
                return
            if self._is_delegated(info):
                await handler(request)
                return
            read_only = request.info.verb in _READ_ONLY_VERBS
            seats = self._read_only if read_only else self._mutating
            await seats.take()
            try:
                await handler(request)
            finally:
                seats.give_back()

        return limited


class _Seats:
    """A counter with a bounded queue of those who wait, served first come, first served."""

    def __init__(self, seats_max: int) -> None:
        self._free = seats_max or sys.maxsize
        self._waiting: deque[asyncio.Future[None]] = deque()

    async def take(self) -> None:
        if self._free > 0:
            self._free -= 1
            return
        if len(self._waiting) >= _WAITING_MAX:
            raise errors.too_many_requests("Too many requests, please try again later.")
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            # The seat may have been handed over in the same moment.
            if turn.done() and not turn.cancelled():
                self.give_back()
            raise

    def give_back(self) -> None:
        while self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(None)
                return
        self._free += 1
