# SPDX-License-Identifier: Apache-2.0
"""Endpoints shared out among zones by how much CPU the nodes of each have.

Mirrors upstream's `staging/src/k8s.io/endpointslice/topologycache`, with its thresholds and the
texts of its Events. Where shares cannot be fair, there are no hints at all. Zones are taken in
the order of their names, where upstream takes them at random.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import NamedTuple

from pyk8s.apimachinery import meta, quantity
from pyk8s.apimachinery.gvk import Object
from pyk8s.client import events
from pyk8s.client.store import Key
from pyk8s.controllers import pods
from pyk8s.controllers.endpointslice import hints
from pyk8s.controllers.endpointslice.changes import Changes

ZONE = "topology.kubernetes.io/zone"
_EXCLUDED = ("node-role.kubernetes.io/control-plane", "node-role.kubernetes.io/master")

# By how much an endpoint may get more traffic than its share.
_OVERLOAD_MAX = Fraction(1, 5)

ENABLED = "Topology Aware Hints has been enabled"
DISABLED = "Topology Aware Hints has been disabled"
_NO_ZONE = "One or more endpoints do not have a zone specified"
_NONE_ALLOCATED = "No hints allocated for zones"
_NO_NODES = (
    "Insufficient Node information: allocatable CPU or zone not specified on one or more nodes"
)
_TOO_FEW = "Insufficient number of endpoints"
_OVERLOADED = (
    "Unable to allocate minimum required endpoints to each zone without exceeding overload"
    " threshold"
)


class Event(NamedTuple):
    type: str
    reason: str
    message: str


@dataclass(frozen=True, slots=True)
class _Share:
    """How many endpoints a zone is to have."""

    minimum: int
    maximum: int
    desired: Fraction


class _Unfair(Exception):
    """Why there can be no hints."""


class Topology:
    """What the nodes and the hinted Services are like, zone by zone."""

    def __init__(self) -> None:
        self._ratios: dict[str, Fraction] = {}
        self._hinted: dict[Key, dict[str, dict[str, int]]] = {}

    def set_nodes(self, nodes: Iterable[Object]) -> None:
        self._ratios = ratios(nodes)

    @property
    def has_hinted(self) -> bool:
        return bool(self._hinted)

    def overloaded(self) -> list[Key]:
        """Services whose hints the nodes no longer justify."""
        return [
            key
            for key, families in self._hinted.items()
            if any(_is_overloaded(zones, self._ratios) for zones in families.values())
        ]

    def forget(self, key: Key) -> None:
        self._hinted.pop(key, None)

    def share_out(self, key: Key, family: str, made: Changes) -> list[Event]:
        """Give hints, or take them away where that is not fair; what to tell."""
        try:
            allocated = self._share_out(made)
        except _Unfair as why:
            self._remove(key, family)
            hints.clear(made)
            return [_event(events.WARNING, "TopologyAwareHintsDisabled", str(why), family)]
        told = []
        if key not in self._hinted:
            told.append(_event(events.NORMAL, "TopologyAwareHintsEnabled", ENABLED, family))
        self._hinted.setdefault(key, {})[family] = allocated
        return told

    def give_up(self, key: Key, family: str) -> list[Event]:
        """The Service does not want it any more; its hints are the caller's to change."""
        if key not in self._hinted:
            return []
        self._remove(key, family)
        return [_event(events.WARNING, "TopologyAwareHintsDisabled", DISABLED, family)]

    def _remove(self, key: Key, family: str) -> None:
        families = self._hinted.get(key, {})
        families.pop(family, None)
        if not families:
            self._hinted.pop(key, None)

    def _share_out(self, made: Changes) -> dict[str, int]:
        every = [*made.written(), *made.unchanged]
        ready = sum(hints.is_ready(e) for each in every for e in each.get("endpoints") or ())
        shares = _shares(self._ratios, ready)
        allocated = _kept(made, shares)
        for each in made.written():
            for endpoint in each["endpoints"]:
                if not hints.is_ready(endpoint):
                    hints.give(endpoint, None)
                    continue
                zone = endpoint.get("zone")
                if not zone:
                    raise _Unfair(_NO_ZONE)
                allocated[zone] += 1
                hints.give(endpoint, _for(zone))
        _redistribute(made, *_givers_and_takers(shares, allocated), allocated)
        if not allocated:
            raise _Unfair(_NONE_ALLOCATED)
        return dict(allocated)


