# SPDX-License-Identifier: Apache-2.0
"""The rbac.authorization.k8s.io group: bindings; roles have no columns of their own."""

from __future__ import annotations

from typing import Any

from pyk8s.apimachinery.gvk import GroupResource, Object
from pyk8s.apis.columns import ages
from pyk8s.apis.columns.definition import AGE, API, NAME, Column, Columns, ColumnsByResource

_GROUP = "rbac.authorization.k8s.io"


def _subjects(subjects: list[Object], kind: str) -> str:
    names = []
    for subject in subjects:
        if subject.get("kind") == kind:
            prefix = f"{subject.get('namespace', '')}/" if kind == "ServiceAccount" else ""
            names.append(prefix + subject.get("name", ""))
    return ", ".join(names)


def _cells(obj: Object, now: float) -> list[Any]:
    role, subjects = obj.get("roleRef") or {}, obj.get("subjects") or []
    return [
        obj["metadata"].get("name", ""),
        f"{role.get('kind', '')}/{role.get('name', '')}",
        ages.age(obj, now),
        _subjects(subjects, "User"),
        _subjects(subjects, "Group"),
        _subjects(subjects, "ServiceAccount"),
    ]


def _bindings(kind: str) -> Columns:
    return Columns(
        columns=(
            NAME,
            Column("Role", doc=f"{API}rbac.v1.{kind}.roleRef"),
            AGE,
            Column("Users", description="The users bound to the role.", priority=1),
            Column("Groups", description="The groups bound to the role.", priority=1),
            Column(
                "ServiceAccounts",
                description="The service accounts bound to the role.",
                priority=1,
            ),
        ),
        cells=_cells,
    )


COLUMNS: ColumnsByResource = {
    GroupResource(_GROUP, "clusterrolebindings"): _bindings("ClusterRoleBinding"),
    GroupResource(_GROUP, "rolebindings"): _bindings("RoleBinding"),
}
