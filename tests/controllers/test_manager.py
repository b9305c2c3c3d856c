# SPDX-License-Identifier: Apache-2.0
"""The manager as an operator meets it: which controllers, health, one leader."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl

import objects
import pytest
from cluster import ControlPlane, eventually
from prometheus_client.parser import text_string_to_metric_families
from world import World

from pyk8s.apimachinery import meta
from pyk8s.apimachinery.gvk import Object
from pyk8s.client import events, kubeconfig, resources, worker
from pyk8s.client.informer import SharedInformers
from pyk8s.client.store import Key
from pyk8s.controllers import manager, queuenames, registry
from pyk8s.controllers.controller import Context, Controller, ObjectController
from pyk8s.serving.component import SecureServing


@pytest.mark.parametrize(
    ("flag", "absent"),
    [
        pytest.param(["*"], [], id="all"),
        pytest.param(["*", "-namespace-controller"], ["namespace-controller"], id="all but one"),
        pytest.param(["-namespace-controller", "namespace-controller", "*"],
                     ["namespace-controller"], id="the first mention counts"),
    ],
)  # fmt: skip
def test_controllers_flag(flag: list[str], absent: list[str]) -> None:
    """As kube-controller-manager reads it."""
    names = [kind.name for kind in registry.selected(flag)]
    absent = [*absent, *registry.DISABLED_BY_DEFAULT]
    assert names == [name for name in registry.CONTROLLERS if name not in absent]
    assert "token-cleaner-controller" in registry.DISABLED_BY_DEFAULT
    named = registry.selected([*flag, "token-cleaner-controller"])
    assert "token-cleaner-controller" in [kind.name for kind in named]


def test_controllers_flag_with_one_name() -> None:
    """Without the star, only who is named."""
    (only,) = registry.selected(["namespace-controller"])
    assert only.name == "namespace-controller"
    with pytest.raises(registry.UnknownController, match="'-nobody' is not in the list"):
        registry.selected(["*", "-nobody"])


def test_queues_are_called_as_upstream() -> None:
    """Each by a name of its own, for a metric with one name twice would be no metric."""
    names = [queuenames.of(name) for name in registry.CONTROLLERS]
    assert len({*names}) == len(names)
    assert queuenames.NAMES.keys() <= registry.CONTROLLERS.keys()
    assert {"deployment", "endpoint_slice", "replicationmanager"} <= {*names}


async def test_two_managers_one_leader(cluster: ControlPlane) -> None:
    """Both are healthy, one says it leads."""
    config = kubeconfig.load(str(cluster.kubeconfig))
    ports = []
    for _ in range(2):
        with socket.create_server(("127.0.0.1", 0)) as free:
            ports.append(free.getsockname()[1])
    tasks = [
        asyncio.ensure_future(
            manager.Manager(
                manager.ManagerOptions(
                    controllers=("serviceaccount-controller",),
                    serving=_open_to_all(port),
                ),
                config,
            ).run()
        )
        for port in ports
    ]

    async def leaders() -> int:
        texts = [await _get(port, "/metrics") for port in ports]
        master = 'leader_election_master_status{name="kube-controller-manager"} 1.0'
        return sum(master in text for text in texts)

    async def is_led() -> bool:
        return await leaders() == 1

    await eventually(is_led, "one leads")
    for port in ports:
        assert (await _get(port, "/healthz")).endswith("\r\n\r\nok")
        assert (await _get(port, "/readyz")).endswith("\r\n\r\nok")
        assert (await _get(port, "/other")).startswith("HTTP/1.1 404")
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)


async def test_manager_tells_what_it_does(nodeless_plane: ControlPlane) -> None:
    """Its checks by name, its queues, its requests and its failures, under upstream's names."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    options = manager.ManagerOptions(
        controllers=("serviceaccount-controller",),
        leader_elect=False,
        serving=_open_to_all(port),
    )
    config = kubeconfig.load(str(nodeless_plane.kubeconfig))
    running = asyncio.ensure_future(manager.Manager(options, config).run())

    async def works() -> bool:
        found = _samples(await _get(port, "/metrics"))
        name = "serviceaccount"
        return found.get(("workqueue_work_duration_seconds_count", name), 0) > 0

    await eventually(works, "it has reconciled")
    assert (await _get(port, "/healthz?verbose")).endswith(
        "[+]ping ok\n[+]serviceaccount-controller ok\nhealthz check passed\n"
    )
    assert "[+]informer-sync ok" in await _get(port, "/readyz?verbose")
    found = _samples(await _get(port, "/metrics"))
    name = "serviceaccount-controller"
    for metric in ("adds_total", "queue_duration_seconds_count"):
        assert found[f"workqueue_{metric}", "serviceaccount"] >= 1
    for metric in ("depth", "unfinished_work_seconds", "longest_running_processor_seconds"):
        assert found[f"workqueue_{metric}", "serviceaccount"] >= 0
    assert found["controller_reconciles_total", name] >= 1
    assert found["controller_reconcile_errors_total", name] == 0
    host = config.server.removeprefix("https://")
    assert found["rest_client_requests_total", "200", host, "GET"] >= 1
    assert found["rest_client_rate_limiter_duration_seconds_bucket", host, "+Inf", "GET"] >= 1
    assert found["process_resident_memory_bytes",] > 0
    running.cancel()
    await asyncio.wait({running})


