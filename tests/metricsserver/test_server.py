# SPDX-License-Identifier: Apache-2.0
"""The metrics API over TLS, beside a real API server and the kubelets of its nodes."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
from cluster import ControlPlane, eventually

from pyk8s.client import informer, kubeconfig, resources, rest
from pyk8s.client.client import Client
from pyk8s.metricsserver import process
from pyk8s.metricsserver.access import Access, AccessOptions
from pyk8s.metricsserver.kubelets import KubeletOptions, Kubelets
from pyk8s.metricsserver.sampler import Sampler
from pyk8s.metricsserver.scraper import Scraper
from pyk8s.metricsserver.server import MetricsServer
from pyk8s.server import certificates
from pyk8s.serving import certificate, http
from pyk8s.serving.requestheader import Config

Object = dict[str, Any]

ROOT = "/apis/metrics.k8s.io/v1beta1"
TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"
MASTER = {"X-Remote-User": "admin", "X-Remote-Group": "system:masters"}


@dataclass(frozen=True)
class Answer:
    status: int
    body: Any


class Asking:
    """Requests to the server, with a client certificate or without."""

    def __init__(self, url: str, files: certificates.Files, session: aiohttp.ClientSession) -> None:
        self._url = url
        self._session = session
        proxy = (files.front_proxy_client_cert, files.front_proxy_client_key)
        admin = (files.admin_cert, files.admin_key)
        self._tls = {"": _tls(), "proxy": _tls(*proxy), "admin": _tls(*admin)}

    async def __call__(
        self, path: str, shown: str = "proxy", headers: dict[str, str] = MASTER, method: str = "GET"
    ) -> Answer:
        async with self._session.request(
            method, self._url + path, headers=headers, ssl=self._tls[shown]
        ) as answer:
            is_json = answer.content_type == "application/json"
            return Answer(answer.status, await (answer.json() if is_json else answer.text()))


def _tls(cert: Path | None = None, key: Path | None = None) -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    if cert is not None:
        context.load_cert_chain(cert, key)
    return context


@contextlib.asynccontextmanager
async def _connected(plane: ControlPlane) -> AsyncIterator[tuple[Client, rest.RESTClient]]:
    config = kubeconfig.load(str(plane.kubeconfig))
    connection = rest.RESTClient(config, qps=0)
    towards = rest.RESTClient(kubeconfig.for_kubelets(config, insecure=True), qps=0)
    yield Client(connection), towards
    await connection.close()
    await towards.close()


@pytest_asyncio.fixture(scope="module")
async def ask(
    cluster: ControlPlane, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Asking]:
    """A server that believes authorities of the tests' own."""
    files = certificates.ensure(tmp_path_factory.mktemp("pki"), ["localhost"])
    given = Config(
        client_ca=files.ca_cert.read_text(),
        proxy_ca=files.front_proxy_ca_cert.read_text(),
        allowed_names=(certificates.FRONT_PROXY_CLIENT,),
    )
    tls = certificate.server_context(
        (), cert_file=str(files.serving_cert), key_file=str(files.serving_key)
    )
    async with _connected(cluster) as (client, towards):
        access = Access(client, tls, AccessOptions(given=given, skip_lookup=True))
        nodes, pods = process.informers(client)
        options = KubeletOptions(address_types=("InternalIP",), use_node_status_port=True)
        scraper = Scraper(nodes.lister, pods.lister, Kubelets(towards, options).read)
        sampler = Sampler(scraper.scrape, 1.0)
        serving = MetricsServer(nodes=nodes, pods=pods, sampler=sampler, access=access)
        works = (nodes.run(), pods.run(), sampler.run())
        running = [asyncio.ensure_future(each) for each in works]
        await informer.wait_until_synced((nodes, pods))
        with http.listen("127.0.0.1", 0) as listening:
            runner = await http.serve(serving.application(), listening, tls)
            async with aiohttp.ClientSession() as session:
                yield Asking(f"https://127.0.0.1:{listening.getsockname()[1]}", files, session)
            await runner.cleanup()
        for each in running:
            each.cancel()
        await asyncio.wait(running)


