# SPDX-License-Identifier: Apache-2.0
"""What Pods are told and tell over streams."""

from __future__ import annotations

import ssl
from urllib.parse import urlencode

import websocket
from cluster import wait_until

from conformance.client import Client

_BUSYBOX = "registry.k8s.io/e2e-test-images/busybox:1.37.0-1"
_SECONDS_MAX = 30
_STDOUT = 1


def test_exec_over_websocket(client: Client, namespace: str) -> None:
    """[sig-node] Pods should support remote command execution over websockets [NodeConformance]
    [Conformance]"""
    pods = client.resource("v1", "pods", namespace)
    command = ["/bin/sh", "-c", "echo container is alive; sleep 600"]
    container = {"name": "main", "image": _BUSYBOX, "command": command}
    pods.create({"metadata": {"name": "told"}, "spec": {"containers": [container]}})
    wait_until(lambda: pods.get("told")["status"]["phase"] == "Running", "pod told is Running")
    query = [("stderr", "1"), ("stdout", "1"), ("container", "main"), ("command", "echo")]
    query.append(("command", "remote execution test"))
    path = f"/api/v1/namespaces/{namespace}/pods/told/exec?{urlencode(query)}"
    stream = _connected(client, path)
    try:
        told = _stdout(stream)
    finally:
        # `close` leaves the socket open when the other end was first.
        stream.shutdown()
    pods.delete("told", grace_period_seconds=0)
    assert told == b"remote execution test\n"


def _connected(client: Client, path: str) -> websocket.WebSocket:
    own = client.api.configuration
    tls = ssl.create_default_context(cafile=own.ssl_ca_cert)
    if own.cert_file:
        tls.load_cert_chain(own.cert_file, own.key_file)
    token = own.get_api_key_with_prefix("authorization")
    headers = [f"Authorization: {token}"] if token else []
    return websocket.create_connection(
        own.host.replace("https://", "wss://") + path,
        timeout=_SECONDS_MAX,
        subprotocols=["channel.k8s.io"],
        header=headers,
        sslopt={"context": tls},
    )


def _stdout(stream: websocket.WebSocket) -> bytes:
    """All of it; on the other channels nothing but empty messages may come."""
    told = b""
    while True:
        kind, message = stream.recv_data()
        if kind == websocket.ABNF.OPCODE_CLOSE:
            return told
        assert message, "each message begins with its channel"
        if message[0] == _STDOUT:
            told += message[1:]
        else:
            assert len(message) == 1, message
