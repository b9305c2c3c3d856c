# SPDX-License-Identifier: Apache-2.0
"""How many replicas each ReplicaSet of a Deployment is to have: arithmetic, no I/O.

Mirrors upstream's `deployment/{rolling,sync}.go` and `util/deployment_util.go`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from pyk8s.apimachinery import intorstring, meta
from pyk8s.apimachinery.gvk import Object
from pyk8s.controllers.deployment import replicasets
from pyk8s.controllers.deployment.replicasets import counted, replicas, total

Sizes = Mapping[str, int]


def is_rolling(deployment: Object) -> bool:
    strategy: Object = deployment["spec"].get("strategy") or {}
    return strategy.get("type") == "RollingUpdate"


def fenceposts(deployment: Object) -> tuple[int, int]:
    """maxSurge and maxUnavailable as numbers; percentages round up and down, and both are never
    0 together, for then nothing could move."""
    rolling = deployment["spec"]["strategy"].get("rollingUpdate") or {}
    count = replicas(deployment)
    surge = intorstring.scaled_value(rolling.get("maxSurge", 0), count, True)
    unavailable = intorstring.scaled_value(rolling.get("maxUnavailable", 0), count, False)
    return surge, unavailable or (0 if surge else 1)


def max_surge(deployment: Object) -> int:
    return fenceposts(deployment)[0] if is_rolling(deployment) else 0


def max_unavailable(deployment: Object) -> int:
    if not is_rolling(deployment) or not replicas(deployment):
        return 0
    return min(fenceposts(deployment)[1], replicas(deployment))


def new_size(deployment: Object, all_sets: Sequence[Object], new: Object) -> int:
    """How large the new ReplicaSet may become now. Upstream goes by sizes that were asked for, and
    so has more Pods than maxSurge allows while those of a set that was told to shrink are still
    there, which is long where its controller has just been started again."""
    wanted = replicas(deployment)
    if not is_rolling(deployment):
        return wanted
    room = wanted + max_surge(deployment) - sum(map(_held, all_sets))
    if room <= 0:
        return replicas(new)
    return replicas(new) + min(room, wanted - replicas(new))


def _held(replica_set: Object) -> int:
    """The Pods it may have at this moment: those it is to have, or those it has not lost yet."""
    return max(replicas(replica_set), counted(replica_set, "replicas"))


def shrunk(deployment: Object, new: Object, old: Sequence[Object]) -> dict[str, int]:
    """The old ReplicaSets that may shrink now, by name, and to what size: first by what is not
    available anyway, oldest first, then as far as enough stays available."""
    sizes = {meta.name(rs): replicas(rs) for rs in old}
    min_available = replicas(deployment) - max_unavailable(deployment)
    new_unavailable = replicas(new) - _available(new)
    budget = total([*old, new]) - min_available - new_unavailable
    if budget <= 0:
        return {}
    for replica_set in replicasets.by_age(old):
        name = meta.name(replica_set)
        lost = min(budget, sizes[name] - _available(replica_set))
        sizes[name] -= lost
        budget -= lost
    available = sum(map(_available, (*old, new)))
    spare = max(0, available - min_available)
    for replica_set in replicasets.by_age(old):
        name = meta.name(replica_set)
        lost = min(spare, sizes[name])
        sizes[name] -= lost
        spare -= lost
    return {
        meta.name(rs): sizes[meta.name(rs)] for rs in old if sizes[meta.name(rs)] < replicas(rs)
    }


def _available(replica_set: Object) -> int:
    """What is available and stays so: a ReplicaSet that has just been told to shrink still
    counts, in its status, pods that it is about to remove."""
    return min(counted(replica_set, "availableReplicas"), replicas(replica_set))


def is_scaling(deployment: Object, all_sets: Sequence[Object]) -> bool:
    """Whether the Deployment's size has changed since its ReplicaSets were sized."""
    for replica_set in replicasets.active(all_sets):
        desired = replicasets.annotation_number(replica_set, replicasets.DESIRED_REPLICAS)
        if desired is not None and desired != replicas(deployment):
            return True
    return False


def is_saturated(deployment: Object, new: Object | None) -> bool:
    """The new ReplicaSet is all there is to be."""
    if new is None:
        return False
    desired = replicasets.annotation_number(new, replicasets.DESIRED_REPLICAS)
    wanted = replicas(deployment)
    return replicas(new) == desired == counted(new, "availableReplicas") == wanted


def scaled(deployment: Object, new: Object | None, old: Sequence[Object]) -> Sizes:
    """Sizes by name for a change of the Deployment's size alone, template and pauses aside: the
    only one takes it all; of several each its share, so that risk stays spread."""
    everything = [*old, *([new] if new is not None else [])]
    alone = _active_or_latest(everything, new)
    if alone is not None:
        return {meta.name(alone): replicas(deployment)}
    if is_saturated(deployment, new):
        return {meta.name(rs): 0 for rs in replicasets.active(old)}
    if not is_rolling(deployment):
        return {}
    return _proportional(deployment, replicasets.active(everything))


def _active_or_latest(everything: Sequence[Object], new: Object | None) -> Object | None:
    running = replicasets.active(everything)
    if len(running) > 1 or not everything:
        return None
    if running:
        return running[0]
    return new if new is not None else replicasets.by_age(everything)[-1]


def _proportional(deployment: Object, running: Sequence[Object]) -> dict[str, int]:
    wanted = replicas(deployment)
    allowed = wanted + max_surge(deployment) if wanted > 0 else 0
    to_add = allowed - total(running)
    # The largest come first; of equals the newer when growing, the older when shrinking.
    aged = replicasets.by_age(running)
    ordered = sorted(aged[::-1] if to_add > 0 else aged, key=replicas, reverse=True)
    sizes, added = {}, 0
    for replica_set in ordered:
        share = _share(deployment, replica_set, to_add - added) if to_add else 0
        sizes[meta.name(replica_set)] = replicas(replica_set) + share
        added += share
    if ordered and to_add:
        # Rounding leaves a rest, and the largest bears it.
        name = meta.name(ordered[0])
        sizes[name] = max(0, sizes[name] + to_add - added)
    return sizes


def _share(deployment: Object, replica_set: Object, allowed: int) -> int:
    if not allowed or not replicas(replica_set):
        return 0
    fraction = _fraction(deployment, replica_set)
    return min(fraction, allowed) if allowed > 0 else max(fraction, allowed)


def _fraction(deployment: Object, replica_set: Object) -> int:
    """By how much it would change if it kept its part of the whole."""
    size, wanted = replicas(replica_set), replicas(deployment)
    if not wanted:
        return -size
    before = replicasets.annotation_number(replica_set, replicasets.MAX_REPLICAS)
    before = before or counted(deployment, "replicas")
    if not before:
        return 0
    return math.floor(size * (wanted + max_surge(deployment)) / before + 0.5) - size
