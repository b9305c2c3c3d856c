# SPDX-License-Identifier: Apache-2.0
"""VolumeBinding: a pod goes where its volumes are or can be, and binds them on its way.

    bound claims       the node affinity of their volumes
    waiting claims     a free volume that fits, else one that a provisioner makes for the node
    other claims       none may be left unbound: the pod waits for the binder

Mirrors `plugins/volumebinding`. Reserve lays the chosen volumes and nodes over the caches, so that
no other pod takes them; PreBind writes them and waits for the binder.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from pyk8s.apimachinery import errors, labels, meta, quantity
from pyk8s.apimachinery.gvk import Object
from pyk8s.client import resources, rest
from pyk8s.componenthelpers import volumes
from pyk8s.scheduler.framework.interface import FITS, CycleState
from pyk8s.scheduler.framework.nodetable import Ints, NodeTable, Rows
from pyk8s.scheduler.framework.podinfo import PodInfo
from pyk8s.scheduler.framework.status import SKIP, SUCCESS, Code, Status, unresolvable
from pyk8s.scheduler.plugins import hints, shapes, volumescoring
from pyk8s.scheduler.storage import Storage

BIND_CONFLICT = "node(s) didn't find available persistent volumes to bind"
NODE_CONFLICT = "node(s) didn't match PersistentVolume's node affinity"
NOT_ENOUGH_SPACE = "node(s) did not have enough free storage"
VOLUME_MISSING = "node(s) unavailable due to one or more pvc(s) bound to non-existent pv(s)"
UNBOUND_IMMEDIATE = "pod has unbound immediate PersistentVolumeClaims"

# Upstream's bindTimeoutSeconds.
BIND_SECONDS_MAX = 600.0


@dataclass(slots=True)
class PodClaims:
    """The claims of a pod, by what is to become of them. `candidates` are the volumes that a
    waiting claim, by its name, could have on some node or other."""

    bound: list[Object] = field(default_factory=list)
    waiting: list[Object] = field(default_factory=list)
    unbound: list[Object] = field(default_factory=list)
    candidates: dict[str, list[Object]] = field(default_factory=dict)


@dataclass(slots=True)
class Decision:
    """For one node: volumes to bind to claims, claims to have a volume made for; or why not."""

    bindings: list[tuple[Object, Object]] = field(default_factory=list)
    provisions: list[Object] = field(default_factory=list)
    reasons: tuple[str, ...] = ()


class CannotUse(Exception):
    """A claim of the pod is in no state to be used, in upstream's words."""


def claims_of(pod: Object, storage: Storage) -> PodClaims:
    """Raises CannotUse."""
    found = PodClaims()
    named = {
        volumes.claim_name(pod, volume): bool(volume.get("ephemeral"))
        for volume in pod["spec"].get("volumes") or ()
    }
    named.pop("", None)
    for name, is_ephemeral in named.items():
        claim = _usable(pod, name, is_ephemeral, storage)
        storage_class = storage.storage_class(volumes.class_of(claim))
        if volumes.is_fully_bound(claim):
            found.bound.append(claim)
        elif volumes.waits_for_consumer(storage_class) and not claim["spec"].get("volumeName"):
            found.waiting.append(claim)
            found.candidates[name] = _candidates(claim, storage)
        else:
            found.unbound.append(claim)
    return found


def _candidates(claim: Object, storage: Storage) -> list[Object]:
    """What no node has to be asked about is left out once for all nodes."""
    name = volumes.class_of(claim)
    return [
        volume
        for volume in storage.volumes.list()
        if volumes.class_of(volume) == name and volumes.could_hold(volume, claim)
    ]


