# SPDX-License-Identifier: Apache-2.0
"""How many replicas a metric asks for. No I/O.

Mirrors upstream's `replica_calculator.go`. Amounts are thousandths. A Pod that is not ready
counts as one that uses nothing, but only against scaling up; one without metrics counts against
either direction; one that fails or is being deleted does not count at all.
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

_INT32_MAX = 2**31 - 1


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
    """What each Pod should use: so many percent of its request, or so many thousandths. `resource`
    is empty for a metric of another kind."""

    resource: str = ""
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
    unready: frozenset[str]
    missing: frozenset[str]
    ignored: frozenset[str]


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
    uncounted = groups.ignored | groups.unready
    values = {name: m.value for name, m in metrics.items() if name not in uncounted}
    if not values:
        raise NoProposal("did not receive metrics for targeted pods (pods might be unready)")
    requests = _requests(pods, target) if target.utilization is not None else {}
    ratio, value, utilization = _ratio(values, requests, target)
    unchanged = Proposal(current, value, utilization)
    rebalance = bool(groups.unready) and ratio > 1.0
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
        values.update(dict.fromkeys(groups.unready, 0))
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


def for_total(current: int, ratio: float, pods: Sequence[Object], rules: Rules) -> int:
    """For a metric of the workload as a whole, of which `ratio` is the share of the target. Raises
    NoProposal."""
    if not current:
        # Nobody is ready where nobody is: from zero on, the metric alone counts.
        return _replicas(ratio)
    if rules.tolerate(ratio):
        return current
    if not pods:
        text = "no pods returned by selector while calculating replica count"
        raise NoProposal(f"unable to calculate ready pods: {text}")
    ready = sum(1 for pod in pods if pod_rules.phase(pod) == "Running" and pod_rules.is_ready(pod))
    return _replicas(ratio * ready)


def per_pod(status_replicas: int, used: int, average: int, rules: Rules) -> Proposal:
    """For a metric of the workload as a whole, of which each Pod is to have `average`."""
    if not status_replicas:
        return Proposal(_replicas(used / average), 0)
    replicas = status_replicas
    if not rules.tolerate(used / (average * status_replicas)):
        replicas = _replicas(used / average)
    return Proposal(replicas, -(-used // status_replicas))


def _replicas(number: float) -> int:
    return min(math.ceil(number), _INT32_MAX)


def group(
    pods: Iterable[Object], metrics: Mapping[str, PodMetric], resource: str, rules: Rules
) -> _Groups:
    """Which Pods count, and how."""
    ready, unready, missing, ignored = 0, set(), set(), set()
    for pod in pods:
        name, phase = meta.name(pod), pod_rules.phase(pod)
        if meta.is_being_deleted(pod) or phase == "Failed":
            ignored.add(name)
        elif phase == "Pending":
            unready.add(name)
        elif name not in metrics:
            missing.add(name)
        elif resource == "cpu" and _is_warming_up(pod, metrics[name], rules):
            unready.add(name)
        else:
            ready += 1
    return _Groups(ready, frozenset(unready), frozenset(missing), frozenset(ignored))


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
    return {meta.name(pod): _request(pod, target) for pod in pods}


def _request(pod: Object, target: Target) -> int:
    spec: Mapping[str, Any] = pod["spec"]
    own = (spec.get("resources") or {}).get("requests")
    if own and not target.container:
        if target.resource not in (requested := podrequests.requests(pod)):
            text = f"missing pod-level request for {target.resource} in Pod {meta.name(pod)}"
            raise NoProposal(text)
        return podrequests.milli(requested[target.resource])
    sidecars = filter(podrequests.is_restartable, spec.get("initContainers") or ())
    containers = [*spec["containers"], *sidecars]
    if target.container:
        containers = [each for each in containers if each["name"] == target.container]
        if not containers:
            raise NoProposal(f"container {target.container} not found in Pod {meta.name(pod)}")
    total = 0
    for container in containers:
        asked = ((container.get("resources") or {}).get("requests") or {}).get(target.resource)
        if asked is None:
            where = f"in container {container['name']} of Pod {meta.name(pod)}"
            raise NoProposal(f"missing request for {target.resource} {where}")
        total += podrequests.milli(podrequests.nanos(asked))
    return total
