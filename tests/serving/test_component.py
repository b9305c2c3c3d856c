# SPDX-License-Identifier: Apache-2.0
"""Who gets a component's pages: asked of a running API server, over TLS."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from cluster import ControlPlane

from pyk8s.apimachinery import codec
from pyk8s.client import kubeconfig, resources, rest
from pyk8s.client.client import Client
from pyk8s.componentbase import serving
from pyk8s.componentbase.exposition import Registry
from pyk8s.serving import component, delegation


@pytest.fixture
async def client(control_plane: ControlPlane) -> AsyncIterator[Client]:
    connection = rest.RESTClient(kubeconfig.load(str(control_plane.kubeconfig)), qps=0)
    yield Client(connection)
    await connection.close()


@pytest.fixture
async def port(client: Client, tmp_path: Path) -> AsyncIterator[int]:
    ca = tmp_path / "ca.pem"
    ca.write_bytes(client.rest.config.ca)
    options = component.SecureServing(client_ca_file=str(ca))
    pages = serving.Pages(metrics=Registry())
    server = await component.serve(options, client, pages.answer)
    yield server.sockets[0].getsockname()[1]
    server.close()
    await server.wait_closed()


def strangers_tls() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


async def ask(port: int, path: str, tls: ssl.SSLContext, token: str = "") -> tuple[int, bytes]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=tls)
    authorization = f"Authorization: Bearer {token}\r\n" if token else ""
    writer.write(f"GET {path} HTTP/1.1\r\nHost: x\r\n{authorization}\r\n".encode())
    head, _, body = (await reader.read()).partition(b"\r\n\r\n")
    writer.close()
    return int(head.split()[1]), body


async def test_health_is_open_to_everybody(port: int) -> None:
    """A kubelet's probe has no identity."""
    for path in ("/healthz", "/livez", "/readyz"):
        assert await ask(port, path, strangers_tls()) == (200, b"ok")
    status, body = await ask(port, "/healthz/ping", strangers_tls())
    assert (status, codec.decode_json(body)["message"]) == (
        403, 'forbidden: User "system:anonymous" cannot get path "/healthz/ping"'
    )  # fmt: skip


async def test_metrics_need_an_identity_that_may(
    port: int, client: Client, namespace: str, control_plane: ControlPlane
) -> None:
    """A certificate of an administrator; not a stranger, a wrong token, or who lacks the right."""
    admin = kubeconfig.load(str(control_plane.kubeconfig)).tls
    assert admin is not None
    admin.check_hostname = False
    admin.verify_mode = ssl.CERT_NONE
    status, body = await ask(port, "/metrics", admin)
    assert (status, b"kubernetes_build_info{" in body) == (200, True)

    status, body = await ask(port, "/metrics", strangers_tls())
    refusal = codec.decode_json(body)
    assert (status, refusal["kind"], refusal["reason"]) == (403, "Status", "Forbidden")
    assert refusal["message"] == 'forbidden: User "system:anonymous" cannot get path "/metrics"'

    assert (await ask(port, "/metrics", strangers_tls(), "nonsense"))[0] == 401

    await client.create(resources.SERVICE_ACCOUNTS, {"metadata": {"name": "scraper"}}, namespace)
    token = await client.create_subresource(
        resources.SERVICE_ACCOUNTS,
        (namespace, "scraper"),
        "token",
        {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}},
    )
    status, body = await ask(port, "/metrics", strangers_tls(), token["status"]["token"])
    user = f"system:serviceaccount:{namespace}:scraper"
    message = f'forbidden: User "{user}" cannot get path "/metrics"'
    assert (status, codec.decode_json(body)["message"]) == (403, message)


async def test_nobody_may_while_nobody_can_be_asked() -> None:
    """An API server that is away opens nothing, and keeps nothing closed that is open."""
    connection = rest.RESTClient(kubeconfig.ClientConfig(server="http://127.0.0.1:1"), qps=0)
    page = component.guarded(
        serving.Pages(metrics=Registry()).answer,
        delegation.Delegation(Client(connection)),
    )

    async def status_of(path: str) -> int:
        return (await page(serving.Question("GET", path, {}, {}))).status_code

    assert await status_of("/healthz") == 200
    assert await status_of("/metrics") == 500
    await connection.close()


@pytest.mark.parametrize(
    ("paths", "path", "is_open"),
    [
        pytest.param(("/healthz",), "/healthz", True, id="the path itself"),
        pytest.param(("/healthz",), "/healthz/ping", False, id="not what is below it"),
        pytest.param(("/healthz/*",), "/healthz/ping", True, id="what is below it"),
        pytest.param(("/healthz/*",), "/healthz", False, id="but not itself"),
        pytest.param((), "/healthz", False, id="nothing"),
    ],
)
async def test_always_allowed_paths(paths: tuple[str, ...], path: str, is_open: bool) -> None:
    """As --authorization-always-allow-paths reads them."""
    connection = rest.RESTClient(kubeconfig.ClientConfig(server="http://127.0.0.1:1"), qps=0)

    async def page(question: serving.Question) -> serving.Answer:
        return serving.Answer(200)

    guarded = component.guarded(page, delegation.Delegation(Client(connection)), paths)
    answer = await guarded(serving.Question("GET", path, {}, {}))
    assert answer.status_code == (200 if is_open else 500)
    await connection.close()
