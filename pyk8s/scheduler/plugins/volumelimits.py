# SPDX-License-Identifier: Apache-2.0
"""VolumeRestrictions, VolumeZone and NodeVolumeLimits: disks that cannot be shared, zones that
cannot be left, and how many volumes of a driver a node can hold.

Mirrors `plugins/volumerestrictions`, `plugins/volumezone` and `plugins/nodevolumelimits/csi.go`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np

from pyk8s.apimachinery import meta
from pyk8s.apimachinery.gvk import Object
from pyk8s.componenthelpers import volumes
from pyk8s.scheduler.framework.interface import FITS, CycleState
from pyk8s.scheduler.framework.nodetable import Ints, NodeTable, Rows
from pyk8s.scheduler.framework.podinfo import PodInfo
from pyk8s.scheduler.framework.status import (
    SKIP,
    SUCCESS,
    Status,
    unresolvable,
    unschedulable,
)
from pyk8s.scheduler.plugins import hints, volumerules
from pyk8s.scheduler.storage import Storage

TOO_MANY = "node(s) exceed max volume count"

_DISKS = ("gcePersistentDisk", "awsElasticBlockStore", "iscsi", "rbd")
_DISK, _ONCE_POD = 1, 2


def _codes(nodes: NodeTable, rows: Rows, judge: Callable[[int, Object], int]) -> Ints:
    found = []
    for row in np.arange(nodes.size)[rows]:
        node = nodes.nodes[row]
        found.append(FITS if node is None else judge(int(row), node))
    return np.array(found, np.int64)


def _claims(pod: Object, storage: Storage) -> list[Object]:
    named = ((meta.namespace(pod), name) for name in volumes.claim_names(pod))
    found = (storage.claims.get(key) for key in named)
    return [claim for claim in found if claim is not None]


class VolumeRestrictions:
    name = "VolumeRestrictions"

    def events_to_register(self) -> hints.Registered:
        return hints.VOLUME_RESTRICTIONS

    def __init__(self, storage: Storage) -> None:
        self._storage = storage

    def pre_filter(self, state: CycleState, pod: PodInfo, nodes: NodeTable) -> Status:
        namespace = meta.namespace(pod.pod)
        for name in volumes.claim_names(pod.pod):
            if self._storage.claims.get((namespace, name)) is None:
                return unresolvable(f'persistentvolumeclaim "{name}" not found')
        once = volumerules.once_pod_claims(_claims(pod.pod, self._storage))
        has_disk = any(
            kind in volume for volume in volumerules.volumes_of(pod.pod) for kind in _DISKS
        )
        if not once and not has_disk:
            return SKIP
        state[self.name] = any(
            once & volumerules.claim_names(other.pod)
            for others in nodes.pods
            for other in others.values()
        )
        return SUCCESS

    def filter(self, state: CycleState, pod: PodInfo, nodes: NodeTable, rows: Rows) -> Ints:
        def judge(row: int, node: Object) -> int:
            here = (other.pod for other in nodes.pods[row].values())
            if volumerules.has_disk_conflict(pod.pod, here):
                return _DISK
            return _ONCE_POD if state[self.name] else FITS

        return _codes(nodes, rows, judge)

    def rejection(self, state: CycleState, code: int) -> Status:
        if code == _DISK:
            return unschedulable(volumerules.DISK_CONFLICT)
        return unschedulable(volumerules.ONCE_POD_CONFLICT)


class VolumeZone:
    name = "VolumeZone"

    def events_to_register(self) -> hints.Registered:
        return hints.VOLUME_ZONE

    def __init__(self, storage: Storage) -> None:
        self._storage = storage

    def pre_filter(self, state: CycleState, pod: PodInfo, nodes: NodeTable) -> Status:
        placed = []
        for claim in _claims(pod.pod, self._storage):
            named = claim["spec"].get("volumeName")
            if not named:
                # VolumeBinding says what is to become of it.
                continue
            volume = self._storage.volumes.get(("", named))
            if volume is None:
                return unresolvable(f'persistentvolume "{named}" not found')
            if meta.labels(volume):
                placed.append(volume)
        if not placed:
            return SKIP
        state[self.name] = placed
        return SUCCESS

    def filter(self, state: CycleState, pod: PodInfo, nodes: NodeTable, rows: Rows) -> Ints:
        def judge(row: int, node: Object) -> int:
            here = meta.labels(node)
            return int(not all(volumerules.is_in_zone(here, each) for each in state[self.name]))

        return _codes(nodes, rows, judge)

    def rejection(self, state: CycleState, code: int) -> Status:
        return unresolvable(volumerules.ZONE_CONFLICT)


class NodeVolumeLimits:
    """Counts CSI volumes, each once, against what the driver says in the node's CSINode."""

    name = "NodeVolumeLimits"

    def events_to_register(self) -> hints.Registered:
        return hints.NODE_VOLUME_LIMITS

    def __init__(self, storage: Storage) -> None:
        self._storage = storage

    def pre_filter(self, state: CycleState, pod: PodInfo, nodes: NodeTable) -> Status:
        wanted = self._attached([pod.pod])
        if not wanted:
            return SKIP
        state[self.name] = wanted
        return SUCCESS

    def filter(self, state: CycleState, pod: PodInfo, nodes: NodeTable, rows: Rows) -> Ints:
        wanted: set[tuple[str, str]] = state[self.name]

        def judge(row: int, node: Object) -> int:
            limits = self._limits(meta.name(node))
            if not limits:
                return FITS
            here = self._attached(other.pod for other in nodes.pods[row].values())
            for driver in {driver for driver, _ in wanted - here}:
                all_of_it = sum(each[0] == driver for each in wanted | here)
                if driver in limits and all_of_it > limits[driver]:
                    return 1
            return FITS

        return _codes(nodes, rows, judge)

    def rejection(self, state: CycleState, code: int) -> Status:
        return unschedulable(TOO_MANY)

    def _limits(self, node: str) -> dict[str, int]:
        found = self._storage.csi_node(node)
        drivers = (found["spec"].get("drivers") or ()) if found is not None else ()
        return {
            each["name"]: each["allocatable"]["count"]
            for each in drivers
            if (each.get("allocatable") or {}).get("count") is not None
        }

    def _attached(self, pods: Iterable[Object]) -> set[tuple[str, str]]:
        """Driver and handle of every CSI volume of the pods; a claim without a volume yet counts
        for the one its class will have made."""
        found = set()
        for pod in pods:
            for claim in _claims(pod, self._storage):
                if (attached := self._attachment(claim)) is not None:
                    found.add(attached)
        return found

    def _attachment(self, claim: Object) -> tuple[str, str] | None:
        named = claim["spec"].get("volumeName")
        volume = self._storage.volumes.get(("", named)) if named else None
        if volume is not None:
            csi = volume["spec"].get("csi")
            return None if csi is None else (csi["driver"], csi["volumeHandle"])
        storage_class = self._storage.storage_class(volumes.class_of(claim))
        if storage_class is None:
            return None
        return storage_class["provisioner"], "/".join(meta.namespaced_name(claim))
