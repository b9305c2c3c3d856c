# SPDX-License-Identifier: Apache-2.0
"""Judges each binding by the state of the cluster in which it came, told by the watch alone.

What the scheduler could not know yet, or not any more, is no fault of it: of nodes it may have
seen any state of the last seconds, and of pods that are being bound it knows before others do. The
sum of what pods ask for, host ports and required anti-affinity allow no such excuse: all of it the
scheduler itself decides.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from hack.scheduling.history import Change
from pyk8s.apimachinery import labels, meta
from pyk8s.apimachinery.gvk import Object
from pyk8s.client import watch
from pyk8s.componenthelpers import podrequests, taints

# How far behind a scheduler on a busy machine may be.
LAG_SECONDS = 5.0


@dataclass(slots=True)
class _Node:
    """`states` are the last ones, each with the moment at which the next one came."""

    states: list[tuple[float, Object]]

    @property
    def labels(self) -> dict[str, str]:
        return dict(meta.labels(self.states[-1][1]))

    def recent(self, now: float) -> Iterator[Object]:
        for ended, node in self.states:
            if now - ended <= LAG_SECONDS:
                yield node


@dataclass(slots=True)
class _Bound:
    pod: Object
    node: str
    at: float
    gone_at: float = float("inf")


@dataclass(slots=True)
class Checker:
    """`violations` in plain words; `bindings` so many were judged."""

    changes: Sequence[Change]
    violations: list[str] = field(default_factory=list)
    bindings: int = 0
    _nodes: dict[str, _Node] = field(default_factory=dict)
    _born: dict[str, float] = field(default_factory=dict)
    _gone: dict[str, tuple[float, _Node]] = field(default_factory=dict)
    _pods: dict[str, _Bound] = field(default_factory=dict)
    _ever: list[_Bound] = field(default_factory=list)

    def run(self) -> list[str]:
        self._ever = _lives(self.changes)
        for change in self.changes:
            if change.kind == "nodes":
                self._node(change)
            else:
                self._pod(change)
        return self.violations

    def _node(self, change: Change) -> None:
        name = meta.name(change.object)
        if change.type == watch.DELETED:
            if name in self._nodes:
                self._gone[name] = (change.at, self._nodes.pop(name))
            return
        known = self._nodes.get(name)
        if known is None:
            self._born[name] = change.at
            self._nodes[name] = _Node([(float("inf"), change.object)])
            return
        known.states[-1] = (change.at, known.states[-1][1])
        known.states.append((float("inf"), change.object))

    def _pod(self, change: Change) -> None:
        pod, uid = change.object, meta.uid(change.object)
        node = pod["spec"].get("nodeName") or ""
        known = self._pods.get(uid)
        if change.type == watch.DELETED:
            self._pods.pop(uid, None)
        elif known is not None and known.node != node:
            self._tell(change, f"moved from {known.node} to {node}")
        elif known is None and node:
            self.bindings += 1
            if node in self._nodes:
                self._judge(change, pod, node)
            self._pods[uid] = _Bound(pod, node, change.at)

    def _tell(self, change: Change, what: str) -> None:
        whose = "/".join(meta.namespaced_name(change.object))
        self.violations.append(f"revision {change.revision}, pod {whose}: {what}")

    # --- one binding

    def _judge(self, change: Change, pod: Object, node: str) -> None:
        here = [bound.pod for bound in self._pods.values() if bound.node == node]
        recent = [*self._nodes[node].recent(change.at)]
        for fault in (
            self._overcommitted(pod, here, recent),
            self._ports(pod, here),
            self._untolerated(pod, recent),
            self._anti_affinity(pod, node),
            self._skewed(change, pod, node),
        ):
            if fault:
                self._tell(change, f"on {node}: {fault}")

    def _overcommitted(self, pod: Object, here: list[Object], recent: list[Object]) -> str:
        asked: dict[str, int] = {"pods": len(here) + 1}
        for each in (*here, pod):
            for name, amount in podrequests.scaled(podrequests.requests(each)).items():
                asked[name] = asked.get(name, 0) + amount
        sizes = [
            podrequests.scaled(podrequests.of_list(node["status"]["allocatable"]))
            for node in recent
        ]
        over = [name for name, n in asked.items() if all(n > size.get(name, 0) for size in sizes)]
        return f"too much {over} asked for" if over else ""

    def _ports(self, pod: Object, here: list[Object]) -> str:
        taken = {port for each in here for port in _ports(each)} & _ports(pod)
        return f"host ports {sorted(taken)} are taken" if taken else ""

    def _untolerated(self, pod: Object, recent: list[Object]) -> str:
        tolerations = pod["spec"].get("tolerations") or ()
        for node in recent:
            spec = node["spec"]
            if taints.find_untolerated(spec.get("taints") or (), tolerations) is None:
                return ""
        return "a taint is not tolerated"

    def _anti_affinity(self, pod: Object, node: str) -> str:
        for other in self._pods.values():
            for one, another in ((pod, other.pod), (other.pod, pod)):
                for term in _anti_terms(one):
                    key = term["topologyKey"]
                    domains = {self._label(name, key) for name in (node, other.node)}
                    selector = labels.from_label_selector(term["labelSelector"])
                    is_same = len(domains) == 1 and None not in domains
                    if is_same and selector.matches(meta.labels(another)):
                        return f"anti-affinity to {meta.name(other.pod)} by {key}"
        return ""

    def _label(self, node: str, key: str) -> str | None:
        known = self._nodes.get(node)
        return known.labels.get(key) if known is not None else None

    def _label_lately(self, node: str, key: str, now: float) -> str | None:
        """Also of a node that the scheduler may not know to be gone."""
        gone_at, gone = self._gone.get(node, (0.0, None))
        if gone is not None and now - gone_at <= LAG_SECONDS:
            return gone.labels.get(key)
        return self._label(node, key)

    def _skewed(self, change: Change, pod: Object, node: str) -> str:
        for constraint in pod["spec"].get("topologySpreadConstraints") or ():
            key, now = constraint["topologyKey"], change.at
            selector = labels.from_label_selector(constraint["labelSelector"])
            domains = {
                each.labels[key]: 0
                for name, each in self._nodes.items()
                if key in each.labels and now - self._born[name] > LAG_SECONDS
            }
            own = self._label(node, key)
            if own is None or not domains:
                continue
            count = 1
            for bound in self._pods.values():
                if self._label(bound.node, key) == own and selector.matches(meta.labels(bound.pod)):
                    count += 1
            for bound in self._ever:
                domain = self._label_lately(bound.node, key, now)
                is_near = bound.at - LAG_SECONDS <= now <= bound.gone_at + LAG_SECONDS
                if domain in domains and is_near and selector.matches(meta.labels(bound.pod)):
                    domains[domain] += 1
            least = min(domains.values())
            if count - least > constraint["maxSkew"]:
                return f"{count} in {own}, {least} elsewhere, by {key}"
        return ""


def _lives(changes: Sequence[Change]) -> list[_Bound]:
    """Every pod that ever was on a node, with when it came there and went."""
    found: dict[str, _Bound] = {}
    for change in changes:
        if change.kind != "pods":
            continue
        uid, node = meta.uid(change.object), change.object["spec"].get("nodeName")
        if change.type == watch.DELETED:
            if uid in found:
                found[uid].gone_at = change.at
        elif node and uid not in found:
            found[uid] = _Bound(change.object, node, change.at)
    return [*found.values()]


def _ports(pod: Object) -> set[int]:
    return {
        port["hostPort"]
        for container in pod["spec"]["containers"]
        for port in container.get("ports") or ()
        if port.get("hostPort")
    }


def _anti_terms(pod: Object) -> list[dict[str, Any]]:
    group = (pod["spec"].get("affinity") or {}).get("podAntiAffinity") or {}
    return [*(group.get("requiredDuringSchedulingIgnoredDuringExecution") or ())]
