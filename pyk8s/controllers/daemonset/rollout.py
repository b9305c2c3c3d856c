# SPDX-License-Identifier: Apache-2.0
"""What to create on which node, and which pods to delete; pure, no I/O.

Mirrors upstream's `podsShouldBeOnNode` and `rollingUpdate`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from pyk8s.apimachinery import intorstring, meta
from pyk8s.apimachinery.gvk import Object
from pyk8s.controllers import pods
from pyk8s.controllers.daemonset import nodes


@dataclass(slots=True)
class Plan:
    """Names of nodes that need a pod, and pods to delete. `failed` and `succeeded` are those to
    delete because they have ended."""

    create: list[str] = field(default_factory=list)
    delete: list[Object] = field(default_factory=list)
    failed: list[Object] = field(default_factory=list)
    succeeded: list[Object] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """A DaemonSet, the nodes there are, its pods by node, and the hash of its template now."""

    daemon_set: Object
    nodes: Sequence[Object]
    by_node: Mapping[str, Sequence[Object]]
    digest: str
    now: datetime

    def is_available(self, pod: Object) -> bool:
        min_ready = self.daemon_set["spec"].get("minReadySeconds") or 0
        return pods.is_available(pod, min_ready, self.now)

    def is_new(self, pod: Object) -> bool:
        return nodes.is_updated(self.daemon_set, pod, self.digest)


def bounds(daemon_set: Object, desired: int) -> tuple[int, int]:
    """maxSurge and maxUnavailable as numbers, rounded up; never both 0."""
    strategy = daemon_set["spec"].get("updateStrategy") or {}
    if strategy.get("type") != "RollingUpdate":
        return 0, 0
    rolling = strategy.get("rollingUpdate") or {}
    surge = intorstring.scaled_value(rolling.get("maxSurge") or 0, desired, True)
    unavailable = intorstring.scaled_value(rolling.get("maxUnavailable", 1), desired, True)
    return surge, unavailable or (0 if surge else 1)


def _allows_surge(daemon_set: Object) -> bool:
    return bounds(daemon_set, 100)[0] > 0


def manage(world: World) -> Plan:
    """One pod on every node that should have one; two at most while surging."""
    plan = Plan()
    for node in world.nodes:
        _manage_node(world, node, plan)
    known = {meta.name(node) for node in world.nodes}
    for name, found in world.by_node.items():
        if name not in known:
            # Nobody will ever bind it, and nobody else would clean it up.
            plan.delete += [pod for pod in found if not pod["spec"].get("nodeName")]
    return plan


def _manage_node(world: World, node: Object, plan: Plan) -> None:
    start, stay = nodes.should_run(world.daemon_set, node)
    name = meta.name(node)
    found = world.by_node.get(name) or ()
    staying = [pod for pod in found if not meta.is_being_deleted(pod)]
    if not stay:
        plan.delete += staying
        return
    if not found:
        if start:
            plan.create.append(name)
        return
    plan.failed += [pod for pod in staying if pods.phase(pod) == "Failed"]
    plan.succeeded += [pod for pod in staying if pods.phase(pod) == "Succeeded"]
    running = [pod for pod in staying if not pods.is_finished(pod)]
    if not _allows_surge(world.daemon_set):
        plan.delete += running[1:]
    elif not running:
        if start:
            plan.create.append(name)
    elif len(running) > 1:
        _prune_surge(world, running, plan)


def _prune_surge(world: World, running: Sequence[Object], plan: Plan) -> None:
    """An old pod stays beside the new one as long as it is ready and the new one not available."""
    new = [pod for pod in running if world.is_new(pod)]
    old = [pod for pod in running if not world.is_new(pod)]
    plan.delete += [*new[1:], *old[1:]]
    if new and old and (not pods.is_ready(old[0]) or world.is_available(new[0])):
        plan.delete.append(old[0])


def rolling_update(world: World) -> Plan:
    """The next pods of an old template to go, or of the new one to come."""
    desired = nodes.desired(world.daemon_set, world.nodes)
    surge, unavailable = bounds(world.daemon_set, len(desired))
    on_node = {name: _new_and_old(world, found) for name, found in world.by_node.items()}
    for name in desired:
        on_node.setdefault(name, ((), ()))
    if surge:
        return _surge(world, on_node, desired, surge)
    return _replace(world, on_node, unavailable)


_NewAndOld = tuple[Sequence[Object], Sequence[Object]]


def _new_and_old(world: World, found: Sequence[Object]) -> _NewAndOld:
    staying = [pod for pod in found if not meta.is_being_deleted(pod)]
    return (
        [pod for pod in staying if world.is_new(pod)],
        [pod for pod in staying if not world.is_new(pod)],
    )


def _replace(world: World, on_node: Mapping[str, _NewAndOld], unavailable: int) -> Plan:
    missing, broken, candidates = 0, [], []
    for new, old in on_node.values():
        if len(new) + len(old) != 1:
            # None, or too many: that is for `manage` to settle first.
            missing += 1
        elif new:
            missing += not world.is_available(new[0])
        elif world.is_available(old[0]):
            candidates.append(old[0])
        else:
            broken.append(old[0])
            missing += 1
    return Plan(delete=broken + candidates[: max(0, unavailable - missing)])


def _surge(world: World, on_node: Mapping[str, _NewAndOld], desired: set[str], surge: int) -> Plan:
    plan = Plan()
    surging = available = 0
    misplaced: list[Object] = []
    candidates: list[str] = []
    for name, (new, old) in on_node.items():
        if len(new) > 1 or len(old) > 1:
            surging += 1
            continue
        if counted := old or new:
            available += world.is_available(counted[0])
        if not old:
            continue
        if new:
            if world.is_available(new[0]):
                plan.delete.append(old[0])
            else:
                surging += 1
        elif name not in desired:
            (misplaced if world.is_available(old[0]) else plan.delete).append(old[0])
        elif world.is_available(old[0]):
            candidates.append(name)
        else:
            plan.create.append(name)
    # Who surges expects to be always available: what is no longer wanted waits for its successor.
    plan.delete += misplaced[: max(0, available - len(desired))]
    plan.create += candidates[: max(0, surge - surging)]
    return plan


def status(world: World) -> dict[str, int]:
    """The counts of the DaemonSet's status."""
    desired = nodes.desired(world.daemon_set, world.nodes)
    known = {meta.name(node) for node in world.nodes}
    first = [found[0] for name, found in world.by_node.items() if name in desired]
    ready = [pod for pod in first if pods.is_ready(pod)]
    available = sum(map(world.is_available, ready))
    return {
        "desiredNumberScheduled": len(desired),
        "currentNumberScheduled": len(first),
        "numberMisscheduled": sum(name in known - desired for name in world.by_node),
        "numberReady": len(ready),
        "updatedNumberScheduled": sum(map(world.is_new, first)),
        "numberAvailable": available,
        "numberUnavailable": len(desired) - available,
    }
