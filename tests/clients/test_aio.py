# SPDX-License-Identifier: Apache-2.0
"""The official Python client's asynchronous half."""

from __future__ import annotations

import asyncio

import pytest
import yaml
from kubernetes.aio import client as k8s
from kubernetes.aio import dynamic, utils
from kubernetes.aio.client import ApiClient, ApiException
from kubernetes.aio.leaderelection import electionconfig, leaderelection
from kubernetes.aio.leaderelection.resourcelock.leaselock import LeaseLock
from kubernetes.aio.watch import Watch
from objects import configmap, deployment, pod


async def test_life_of_an_object(aio: ApiClient, namespace: str) -> None:
    """Create, read, replace, patch, list, delete."""
    client = k8s.AppsV1Api(aio)
    created = await client.create_namespaced_deployment(namespace, deployment("a"))
    read = await client.read_namespaced_deployment("a", namespace)
    assert read == created
    read.spec.replicas = 2
    replaced = await client.replace_namespaced_deployment("a", namespace, read)
    assert replaced.metadata.generation == 2
    patched = await client.patch_namespaced_deployment("a", namespace, {"spec": {"paused": True}})
    assert patched.spec.paused
    listed = await client.list_namespaced_deployment(namespace)
    assert [item.metadata.name for item in listed.items] == ["a"]
    await client.delete_namespaced_deployment("a", namespace)
    with pytest.raises(ApiException) as gone:
        await client.read_namespaced_deployment("a", namespace)
    assert gone.value.status == 404


async def test_many_at_once(aio: ApiClient, namespace: str) -> None:
    """A hundred creates side by side, each stored once."""
    client = k8s.CoreV1Api(aio)
    names = [f"m{number:03}" for number in range(100)]
    await asyncio.gather(
        *(client.create_namespaced_config_map(namespace, configmap(name)) for name in names)
    )
    listed = await client.list_namespaced_config_map(namespace)
    assert [item.metadata.name for item in listed.items] == names


async def test_conflict(aio: ApiClient, namespace: str) -> None:
    """Of several who write from one state, one wins and the others are told."""
    client = k8s.CoreV1Api(aio)
    read = await client.create_namespaced_config_map(namespace, configmap("a"))

    async def write(value: str) -> int:
        body = configmap("a", x=value)
        body["metadata"]["resourceVersion"] = read.metadata.resource_version
        try:
            await client.replace_namespaced_config_map("a", namespace, body)
        except ApiException as error:
            return error.status
        return 200

    statuses = await asyncio.gather(*(write(str(number)) for number in range(8)))
    assert sorted(statuses) == [200] + [409] * 7


async def test_watch(aio: ApiClient, namespace: str) -> None:
    """Events as they happen."""
    client = k8s.CoreV1Api(aio)
    listed = await client.list_namespaced_pod(namespace)
    seen = []
    async with Watch().stream(
        client.list_namespaced_pod, namespace, resource_version=listed.metadata.resource_version
    ) as stream:
        await client.create_namespaced_pod(namespace, pod("a"))
        await client.delete_namespaced_pod("a", namespace)
        async for event in stream:
            seen.append((event["type"], event["object"].metadata.name))
            if event["type"] == "DELETED":
                break
    # A pod that never ran is marked and removed by the one request, as upstream does it.
    assert seen == [("ADDED", "a"), ("MODIFIED", "a"), ("DELETED", "a")]


async def test_dynamic(aio: ApiClient, namespace: str) -> None:
    """Discovery, then verbs on what was found."""
    async with dynamic.DynamicClient(aio) as client:
        maps = await client.resources.get(api_version="v1", kind="ConfigMap")
        await maps.create(body=configmap("a", x="1"), namespace=namespace)
        got = await maps.get(name="a", namespace=namespace)
        assert got.data.to_dict() == {"x": "1"}


async def test_create_from_yaml(aio: ApiClient, namespace: str, tmp_path) -> None:
    """A file of several kinds."""
    path = tmp_path / "objects.yaml"
    path.write_text(yaml.safe_dump_all([configmap("a"), deployment("b")]))
    await utils.create_from_yaml(aio, str(path), namespace=namespace)
    assert await k8s.AppsV1Api(aio).read_namespaced_deployment("b", namespace)


async def test_leader_election(aio: ApiClient, namespace: str) -> None:
    """A candidate becomes leader, runs what a leader does, and is the lease's holder."""
    # The client's own create of the lock passes an argument that its own check refuses; it takes
    # over a lease that nobody holds.
    leases = k8s.CoordinationV1Api(aio)
    await leases.create_namespaced_lease(namespace, {"metadata": {"name": "lock"}})
    led = asyncio.Event()

    async def lead() -> None:
        led.set()
        await asyncio.Event().wait()

    async def stopped() -> None:
        pass

    lock = LeaseLock("lock", namespace, "one", aio)
    config = electionconfig.Config(
        lock,
        lease_duration=15,
        renew_deadline=10,
        retry_period=5,
        onstarted_leading=lead,
        onstopped_leading=stopped,
    )
    running = asyncio.create_task(leaderelection.LeaderElection(config).run())
    async with asyncio.timeout(20):
        await led.wait()
    lease = await leases.read_namespaced_lease("lock", namespace)
    assert lease.spec.holder_identity == "one"
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
