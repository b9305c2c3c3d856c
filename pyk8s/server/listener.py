# SPDX-License-Identifier: Apache-2.0
"""Listening sockets: bound before anything else starts, so that a taken port is known at once."""

from __future__ import annotations

import errno
import socket

BACKLOG = 1024


class ListenError(Exception):
    """The address cannot be bound; one line for the operator."""


def listen(address: str, port: int, *, reuse_port: bool = False) -> socket.socket:
    """A bound socket that listens; port 0 takes a free one. Raises ListenError."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if reuse_port:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        _keep_alive(listener)
        listener.bind((address, port))
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        hint = _HINTS.get(error.errno or 0, "")
        raise ListenError(
            f"cannot listen on {address} port {port}: {error.strerror}{hint}"
        ) from error
    listener.setblocking(False)
    return listener


def _keep_alive(listener: socket.socket) -> None:
    """Peers that vanish without a word are noticed within about three minutes, as upstream.
    Linux hands these settings on to accepted sockets."""
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    if hasattr(socket, "TCP_KEEPIDLE"):
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 60)
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 30)
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 4)


_HINTS = {
    errno.EADDRINUSE: ": stop who holds it, or choose another --secure-port",
    errno.EADDRNOTAVAIL: ": choose a --bind-address this machine has",
    errno.EACCES: ": choose a --secure-port above 1023",
}


def adopt(descriptor: int) -> socket.socket:
    """The listening socket another process made and handed down. Raises ListenError."""
    try:
        listener = socket.socket(fileno=descriptor)
    except OSError as error:
        raise ListenError(f"descriptor {descriptor} is no socket: {error.strerror}") from error
    listener.setblocking(False)
    return listener
