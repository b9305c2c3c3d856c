# SPDX-License-Identifier: Apache-2.0
"""Defaults of PriorityClasses, as in upstream's `pkg/apis/scheduling/v1/defaults.go`."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from pyk8s.apimachinery.gvk import GroupVersionKind, Object


def default_priority_class(priority_class: Object) -> None:
    priority_class.setdefault("value", 0)
    priority_class.setdefault("preemptionPolicy", "PreemptLowerPriority")


DEFAULTERS: Mapping[GroupVersionKind, Callable[[Object], None]] = {
    GroupVersionKind("scheduling.k8s.io", "v1", "PriorityClass"): default_priority_class,
}
