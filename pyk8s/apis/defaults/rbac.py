# SPDX-License-Identifier: Apache-2.0
"""Defaults of bindings: the API groups of roles and subjects.

Mirrors upstream's `pkg/apis/rbac/v1/defaults.go`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from pyk8s.apimachinery.gvk import GroupVersionKind, Object

GROUP = "rbac.authorization.k8s.io"


def default_binding(binding: Object) -> None:
    """Fill in a RoleBinding or ClusterRoleBinding."""
    role_ref = binding.setdefault("roleRef", {})
    if not role_ref.get("apiGroup"):
        role_ref["apiGroup"] = GROUP
    for subject in binding.get("subjects") or ():
        # A ServiceAccount is of the core group, whose name is empty and stays unwritten.
        if subject.get("kind") in ("User", "Group") and not subject.get("apiGroup"):
            subject["apiGroup"] = GROUP


DEFAULTERS: Mapping[GroupVersionKind, Callable[[Object], None]] = {
    GroupVersionKind(GROUP, "v1", "RoleBinding"): default_binding,
    GroupVersionKind(GROUP, "v1", "ClusterRoleBinding"): default_binding,
}