NOBODY: dict[str, str] = {}
SOMEBODY = {"X-Remote-User": "somebody"}


@pytest.mark.parametrize(
    ("shown", "headers", "path", "status"),
    [
        pytest.param("", NOBODY, "/healthz", 200, id="health is open"),
        pytest.param("", NOBODY, "/readyz", 200, id="readiness is open"),
        pytest.param("", NOBODY, "/apis", 401, id="nobody"),
        pytest.param("", MASTER, "/apis", 401, id="headers without a certificate"),
        pytest.param("", {"Authorization": "Bearer x"}, "/apis", 401, id="an unknown token"),
        pytest.param("proxy", NOBODY, "/apis", 401, id="a proxy that names nobody"),
        pytest.param("proxy", MASTER, "/apis", 200, id="a proxy for a master"),
        pytest.param("proxy", SOMEBODY, "/apis/metrics.k8s.io", 200, id="who may discover"),
        pytest.param("proxy", SOMEBODY, f"{ROOT}/nodes", 403, id="a proxy for somebody"),
        pytest.param("admin", NOBODY, f"{ROOT}/nodes", 200, id="a client of its own"),
        pytest.param("admin", SOMEBODY, f"{ROOT}/nodes", 200, id="who may not name others"),
    ],
)
async def test_who_may(
    ask: Asking, shown: str, headers: dict[str, str], path: str, status: int
) -> None:
    """Who is known by a certificate, a proxy's word or a token, and may by the API server's."""
    assert (await ask(path, shown, headers)).status == status


async def test_forbidden(ask: Asking) -> None:
    """Who may not, and what."""
    found = await ask(f"{ROOT}/namespaces/n/pods/p", headers=SOMEBODY)
    assert found.body["message"] == (
        'pods.metrics.k8s.io "p" is forbidden: User "somebody" cannot get resource "pods" in API '
        'group "metrics.k8s.io" in the namespace "n"'
    )


async def test_tokens(ask: Asking, cluster: ControlPlane) -> None:
    """A ServiceAccount's token says who asks; that one may discover, and not see nodes."""
    async with _connected(cluster) as (client, _):
        request = {"spec": {}, "kind": "TokenRequest", "apiVersion": "authentication.k8s.io/v1"}
        made = await client.create_subresource(
            resources.SERVICE_ACCOUNTS, ("default", "default"), "token", request
        )
    headers = {"Authorization": f"Bearer {made['status']['token']}"}
    refused = await ask(f"{ROOT}/nodes", "", headers)
    assert refused.status == 403
    assert 'User "system:serviceaccount:default:default" cannot list' in refused.body["message"]


@pytest.mark.parametrize(
    ("path", "method", "status", "message"),
    [
        (f"{ROOT}/nodes/nowhere", "GET", 404, 'nodes "nowhere" not found'),
        (f"{ROOT}/namespaces/default/pods/none", "GET", 404, 'pods "none" not found'),
        (f"{ROOT}/things", "GET", 404, "the server could not find the requested resource"),
        (
            f"{ROOT}/nodes?watch=true",
            "GET",
            405,
            'watch is not supported on resources of kind "nodemetrics.metrics.k8s.io"',
        ),
        (
            f"{ROOT}/nodes",
            "POST",
            405,
            "the server does not allow this method on the requested resource",
        ),
        (
            f"{ROOT}/pods?fieldSelector=spec.nodeName=a",
            "GET",
            400,
            'Unable to find "metrics.k8s.io/v1beta1, Resource=pods" that match label selector "", '
            'field selector "spec.nodeName=a": field label not supported: spec.nodeName',
        ),
    ],
)
async def test_refused(ask: Asking, path: str, method: str, status: int, message: str) -> None:
    """What there is not, and what cannot be done."""
    found = await ask(path, method=method)
    assert (found.status, found.body["message"]) == (status, message)


