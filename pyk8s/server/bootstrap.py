# SPDX-License-Identifier: Apache-2.0
"""The objects a cluster cannot do without, made by the API server itself.

System namespaces, the default ServiceCIDR, and the `kubernetes` Service in default with its
Endpoints and EndpointSlice, through which pods find this server. Several servers may do this at
once: what is there already is left alone, or brought up to date. Mirrors upstream's
`controlplane/controller` (systemnamespaces, defaultservicecidr, kubernetesservice).
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from pyk8s.apimachinery import errors, fields, times
from pyk8s.apimachinery.gvk import Object
from pyk8s.apis.validation.priorityclasses import SYSTEM_CLASSES
from pyk8s.auth import user
from pyk8s.componenthelpers import tokensigning
from pyk8s.registry.builder import Stores
from pyk8s.registry.context import RequestContext
from pyk8s.registry.store import Existing, Store
from pyk8s.storage import interface as storage

_log = logging.getLogger(__name__)

DEFAULT_SERVICE_CIDR = "kubernetes"

# From taking the address to having made the Service takes another server two writes.
_OTHER_SERVER_SECONDS = 5.0

SYSTEM_NAMESPACES = ("default", "kube-system", "kube-public", "kube-node-lease")

_API_SERVER = user.UserInfo("system:apiserver", groups=(user.SYSTEM_MASTERS,))


@dataclass(frozen=True, slots=True, kw_only=True)
class MasterService:
    """Where the `kubernetes` Service leads: its own address, and those of all servers, of which
    there is at least one. They listen on one port, as upstream takes for granted."""

    cluster_ip: str
    addresses: tuple[str, ...]
    secure_port: int


async def ensure_namespaces(stores: Stores) -> None:
    for name in SYSTEM_NAMESPACES:
        await _ensure(stores["namespaces"], "", _object("v1", "Namespace", {"name": name}))


async def ensure_priority_classes(stores: Stores) -> None:
    """Those that the Pods of the system itself name."""
    for name, (value, description) in SYSTEM_CLASSES.items():
        obj = _object("scheduling.k8s.io/v1", "PriorityClass", {"name": name})
        obj |= {"value": value, "description": description}
        await _ensure(stores["priorityclasses"], "", obj)


async def ensure_token_tracking(stores: Stores) -> None:
    """The ConfigMap that says since when the use of tokens in Secrets is written down. Mirrors
    `controlplane/controller/legacytokentracking`."""
    today = datetime.now(UTC).strftime(tokensigning.DATE_FORMAT)
    store, name = stores["configmaps"], tokensigning.TRACKING_CONFIG_MAP
    obj = _object("v1", "ConfigMap", {"name": name, "namespace": "kube-system"})
    obj["data"] = {tokensigning.TRACKING_SINCE: today}
    await _ensure(store, "kube-system", obj)

    def mend(found: Object) -> None:
        found["data"] = {**(found.get("data") or {}), tokensigning.TRACKING_SINCE: today}

    found = (await store.get("kube-system", name)).object()
    since = (found.get("data") or {}).get(tokensigning.TRACKING_SINCE, "")
    # A day that is none, or is yet to come, would keep unused tokens for ever.
    if not _is_day(since) or since > today:
        await store.rewrite(_context("kube-system"), name, mend)


def _is_day(text: str) -> bool:
    try:
        datetime.strptime(text, tokensigning.DATE_FORMAT)
    except ValueError:
        return False
    return True


async def ensure_service_cidr(stores: Stores, cidrs: Sequence[str]) -> None:
    """The ServiceCIDR of the server's own ranges. One of other ranges is left as it is: the flag
    is wrong then, or an operator must delete it; only a second family is added. It is marked
    ready unless somebody has said otherwise. The finalizer is the controller manager's to set."""
    store = stores["servicecidrs"]
    obj = _object("networking.k8s.io/v1", "ServiceCIDR", {"name": DEFAULT_SERVICE_CIDR})
    obj["spec"] = {"cidrs": list(cidrs)}
    await _ensure(store, "", obj)
    found = (await store.get("", DEFAULT_SERVICE_CIDR)).object()
    stored = found["spec"]["cidrs"]
    if len(stored) == 1 and len(cidrs) == 2 and stored[0] == cidrs[0]:
        await _change(store, DEFAULT_SERVICE_CIDR, {"spec": obj["spec"]})
    elif stored != list(cidrs):
        _log.warning("default ServiceCIDR differs from the flags: has=%s flags=%s", stored, cidrs)
    elif "deletionTimestamp" not in found["metadata"] and not _has_verdict(found):
        await _change(store, DEFAULT_SERVICE_CIDR, {"status": _ready()}, "status")


def _has_verdict(service_cidr: Object) -> bool:
    conditions = (service_cidr.get("status") or {}).get("conditions") or ()
    return any(
        condition.get("type") == "Ready" and condition.get("status") in ("True", "False")
        for condition in conditions
    )


