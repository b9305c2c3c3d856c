# SPDX-License-Identifier: Apache-2.0
"""Nodes: readiness, roles from labels, addresses."""

from __future__ import annotations

from typing import Any

from pyk8s.apimachinery.gvk import Object
from pyk8s.apis.columns import ages
from pyk8s.apis.columns.definition import AGE, API, NAME, Column, Columns
from pyk8s.apis.columns.texts import NONE, UNKNOWN

_ROLE_PREFIX = "node-role.kubernetes.io/"
_ROLE_LABEL = "kubernetes.io/role"


def _status(spec: Object, status: Object) -> str:
    text = "Unknown"
    for condition in status.get("conditions") or ():
        if condition.get("type") == "Ready":
            text = "Ready" if condition.get("status") == "True" else "NotReady"
    return text + ",SchedulingDisabled" if spec.get("unschedulable") else text


def _roles(labels: dict[str, str] | None) -> str:
    """Roles are named by label keys, or by the value of the label of before."""
    roles = set()
    for key, value in (labels or {}).items():
        if key.startswith(_ROLE_PREFIX):
            roles.add(key.removeprefix(_ROLE_PREFIX))
        elif key == _ROLE_LABEL:
            roles.add(value)
    return ",".join(sorted(roles - {""})) or NONE


def _address(status: Object, kind: str) -> str:
    for address in status.get("addresses") or ():
        if address.get("type") == kind:
            text: str = address.get("address", "")
            return text
    return NONE


def _cells(node: Object, now: float) -> list[Any]:
    metadata, status = node["metadata"], node.get("status") or {}
    info = status.get("nodeInfo") or {}
    kernel = info.get("kernelVersion") or UNKNOWN
    if info.get("architecture"):
        kernel += f" ({info['architecture']})"
    return [
        metadata.get("name", ""),
        _status(node.get("spec") or {}, status),
        _roles(metadata.get("labels")),
        ages.age(node, now),
        info.get("kubeletVersion", ""),
        _address(status, "InternalIP"),
        _address(status, "ExternalIP"),
        info.get("osImage") or UNKNOWN,
        kernel,
        info.get("containerRuntimeVersion") or UNKNOWN,
    ]


_INFO = API + "core.v1.NodeSystemInfo."
_ADDRESSES = API + "core.v1.NodeStatus.addresses"

NODES = Columns(
    columns=(
        NAME,
        Column("Status", description="Whether the node is ready, and open to new pods."),
        Column("Roles", description="The roles that the node's labels give it."),
        AGE,
        Column("Version", doc=_INFO + "kubeletVersion"),
        Column("Internal-IP", doc=_ADDRESSES, priority=1),
        Column("External-IP", doc=_ADDRESSES, priority=1),
        Column("OS-Image", doc=_INFO + "osImage", priority=1),
        Column("Kernel-Version", doc=_INFO + "kernelVersion", priority=1),
        Column("Container-Runtime", doc=_INFO + "containerRuntimeVersion", priority=1),
    ),
    cells=_cells,
)
