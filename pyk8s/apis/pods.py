# SPDX-License-Identifier: Apache-2.0
"""What follows from a Pod's spec: its containers in order, which of them are sidecars."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pyk8s.apimachinery import field
from pyk8s.componenthelpers.podrequests import is_restartable as is_restartable

Container = Mapping[str, Any]
Spec = Mapping[str, Any]


def each_container(spec: Spec, path: field.Path) -> Iterator[tuple[Container, field.Path]]:
    """Every container of every kind with its path, in the order upstream visits them."""
    for kind in ("initContainers", "containers", "ephemeralContainers"):
        for index, container in enumerate(spec.get(kind, ())):
            yield container, path.child(kind).index(index)
