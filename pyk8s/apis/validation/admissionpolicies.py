# SPDX-License-Identifier: Apache-2.0
"""Rules of admission policies and their bindings, validating and mutating.

The structure is checked here; whether CEL expressions compile is another module's business.
Mirrors upstream's `pkg/apis/admissionregistration/validation/validation.go`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from pyk8s.apimachinery import field, gvk, names
from pyk8s.apimachinery.gvk import Object
from pyk8s.apis.validation import checks, conditions, meta, webhooks

_SPEC = field.Path("spec")
_STATUS = field.Path("status")
_ACTIONS = frozenset({"Deny", "Warn", "Audit"})
_REASONS = frozenset({"Forbidden", "Invalid", "RequestEntityTooLarge"})
_PATCH_TYPES = frozenset({"ApplyConfiguration", "JSONPatch"})
_AUDIT_ANNOTATIONS_MAX = 20
_VALUE_EXPRESSION_BYTES_MAX = 5 * 1024
_is_identifier = re.compile("[_a-zA-Z][_a-zA-Z0-9]*").fullmatch
_RESERVED = frozenset(
    {
        "true",
        "false",
        "null",
        "in",
        "as",
        "break",
        "const",
        "continue",
        "else",
        "for",
        "function",
        "if",
        "import",
        "let",
        "loop",
        "package",
        "namespace",
        "return",
        "var",
        "void",
        "while",
    }
)
_AT_LEAST_ONE = "validations or auditAnnotations must contain at least one item"

Spec = Mapping[str, Any]


def validate_validating_policy(policy: Object, existing: Object | None = None) -> list[field.Error]:
    """On create, or on update from `existing`."""
    found = meta.validate_object_meta(
        policy, namespaced=False, name_rule=names.is_dns1123_subdomain
    )
    spec = policy.get("spec") or {}
    found += _policy(spec, existing)
    validations = spec.get("validations") or ()
    annotations = spec.get("auditAnnotations") or []
    if not validations and not annotations:
        for key in ("validations", "auditAnnotations"):
            found.append(field.required(_SPEC.child(key), _AT_LEAST_ONE))
        return found
    for index, validation in enumerate(validations):
        found += _validation(validation, _SPEC.child("validations").index(index))
    name = policy["metadata"].get("name", "")
    return found + _audit_annotations(annotations, name, _SPEC.child("auditAnnotations"))


def validate_mutating_policy(policy: Object, existing: Object | None = None) -> list[field.Error]:
    found = meta.validate_object_meta(
        policy, namespaced=False, name_rule=names.is_dns1123_subdomain
    )
    spec = policy.get("spec") or {}
    found += _policy(spec, existing)
    path = _SPEC.child("mutations")
    mutations = spec.get("mutations") or ()
    if not mutations:
        found.append(field.required(path, "mutations must contain at least one item"))
    for index, mutation in enumerate(mutations):
        found += _mutation(mutation, path.index(index))
    policies = webhooks.REINVOCATION_POLICIES
    where = _SPEC.child("reinvocationPolicy")
    return found + checks.required_one_of(spec.get("reinvocationPolicy"), where, policies)


def _policy(spec: Spec, existing: Object | None) -> list[field.Error]:
    """What both kinds of policy have in common."""
    failure = spec.get("failurePolicy")
    where = _SPEC.child("failurePolicy")
    found = checks.required_one_of(failure, where, webhooks.FAILURE_POLICIES)
    if "paramKind" in spec:
        found += _param_kind(spec["paramKind"], _SPEC.child("paramKind"))
    constraints = spec.get("matchConstraints")
    where = _SPEC.child("matchConstraints")
    if constraints is None:
        found.append(field.required(where))
    else:
        found += _match_resources(constraints, where)
        if not constraints.get("resourceRules"):
            found.append(field.required(where.child("resourceRules")))
    before = (existing or {}).get("spec") or {}
    same = all(spec.get(key) == before.get(key) for key in ("paramKind", "matchConditions"))
    if existing is None or not same:
        given = spec.get("matchConditions") or ()
        found += webhooks.match_conditions(given, _SPEC.child("matchConditions"))
    for index, variable in enumerate(spec.get("variables") or ()):
        found += _variable(variable, _SPEC.child("variables").index(index))
    return found


def _param_kind(kind: Spec, path: field.Path) -> list[field.Error]:
    found = _param_version(kind.get("apiVersion", ""), path.child("apiVersion"))
    name = kind.get("kind", "")
    where = path.child("kind")
    if not name:
        return [*found, field.required(where)]
    faults = names.is_dns1035_label(name.lower())
    if faults:
        detail = "may have mixed case, but should otherwise match: " + ",".join(faults)
        found.append(field.invalid(where, name, detail))
    return found


def _param_version(api_version: str, path: field.Path) -> list[field.Error]:
    if not api_version:
        return [field.required(path)]
    try:
        group, version = gvk.parse_group_version(api_version)
    except ValueError as error:
        return [field.invalid(path, api_version, str(error))]
    found = checks.joined(names.is_dns1123_subdomain, group, path) if group else []
    if not version:
        return [*found, field.invalid(path, api_version, "version must be specified")]
    return found + checks.joined(names.is_dns1035_label, version, path)


def _match_resources(resources: Spec, path: field.Path) -> list[field.Error]:
    policy = resources.get("matchPolicy")
    where = path.child("matchPolicy")
    found = checks.required_one_of(policy, where, webhooks.MATCH_POLICIES)
    for key in ("namespaceSelector", "objectSelector"):
        if key not in resources:
            found.append(field.required(path.child(key)))
        else:
            found += meta.validate_label_selector(resources[key], path.child(key))
    for key in ("resourceRules", "excludeResourceRules"):
        for index, rule in enumerate(resources.get(key) or ()):
            found += _named_rule(rule, path.child(key).index(index))
    return found


def _named_rule(rule: Spec, path: field.Path) -> list[field.Error]:
    found = []
    given = rule.get("resourceNames") or ()
    where = path.child("resourceNames")
    for index, name in enumerate(given):
        found += checks.follows(names.is_path_segment_name, name, where.index(index))
    found += checks.unique(given, where)
    return found + webhooks.rule_with_operations(rule, path)


def _variable(variable: Spec, path: field.Path) -> list[field.Error]:
    found = []
    name = variable.get("name", "")
    if not name.strip():
        found.append(field.required(path.child("name"), "name is not specified"))
    elif not _is_identifier(name) or name in _RESERVED:
        detail = "name is not a valid CEL identifier"
        found.append(field.invalid(path.child("name"), name, detail))
    if not variable.get("expression", "").strip():
        detail = "expression is not specified"
        found.append(field.required(path.child("expression"), detail))
    return found


def _validation(validation: Spec, path: field.Path) -> list[field.Error]:
    found = []
    if not validation.get("expression", "").strip():
        where = path.child("expression")
        found.append(field.required(where, "expression is not specified"))
    expression = validation.get("messageExpression", "")
    if expression and not expression.strip():
        where = path.child("messageExpression")
        found.append(field.invalid(where, expression, "must be non-empty if specified"))
    message = validation.get("message", "")
    where = path.child("message")
    if message and not message.strip():
        found.append(field.invalid(where, message, "message must be non-empty if specified"))
    elif "\n" in message.strip() or "\r" in message.strip():
        found.append(field.invalid(where, message, "message must not contain line breaks"))
    reason = validation.get("reason")
    if reason is not None:
        found += checks.one_of(reason, path.child("reason"), _REASONS)
    return found


def _audit_annotations(annotations: list[Spec], policy: str, path: field.Path) -> list[field.Error]:
    found = []
    if len(annotations) > _AUDIT_ANNOTATIONS_MAX:
        detail = f"must not have more than {_AUDIT_ANNOTATIONS_MAX} auditAnnotations"
        found.append(field.invalid(path, annotations, detail))
    for index, annotation in enumerate(annotations):
        where = path.index(index)
        key = f"{policy}/{annotation.get('key', '')}"
        found += checks.qualified_name(key, where.child("key"))
        expression = annotation.get("valueExpression", "").strip()
        where = where.child("valueExpression")
        if not expression:
            found.append(field.required(where, "valueExpression is not specified"))
        elif names.bytes_length(expression) > _VALUE_EXPRESSION_BYTES_MAX:
            detail = f"must not exceed {_VALUE_EXPRESSION_BYTES_MAX} bytes in length"
            found.append(field.required(where, detail))
    return found + checks.unique([a.get("key", "") for a in annotations], path, "key")


def _mutation(mutation: Spec, path: field.Path) -> list[field.Error]:
    kind = mutation.get("patchType")
    found = checks.required_one_of(kind, path.child("patchType"), _PATCH_TYPES)
    if found:
        return found
    key = "applyConfiguration" if kind == "ApplyConfiguration" else "jsonPatch"
    patch = mutation.get(key)
    where = path.child(key)
    if patch is None:
        return [field.required(where, f"must be specified when patchType is {kind}")]
    if not patch.get("expression", "").strip():
        return [field.required(where.child("expression"), "expression is not specified")]
    return []


def validate_binding(binding: Object, *, actions: bool) -> list[field.Error]:
    """A binding of a policy; `actions` for the validating kind, which says what a fault does."""
    found = meta.validate_object_meta(
        binding, namespaced=False, name_rule=names.is_dns1123_subdomain
    )
    spec = binding.get("spec") or {}
    name = spec.get("policyName", "")
    where = _SPEC.child("policyName")
    found += checks.dns1123_subdomain(name, where) if name else [field.required(where)]
    if "paramRef" in spec:
        found += _param_ref(spec["paramRef"], _SPEC.child("paramRef"))
    if "matchResources" in spec:
        found += _match_resources(spec["matchResources"], _SPEC.child("matchResources"))
    if actions:
        given = spec.get("validationActions") or []
        found += _validation_actions(given, _SPEC.child("validationActions"))
    return found


def _param_ref(reference: Spec, path: field.Path) -> list[field.Error]:
    name, selector = reference.get("name", ""), reference.get("selector")
    exclusive = "name and selector are mutually exclusive"
    found = []
    if name:
        found += checks.follows(names.is_path_segment_name, name, path.child("name"))
        if selector is not None:
            found.append(field.forbidden(path.child("name"), exclusive))
    if selector is not None:
        found += meta.validate_label_selector(selector, path.child("selector"))
        if name:
            found.append(field.forbidden(path.child("selector"), exclusive))
    if not name and selector is None:
        found.append(field.required(path, "one of name or selector must be specified"))
    action = reference.get("parameterNotFoundAction")
    where = path.child("parameterNotFoundAction")
    return found + checks.required_one_of(action, where, ("Deny", "Allow"))


def _validation_actions(actions: Sequence[str], path: field.Path) -> list[field.Error]:
    found = []
    for index, action in enumerate(actions):
        found += checks.one_of(action, path.index(index), _ACTIONS)
    found += checks.unique(actions, path)
    if "Deny" in actions and "Warn" in actions:
        detail = (
            "must not contain both Deny and Warn (repeating the same validation failure "
            "information in the API response and headers serves no purpose)"
        )
        found.append(field.invalid(path, actions, detail))
    if not actions:
        found.append(field.required(path, "at least one validation action is required"))
    return found


def validate_policy_status_update(updated: Object) -> list[field.Error]:
    status = updated.get("status") or {}
    found = []
    warnings = (status.get("typeChecking") or {}).get("expressionWarnings") or ()
    path = _STATUS.child("typeChecking", "expressionWarnings")
    for index, warning in enumerate(warnings):
        if not warning.get("warning"):
            found.append(field.required(path.index(index).child("warning")))
        if not warning.get("fieldRef", "").strip():
            found.append(field.required(path.index(index).child("fieldRef")))
    given = status.get("conditions") or ()
    return found + conditions.validate_conditions(given, _STATUS.child("conditions"))
