# SPDX-License-Identifier: Apache-2.0
"""Measures how many pods a second get a node, beside an API server and in memory.

    hack/bench scheduler [--nodes 5000] [--pods 10000] [--constrained 1000] [--only CASE,…]
                         [--seconds-max 300] [--profile FILE] [--json FILE]

Cases without `core-` have a scheduler process and an API server of their own (see `scheduling`).
In `core-` cases nothing is read or written: queue, evaluation and assume; for preemption the
choice of victims and their leaving. Then CPU seconds are this process's, whatever else the
machine does.
"""

from __future__ import annotations

import argparse
import functools
import itertools
import json
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import uvloop

from hack.benchmarks import scheduling
from pyk8s.apimachinery.gvk import Object
from pyk8s.scheduler import queue
from pyk8s.scheduler.evaluation import Evaluations
from pyk8s.scheduler.framework import podinfo
from pyk8s.scheduler.framework.nodetable import NodeTable
from pyk8s.scheduler.plugins.defaultpreemption import DefaultPreemption
from pyk8s.scheduler.profiles import default_profile, handle_of

HOSTNAME, ZONE = "kubernetes.io/hostname", "topology.kubernetes.io/zone"
_ZONES = 10
_APP = {"matchLabels": {"app": "measured"}}


def node(number: int, zones: int = _ZONES) -> Object:
    name = f"node-{number:05}"
    amounts = {"cpu": "4", "memory": "32Gi", "pods": "110", "ephemeral-storage": "100Gi"}
    return {
        "metadata": {"name": name, "labels": {HOSTNAME: name, ZONE: f"zone-{number % zones}"}},
        "spec": {},
        "status": {"capacity": amounts, "allocatable": amounts},
    }


def plain() -> Object:
    requests = {"cpu": "100m", "memory": "500Mi"}
    return {"containers": [{"name": "c", "image": "pause", "resources": {"requests": requests}}]}


def spread() -> Object:
    constraint = {"topologyKey": ZONE, "maxSkew": 1, "whenUnsatisfiable": "DoNotSchedule"}
    return plain() | {"topologySpreadConstraints": [constraint | {"labelSelector": _APP}]}


def apart(topology_key: str = HOSTNAME) -> Object:
    term = {"topologyKey": topology_key, "labelSelector": _APP}
    required = {"requiredDuringSchedulingIgnoredDuringExecution": [term]}
    return plain() | {"affinity": {"podAntiAffinity": required}}


def large(priority: int) -> Object:
    """Four of low priority fill a node; one of high priority needs the room of three."""
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
    profile, kept, waiting = (
        default_profile(handle),
        Evaluations(table),
        queue.Queue(queue.QueueOptions()),
    )
    objects = [pod(f"pod-{number:06}", spec()) for number in range(pods)]
    with _Stopwatch(pods):
        for each in objects:
            waiting.add(podinfo.of(each))
        for _ in range(pods):
            queued = await waiting.pop()
            waiting.done(queued.info.uid)
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


# --- beside an API server


def _written(name: str, spec: Object, app: str = "measured") -> Object:
    """A pod as a user would create it; it goes at once when it is told to."""
    return {
        "metadata": {"name": name, "labels": {"app": app}},
        "spec": {
            "automountServiceAccountToken": False,
            "terminationGracePeriodSeconds": 0,
            **spec,
        },
    }


def _pods(count: int, spec: Callable[[], Object]) -> Iterator[Object]:
    return (_written(f"pod-{number:06}", spec()) for number in range(count))


def _low(nodes: int) -> Iterator[Object]:
    for number, place in itertools.product(range(nodes), range(4)):
        spec = {**large(0), "priority": None, "nodeName": f"node-{number:05}"}
        yield _written(f"low-{number}-{place}", spec, "low")


def _high() -> Object:
    return {**large(1000), "priority": None, "priorityClassName": scheduling.HIGH}


def beside_cases(options: argparse.Namespace) -> dict[str, scheduling.Case]:
    few, nodes = options.constrained, lambda: map(node, range(options.nodes))
    case = functools.partial(scheduling.Case, nodes=nodes)
    # The first waits for all pods to be there; the second shares the server with their creation.
    plain_pods = functools.partial(_pods, options.pods, plain)
    return {
        "plain": case(aim=500, pods=plain_pods),
        "plain-created": case(aim=500, pods=plain_pods, while_created=True),
        "apart-host": case(aim=150, pods=functools.partial(_pods, few, apart)),
        "apart-zone": case(
            aim=150,
            nodes=lambda: (node(number, zones=options.nodes) for number in range(options.nodes)),
            pods=functools.partial(_pods, few, functools.partial(apart, ZONE)),
        ),
        "spread": case(aim=150, pods=functools.partial(_pods, few, spread)),
        "preemption": case(
            aim=100,
            before=functools.partial(_low, options.nodes),
            pods=functools.partial(_pods, few, _high),
        ),
    }


async def beside(name: str, case: scheduling.Case, options: argparse.Namespace) -> None:
    load = os.getloadavg()[0]
    outcome = await scheduling.run(case, options.seconds_max, options.profile)
    FIGURES[name] = outcome.per_second
    used = ", ".join(f"{who} {1000 * cpu / outcome.pods:.2f}" for who, cpu in outcome.cpu.items())
    print(
        f"{name:<18} {outcome.pods:>7} pods {outcome.per_second:>9.0f} /s   aim {case.aim:>5.0f}"
        f"   load {load:.1f}   CPU ms a pod: {used}",
        flush=True,
    )


# --- the figures


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
    parser.add_argument("--seconds-max", type=float, default=300.0, help="for one case")
    parser.add_argument("--profile", default="", help="write the scheduler's cProfile to a file")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args(arguments)
    nodes, few = options.nodes, options.constrained
    cases: dict[str, Callable[[], Any]] = {
        "core-plain": lambda: core(nodes, options.pods, plain),
        "core-spread": lambda: core(nodes, few, spread),
        "core-apart": lambda: core(nodes, few, apart),
        "core-preemption": lambda: core_preemption(nodes, few),
    }
    for name, case in beside_cases(options).items():
        cases[name] = functools.partial(beside, name, case, options)
    for name in options.only.split(",") if options.only else cases:
        _Stopwatch.name = name
        uvloop.run(cases[name]())
    if options.json:
        options.json.write_text(json.dumps(FIGURES, indent=1))
