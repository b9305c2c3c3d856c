# SPDX-License-Identifier: Apache-2.0
"""Rules of roles and bindings.

Whether the user may grant what a role allows is not content, and is checked elsewhere. Mirrors
upstream's `pkg/apis/rbac/validation/validation.go`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pyk8s.apimachinery import field, names
from pyk8s.apimachinery.gvk import Object
from pyk8s.apis.defaults.rbac import GROUP
from pyk8s.apis.validation import checks, meta

_ROLE_REF = field.Path("roleRef")
_GO_ROLE_REF = (("APIGroup", "apiGroup"), ("Kind", "kind"), ("Name", "name"))


def validate_role(role: Object, *, namespaced: bool) -> list[field.Error]:
    """A Role, or (not namespaced) a ClusterRole."""
    found = meta.validate_object_meta(
        role, namespaced=namespaced, name_rule=names.is_path_segment_name
    )
    for index, rule in enumerate(role.get("rules") or ()):
        found += policy_rule(rule, namespaced, field.Path("rules").index(index))
    aggregation = role.get("aggregationRule")
    if aggregation is not None:
        found += _aggregation(aggregation.get("clusterRoleSelectors") or ())
    return found


def validate_role_update(
    updated: Object, existing: Object, *, namespaced: bool
) -> list[field.Error]:
    found = validate_role(updated, namespaced=namespaced)
    return found + meta.validate_object_meta_update(updated, existing)


def policy_rule(rule: Mapping[str, Any], namespaced: bool, path: field.Path) -> list[field.Error]:
    found = []
    if not rule.get("verbs"):
        found.append(field.required(path.child("verbs"), "verbs must contain at least one value"))
    urls = rule.get("nonResourceURLs")
    if urls:
        return found + _url_rule(rule, namespaced, path.child("nonResourceURLs"))
    if not rule.get("apiGroups"):
        detail = "resource rules must supply at least one api group"
        found.append(field.required(path.child("apiGroups"), detail))
    if not rule.get("resources"):
        detail = "resource rules must supply at least one resource"
        found.append(field.required(path.child("resources"), detail))
    return found


def _url_rule(rule: Mapping[str, Any], namespaced: bool, path: field.Path) -> list[field.Error]:
    found = []
    urls = rule["nonResourceURLs"]
    if namespaced:
        detail = "namespaced rules cannot apply to non-resource URLs"
        found.append(field.invalid(path, urls, detail))
    if rule.get("apiGroups") or rule.get("resources") or rule.get("resourceNames"):
        detail = "rules cannot apply to both regular resources and non-resource URLs"
        found.append(field.invalid(path, urls, detail))
    return found


def _aggregation(selectors: Any) -> list[field.Error]:
    path = field.Path("aggregationRule", "clusterRoleSelectors")
    if not selectors:
        detail = "at least one clusterRoleSelector required if aggregationRule is non-nil"
        return [field.required(path, detail)]
    found = []
    for index, selector in enumerate(selectors):
        where = path.index(index)
        found += meta.validate_label_selector(selector, where)
        if checks.selector_matches(selector, {}) is None:
            found.append(field.invalid(where, selector, "invalid label selector."))
    return found


def validate_binding(binding: Object, *, namespaced: bool) -> list[field.Error]:
    """A RoleBinding, or (not namespaced) a ClusterRoleBinding."""
    found = meta.validate_object_meta(
        binding, namespaced=namespaced, name_rule=names.is_path_segment_name
    )
    role_ref = binding.get("roleRef") or {}
    kinds = ("Role", "ClusterRole") if namespaced else ("ClusterRole",)
    found += checks.one_of(role_ref.get("apiGroup", ""), _ROLE_REF.child("apiGroup"), (GROUP,))
    found += checks.one_of(role_ref.get("kind", ""), _ROLE_REF.child("kind"), kinds)
    name = role_ref.get("name", "")
    where = _ROLE_REF.child("name")
    if not name:
        found.append(field.required(where))
    else:
        found += checks.follows(names.is_path_segment_name, name, where)
    for index, subject in enumerate(binding.get("subjects") or ()):
        found += _subject(subject, namespaced, field.Path("subjects").index(index))
    return found


def validate_binding_update(
    updated: Object, existing: Object, *, namespaced: bool
) -> list[field.Error]:
    found = validate_binding(updated, namespaced=namespaced)
    found += meta.validate_object_meta_update(updated, existing)
    role_ref = updated.get("roleRef") or {}
    if role_ref != existing.get("roleRef"):
        shown = {go: role_ref.get(key, "") for go, key in _GO_ROLE_REF}
        found.append(field.invalid(_ROLE_REF, shown, "cannot change roleRef"))
    return found


def _subject(subject: Mapping[str, Any], namespaced: bool, path: field.Path) -> list[field.Error]:
    found = []
    kind, name = subject.get("kind", ""), subject.get("name", "")
    group = subject.get("apiGroup", "")
    if not name:
        found.append(field.required(path.child("name")))
    if kind == "ServiceAccount":
        if name:
            found += checks.dns1123_subdomain(name, path.child("name"))
        found += checks.one_of(group, path.child("apiGroup"), ("",))
        if not namespaced and not subject.get("namespace"):
            found.append(field.required(path.child("namespace")))
    elif kind in ("User", "Group"):
        found += checks.one_of(group, path.child("apiGroup"), (GROUP,))
    else:
        kinds = ("ServiceAccount", "User", "Group")
        found.append(field.not_supported(path.child("kind"), kind, kinds))
    return found
