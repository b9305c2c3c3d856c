# SPDX-License-Identifier: Apache-2.0
"""The row of a kind that keeps a number of equal pods: ReplicaSets, ReplicationControllers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pyk8s.apimachinery.gvk import Object
from pyk8s.apis.columns import ages, texts


def cells(obj: Object, now: float, selector_text: Callable[[Any], str]) -> list[Any]:
    """Name, desired, current, ready, age, containers, images, selector."""
    spec, status = obj.get("spec") or {}, obj.get("status") or {}
    names, images = texts.containers_and_images(spec.get("template"))
    return [
        obj["metadata"].get("name", ""),
        spec.get("replicas", 0),
        status.get("replicas", 0),
        status.get("readyReplicas", 0),
        ages.age(obj, now),
        names,
        images,
        selector_text(spec.get("selector")),
    ]