def _usable(pod: Object, name: str, is_ephemeral: bool, storage: Storage) -> Object:
    claim = storage.claims.get((meta.namespace(pod), name))
    if claim is None and is_ephemeral:
        raise CannotUse(
            f'waiting for ephemeral volume controller to create the persistentvolumeclaim "{name}"'
        )
    if claim is None:
        raise CannotUse(f'persistentvolumeclaim "{name}" not found')
    if volumes.phase(claim) == "Lost":
        lost = claim["spec"].get("volumeName") or ""
        raise CannotUse(
            f'persistentvolumeclaim "{name}" bound to non-existent persistentvolume "{lost}"'
        )
    if meta.is_being_deleted(claim):
        raise CannotUse(f'persistentvolumeclaim "{name}" is being deleted')
    if is_ephemeral and (why := volumes.not_for_pod(pod, claim)):
        raise CannotUse(why)
    return claim


def decide(claims: PodClaims, node: Object, storage: Storage) -> Decision:
    """What the pod's claims would get on this node."""
    found = Decision()
    reasons = [_conflict_of_bound(claims.bound, node, storage)] if claims.bound else []
    if claims.waiting:
        reasons.append(_decide_waiting(claims, node, storage, found))
    found.reasons = tuple(reason for reason in reasons if reason)
    return found


def _conflict_of_bound(bound: Sequence[Object], node: Object, storage: Storage) -> str:
    for claim in bound:
        volume = storage.volumes.get(("", claim["spec"]["volumeName"]))
        if volume is None:
            return VOLUME_MISSING
        if not volumes.fits_node(volume, meta.labels(node)):
            return NODE_CONFLICT
    return ""


def _decide_waiting(claims: PodClaims, node: Object, storage: Storage, decision: Decision) -> str:
    """Smallest first, so that large volumes are left for large claims."""
    chosen: set[str] = set()
    for claim in claims.waiting:
        selected = meta.annotations(claim).get(volumes.SELECTED_NODE)
        if selected is not None and selected != meta.name(node):
            return BIND_CONFLICT
        if selected is not None:
            decision.provisions.append(claim)
    free = [claim for claim in claims.waiting if claim not in decision.provisions]
    for claim in sorted(free, key=volumes.requested):
        candidates = claims.candidates[meta.name(claim)]
        volume = volumes.find_matching_volume(
            claim, candidates, node_labels=meta.labels(node), excluded=chosen, delay_binding=True
        )
        if volume is None:
            decision.provisions.append(claim)
        else:
            chosen.add(meta.name(volume))
            decision.bindings.append((volume, claim))
    reasons = (_conflict_of_provision(claim, node, storage) for claim in decision.provisions)
    return next((reason for reason in reasons if reason), "")


def _conflict_of_provision(claim: Object, node: Object, storage: Storage) -> str:
    """Why no volume for the claim can be made on the node."""
    storage_class = storage.storage_class(volumes.class_of(claim))
    if storage_class is None:
        return BIND_CONFLICT
    if storage_class.get("provisioner") in ("", None, volumes.NO_PROVISIONER):
        return BIND_CONFLICT
    if not matches_topology(storage_class.get("allowedTopologies") or (), meta.labels(node)):
        return BIND_CONFLICT
    if not _keeps_capacity(storage_class, storage):
        return ""
    return "" if _room(claim, storage_class, node, storage) is not None else NOT_ENOUGH_SPACE


def matches_topology(terms: Sequence[Object], node_labels: Mapping[str, str]) -> bool:
    """TopologySelectorTerms are alternatives; none at all mean every node."""
    return not terms or any(_matches_term(term, node_labels) for term in terms)


def _matches_term(term: Object, node_labels: Mapping[str, str]) -> bool:
    expressions = term.get("matchLabelExpressions") or ()
    return bool(expressions) and all(
        node_labels.get(each["key"]) in each["values"] for each in expressions
    )


def _keeps_capacity(storage_class: Object, storage: Storage) -> bool:
    """Whether the driver says by CSIStorageCapacities where there is room."""
    driver = storage.csi_driver(storage_class["provisioner"])
    return driver is not None and bool((driver.get("spec") or {}).get("storageCapacity"))


