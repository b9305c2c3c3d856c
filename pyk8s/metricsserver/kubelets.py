# SPDX-License-Identifier: Apache-2.0
"""Asks a kubelet what its node uses. Mirrors metrics-server's `pkg/scraper/client/resource`."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pyk8s.apimachinery import errors, meta
from pyk8s.apimachinery.gvk import Object
from pyk8s.client import rest
from pyk8s.metricsserver import samples
from pyk8s.metricsserver.samples import Batch

# Upstream: DefaultAddressTypePriority.
ADDRESS_TYPES = ("Hostname", "InternalDNS", "InternalIP", "ExternalDNS", "ExternalIP")
DEFAULT_PORT = 10250

_PATH = "/metrics/resource"


class ScrapeFailed(Exception):
    """A node told nothing; one line says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KubeletOptions:
    address_types: Sequence[str] = ADDRESS_TYPES
    port: int = DEFAULT_PORT
    use_node_status_port: bool = False
    timeout_seconds: float = 10.0


class Kubelets:
    """Kubelets all know who `connection` is; the server it was made for does not matter."""

    def __init__(self, connection: rest.RESTClient, options: KubeletOptions) -> None:
        self._connection = connection
        self._options = options

    async def read(self, node: Object) -> Batch:
        """Raises ScrapeFailed."""
        name = meta.name(node)
        client = self._connection.to(f"https://{authority(node, self._options)}")
        # Simulated nodes share a port, and need to be told apart; a kubelet overlooks the name.
        request = rest.Request(
            method="GET",
            path=_PATH,
            query={"node": name},
            accept="text/plain",
            seconds_max=self._options.timeout_seconds,
        )
        asked = time.time_ns()
        try:
            async with asyncio.timeout(self._options.timeout_seconds):
                text = await client.request(request)
            return samples.decode(text.decode(), name, asked)
        except TimeoutError:
            raise ScrapeFailed("timeout to access kubelet") from None
        except (errors.StatusError, rest.ServerUnreachable, ValueError) as error:
            raise ScrapeFailed(str(error)) from error


def authority(node: Object, options: KubeletOptions) -> str:
    """Host and port. Raises ScrapeFailed for a node without a suitable address."""
    status: dict[str, Any] = node.get("status") or {}
    port = options.port
    if options.use_node_status_port:
        endpoint = (status.get("daemonEndpoints") or {}).get("kubeletEndpoint") or {}
        port = endpoint.get("Port") or port
    addresses = status.get("addresses") or ()
    for type in options.address_types:
        for address in addresses:
            if address["type"] == type:
                host: str = address["address"]
                return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    raise ScrapeFailed(f"no address matched types {' '.join(options.address_types)}")
