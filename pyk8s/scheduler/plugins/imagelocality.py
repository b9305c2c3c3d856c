# SPDX-License-Identifier: Apache-2.0
"""ImageLocality: nodes that hold a pod's images already, the larger the better.

An image counts for its size times the share of the nodes that hold it, so that pods do not all go
where the first one went. Mirrors `plugins/imagelocality/image_locality.go`.
"""

from __future__ import annotations

import numpy as np

from pyk8s.scheduler.framework.interface import MAX_NODE_SCORE, CycleState
from pyk8s.scheduler.framework.nodetable import Ints, Mask, NodeTable
from pyk8s.scheduler.framework.podinfo import PodInfo

_MIB = 1024 * 1024
# What is smaller is pulled before anybody notices.
BYTES_MIN = 23 * _MIB
BYTES_MAX_PER_CONTAINER = 1000 * _MIB


class ImageLocality:
    name = "ImageLocality"

    def score_feasible(
        self, state: CycleState, pod: PodInfo, nodes: NodeTable, feasible: Mask
    ) -> Ints | None:
        images: list[str] | None = state.get(self.name)
        if images is None:
            images = state[self.name] = images_of(pod)
        if not any(image in nodes.images for image in images):
            return None
        kept: tuple[tuple[int, int, int], Ints] | None = state.get(f"{self.name}/scores")
        of = (nodes.images_version, nodes.node_count, nodes.size)
        if kept is None or kept[0] != of:
            kept = state[f"{self.name}/scores"] = (of, _scores(images, nodes))
        return kept[1]


def images_of(pod: PodInfo) -> list[str]:
    """Of every container and of volumes that are images, by the name a node lists it under."""
    spec = pod.pod["spec"]
    written = [
        container.get("image") or ""
        for kind in ("initContainers", "containers")
        for container in spec.get(kind) or ()
    ]
    written += [
        volume["image"].get("reference") or ""
        for volume in spec.get("volumes") or ()
        if volume.get("image")
    ]
    return [name if name.rfind(":") > name.rfind("/") else f"{name}:latest" for name in written]


def _scores(images: list[str], nodes: NodeTable) -> Ints:
    total = np.zeros(nodes.size, np.int64)
    for name in images:
        image = nodes.images.get(name)
        if image is not None:
            rows = np.fromiter(image.rows, np.intp, len(image.rows))
            total[rows] += int(image.size_bytes * (len(image.rows) / nodes.node_count))
    most = BYTES_MAX_PER_CONTAINER * len(images)
    scores: Ints = (np.clip(total, BYTES_MIN, most) - BYTES_MIN) * MAX_NODE_SCORE
    return scores // (most - BYTES_MIN)