def _ready() -> Object:
    ready = {
        "type": "Ready",
        "status": "True",
        "lastTransitionTime": times.now(),
        "reason": "",
        "message": "Kubernetes default Service CIDR is ready",
    }
    return {"conditions": [ready]}


async def _change(store: Store, name: str, parts: Object, subresource: str = "") -> None:
    """Replace these parts of a cluster-scoped object."""

    async def change(existing: Existing | None) -> Object:
        if existing is None:
            raise errors.not_found(store.resource.group_resource, name)
        return {**existing.copy(), **parts}

    await store.update(_context(""), name, change, subresource=subresource, may_create=False)


async def ensure_master_service(stores: Stores, service: MasterService) -> None:
    """Raises StatusError, 422 while something else has the Service's address."""
    await _ensure_service(stores["services/specs"], _service(service))


async def reconcile_endpoints(stores: Stores, service: MasterService) -> None:
    """Raises StatusError."""
    await _reconcile(stores["services/endpoints"], _endpoints(service), ("subsets",))
    await _reconcile(stores["endpointslices"], _endpoint_slice(service), ("endpoints", "ports"))


def _context(namespace: str) -> RequestContext:
    return RequestContext(user=_API_SERVER, namespace=namespace)


async def _ensure(store: Store, namespace: str, obj: Object) -> None:
    """Create it unless it is there."""
    try:
        await store.get(namespace, obj["metadata"]["name"])
    except errors.StatusError as error:
        if error.reason != errors.NOT_FOUND:
            raise
    else:
        return
    store.strategy.default(obj)
    try:
        await store.create(_context(namespace), obj)
    except errors.StatusError as error:
        if error.reason != errors.ALREADY_EXISTS:
            raise


async def _ensure_service(store: Store, service: Object) -> None:
    """A server that starts in the same moment may have taken the address and not yet made the
    Service it is for: then wait for that one."""
    try:
        await _ensure(store, "default", service)
    except errors.StatusError as error:
        if error.reason != errors.INVALID:
            raise
        try:
            async with asyncio.timeout(_OTHER_SERVER_SECONDS):
                await _seen(store, "default", service["metadata"]["name"])
        except TimeoutError:
            raise error from None


async def _seen(store: Store, namespace: str, name: str) -> None:
    """Returns once the object is there."""
    selector = fields.parse(f"metadata.name={name}")
    options = storage.WatchOptions(
        namespace=namespace, predicate=storage.Predicate(field_selector=selector)
    )
    with contextlib.closing(await store.watch(options)) as watcher:
        while all(event.type == storage.DELETED for event in await watcher.next_batch()):
            pass


async def _reconcile(store: Store, wanted: Object, keys: tuple[str, ...]) -> None:
    """Create it, or bring these of its parts up to date."""
    namespace, name = wanted["metadata"]["namespace"], wanted["metadata"]["name"]
    parts = {key: wanted[key] for key in keys}
    await _ensure(store, namespace, wanted)

    async def bring_up_to_date(existing: Existing | None) -> Object:
        if existing is None:
            raise errors.not_found(store.resource.group_resource, name)
        updated = {**existing.copy(), **parts}
        store.strategy.default(updated)
        return updated

    await store.update(_context(namespace), name, bring_up_to_date, may_create=False)


def _object(api_version: str, kind: str, metadata: Object) -> Object:
    return {"kind": kind, "apiVersion": api_version, "metadata": metadata}


def _service(service: MasterService) -> Object:
    labels = {"component": "apiserver", "provider": "kubernetes"}
    metadata = {"name": "kubernetes", "namespace": "default", "labels": labels}
    port = {
        "name": "https",
        "protocol": "TCP",
        "port": 443,
        "targetPort": service.secure_port,
    }
    obj = _object("v1", "Service", metadata)
    obj["spec"] = {
        "type": "ClusterIP",
        "clusterIP": service.cluster_ip,
        "clusterIPs": [service.cluster_ip],
        "ports": [port],
        "sessionAffinity": "None",
    }
    return obj


def _endpoints(service: MasterService) -> Object:
    labels = {"endpointslice.kubernetes.io/skip-mirror": "true"}
    metadata = {"name": "kubernetes", "namespace": "default", "labels": labels}
    obj = _object("v1", "Endpoints", metadata)
    port = {"name": "https", "port": service.secure_port, "protocol": "TCP"}
    addresses = [{"ip": address} for address in service.addresses]
    obj["subsets"] = [{"addresses": addresses, "ports": [port]}]
    return obj


def _endpoint_slice(service: MasterService) -> Object:
    labels = {"kubernetes.io/service-name": "kubernetes"}
    metadata = {"name": "kubernetes", "namespace": "default", "labels": labels}
    obj = _object("discovery.k8s.io/v1", "EndpointSlice", metadata)
    obj["addressType"] = "IPv6" if ":" in service.addresses[0] else "IPv4"
    obj["endpoints"] = [
        {"addresses": [address], "conditions": {"ready": True}} for address in service.addresses
    ]
    obj["ports"] = [{"name": "https", "port": service.secure_port, "protocol": "TCP"}]
    return obj
