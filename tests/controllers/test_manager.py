# SPDX-License-Identifier: Apache-2.0
"""The manager as an operator meets it: which controllers, health, one leader."""

from __future__ import annotations

import asyncio
import contextlib
import socket

import pytest
from cluster import ControlPlane, eventually
from world import World

from pyk8s.client import kubeconfig
from pyk8s.controllers import manager, registry
from pyk8s.controllers.controller import Context, Controller


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
                manager.ManagerOptions(controllers=("serviceaccount-controller",), port=port),
                config,
            ).run()
        )
        for port in ports
    ]

    async def leaders() -> int:
        texts = [await _get(port, "/metrics") for port in ports]
        return sum('master_status{name="kube-controller-manager"} 1' in text for text in texts)

    async def is_led() -> bool:
        return await leaders() == 1

    await eventually(is_led, "one leads")
    for port in ports:
        assert (await _get(port, "/healthz")).endswith("\r\n\r\nok")
        assert (await _get(port, "/other")).startswith("HTTP/1.1 404")
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)


async def _get(port: int, path: str) -> str:
    with contextlib.suppress(ConnectionRefusedError):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
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
