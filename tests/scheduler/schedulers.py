# SPDX-License-Identifier: Apache-2.0
"""`pyk8s scheduler` as processes that a test starts and kills; plain nodes and pods for them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from cluster import SECONDS_MAX
from world import World

from pyk8s.apimachinery import meta
from pyk8s.client import resources
from pyk8s.client.client import Patch

Object = dict[str, Any]


class Schedulers:
    def __init__(self, kubeconfig: Path, directory: Path) -> None:
        self._kubeconfig = kubeconfig
        self._log = directory / "scheduler.log"
        self._running: list[subprocess.Popen[bytes]] = []

    def start(self, *flags: str) -> subprocess.Popen[bytes]:
        """One more; without a Lease unless the flags say otherwise."""
        chosen = flags or ("--leader-elect=false",)
        command = [sys.executable, "-m", "pyk8s", "scheduler", f"--kubeconfig={self._kubeconfig}"]
        with self._log.open("ab") as log:
            process = subprocess.Popen(
                [*command, *chosen], stderr=log, start_new_session=True, env={**os.environ}
            )
        self._running.append(process)
        return process

    def kill(self, process: subprocess.Popen[bytes]) -> None:
        """SIGKILL, in the midst of whatever it does."""
        process.kill()
        process.wait(SECONDS_MAX)
        self._running.remove(process)

    def kill_all(self) -> None:
        for process in [*self._running]:
            self.kill(process)

    @property
    def log(self) -> str:
        return self._log.read_text()


def node(name: str, cpu: str = "4", labels: Object | None = None, **spec: Any) -> Object:
    amounts = {"cpu": cpu, "memory": "8Gi", "pods": "20"}
    own = {"kubernetes.io/hostname": name, **(labels or {})}
    return {
        "metadata": {"name": name, "labels": own},
        "spec": spec,
        "status": {
            "capacity": amounts,
            "allocatable": amounts,
            "conditions": [{"type": "Ready", "status": "True"}],
        },
    }


def pod(name: str, cpu: str = "1", labels: Object | None = None, **spec: Any) -> Object:
    requests = {"cpu": cpu, "memory": "64Mi"}
    container = {"name": "c", "image": "pause", "resources": {"requests": requests}}
    return {
        "metadata": {"name": name, "labels": labels or {}},
        "spec": {
            "containers": [container],
            "terminationGracePeriodSeconds": 0,
            "automountServiceAccountToken": False,
            **spec,
        },
    }


async def add_node(world: World, wanted: Object) -> None:
    """Ready at once: whoever taints new nodes until they are is not to wait for anybody."""
    created = await world.client.create(resources.NODES, wanted)
    taints = wanted["spec"].get("taints")
    if created["spec"].get("taints") != taints:
        patch = Patch(content={"spec": {"taints": taints}})
        await world.client.patch(resources.NODES, ("", meta.name(wanted)), patch)
