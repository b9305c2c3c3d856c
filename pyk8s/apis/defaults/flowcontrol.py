# SPDX-License-Identifier: Apache-2.0
"""Defaults of FlowSchemas and PriorityLevelConfigurations.

Mirrors upstream's `pkg/apis/flowcontrol/v1/defaults.go`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from pyk8s.apimachinery.gvk import GroupVersionKind, Object

GROUP = "flowcontrol.apiserver.k8s.io"

MATCHING_PRECEDENCE = 1000
NOMINAL_CONCURRENCY_SHARES = 30
_QUEUING = (("queues", 64), ("handSize", 8), ("queueLengthLimit", 50))


def default_flow_schema(schema: Object) -> None:
    spec = schema.setdefault("spec", {})
    if not spec.get("matchingPrecedence"):
        spec["matchingPrecedence"] = MATCHING_PRECEDENCE


def default_priority_level(level: Object) -> None:
    spec = level.setdefault("spec", {})
    exempt = spec.get("exempt")
    if exempt is not None:
        exempt.setdefault("nominalConcurrencyShares", 0)
        exempt.setdefault("lendablePercent", 0)
    limited = spec.get("limited")
    if limited is not None:
        limited.setdefault("nominalConcurrencyShares", NOMINAL_CONCURRENCY_SHARES)
        limited.setdefault("lendablePercent", 0)
        _default_queuing((limited.get("limitResponse") or {}).get("queuing"))


def _default_queuing(queuing: dict[str, Any] | None) -> None:
    if queuing is None:
        return
    for name, value in _QUEUING:
        if not queuing.get(name):
            queuing[name] = value


DEFAULTERS: Mapping[GroupVersionKind, Callable[[Object], None]] = {
    GroupVersionKind(GROUP, "v1", "FlowSchema"): default_flow_schema,
    GroupVersionKind(GROUP, "v1", "PriorityLevelConfiguration"): default_priority_level,
}
