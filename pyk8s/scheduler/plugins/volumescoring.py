# SPDX-License-Identifier: Apache-2.0
"""How well the volumes that a pod would get on a node are used: `plugins/volumebinding/scorer.go`.

Of each class what is requested of what the chosen volumes hold, or of what the node has room for
where volumes are made; the classes count alike.
"""

from __future__ import annotations

from collections.abc import Iterable

from pyk8s.apimachinery import quantity
from pyk8s.apimachinery.gvk import Object
from pyk8s.componenthelpers import volumes
from pyk8s.scheduler.framework.nodetable import Ints
from pyk8s.scheduler.plugins import shapes

# A volume and the claim that would have it; a CSIStorageCapacity and the claim it would be made of.
Binding = tuple[Object, Object]


def of_bindings(bindings: Iterable[Binding], table: Ints) -> int:
    used: dict[str, tuple[int, int]] = {}
    for volume, claim in bindings:
        name = volumes.class_of(volume)
        requested, capacity = used.get(name, (0, 0))
        used[name] = (
            requested + volumes.requested(claim).value,
            capacity + volumes.capacity(volume).value,
        )
    return _mean(used, table)


def of_provisions(provisions: Iterable[Binding], table: Ints) -> int:
    used: dict[str, tuple[int, int]] = {}
    for room, claim in provisions:
        name = volumes.class_of(claim)
        requested, _ = used.get(name, (0, 0))
        capacity = quantity.parse(room.get("capacity") or "0").value
        # The room is one, whatever is made in it.
        used[name] = (requested + volumes.requested(claim).value, capacity)
    return _mean(used, table)


def _mean(used: dict[str, tuple[int, int]], table: Ints) -> int:
    if not used:
        return 0
    scores = [
        int(table[shapes.FULL if not capacity else min(requested * 100 // capacity, 100)])
        for requested, capacity in used.values()
    ]
    # Halves go away from zero, as Go rounds them.
    return int(sum(scores) / len(scores) + 0.5)