def _open_to_all(port: int) -> SecureServing:
    return SecureServing(secure_port=port, authorization_always_allow_paths=("/*",))


def _samples(answer: str) -> dict[tuple[str, ...], float]:
    """By name and the values of the labels, in the order of their names."""
    body = answer.partition("\r\n\r\n")[2]
    return {
        (sample.name, *(value for _, value in sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(body)
        for sample in family.samples
    }


async def _get(port: int, path: str) -> str:
    tls = ssl.create_default_context()
    tls.check_hostname = False
    tls.verify_mode = ssl.CERT_NONE
    with contextlib.suppress(ConnectionRefusedError):
        reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=tls)
        writer.write(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        text = (await reader.read()).decode()
        writer.close()
        return text
    return ""


class Stumbles(Controller[str]):
    """Fails as it is told, key by key."""

    name = "stumbling-controller"
    workers = 1

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.failures: dict[str, list[Exception]] = {}
        self.done: list[str] = []

    async def reconcile(self, key: str) -> None:
        if self.failures.get(key):
            raise self.failures[key].pop()
        self.done.append(key)


async def test_failure_is_retried_and_stops_nobody(world: World) -> None:
    """Expected or a mistake: counted, tried again, while other keys go on."""
    controller = Stumbles(Context(client=world.client, informers=None, recorder=None))
    controller.failures["bad"] = [ValueError("mine"), KeyError("mine")]
    task = asyncio.ensure_future(controller.run())
    for key in ("bad", "good"):
        controller.queue.add(key)
    await eventually(lambda: sorted(controller.done) == ["bad", "good"], "both are done")
    assert controller.done == ["good", "bad"]
    assert (controller.statistics.failed, controller.queue.failures("bad")) == (2, 0)
    task.cancel()
    await asyncio.wait({task})


class Refuses(ObjectController):
    """Cannot do with what is called bad, whatever it does."""

    name = "refusing-controller"
    resource = resources.CONFIGMAPS

    def __init__(self, context: Context, namespace: str) -> None:
        super().__init__(context)
        self._namespace = namespace
        self.done: list[str] = []

    def enqueue(self, obj: Object) -> None:
        if meta.namespace(obj) == self._namespace:
            super().enqueue(obj)

    async def reconcile(self, key: Key) -> None:
        if key[1] == "bad":
            raise worker.Irreconcilable("it is bad")
        self.done.append(key[1])


async def test_failure_is_told_as_an_event_of_the_object(world: World) -> None:
    """And goes on being tried, while the others are served."""
    informers = SharedInformers(world.client)
    recorder = events.EventRecorder(world.client, "refusing-controller")
    context = Context(client=world.client, informers=informers, recorder=recorder)
    controller = Refuses(context, world.namespace)
    for name in ("bad", "good"):
        await world.create(resources.CONFIGMAPS, objects.configmap(name))
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(recorder.run()), group.create_task(controller.run())]
        informers.start(group)

        async def is_told() -> bool:
            found = await world.list(resources.EVENTS)
            return any(
                (e["involvedObject"]["name"], e["type"], e["reason"], e["message"])
                == ("bad", "Warning", "FailedReconcile", "refusing-controller: it is bad")
                and e["count"] > 1
                for e in found
            )

        await eventually(is_told, "the failure is an Event, more than once")
        assert "good" in controller.done
        assert controller.statistics.failed > 1
        for task in tasks:
            task.cancel()
        informers.stop(resources.CONFIGMAPS)
