# SPDX-License-Identifier: Apache-2.0
"""The flowcontrol.apiserver.k8s.io group."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pyk8s.apimachinery.gvk import GroupResource, Object
from pyk8s.apis.columns import ages, texts
from pyk8s.apis.columns.definition import (
    AGE,
    API,
    NAME,
    Cells,
    Column,
    Columns,
    ColumnsByResource,
)

_GROUP = "flowcontrol.apiserver.k8s.io"
_FLOW = API + "flowcontrol.v1."


def _flow_schema_cells(obj: Object, now: float) -> list[Any]:
    spec = obj.get("spec") or {}
    method = spec.get("distinguisherMethod")
    dangling = texts.condition_status((obj.get("status") or {}).get("conditions"), "Dangling")
    return [
        obj["metadata"].get("name", ""),
        (spec.get("priorityLevelConfiguration") or {}).get("name", ""),
        spec.get("matchingPrecedence", 0),
        texts.NONE if method is None else method.get("type", ""),
        ages.age(obj, now),
        "?" if dangling is None else dangling,
    ]


def _in_order_of_matching(schemas: Sequence[Object]) -> tuple[Sequence[Object], Cells]:
    """A list shows the schemas in the order in which requests meet them."""

    def order(obj: Object) -> tuple[int, str]:
        precedence = (obj.get("spec") or {}).get("matchingPrecedence", 0)
        return precedence, obj["metadata"].get("name", "")

    return sorted(schemas, key=order), _flow_schema_cells


_FLOW_SCHEMAS = Columns(
    columns=(
        NAME,
        Column("PriorityLevel", doc=_FLOW + "PriorityLevelConfigurationReference.name"),
        Column("MatchingPrecedence", doc=_FLOW + "FlowSchemaSpec.matchingPrecedence"),
        Column("DistinguisherMethod", doc=_FLOW + "FlowSchemaSpec.distinguisherMethod"),
        AGE,
        Column("MissingPL", description="True when there is no such priority level."),
    ),
    cells=_flow_schema_cells,
    in_list=_in_order_of_matching,
)


def _priority_level_cells(obj: Object, now: float) -> list[Any]:
    spec = obj.get("spec") or {}
    limited = spec.get("limited")
    queuing = ((limited or {}).get("limitResponse") or {}).get("queuing")

    def of_queuing(name: str) -> Any:
        return texts.NONE if queuing is None else queuing.get(name, 0)

    return [
        obj["metadata"].get("name", ""),
        spec.get("type", ""),
        texts.NONE if limited is None else limited.get("nominalConcurrencyShares", 0),
        of_queuing("queues"),
        of_queuing("handSize"),
        of_queuing("queueLengthLimit"),
        ages.age(obj, now),
    ]


_LIMITED = _FLOW + "LimitedPriorityLevelConfiguration."
_QUEUING = _FLOW + "QueuingConfiguration."
_PRIORITY_LEVELS = Columns(
    columns=(
        NAME,
        Column("Type", doc=_FLOW + "PriorityLevelConfigurationSpec.type"),
        Column("NominalConcurrencyShares", doc=_LIMITED + "nominalConcurrencyShares"),
        Column("Queues", doc=_QUEUING + "queues"),
        Column("HandSize", doc=_QUEUING + "handSize"),
        Column("QueueLengthLimit", doc=_QUEUING + "queueLengthLimit"),
        AGE,
    ),
    cells=_priority_level_cells,
)

COLUMNS: ColumnsByResource = {
    GroupResource(_GROUP, "flowschemas"): _FLOW_SCHEMAS,
    GroupResource(_GROUP, "prioritylevelconfigurations"): _PRIORITY_LEVELS,
}
