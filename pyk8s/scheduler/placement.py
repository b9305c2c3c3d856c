# SPDX-License-Identifier: Apache-2.0
"""What is counted over nodes and pods follows the NodeTable."""

from __future__ import annotations

from pyk8s.apimachinery import meta
from pyk8s.scheduler.framework.nodetable import NodeTable
from pyk8s.scheduler.framework.podinfo import PodInfo
from pyk8s.scheduler.podindex import PodIndex
from pyk8s.scheduler.topology import Topology


def follow(nodes: NodeTable) -> PodIndex:
    """An index whose rows are the table's, and which stays so. The table has to be empty."""
    if nodes.rows:
        raise ValueError("the table has rows already that the index was not told of")
    topology = Topology(nodes.size)
    index = PodIndex(topology)

    def fit() -> None:
        if topology.rows < nodes.size:
            topology.grow(nodes.size)

    def on_node(row: int) -> None:
        fit()
        node = nodes.nodes[row]
        topology.put(row, None if node is None else meta.labels(node))

    def on_pod(info: PodInfo, row: int, by: int) -> None:
        fit()
        if by > 0:
            index.add(info.pod, row)
        else:
            index.remove(info.uid)

    nodes.on_node.append(on_node)
    nodes.on_pod.append(on_pod)
    return index