def _room(claim: Object, storage_class: Object, node: Object, storage: Storage) -> Object | None:
    """The CSIStorageCapacity of which the claim's volume can be made."""
    wanted, name = volumes.requested(claim), meta.name(storage_class)
    for capacity in storage.capacities():
        if (
            capacity.get("storageClassName") == name
            and _is_large_enough(capacity, wanted)
            and _is_reachable(capacity, node)
        ):
            return capacity
    return None


def _is_large_enough(capacity: Object, wanted: quantity.Quantity) -> bool:
    limit = capacity.get("maximumVolumeSize") or capacity.get("capacity")
    return limit is not None and not quantity.parse(limit) < wanted


def _is_reachable(capacity: Object, node: Object) -> bool:
    topology = capacity.get("nodeTopology")
    if topology is None:
        return False
    return labels.from_label_selector(topology).matches(meta.labels(node))


class VolumeBinding:
    name = "VolumeBinding"

    def events_to_register(self) -> hints.Registered:
        return hints.VOLUME_BINDING

    def __init__(
        self,
        storage: Storage,
        nodes: NodeTable,
        seconds_max: float = BIND_SECONDS_MAX,
        shape: shapes.Shape = (),
    ) -> None:
        """Without a `shape` all nodes that have or can make the volumes are alike."""
        self._scores = shapes.scores(shape) if shape else None
        self._storage = storage
        self._nodes = nodes
        self._seconds_max = seconds_max
        # What was reserved for a pod, by its uid, as it is to be written.
        self._reserved: dict[str, Decision] = {}

    def pre_filter(self, state: CycleState, pod: PodInfo, nodes: NodeTable) -> Status:
        if not volumes.claim_names(pod.pod):
            return SKIP
        try:
            claims = claims_of(pod.pod, self._storage)
        except CannotUse as why:
            return unresolvable(str(why))
        if claims.unbound:
            return unresolvable(UNBOUND_IMMEDIATE)
        state[self.name] = claims
        return SUCCESS

    def filter(self, state: CycleState, pod: PodInfo, nodes: NodeTable, rows: Rows) -> Ints:
        listed: list[tuple[str, ...]] = state.setdefault(f"{self.name}/reasons", [])
        codes = []
        for row in np.arange(nodes.size)[rows]:
            node = nodes.nodes[row]
            reasons = () if node is None else decide(state[self.name], node, self._storage).reasons
            if reasons and reasons not in listed:
                listed.append(reasons)
            codes.append(listed.index(reasons) + 1 if reasons else FITS)
        return np.array(codes, np.int64)

    def rejection(self, state: CycleState, code: int) -> Status:
        return unresolvable(*state[f"{self.name}/reasons"][code - 1])

    def pre_score(self, state: CycleState, pod: PodInfo, nodes: NodeTable) -> Status:
        claims: PodClaims | None = state.get(self.name)
        is_scored = self._scores is not None and claims is not None and claims.waiting
        return SUCCESS if is_scored else SKIP

    def score(self, state: CycleState, pod: PodInfo, nodes: NodeTable, rows: Rows) -> Ints:
        chosen = (nodes.nodes[row] for row in np.arange(nodes.size)[rows])
        scores = [0 if node is None else self._score(state[self.name], node) for node in chosen]
        return np.array(scores, np.int64)

    def _score(self, claims: PodClaims, node: Object) -> int:
        assert self._scores is not None
        decision = decide(claims, node, self._storage)
        if decision.bindings:
            return volumescoring.of_bindings(decision.bindings, self._scores)
        provisions = []
        for claim in decision.provisions:
            storage_class = self._storage.storage_class(volumes.class_of(claim))
            if storage_class is not None and _keeps_capacity(storage_class, self._storage):
                room = _room(claim, storage_class, node, self._storage)
                if room is not None:
                    provisions.append((room, claim))
        return volumescoring.of_provisions(provisions, self._scores)

    def reserve(self, state: CycleState, pod: PodInfo, node: str) -> Status:
        """Claims and volumes count as taken from now on."""
        claims: PodClaims | None = state.get(self.name)
        found = self._nodes.nodes[self._nodes.rows[node]]
        if claims is None or found is None:
            return SUCCESS
        decision = decide(claims, found, self._storage)
        if decision.reasons:
            return unresolvable(*decision.reasons)
        reserved = self._reserved[pod.uid] = Decision()
        for volume, claim in decision.bindings:
            taken = volumes.bound_volume(volume, claim)
            if taken is not volume:
                self._storage.volumes.assume(taken)
            reserved.bindings.append((taken, claim))
        for claim in decision.provisions:
            wanted = volumes.changeable(claim)
            wanted["metadata"]["annotations"][volumes.SELECTED_NODE] = node
            self._storage.claims.assume(wanted)
            reserved.provisions.append(wanted)
        return SUCCESS

    def unreserve(self, state: CycleState, pod: PodInfo, node: str) -> None:
        reserved = self._reserved.pop(pod.uid, None)
        if reserved is None:
            return
        for volume, _ in reserved.bindings:
            self._storage.volumes.restore(volume)
        for claim in reserved.provisions:
            self._storage.claims.restore(claim)
        # Whoever binds the pod is to hear of it.
        self._storage.wake()

    async def pre_bind(self, state: CycleState, pod: PodInfo, node: str) -> Status:
        """Writes what was reserved, and waits until all of the pod's claims are bound."""
        reserved = self._reserved.get(pod.uid)
        if reserved is None or not (reserved.bindings or reserved.provisions):
            self._reserved.pop(pod.uid, None)
            return SUCCESS
        try:
            await self._write(reserved)
            async with asyncio.timeout(self._seconds_max):
                while (verdict := self._verdict(pod.uid, reserved, node)).code is Code.WAIT:
                    await self._storage.changed()
        except TimeoutError:
            return _failed("context deadline exceeded")
        except (errors.StatusError, rest.ServerUnreachable) as error:
            return _failed(str(error))
        if verdict.is_success:
            del self._reserved[pod.uid]
        return verdict

    async def _write(self, reserved: Decision) -> None:
        client = self._storage.client
        assert client is not None
        for index, (volume, claim) in enumerate(reserved.bindings):
            written = await client.update(resources.PERSISTENT_VOLUMES, volume)
            self._storage.volumes.assume(written)
            reserved.bindings[index] = (written, claim)
        for index, claim in enumerate(reserved.provisions):
            written = await client.update(resources.PERSISTENT_VOLUME_CLAIMS, claim)
            self._storage.claims.assume(written)
            reserved.provisions[index] = written

    def _verdict(self, uid: str, reserved: Decision, node: str) -> Status:
        """Bound, still waiting, or never to be bound like this."""
        if self._reserved.get(uid) is not reserved:
            return _failed("pod does not exist any more")
        for volume, claim in reserved.bindings:
            seen = self._storage.volumes.get(("", meta.name(volume)))
            if seen is None or not (seen["spec"].get("claimRef") or {}).get("uid"):
                return _failed(f'ClaimRef got reset for pv "{meta.name(volume)}"')
            if (waits := self._wait_for(claim)) is not None:
                return waits
        for claim in reserved.provisions:
            name = meta.name(claim)
            found = self._storage.claims.get(meta.namespaced_name(claim))
            if found is not None and not volumes.is_fully_bound(found):
                selected = meta.annotations(found).get(volumes.SELECTED_NODE)
                if selected != node:
                    # The provisioner took it off: it cannot make the volume there.
                    return _failed(f'provisioning failed for PVC "{name}"')
            if (waits := self._wait_for(claim)) is not None:
                return waits
        return SUCCESS

    def _wait_for(self, claim: Object) -> Status | None:
        found = self._storage.claims.get(meta.namespaced_name(claim))
        if found is None or meta.uid(found) != meta.uid(claim):
            return _failed(f'could not find pvc "{"/".join(meta.namespaced_name(claim))}"')
        return None if volumes.is_fully_bound(found) else Status(Code.WAIT)


def _failed(why: str) -> Status:
    return Status(Code.ERROR, (f"binding volumes: {why}",))
