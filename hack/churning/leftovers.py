# SPDX-License-Identifier: Apache-2.0
"""What is left after everything was deleted: asked of the API, and of etcd itself."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from pyk8s.client import resources
from pyk8s.client.client import Client
from pyk8s.storage.etcd.client import Client as EtcdClient
from pyk8s.storage.etcd.keyspace import Keyspace, end_of
from pyk8s.storage.interface import EtcdOptions

Object = dict[str, Any]

OWNED = (
    resources.PODS,
    resources.REPLICA_SETS,
    resources.CONTROLLER_REVISIONS,
    resources.JOBS,
    resources.ENDPOINTS,
    resources.ENDPOINT_SLICES,
)
_NODE_LEASES = "kube-node-lease"


async def by_api(client: Client, namespaces: Iterable[str]) -> list[str]:
    """Objects in these namespaces, all of whose owners have gone."""
    found = []
    for resource in OWNED:
        for namespace in namespaces:
            for obj in (await client.list(resource, namespace))["items"]:
                found.append(f"{resource.resource} {namespace}/{obj['metadata']['name']}")
    return found


async def leases_of_nobody(client: Client) -> list[str]:
    """Leases of nodes that do not exist."""
    nodes = {node["metadata"]["name"] for node in (await client.list(resources.NODES))["items"]}
    leases = (await client.list(resources.LEASES, _NODE_LEASES))["items"]
    names = {lease["metadata"]["name"] for lease in leases}
    return [f"leases {_NODE_LEASES}/{name}" for name in sorted(names - nodes)]


async def in_etcd(socket_file: Path, is_ours: Callable[[str], bool]) -> list[str]:
    """Every key that has a namespace of ours, or is one, whatever its resource."""
    client = EtcdClient(EtcdOptions(servers=(f"unix://{socket_file}",)))
    try:
        found = await Keyspace(client).range("/", end_of("/"))
    finally:
        await client.close()
    keys = [pair.key for pair in found.key_values]
    return [key for key in keys if any(map(is_ours, key.split("/")))]
