# SPDX-License-Identifier: Apache-2.0
"""Where a request goes that this server only passes on: a node's kubelet, a Pod, a Service.

    pods/log, exec, attach, portforward -> the kubelet of the Pod's node
    nodes/proxy                         -> that kubelet, or a port of the node
    pods/proxy, services/proxy          -> the Pod's address, an endpoint's address

Mirrors `pkg/registry/core/{pod,node,service}` (ResourceLocation and its siblings) and
`pkg/kubelet/client`.
"""

from __future__ import annotations

import ipaddress
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from pyk8s.apimachinery import errors
from pyk8s.apimachinery.gojson import quoted_string
from pyk8s.apimachinery.gvk import Object
from pyk8s.registry.store import Store

KUBELET_PORT = 10250

# Upstream: --kubelet-preferred-address-types.
ADDRESS_TYPES = ("Hostname", "InternalDNS", "InternalIP", "ExternalDNS", "ExternalIP")

Query = Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Location:
    """`path` is percent-encoded and may be empty. `kubelet` says whether the other side is one,
    so that it is spoken to with the credentials for kubelets."""

    scheme: str
    host: str
    port: int
    path: str = ""
    query: str = ""
    kubelet: bool = False

    @property
    def authority(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"

    @property
    def url(self) -> str:
        return f"{self.scheme}://{self.authority}{self.path}{self.query and '?' + self.query}"


class Locations:
    """Finds the other side; raises StatusError when there is none."""

    def __init__(
        self,
        stores: Mapping[str, Store],
        address_types: Sequence[str] = ADDRESS_TYPES,
        *,
        is_local: bool = False,
    ) -> None:
        """`is_local` says that this host alone reaches the server: then kubelets on it may be
        proxied to, as nobody reaches more of it through the server than by themselves."""
        self._pods = stores["pods"]
        self._nodes = stores["minions"]
        self._services = stores["services/specs"]
        self._endpoints = stores["services/endpoints"]
        self._address_types = tuple(address_types)
        self._is_local = is_local

    # --- kubelets

    async def log(self, namespace: str, name: str, container: str, query: Query) -> Location | None:
        """None for a Pod that is on no node yet, which has no logs."""
        pod = (await self._pods.get(namespace, name)).object()
        chosen = container_of(pod, container)
        node = pod["spec"].get("nodeName")
        if not node:
            return None
        path = f"/containerLogs/{namespace}/{name}/{chosen}"
        return await self._kubelet(node, path, query)

    async def stream(
        self, action: str, namespace: str, name: str, container: str, query: Query
    ) -> Location:
        """`action` is exec or attach."""
        pod = (await self._pods.get(namespace, name)).object()
        chosen = container_of(pod, container)
        path = f"/{action}/{namespace}/{name}/{chosen}"
        return await self._kubelet(_node_of(pod), path, query)

    async def port_forward(self, namespace: str, name: str, query: Query) -> Location:
        pod = (await self._pods.get(namespace, name)).object()
        return await self._kubelet(_node_of(pod), f"/portForward/{namespace}/{name}", query)

    async def _kubelet(self, node: str, path: str = "", query: Query = ()) -> Location:
        found = (await self._nodes.get("", node)).object()
        status = found.get("status") or {}
        daemons = status.get("daemonEndpoints") or {}
        port = (daemons.get("kubeletEndpoint") or {}).get("Port", 0)
        return Location(
            scheme="https",
            host=preferred_address(status.get("addresses") or (), self._address_types),
            port=port if port > 0 else KUBELET_PORT,
            path=path,
            # Go writes a query in the order of its names.
            query=urlencode(sorted(query, key=lambda pair: pair[0])),
            kubelet=True,
        )

    # --- proxies

    async def node(self, wanted: str) -> Location:
        """`wanted` is NAME, NAME:PORT or SCHEME:NAME:PORT, as in the two below."""
        scheme, name, port = _split("node", wanted)
        kubelet = await self._kubelet(name)
        is_kubelet = not port or port == str(kubelet.port)
        if not (is_kubelet and self._is_local):
            _check_proxyable(kubelet.host)
        if is_kubelet:
            return kubelet
        return Location(scheme=scheme or "http", host=kubelet.host, port=_number(port))

    async def pod(self, namespace: str, wanted: str) -> Location:
        scheme, name, port = _split("pod", wanted)
        pod = (await self._pods.get(namespace, name)).object()
        ips = (pod.get("status") or {}).get("podIPs") or [{}]
        address = ips[0].get("ip", "")
        if not _is_global_unicast(address):
            raise errors.bad_request("address not allowed")
        number = _number(port) if port else _first_port(pod)
        scheme = scheme or "http"
        return Location(scheme=scheme, host=address, port=number or _DEFAULT_PORTS[scheme])

    async def service(self, namespace: str, wanted: str) -> Location:
        scheme, name, port = _split("service", wanted)
        if port.isdigit():
            port = await self._port_name(namespace, name, int(port))
        subsets = (await self._endpoints.get(namespace, name)).object().get("subsets") or []
        none = _unavailable(f"no endpoints available for service {quoted_string(name)}")
        for subset in _shuffled(subsets):
            for candidate in subset.get("ports") or ():
                if candidate.get("name", "") != port:
                    continue
                for address in _shuffled(subset.get("addresses") or []):
                    if await self._is_pod(namespace, address):
                        return Location(
                            scheme=scheme or "http", host=address["ip"], port=candidate["port"]
                        )
        raise none

    async def _port_name(self, namespace: str, name: str, number: int) -> str:
        service = (await self._services.get(namespace, name)).object()
        for port in service["spec"].get("ports") or ():
            if port["port"] == number:
                found: str = port.get("name", "")
                return found
        message = f"no service port {number} found for service {quoted_string(name)}"
        raise _unavailable(message)

    async def _is_pod(self, namespace: str, address: Object) -> bool:
        """Whether the address is that of the Pod it points to: Endpoints are written by hand
        too, and must not lead into networks that only this server can reach."""
        target = address.get("targetRef") or {}
        if target.get("namespace") != namespace or not target.get("name"):
            return False
        try:
            pod = (await self._pods.get(namespace, target["name"])).object()
        except errors.StatusError as error:
            if error.reason != errors.NOT_FOUND:
                raise
            return False
        ips = (pod.get("status") or {}).get("podIPs") or ()
        return any(ip.get("ip") == address["ip"] for ip in ips)


_DEFAULT_PORTS = {"http": 80, "https": 443}


def container_of(pod: Object, wanted: str) -> str:
    """The container that is meant; raises 400 with the choice there is."""
    spec, name = pod["spec"], pod["metadata"]["name"]
    names = list(_containers(spec))
    if wanted:
        if wanted not in names:
            raise errors.bad_request(f"container {wanted} is not valid for pod {name}")
        return wanted
    own = spec.get("containers") or []
    if len(own) == 1:
        chosen: str = own[0]["name"]
        return chosen
    message = f"a container name must be specified for pod {name}"
    if own:
        message += f", choose one of: [{' '.join(names)}]"
    raise errors.bad_request(message)


def _containers(spec: Mapping[str, Any]) -> Iterator[str]:
    for kind in ("initContainers", "containers", "ephemeralContainers"):
        for container in spec.get(kind) or ():
            yield container["name"]


def _node_of(pod: Object) -> str:
    node: str = pod["spec"].get("nodeName") or ""
    if not node:
        name = pod["metadata"]["name"]
        raise errors.bad_request(f"pod {name} does not have a host assigned")
    return node


def preferred_address(addresses: Sequence[Mapping[str, Any]], types: Sequence[str]) -> str:
    """The first address of the first type there is one of."""
    for wanted in types:
        for address in addresses:
            if address.get("type") == wanted:
                found: str = address["address"]
                return found
    known = " ".join(f"{{{a.get('type')} {a.get('address')}}}" for a in addresses)
    message = f"no preferred addresses found; known addresses: [{known}]"
    raise errors.StatusError(500, "", message)


def _split(kind: str, wanted: str) -> tuple[str, str, str]:
    """Scheme, name and port; empty where left out."""
    parts = wanted.split(":")
    scheme, name, port = "", parts[0], ""
    if len(parts) == 2:
        name, port = parts
    elif len(parts) == 3:
        scheme, name, port = parts
    if len(parts) > 3 or not name or scheme not in ("", "http", "https"):
        raise errors.bad_request(f"invalid {kind} request {quoted_string(wanted)}")
    return scheme, name, port


def _number(port: str) -> int:
    if not port.isdigit() or not 0 < int(port) < 1 << 16:
        raise _unavailable(f"error trying to reach service: dial tcp: unknown port tcp/{port}")
    return int(port)


def _first_port(pod: Object) -> int:
    for container in pod["spec"].get("containers") or ():
        for port in (container.get("ports") or ())[:1]:
            number: int = port["containerPort"]
            return number
    return 0


def _is_global_unicast(text: str) -> bool:
    """Go's IP.IsGlobalUnicast: private addresses are, this host and multicast are not."""
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return False
    return not (
        address.is_unspecified
        or address.is_loopback
        or address.is_multicast
        or address.is_link_local
        or text == "255.255.255.255"
    )


def _check_proxyable(host: str) -> None:
    """A proxy leads to no address that only this host can reach. Names are left to who wrote
    the Node; upstream resolves them first."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return
    if not _is_global_unicast(host):
        raise errors.bad_request("address not allowed")


def _shuffled(members: Sequence[Any]) -> list[Any]:
    """All of them, from a random one on."""
    start = random.randrange(len(members)) if members else 0
    return [*members[start:], *members[:start]]


def _unavailable(message: str) -> errors.StatusError:
    return errors.StatusError(503, errors.SERVICE_UNAVAILABLE, message)
