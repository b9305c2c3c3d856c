# SPDX-License-Identifier: Apache-2.0
"""The scheduler's own structures, filled from a plain cluster."""

from __future__ import annotations

import numpy as np
from plain.cluster import Cluster, Object, labels_of, name

from pyk8s.componenthelpers import nodeaffinity, taints
from pyk8s.scheduler.plugins.spreading import Usable
from pyk8s.scheduler.podindex import PodIndex
from pyk8s.scheduler.topology import Mask, Topology


class Table:
    """The cluster's nodes in rows of their own, with a gap before each."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self.topology = Topology()
        self.index = PodIndex(self.topology)
        self.row = {name(node): 2 * number + 1 for number, node in enumerate(cluster.nodes)}
        for namespace, namespace_labels in cluster.namespaces.items():
            self.index.set_namespace(namespace, namespace_labels)
        for node in cluster.nodes:
            self.topology.put(self.row[name(node)], labels_of(node))
        for pod, node in cluster.placed():
            self.index.add(pod, self.row[name(node)])

    def mask(self, nodes: list[Object]) -> Mask:
        found = np.zeros(self.topology.rows, dtype=np.bool_)
        found[[self.row[name(node)] for node in nodes]] = True
        return found

    def usable(self, pod: Object) -> Usable:
        spec, nodes = pod["spec"], self.cluster.nodes
        required = nodeaffinity.RequiredNodeAffinity(spec)

        def tolerated(node: Object) -> bool:
            return taints.find_untolerated(node["spec"]["taints"], spec["tolerations"]) is None

        return Usable(
            self.mask(nodes),
            lambda: self.mask([node for node in nodes if required.matches(node)]),
            lambda: self.mask([node for node in nodes if tolerated(node)]),
        )
