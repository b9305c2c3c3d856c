# SPDX-License-Identifier: Apache-2.0
"""The connection to an etcd cluster: one gRPC channel per endpoint, used one at a time.

A call goes to the current endpoint. When that one is unreachable, the next becomes current, and
the call is tried there too if it certainly had no effect. Every call ends: with an answer, or
with a storage error within its timeout. gRPC keeps reconnecting underneath, so that service goes
on by itself once etcd is back.
"""

from __future__ import annotations

import pathlib
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import grpc
import grpc.aio
from aetcd.rpc import rpc_pb2_grpc

from pyk8s.storage import errors
from pyk8s.storage.interface import EtcdOptions

CALL_TIMEOUT_SECONDS = 10.0

_CHANNEL_OPTIONS = (
    # A page of a range read can be much larger than gRPC's 4 MiB.
    ("grpc.max_receive_message_length", -1),
    ("grpc.max_send_message_length", -1),
    # Found dead within 40 s without traffic, as upstream's client does.
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.max_pings_without_data", 0),
    # gRPC's own limit is two minutes; etcd comes back sooner than that.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 2_000),
    # Channels to the same address would otherwise share one connection across backends.
    ("grpc.use_local_subchannel_pool", 1),
)

# Refusals that etcd or gRPC give before anything was proposed to the cluster.
_NOT_ACTED = (
    "failed to connect to all addresses",
    "etcdserver: no leader",
    "etcdserver: not leader",
    "etcdserver: too many requests",
    "etcdserver: raft member is removed",
    "etcdserver: learner",
    "etcdserver: rpc not supported for learner",
)


class FutureRevision(errors.StorageError):
    """etcd has not come to the revision that a read asked for."""


class LeaseNotFound(errors.StorageError):
    """The lease of a put has run out; nothing was written."""


class Stubs:
    """The services of one endpoint."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self.channel = channel
        self.kv = rpc_pb2_grpc.KVStub(channel)
        self.watch = rpc_pb2_grpc.WatchStub(channel)
        self.lease = rpc_pb2_grpc.LeaseStub(channel)


class Client:
    """Connects lazily. Used from one event loop."""

    def __init__(self, options: EtcdOptions, timeout_seconds: float = CALL_TIMEOUT_SECONDS) -> None:
        self.timeout_seconds = timeout_seconds
        self._options = options
        self._endpoints: list[Stubs] = []
        self._attempts = len(options.servers)
        self._current = 0

    @property
    def stubs(self) -> Stubs:
        """The current endpoint. Channels belong to the event loop that first uses them."""
        if not self._endpoints:
            options = self._options
            self._endpoints = [Stubs(_channel(url, options)) for url in options.servers]
        return self._endpoints[self._current]

    async def close(self) -> None:
        for endpoint in self._endpoints:
            await endpoint.channel.close()
        self._endpoints = []

    def fail_over(self, failed: Stubs) -> None:
        """Leave an endpoint that does not answer, unless somebody left it already."""
        if self.stubs is failed:
            self._current = (self._current + 1) % self._attempts

    async def read(self, method: Callable[[Stubs], Any], request: Any) -> Any:
        """A call without effect; tried at each endpoint until one answers. Raises Unavailable."""
        for attempt in range(self._attempts):
            stubs = self.stubs
            try:
                return await method(stubs)(request, timeout=self.timeout_seconds)
            except grpc.aio.AioRpcError as error:
                translated = translate(error, is_write=False)
                if not isinstance(translated, errors.Unavailable):
                    raise translated from error
                self.fail_over(stubs)
                if attempt + 1 == self._attempts:
                    raise translated from error
        raise AssertionError("there is at least one endpoint")

    async def write(self, method: Callable[[Stubs], Any], request: Any) -> Any:
        """A call with an effect; tried again only where it certainly had none. Raises
        OutcomeUnknown when it may have happened."""
        for attempt in range(self._attempts):
            stubs = self.stubs
            try:
                return await method(stubs)(request, timeout=self.timeout_seconds)
            except grpc.aio.AioRpcError as error:
                translated = translate(error, is_write=True)
                if isinstance(translated, errors.Unavailable | errors.OutcomeUnknown):
                    self.fail_over(stubs)
                if attempt + 1 == self._attempts or not isinstance(translated, errors.Unavailable):
                    raise translated from error
        raise AssertionError("there is at least one endpoint")


def translate(error: grpc.aio.AioRpcError, *, is_write: bool) -> errors.StorageError:
    """What an answer that is not OK means for the caller. The texts are etcd's `rpctypes`."""
    code, details = error.code(), error.details() or ""
    if "required revision has been compacted" in details:
        return errors.ResourceExpired(details)
    if "required revision is a future revision" in details:
        return FutureRevision(details)
    if "request is too large" in details or "larger than max" in details:
        return errors.TooLarge(details)
    if "database space exceeded" in details:
        return errors.OutOfSpace(details)
    if "requested lease not found" in details:
        return LeaseNotFound(details)
    if is_write and not details.startswith(_NOT_ACTED) and code in _UNDECIDED:
        return errors.OutcomeUnknown(f"etcd: {details or code.name}")
    return errors.Unavailable(f"etcd: {details or code.name}")


_UNDECIDED = frozenset(
    (
        grpc.StatusCode.UNAVAILABLE,
        grpc.StatusCode.DEADLINE_EXCEEDED,
        grpc.StatusCode.CANCELLED,
        grpc.StatusCode.UNKNOWN,
        grpc.StatusCode.INTERNAL,
    )
)


def _channel(url: str, options: EtcdOptions) -> grpc.aio.Channel:
    if url.startswith("unix:"):
        return grpc.aio.insecure_channel(url, options=_CHANNEL_OPTIONS)
    parts = urlsplit(url if "://" in url else f"http://{url}")
    target = parts.netloc if parts.port else f"{parts.netloc}:2379"
    if parts.scheme != "https":
        return grpc.aio.insecure_channel(target, options=_CHANNEL_OPTIONS)
    credentials = grpc.ssl_channel_credentials(
        root_certificates=_read(options.ca_file),
        private_key=_read(options.key_file),
        certificate_chain=_read(options.cert_file),
    )
    return grpc.aio.secure_channel(target, credentials, options=_CHANNEL_OPTIONS)


def _read(path: str) -> bytes | None:
    return pathlib.Path(path).read_bytes() if path else None
