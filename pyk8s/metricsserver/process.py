# SPDX-License-Identifier: Apache-2.0
"""The process of `pyk8s metrics-server`, until a signal ends it."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pyk8s
from pyk8s.apimachinery import labels, meta
from pyk8s.apimachinery.gvk import Object
from pyk8s.client import informer, kubeconfig, process, resources, rest
from pyk8s.client.client import Client
from pyk8s.client.kubeconfig import ClientConfig, KubeconfigError
from pyk8s.client.reflector import ResourceListWatcher
from pyk8s.metricsserver import registration
from pyk8s.metricsserver.access import Access, AccessOptions
from pyk8s.metricsserver.kubelets import KubeletOptions, Kubelets
from pyk8s.metricsserver.registration import Advertised
from pyk8s.metricsserver.sampler import Sampler
from pyk8s.metricsserver.scraper import Scraper
from pyk8s.metricsserver.server import MetricsServer
from pyk8s.serving import certificate, http


@dataclass(frozen=True, slots=True, kw_only=True)
class KubeletTrust:
    """Files; without any, kubelets are known by what the kubeconfig says of the server."""

    certificate_authority: str = ""
    client_certificate: str = ""
    client_key: str = ""
    insecure: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricsServerOptions:
    """Without a certificate in files the server signs its own. Port 0 takes a free one. With an
    `advertise_address` the server registers itself."""

    kubeconfig: str = ""
    bind_address: str = "0.0.0.0"
    secure_port: int = 443
    tls_cert_file: str = ""
    tls_private_key_file: str = ""
    advertise_address: str = ""
    metric_resolution: float = 15.0
    node_selector: labels.Selector = labels.EVERYTHING
    kubelets: KubeletOptions = field(default_factory=KubeletOptions)
    trust: KubeletTrust = field(default_factory=KubeletTrust)
    access: AccessOptions = field(default_factory=AccessOptions)


async def run(options: MetricsServerOptions, is_ready: Callable[[], None]) -> None:
    """Calls `is_ready` once it serves, and where it registers itself, once the API server reaches
    it. Raises KubeconfigError, StatusError and ServerUnreachable, and OSError for a server that
    cannot be."""
    config = kubeconfig.load(options.kubeconfig)
    agent = f"pyk8s-metrics-server/{pyk8s.__version__}"
    connection = rest.RESTClient(config, user_agent=agent, qps=0)
    towards = rest.RESTClient(_towards_kubelets(config, options.trust), user_agent=agent, qps=0)
    try:
        await process.run_until_signal(_run(Client(connection), towards, options, is_ready))
    finally:
        await connection.close()
        await towards.close()


async def _run(
    client: Client,
    towards: rest.RESTClient,
    options: MetricsServerOptions,
    is_ready: Callable[[], None],
) -> None:
    tls = _tls(options)
    access = Access(client, tls, options.access)
    nodes, pods = informers(client)
    scraper = Scraper(
        nodes.lister, pods.lister, Kubelets(towards, options.kubelets).read, options.node_selector
    )
    sampler = Sampler(scraper.scrape, options.metric_resolution)
    serving = MetricsServer(
        nodes=nodes,
        pods=pods,
        sampler=sampler,
        access=access,
        node_selector=options.node_selector,
    )
    with http.listen(options.bind_address, options.secure_port) as listening:
        port: int = listening.getsockname()[1]
        async with asyncio.TaskGroup() as group:
            for work in (nodes.run(), pods.run(), sampler.run(), access.run()):
                group.create_task(work)
            await informer.wait_until_synced((nodes, pods))
            await access.wait_until_known()
            runner = await http.serve(serving.application(), listening, tls)
            try:
                await _register(client, options, port)
                is_ready()
                await asyncio.Event().wait()
            finally:
                await runner.cleanup()


def informers(client: Client) -> tuple[informer.SharedInformer, informer.SharedInformer]:
    """Of nodes, and of the metadata of Pods that run; of both no more is kept than is used."""
    nodes = ResourceListWatcher(client=client, resource=resources.NODES)
    pods = ResourceListWatcher(
        client=client,
        resource=resources.PODS,
        field_selector="status.phase=Running",
        metadata_only=True,
    )
    return (
        informer.SharedInformer(nodes, name="nodes", transform=_keep_of_node),
        informer.SharedInformer(pods, name="running pods", transform=_keep_metadata),
    )


_KEPT = ("name", "namespace", "labels", "resourceVersion", "uid")


def _keep_metadata(obj: Object) -> None:
    metadata = meta.of(obj)
    obj["metadata"] = {key: metadata[key] for key in _KEPT if key in metadata}


def _keep_of_node(node: Object) -> None:
    _keep_metadata(node)
    node.pop("spec", None)
    status = node.get("status") or {}
    kept = {key: status[key] for key in ("addresses", "daemonEndpoints") if key in status}
    conditions = status.get("conditions") or ()
    kept["conditions"] = [
        {"type": "Ready", "status": each["status"]}
        for each in conditions
        if each["type"] == "Ready"
    ]
    node["status"] = kept


def _tls(options: MetricsServerOptions) -> ssl.SSLContext:
    names = [registration.SERVER_NAME, "localhost", options.advertise_address]
    return certificate.server_context(
        filter(None, names),
        cert_file=options.tls_cert_file,
        key_file=options.tls_private_key_file,
    )


async def _register(client: Client, options: MetricsServerOptions, port: int) -> None:
    if not options.advertise_address:
        return
    # A certificate from files is signed by the authority of the cluster; nobody signed its own.
    ca = client.rest.config.ca if options.tls_cert_file else b""
    where = Advertised(address=options.advertise_address, port=port, ca=ca)
    await registration.apply(client, where)
    await registration.wait_until_available(client)


def _towards_kubelets(config: ClientConfig, trust: KubeletTrust) -> ClientConfig:
    """Raises KubeconfigError."""
    pair = None
    if trust.client_certificate:
        pair = (_read(trust.client_certificate), _read(trust.client_key))
    ca = _read(trust.certificate_authority) if trust.certificate_authority else b""
    return kubeconfig.for_kubelets(config, ca=ca, pair=pair, insecure=trust.insecure)


def _read(path: str) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise KubeconfigError(f"cannot read {path}: {error.strerror}") from error
