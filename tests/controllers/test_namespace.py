# SPDX-License-Identifier: Apache-2.0
"""Namespaces that go, with all that is in them."""

from __future__ import annotations

import objects
from cluster import ControlPlane, Kubectl, eventually
from world import World

from pyk8s.apimachinery import errors
from pyk8s.client import resources
from pyk8s.client.client import Client
from pyk8s.controllers.namespace.conditions import Progress, conditions


def condition(namespace: dict, type: str) -> dict:
    listed = (namespace.get("status") or {}).get("conditions") or ()
    return next((c for c in listed if c["type"] == type), {})


async def test_goes_with_everything_in_it(world: World) -> None:
    """Objects of many kinds, owned or not, pods among them."""
    await world.create(resources.CONFIGMAPS, objects.configmap("a"))
    await world.create(resources.PODS, objects.pod("p"))
    await world.create(resources.SERVICES, objects.service("s"))
    await world.create(resources.DEPLOYMENTS, objects.deployment("d"))
    await world.client.delete(resources.NAMESPACES, world.namespace)
    await _until_gone(world.client, world.namespace)
    for resource in (resources.CONFIGMAPS, resources.PODS, resources.SERVICE_ACCOUNTS):
        assert await world.names(resource) == []


async def test_waits_for_finalizers_and_says_so(world: World) -> None:
    """The conditions name what remains and who holds it; the rest is gone; then it goes."""
    held = objects.configmap("held")
    held["metadata"]["finalizers"] = ["example.com/hold"]
    await world.create(resources.CONFIGMAPS, held)
    await world.create(resources.SECRETS, {"metadata": {"name": "s"}})
    await world.client.delete(resources.NAMESPACES, world.namespace)

    async def told() -> dict:
        namespace = await world.client.get(resources.NAMESPACES, world.namespace)
        return condition(namespace, "NamespaceFinalizersRemaining")

    said = await eventually(told, "the condition is there")
    assert (said["status"], said["reason"]) == ("True", "SomeFinalizerRemain")
    assert said["message"] == (
        "Some finalizers are remaining: example.com/hold in 1 resource instances"
    )
    namespace = await world.client.get(resources.NAMESPACES, world.namespace)
    remaining = condition(namespace, "NamespaceContentRemaining")
    assert remaining["message"] == (
        "Some resources are remaining: configmaps. has 1 resource instances"
    )
    assert await world.names(resources.SECRETS) == []
    await world.patch(resources.CONFIGMAPS, "held", {"metadata": {"finalizers": None}})
    await _until_gone(world.client, world.namespace)


async def test_pods_go_before_anything_else(world: World) -> None:
    """What a pod may still need in its last moments stays until it has gone."""
    pod = objects.pod("p")
    pod["metadata"]["finalizers"] = ["example.com/hold"]
    await world.create(resources.PODS, pod)
    await world.create(resources.SECRETS, {"metadata": {"name": "needed"}})
    await world.client.delete(resources.NAMESPACES, world.namespace)

    async def told() -> dict:
        namespace = await world.client.get(resources.NAMESPACES, world.namespace)
        return condition(namespace, "NamespaceContentRemaining")

    said = await eventually(told, "the condition is there")
    assert said["message"] == "Some resources are remaining: pods. has 1 resource instances"
    assert "needed" in await world.names(resources.SECRETS)
    await world.patch(resources.PODS, "p", {"metadata": {"finalizers": None}})
    await _until_gone(world.client, world.namespace)


def test_conditions_keep_their_time_while_nothing_changes() -> None:
    """A round that ends as the one before writes nothing; a change of status has its own time."""
    first = conditions([], Progress(finalizers={"f": 1}))
    assert conditions(first, Progress(finalizers={"f": 1})) == first
    stamped = [{**c, "lastTransitionTime": "2026-01-01T00:00:00Z"} for c in first]
    after = conditions(stamped, Progress())
    moved = [c["type"] for c in after if c["lastTransitionTime"] != "2026-01-01T00:00:00Z"]
    assert moved == ["NamespaceFinalizersRemaining"]


