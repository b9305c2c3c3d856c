# SPDX-License-Identifier: Apache-2.0
"""How many replicas a metric asks for. No I/O.

Mirrors upstream's `replica_calculator.go`. Amounts are thousandths. A Pod that is not ready
counts as one that uses nothing, but only against scaling up; one without metrics counts against
either direction.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from pyk8s.apimachinery import meta, times
from pyk8s.apimachinery.gvk import Object
from pyk8s.componenthelpers import podrequests
from pyk8s.controllers import pods as pod_rules


class NoProposal(ValueError):
    """The replicas cannot be computed; str() says why."""


class PodMetric(NamedTuple):
    """What one Pod used, on average over the window that ended then."""

    value: int
    timestamp: datetime
    window: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """`down` and `up` are by how much use may differ from the target and nothing be done."""

    now: datetime
    down: float = 0.1
    up: float = 0.1
    cpu_initialization: timedelta = timedelta(minutes=5)
    initial_readiness_delay: timedelta = timedelta(seconds=30)

    def tolerate(self, ratio: float) -> bool:
        return 1.0 - self.down <= ratio <= 1.0 + self.up


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """What each Pod should use: so many percent of its request, or so many thousandths."""

    resource: str
    container: str = ""
    utilization: int | None = None
    average_value: int = 0


class Proposal(NamedTuple):
    """`utilization` in percent, where that is the target; `value` is the average per Pod."""

    replicas: int
    value: int
    utilization: int | None = None


class _Groups(NamedTuple):
    ready: int
    ignored: frozenset[str]
    missing: frozenset[str]


def propose(
    current: int,
    target: Target,
    pods: Sequence[Object],
    metrics: Mapping[str, PodMetric],
    rules: Rules,
) -> Proposal:
    """`pods` are all that the target's selector finds. Raises NoProposal."""
    if not pods:
        raise NoProposal("no pods returned by selector while calculating replica count")
    groups = group(pods, metrics, target.resource, rules)
    values = {name: m.value for name, m in metrics.items() if name not in groups.ignored}
    requests = _requests(pods, target) if target.utilization is not None else {}
    if not values:
        raise NoProposal("did not receive metrics for any ready pods")
    ratio, value, utilization = _ratio(values, requests, target)
    unchanged = Proposal(current, value, utilization)
    rebalance = bool(groups.ignored) and ratio > 1.0
    if not rebalance and not groups.missing:
        if rules.tolerate(ratio):
            return unchanged
        return Proposal(math.ceil(ratio * groups.ready), value, utilization)
    for name in groups.missing:
        if ratio < 1.0:
            values[name] = _full(name, requests, target)
        elif ratio > 1.0:
            values[name] = 0
    if rebalance:
        values.update(dict.fromkeys(groups.ignored, 0))
    corrected, _, _ = _ratio(values, requests, target)
    turned = ratio < 1.0 < corrected or corrected < 1.0 < ratio
    wanted = math.ceil(corrected * len(values))
    against = (corrected < 1.0 and wanted > current) or (corrected > 1.0 and wanted < current)
    if rules.tolerate(corrected) or turned or against:
        return unchanged
    return Proposal(wanted, value, utilization)


def _full(name: str, requests: Mapping[str, int], target: Target) -> int:
    """What a Pod is taken to use of which nothing is known: all it asks for, or more where the
    target is more."""
    if target.utilization is None:
        return target.average_value
    return requests[name] * max(100, target.utilization) // 100


def _ratio(
    values: Mapping[str, int], requests: Mapping[str, int], target: Target
) -> tuple[float, int, int | None]:
    """Use as a share of the target, its average, and as percents of the requests."""
    if target.utilization is None:
        average = sum(values.values()) // len(values)
        return average / target.average_value, average, None
    known = [name for name in values if name in requests]
    requested = sum(requests[name] for name in known)
    if not requested:
        raise NoProposal("no metrics returned matched known pods")
    used = sum(values[name] for name in known)
    utilization = used * 100 // requested
    return utilization / target.utilization, used // len(known), utilization


def group(
    pods: Iterable[Object], metrics: Mapping[str, PodMetric], resource: str, rules: Rules
) -> _Groups:
    """Which Pods count. Those that fail or are being deleted are in no group."""
    ready, ignored, missing = 0, set(), set()
    for pod in pods:
        name, phase = meta.name(pod), pod_rules.phase(pod)
        if meta.is_being_deleted(pod) or phase == "Failed":
            continue
        if phase == "Pending":
            ignored.add(name)
        elif name not in metrics:
            missing.add(name)
        elif resource == "cpu" and _is_warming_up(pod, metrics[name], rules):
            ignored.add(name)
        else:
            ready += 1
    return _Groups(ready, frozenset(ignored), frozenset(missing))


def _is_warming_up(pod: Object, metric: PodMetric, rules: Rules) -> bool:
    """Its use of cpu says nothing yet about the load."""
    ready = pod_rules.condition(pod, "Ready")
    started = (pod.get("status") or {}).get("startTime")
    if ready is None or not started:
        return True
    since, changed = times.parse(started), times.parse(ready["lastTransitionTime"])
    is_unready = ready["status"] == "False"
    if since + rules.cpu_initialization > rules.now:
        return is_unready or metric.timestamp < changed + metric.window
    return is_unready and since + rules.initial_readiness_delay > changed


def _requests(pods: Iterable[Object], target: Target) -> dict[str, int]:
    """By Pod; of one container, where the target names it. Raises NoProposal."""
    requests = {}
    for pod in pods:
        spec: Mapping[str, Any] = pod["spec"]
        sidecars = filter(podrequests.is_restartable, spec.get("initContainers") or ())
        total = 0
        for container in (*spec["containers"], *sidecars):
            if target.container not in ("", container["name"]):
                continue
            asked = ((container.get("resources") or {}).get("requests") or {}).get(target.resource)
            if asked is None:
                where = f"in container {container['name']} of Pod {meta.name(pod)}"
                raise NoProposal(f"missing request for {target.resource} {where}")
            total += podrequests.milli(podrequests.nanos(asked))
        requests[meta.name(pod)] = total
    return requests