async def test_metrics(ask: Asking, cluster: ControlPlane) -> None:
    """Nodes and pods by name, as lists, by labels and fields, and as Tables."""
    async with _connected(cluster) as (client, _):
        await client.create(resources.NAMESPACES, {"metadata": {"name": "measured"}})
        annotations = {"simulation.pyk8s.io/cpu-usage": "250m"}
        for name, size in (("a", "16Mi"), ("b", "32Mi")):
            container = {"name": "c", "image": "c", "resources": {"requests": {"memory": size}}}
            metadata = {"name": name, "labels": {"size": size}, "annotations": annotations}
            pod = {"metadata": metadata, "spec": {"containers": [container]}}
            await client.create(resources.PODS, pod, "measured")

    async def both() -> list[Object] | None:
        items = (await ask(f"{ROOT}/namespaces/measured/pods")).body["items"]
        return items if len(items) == 2 else None

    first, second = await eventually(both, "both pods are known")
    assert first["metadata"].keys() == {"name", "namespace", "labels", "creationTimestamp"}
    assert [each["metadata"]["name"] for each in (first, second)] == ["a", "b"]
    assert first["containers"] == [{"name": "c", "usage": {"cpu": "250m", "memory": "16Mi"}}]
    assert first["window"].endswith("s")
    for query, names in (
        ("labelSelector=size=32Mi", ["b"]),
        ("labelSelector=size!=32Mi", ["a"]),
        ("fieldSelector=metadata.name=b", ["b"]),
        ("fieldSelector=metadata.name!=b,metadata.namespace=measured", ["a"]),
        ("labelSelector=size=64Mi", []),
    ):
        found = (await ask(f"{ROOT}/namespaces/measured/pods?{query}")).body["items"]
        assert [each["metadata"]["name"] for each in found] == names
    one = (await ask(f"{ROOT}/namespaces/measured/pods/a")).body
    assert (one["kind"], one["apiVersion"]) == ("PodMetrics", "metrics.k8s.io/v1beta1")
    everywhere = (await ask(f"{ROOT}/pods")).body
    assert everywhere["kind"] == "PodMetricsList"
    assert {"measured"} <= {each["metadata"]["namespace"] for each in everywhere["items"]}

    table = (
        await ask(f"{ROOT}/namespaces/measured/pods", headers={**MASTER, "Accept": TABLE})
    ).body
    columns = [each["name"] for each in table["columnDefinitions"]]
    assert (table["kind"], columns) == ("Table", ["Name", "cpu", "memory", "Window"])
    assert [row["cells"][:3] for row in table["rows"]] == [
        ["a", "250m", "16Mi"],
        ["b", "250m", "32Mi"],
    ]
    assert table["rows"][0]["object"]["kind"] == "PartialObjectMetadata"
    (node, *_) = (await ask(f"{ROOT}/nodes")).body["items"]
    name = node["metadata"]["name"]
    assert (await ask(f"{ROOT}/nodes/{name}")).body["usage"].keys() == {"cpu", "memory"}
    assert (await ask(f"{ROOT}/nodes", headers={**MASTER, "Accept": "text/html"})).status == 406


async def test_discovery(ask: Asking) -> None:
    """What is served is told in both forms, and described."""
    groups = (await ask("/apis")).body["groups"]
    assert [each["name"] for each in groups] == ["metrics.k8s.io"]
    served = (await ask(ROOT)).body["resources"]
    assert [(each["name"], each["kind"], each["namespaced"]) for each in served] == [
        ("nodes", "NodeMetrics", False),
        ("pods", "PodMetrics", True),
    ]
    accept = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
    (group,) = (await ask("/apis", headers={**MASTER, "Accept": accept})).body["items"]
    (version,) = group["versions"]
    assert [each["resource"] for each in version["resources"]] == ["nodes", "pods"]
    assert (await ask("/version")).body["gitVersion"].startswith("v1.")
    paths = (await ask("/openapi/v3")).body["paths"]
    where = paths["apis/metrics.k8s.io/v1beta1"]["serverRelativeURL"]
    documents = (await ask("/openapi/v2")).body, (await ask(where)).body
    assert all(f"{ROOT}/nodes" in document["paths"] for document in documents)