async def _until_gone(client: Client, name: str) -> None:
    async def is_gone() -> bool:
        try:
            await client.get(resources.NAMESPACES, name)
        except errors.StatusError as error:
            return error.reason == errors.NOT_FOUND
        return False

    await eventually(is_gone, f"namespace {name} is gone")


# --- what every namespace has


async def test_default_account_and_ca_come_back(world: World, cluster: ControlPlane) -> None:
    """Made with the namespace, made again when deleted, put right when changed."""
    ca = cluster.access.tls.get_ca_certs()
    await world.until_names(resources.SERVICE_ACCOUNTS, "default")
    await world.until_names(resources.CONFIGMAPS, "kube-root-ca.crt")
    published = await world.find(resources.CONFIGMAPS, "kube-root-ca.crt")
    assert published["data"]["ca.crt"].startswith("-----BEGIN CERTIFICATE-----")
    assert len(ca) == 1
    await world.delete(resources.SERVICE_ACCOUNTS, "default")
    await world.delete(resources.CONFIGMAPS, "kube-root-ca.crt")
    await world.until_names(resources.SERVICE_ACCOUNTS, "default")
    await world.until_names(resources.CONFIGMAPS, "kube-root-ca.crt")
    await world.patch(resources.CONFIGMAPS, "kube-root-ca.crt", {"data": {"ca.crt": "forged"}})

    async def is_right() -> bool:
        found = await world.find(resources.CONFIGMAPS, "kube-root-ca.crt")
        return found is not None and found["data"] == published["data"]

    await eventually(is_right, "the CA is put right")


def test_kubectl_waits_no_longer_than_needed(cluster: ControlPlane, tmp_path) -> None:
    """`kubectl delete namespace` comes back by itself."""
    kubectl = Kubectl(cluster.kubeconfig, tmp_path)
    kubectl("create", "namespace", "short")
    kubectl("create", "configmap", "a", "--namespace=short")
    kubectl("delete", "namespace", "short", "--timeout=10s")
    kubectl("get", "namespace", "short", status=1)


async def test_many_objects_of_many_kinds(world: World, cluster: ControlPlane) -> None:
    """Workloads with running pods, Services and what goes with them, and plain objects: nothing
    is left under the namespace, in etcd itself."""
    await _fill(world)
    namespace = f"/{world.namespace}/"
    assert len(await cluster.keys(namespace)) > 150
    await world.client.delete(resources.NAMESPACES, world.namespace)
    await _until_gone(world.client, world.namespace)

    async def nothing_is_left() -> bool:
        return not await cluster.keys(namespace)

    await eventually(nothing_is_left, "no key of the namespace is left")


async def _fill(world: World) -> None:
    for number in range(3):
        await world.create(resources.DEPLOYMENTS, objects.deployment(f"d{number}", 3))
        stateful = objects.deployment(f"s{number}", 2)
        stateful["kind"] = "StatefulSet"
        stateful["spec"]["serviceName"] = f"s{number}"
        await world.create(resources.STATEFUL_SETS, stateful)
        spec = {**objects.pod("j")["spec"], "restartPolicy": "Never"}
        job = {"metadata": {"name": f"j{number}"}, "spec": {"template": {"spec": spec}}}
        await world.create(resources.JOBS, job)
    for number in range(15):
        await world.create(resources.SERVICES, objects.service(f"d{number}"))
    for number in range(30):
        await world.create(resources.CONFIGMAPS, objects.configmap(f"c{number}"))
        await world.create(resources.SECRETS, {"metadata": {"name": f"s{number}"}})

    async def all_run() -> bool:
        pods = await world.list(resources.PODS)
        phases = [pod["status"].get("phase") for pod in pods]
        return len(phases) == 3 * 3 + 3 * 2 + 3 and not {*phases} - {"Running", "Succeeded"}

    await eventually(all_run, "all pods run")