def ratios(nodes: Iterable[Object]) -> dict[str, Fraction]:
    """Each zone's share of the CPU of all ready nodes; empty where a node does not tell, or all
    are in one zone."""
    cpu: Counter[str] = Counter()
    for node in nodes:
        labels = meta.labels(node)
        if any(name in labels for name in _EXCLUDED) or not pods.is_ready(node):
            continue
        zone = labels.get(ZONE)
        amount = ((node.get("status") or {}).get("allocatable") or {}).get("cpu")
        milli = quantity.parse(amount).milli_value if amount else 0
        if not zone or not milli:
            return {}
        cpu[zone] += milli
    if len(cpu) < 2:
        return {}
    total = sum(cpu.values())
    return {zone: Fraction(cpu[zone], total) for zone in sorted(cpu)}


def _shares(ratios: Mapping[str, Fraction], endpoints: int) -> dict[str, _Share]:
    if not ratios:
        raise _Unfair(_NO_NODES)
    counted = f" ({endpoints} endpoints, {len(ratios)} zones)"
    if len(ratios) > endpoints:
        raise _Unfair(_TOO_FEW + counted)
    desired = {zone: ratio * endpoints for zone, ratio in ratios.items()}
    minima = {zone: math.ceil(each / (1 + _OVERLOAD_MAX)) for zone, each in desired.items()}
    spare = endpoints - sum(minima.values())
    if spare < 0:
        raise _Unfair(_OVERLOADED + counted)
    return {
        zone: _Share(least, least + spare, max(desired[zone], Fraction(least)))
        for zone, least in minima.items()
    }


def _kept(made: Changes, shares: Mapping[str, _Share]) -> Counter[str]:
    """How many hints for each zone stand in slices that stay as they are; one that cannot is
    moved to those that are written."""
    allocated: Counter[str] = Counter()
    for each in [*made.unchanged]:
        found = _hints_of(each, allocated, shares)
        if found is None:
            made.to_write(each)
        else:
            allocated += found
    return allocated


def _hints_of(
    each: Object, allocated: Mapping[str, int], shares: Mapping[str, _Share]
) -> Counter[str] | None:
    """None for an endpoint without any, and for more than a zone may have."""
    found: Counter[str] = Counter()
    for endpoint in filter(hints.is_ready, each.get("endpoints") or ()):
        zones = (endpoint.get("hints") or {}).get("forZones") or ()
        if not zones:
            return None
        found.update(zone["name"] for zone in zones)
    for zone, count in found.items():
        if zone not in shares or count + allocated[zone] > shares[zone].maximum:
            return None
    return found


def _givers_and_takers(
    shares: Mapping[str, _Share], allocated: Mapping[str, int]
) -> tuple[Counter[str], Counter[str]]:
    """How many endpoints each zone gives to others or gets from them: one at a time from the
    zone that has most too many to the one that lacks most, while that makes it better."""
    over = {zone: allocated[zone] - share.desired for zone, share in shares.items()}
    surplus = {zone: amount for zone, amount in over.items() if amount > 0}
    deficit = {zone: -amount for zone, amount in over.items() if amount < 0}
    giving: Counter[str] = Counter()
    taking: Counter[str] = Counter()
    while surplus and deficit:
        giver = max(surplus, key=lambda zone: surplus[zone])
        taker = max(deficit, key=lambda zone: deficit[zone])
        more, less = surplus[giver], deficit[taker]
        if (more < 1 and less < 1) or 2 * more < 1 or 2 * less < 1:
            break
        giving[giver] += 1
        taking[taker] += 1
        surplus[giver] -= 1
        deficit[taker] -= 1
    return giving, taking


def _redistribute(
    made: Changes, giving: Counter[str], taking: Counter[str], allocated: Counter[str]
) -> None:
    takers = [zone for zone in sorted(taking) for _ in range(taking[zone])]
    for each in made.written():
        for endpoint in filter(hints.is_ready, each["endpoints"]):
            if not takers:
                return
            giver = endpoint["zone"]
            if giving[giver] > 0:
                taker = takers.pop(0)
                hints.give(endpoint, _for(taker))
                giving[giver] -= 1
                allocated[giver] -= 1
                allocated[taker] += 1


def _is_overloaded(zones: Mapping[str, int], ratios: Mapping[str, Fraction]) -> bool:
    if not zones:
        return False
    if not ratios:
        return True
    total = sum(zones.values())
    return any(
        zone not in zones or zones[zone] < math.ceil(total * ratio / (1 + _OVERLOAD_MAX))
        for zone, ratio in ratios.items()
    )


def _for(zone: str) -> Object:
    return {"forZones": [{"name": zone}]}


def _event(type: str, reason: str, text: str, family: str) -> Event:
    return Event(type, reason, f"{text}, addressType: {family}")
