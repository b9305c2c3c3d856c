# SPDX-License-Identifier: Apache-2.0
"""A cluster as plain objects, for rules that look at one pod and one node at a time."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from pyk8s.apimachinery import labels

Object = dict[str, Any]
Scores = dict[str, int]

MAX_SCORE = 100
NO_LABELS: dict[str, str] = {}


@dataclass
class Cluster:
    """Everything a plugin may look at. A pod with spec.nodeName is on that node."""

    nodes: list[Object] = field(default_factory=list)
    pods: list[Object] = field(default_factory=list)
    # name -> labels
    namespaces: dict[str, dict[str, str]] = field(default_factory=dict)
    claims: list[Object] = field(default_factory=list)
    volumes: list[Object] = field(default_factory=list)
    classes: list[Object] = field(default_factory=list)
    csi_nodes: list[Object] = field(default_factory=list)
    csi_drivers: list[Object] = field(default_factory=list)
    capacities: list[Object] = field(default_factory=list)
    # What may own or select pods, for the default spread constraints.
    selectors: list[Object] = field(default_factory=list)

    def pods_on(self, node: Object) -> list[Object]:
        return [pod for pod in self.pods if pod["spec"].get("nodeName") == name(node)]

    def placed(self) -> Iterable[tuple[Object, Object]]:
        """Every pod on a node, with that node."""
        for node in self.nodes:
            for pod in self.pods_on(node):
                yield pod, node

    def without(self, pod: Object) -> Cluster:
        return Cluster(**{**vars(self), "pods": [each for each in self.pods if each is not pod]})

    def with_pod(self, pod: Object, node: Object) -> Cluster:
        placed = {**pod, "spec": {**pod["spec"], "nodeName": name(node)}}
        return Cluster(**{**vars(self), "pods": [*self.pods, placed]})


def name(obj: Object) -> str:
    return str(obj["metadata"]["name"])


def namespace(obj: Object) -> str:
    return str(obj["metadata"].get("namespace", "default"))


def labels_of(obj: Object) -> dict[str, str]:
    return obj["metadata"].get("labels") or NO_LABELS


def is_terminating(pod: Object) -> bool:
    return bool(pod["metadata"].get("deletionTimestamp"))


def find(objects: Iterable[Object], wanted: str, within: str | None = None) -> Object | None:
    for obj in objects:
        if name(obj) == wanted and (within is None or namespace(obj) == within):
            return obj
    return None


def selects(selector: Object | None, pod: Object) -> bool:
    return labels.from_label_selector(selector).matches(labels_of(pod))


def normalized(scores: Scores, reverse: bool = False) -> Scores:
    """The largest becomes 100 and the rest in proportion; reversed, the least is best."""
    highest = max(scores.values(), default=0)
    if highest == 0:
        return dict.fromkeys(scores, MAX_SCORE) if reverse else scores
    scaled = {node: MAX_SCORE * score // highest for node, score in scores.items()}
    return {n: MAX_SCORE - s for n, s in scaled.items()} if reverse else scaled
