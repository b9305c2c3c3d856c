# SPDX-License-Identifier: Apache-2.0
"""What `kubectl get` prints: the columns of every kind, and the Tables made of them.

    definition   Column, Columns: what a kind prints, as data and one function per row
    ages, texts  the texts that several kinds share
    core, apps, batch ...   one module per API group; core_* are parts of the core group
    custom       the columns a CustomResourceDefinition declares
    table        objects + Columns -> meta.k8s.io Table, PartialObjectMetadata

A row is derived from one object and the time, by pure functions. What a client does with a
Table (which columns it shows, how wide) is the client's business. Mirrors kubernetes'
pkg/printers/internalversion; a kind without columns of its own prints Name and Created At, as
apiserver's default table convertor does.
"""

from __future__ import annotations

from typing import Any

from pyk8s.apimachinery.gvk import GroupResource, Object
from pyk8s.apis.columns import (
    admissionregistration,
    apiregistration,
    apps,
    autoscaling,
    batch,
    certificates,
    coordination,
    core,
    discovery,
    events,
    flowcontrol,
    networking,
    node,
    policy,
    rbac,
    resource,
    scheduling,
    status,
    storage,
    storagemigration,
)
from pyk8s.apis.columns.custom import columns_from_definitions
from pyk8s.apis.columns.definition import CREATED_AT, NAME, Column, Columns

__all__ = [
    "DEFAULT",
    "SCALE",
    "STATUS",
    "Column",
    "Columns",
    "columns_for",
    "columns_from_definitions",
]

_ZERO_TIME = "0001-01-01T00:00:00Z"


def _default_cells(obj: Object, now: float) -> list[Any]:
    metadata = obj["metadata"]
    return [metadata.get("name", ""), metadata.get("creationTimestamp") or _ZERO_TIME]


# Roles, LimitRanges, CustomResourceDefinitions and a few more print like this upstream, too.
DEFAULT = Columns(columns=(NAME, CREATED_AT), cells=_default_cells)
SCALE = autoscaling.SCALE
STATUS = status.STATUS

_GROUPS = (
    admissionregistration,
    apiregistration,
    apps,
    autoscaling,
    batch,
    certificates,
    coordination,
    core,
    discovery,
    events,
    flowcontrol,
    networking,
    node,
    policy,
    rbac,
    resource,
    scheduling,
    storage,
    storagemigration,
)
_COLUMNS: dict[GroupResource, Columns] = {
    key: columns for group in _GROUPS for key, columns in group.COLUMNS.items()
}


def columns_for(resource: GroupResource) -> Columns:
    """The columns of a built-in resource, whatever its version; DEFAULT for any other."""
    return _COLUMNS.get(resource, DEFAULT)
