# SPDX-License-Identifier: Apache-2.0
"""Measures how many pods a second get a node.

    hack/bench scheduler [--nodes 5000] [--pods 10000] [--constrained 1000] [--only CASE,…]
                         [--json FILE]

`core …`: queue, evaluation and assume in memory, nothing is written. `served …`: the scheduler in
this process beside an API server with etcd, from its start, with all pods waiting, until all are
bound (or promised a node). CPU seconds are this process's, whatever else the machine does.
"""

from __future__ import annotations

import argparse
import itertools
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import uvloop

from pyk8s.apimachinery.gvk import Object
from pyk8s.scheduler import queue
from pyk8s.scheduler.evaluation import Evaluations
from pyk8s.scheduler.framework import podinfo
from pyk8s.scheduler.framework.nodetable import NodeTable
from pyk8s.scheduler.plugins.defaultpreemption import DefaultPreemption
from pyk8s.scheduler.profiles import RELEVANT, default_profile, handle_of

HOSTNAME, ZONE = "kubernetes.io/hostname", "topology.kubernetes.io/zone"
_ZONES = 10
_APP = {"matchLabels": {"app": "measured"}}


def node(number: int) -> Object:
    name = f"node-{number:05}"
    amounts = {"cpu": "4", "memory": "32Gi", "pods": "110", "ephemeral-storage": "100Gi"}
    return {
        "metadata": {"name": name, "labels": {HOSTNAME: name, ZONE: f"zone-{number % _ZONES}"}},
        "spec": {},
        "status": {"capacity": amounts, "allocatable": amounts},
    }


def plain() -> Object:
    requests = {"cpu": "100m", "memory": "500Mi"}
    return {"containers": [{"name": "c", "image": "pause", "resources": {"requests": requests}}]}


def spread() -> Object:
    constraint = {"topologyKey": ZONE, "maxSkew": 1, "whenUnsatisfiable": "DoNotSchedule"}
    return plain() | {"topologySpreadConstraints": [constraint | {"labelSelector": _APP}]}


def apart() -> Object:
    term = {"topologyKey": HOSTNAME, "labelSelector": _APP}
    required = {"requiredDuringSchedulingIgnoredDuringExecution": [term]}
    return plain() | {"affinity": {"podAntiAffinity": required}}


def large(priority: int) -> Object:
    requests = {"cpu": "3" if priority else "900m", "memory": "500Mi"}
    container = {"name": "c", "image": "pause", "resources": {"requests": requests}}
    return {"containers": [container], "priority": priority}


SPECS: dict[str, Callable[[], Object]] = {"plain": plain, "spread": spread, "apart": apart}


def pod(name: str, spec: Object) -> Object:
    metadata = {"name": name, "namespace": "default", "uid": name, "labels": {"app": "measured"}}
    return {"metadata": metadata, "spec": {"schedulerName": "default-scheduler", **spec}}


def table_of(nodes: int) -> tuple[NodeTable, Any]:
    table = NodeTable()
    handle = handle_of(table)
    for number in range(nodes):
        table.set_node(node(number))
    return table, handle


async def core(nodes: int, pods: int, spec: Callable[[], Object]) -> None:
    """All pods get a node."""
    table, handle = table_of(nodes)
    profile, kept, waiting = default_profile(handle), Evaluations(table), queue.Queue(RELEVANT)
    objects = [pod(f"pod-{number:06}", spec()) for number in range(pods)]
    with _Stopwatch(pods):
        for each in objects:
            waiting.add(podinfo.of(each))
        for _ in range(pods):
            queued = await waiting.pop()
            evaluation = kept.of(profile, queued.info)
            row = evaluation.best()
            assert row >= 0, evaluation.diagnosis().message
            table.add_pod(queued.info, table.names[row])


async def core_preemption(nodes: int, pods: int) -> None:
    """Every node is full of four pods of low priority; each new pod needs three of them gone."""
    table, handle = table_of(nodes)
    profile, kept = default_profile(handle), Evaluations(table)
    (plugin,) = (each for each in profile.plugins if isinstance(each, DefaultPreemption))
    for number, place in itertools.product(range(nodes), range(4)):
        low = podinfo.of(pod(f"low-{number}-{place}", large(0)))
        table.add_pod(low, f"node-{number:05}")
    with _Stopwatch(pods):
        for number in range(pods):
            info = podinfo.of(pod(f"high-{number:06}", large(1000)))
            evaluation = kept.of(profile, info)
            assert evaluation.best() < 0
            result = plugin.post_filter(info, evaluation)
            assert result.node, result.message
            for victim in result.victims:
                table.remove_pod(victim.uid)
            table.add_pod(info, result.node)


FIGURES: dict[str, float] = {}


class _Stopwatch:
    """Prints what the pods within took, by the wall clock and in CPU time."""

    name = ""

    def __init__(self, pods: int) -> None:
        self._pods = pods

    def __enter__(self) -> None:
        self._began, self._cpu = time.perf_counter(), time.process_time()

    def __exit__(self, *raised: object) -> None:
        if raised[0] is not None:
            return
        wall, cpu = time.perf_counter() - self._began, time.process_time() - self._cpu
        FIGURES[_Stopwatch.name] = self._pods / wall
        print(
            f"{_Stopwatch.name:<18} {self._pods:>7} pods {self._pods / wall:>9.0f} /s"
            f" {self._pods / cpu:>9.0f} /CPU s",
            flush=True,
        )


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(prog="hack/bench scheduler")
    parser.add_argument("--nodes", type=int, default=5000)
    parser.add_argument("--pods", type=int, default=10_000)
    parser.add_argument("--constrained", type=int, default=1000)
    parser.add_argument("--only", default="", help="cases by name, such as core-plain")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args(arguments)
    nodes, few = options.nodes, options.constrained
    cases: dict[str, Callable[[], Any]] = {
        "core-plain": lambda: core(nodes, options.pods, plain),
        "core-spread": lambda: core(nodes, few, spread),
        "core-apart": lambda: core(nodes, few, apart),
        "core-preemption": lambda: core_preemption(nodes, few),
    }
    cases |= _served_cases(options)
    for name in options.only.split(",") if options.only else cases:
        _Stopwatch.name = name
        uvloop.run(cases[name]())
    if options.json:
        options.json.write_text(json.dumps(FIGURES, indent=1))


def _served_cases(options: argparse.Namespace) -> dict[str, Callable[[], Any]]:
    return {}
