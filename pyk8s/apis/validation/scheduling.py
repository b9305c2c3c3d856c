# SPDX-License-Identifier: Apache-2.0
"""Rules of what says where a Pod may run: tolerations, affinities, spreading, gates."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from pyk8s.apimachinery import field, names
from pyk8s.apis.validation import checks, meta
from pyk8s.apis.validation.options import PodOptions

Term = Mapping[str, Any]

EFFECTS = ("NoSchedule", "PreferNoSchedule", "NoExecute")
_OPERATORS = ("Equal", "Exists", "Lt", "Gt")
_ACTIONS = frozenset({"DoNotSchedule", "ScheduleAnyway"})
_INCLUSION_POLICIES = frozenset({"Ignore", "Honor"})
_REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
_PREFERRED = "preferredDuringSchedulingIgnoredDuringExecution"
_WEIGHT = "must be in the range 1-100"
_BAD_OPERATOR = "not a valid selector operator"
_IN_BOTH = "exists in both matchLabelKeys and labelSelector"
_NO_SELECTOR = "must not be specified when labelSelector is not set"
_integer = re.compile(r"-?[1-9][0-9]*|0").fullmatch


def validate_effect(effect: str, path: field.Path) -> list[field.Error]:
    return [] if effect in EFFECTS else [field.not_supported(path, effect, EFFECTS)]


def validate_tolerations(tolerations: Sequence[Term], path: field.Path) -> list[field.Error]:
    errors: list[field.Error] = []
    for index, toleration in enumerate(tolerations):
        errors += _validate_toleration(toleration, path.index(index))
    return errors


def _validate_toleration(toleration: Term, path: field.Path) -> list[field.Error]:
    key, operator = toleration.get("key", ""), toleration.get("operator", "")
    effect = toleration.get("effect", "")
    errors: list[field.Error] = []
    if key:
        errors += checks.qualified_name(key, path.child("key"))
    elif operator != "Exists":
        detail = (
            'operator must be Exists when `key` is empty, which means "match all values and all '
            'keys"'
        )
        errors.append(field.invalid(path.child("operator"), operator, detail))
    if "tolerationSeconds" in toleration and effect != "NoExecute":
        detail = "effect must be 'NoExecute' when `tolerationSeconds` is set"
        errors.append(field.invalid(path.child("effect"), effect, detail))
    errors += _validate_toleration_value(operator, toleration.get("value", ""), path)
    if effect:
        errors += validate_effect(effect, path.child("effect"))
    return errors


def _validate_toleration_value(operator: str, value: str, path: field.Path) -> list[field.Error]:
    at = path.child("operator")
    if operator in ("", "Equal"):
        faults = names.is_valid_label_value(value)
        return [field.invalid(at, value, ";".join(faults))] if faults else []
    if operator == "Exists":
        detail = "value must be empty when `operator` is 'Exists'"
        return [field.invalid(at, value, detail)] if value else []
    if operator in ("Lt", "Gt"):
        if _integer(value) and -(1 << 63) <= int(value) < 1 << 63:
            return []
        detail = "value must be a valid integer when `operator` is 'Lt' or 'Gt'"
        return [field.invalid(path.child("value"), value, detail)]
    return [field.not_supported(at, operator, _OPERATORS)]


def validate_affinity(affinity: Term, path: field.Path, options: PodOptions) -> list[field.Error]:
    errors: list[field.Error] = []
    node = affinity.get("nodeAffinity") or {}
    at = path.child("nodeAffinity")
    if _REQUIRED in node:
        errors += validate_node_selector(
            node[_REQUIRED], at.child(_REQUIRED), allow_invalid_values=options.ratcheting
        )
    for index, preferred in enumerate(node.get(_PREFERRED, ())):
        errors += _validate_preferred_node(preferred, at.child(_PREFERRED).index(index))
    for kind in ("podAffinity", "podAntiAffinity"):
        pod = affinity.get(kind) or {}
        at = path.child(kind)
        for index, term in enumerate(pod.get(_REQUIRED, ())):
            errors += _validate_pod_term(term, at.child(_REQUIRED).index(index), options)
        for index, weighted in enumerate(pod.get(_PREFERRED, ())):
            where = at.child(_PREFERRED).index(index)
            errors += _validate_weight(weighted, where)
            term = weighted.get("podAffinityTerm") or {}
            errors += _validate_pod_term(term, where.child("podAffinityTerm"), options)
    return errors


def _validate_weight(term: Term, path: field.Path) -> list[field.Error]:
    weight = term.get("weight", 0)
    if 1 <= weight <= 100:
        return []
    return [field.invalid(path.child("weight"), weight, _WEIGHT)]


def _validate_preferred_node(term: Term, path: field.Path) -> list[field.Error]:
    preference = term.get("preference") or {}
    return _validate_weight(term, path) + _validate_node_term(
        preference, path.child("preference"), allow_invalid_values=True
    )


def validate_node_selector(
    selector: Term, path: field.Path, *, allow_invalid_values: bool = False
) -> list[field.Error]:
    """A NodeSelector: a Pod's node affinity, or the nodes a volume can be reached from."""
    terms = selector.get("nodeSelectorTerms", ())
    at = path.child("nodeSelectorTerms")
    if not terms:
        return [field.required(at, "must have at least one node selector term")]
    errors: list[field.Error] = []
    for index, term in enumerate(terms):
        errors += _validate_node_term(
            term, at.index(index), allow_invalid_values=allow_invalid_values
        )
    return errors


def _validate_node_term(
    term: Term, path: field.Path, *, allow_invalid_values: bool
) -> list[field.Error]:
    errors: list[field.Error] = []
    for index, requirement in enumerate(term.get("matchExpressions", ())):
        at = path.child("matchExpressions").index(index)
        errors += _validate_expression(requirement, at, allow_invalid_values)
    for index, requirement in enumerate(term.get("matchFields", ())):
        errors += _validate_match_field(requirement, path.child("matchFields").index(index))
    return errors


def _validate_expression(
    requirement: Term, path: field.Path, allow_invalid_values: bool
) -> list[field.Error]:
    operator, operands = requirement.get("operator", ""), requirement.get("values", ())
    errors: list[field.Error] = []
    at = path.child("values")
    if operator in ("In", "NotIn"):
        if not operands:
            detail = "must be specified when `operator` is 'In' or 'NotIn'"
            errors.append(field.required(at, detail))
    elif operator in ("Exists", "DoesNotExist"):
        if operands:
            detail = "may not be specified when `operator` is 'Exists' or 'DoesNotExist'"
            errors.append(field.forbidden(at, detail))
    elif operator in ("Gt", "Lt"):
        if len(operands) != 1:
            detail = "must be specified single value when `operator` is 'Lt' or 'Gt'"
            errors.append(field.required(at, detail))
    else:
        errors.append(field.invalid(path.child("operator"), operator, _BAD_OPERATOR))
    errors += checks.qualified_name(requirement.get("key", ""), path.child("key"))
    if allow_invalid_values:
        return errors
    for index, operand in enumerate(operands):
        errors += checks.follows(names.is_valid_label_value, operand, at.index(index))
    return errors


def _validate_match_field(requirement: Term, path: field.Path) -> list[field.Error]:
    operator, operands = requirement.get("operator", ""), requirement.get("values", ())
    errors: list[field.Error] = []
    if operator not in ("In", "NotIn"):
        errors.append(field.invalid(path.child("operator"), operator, _BAD_OPERATOR))
    elif len(operands) != 1:
        detail = "must be only one value when `operator` is 'In' or 'NotIn' for node field selector"
        errors.append(field.required(path.child("values"), detail))
    key = requirement.get("key", "")
    if key != "metadata.name":
        detail = "not a valid field selector key"
        return [*errors, field.invalid(path.child("key"), key, detail)]
    for index, name in enumerate(operands):
        errors += checks.dns1123_subdomain(name, path.child("values").index(index))
    return errors


def _validate_pod_term(term: Term, path: field.Path, options: PodOptions) -> list[field.Error]:
    errors: list[field.Error] = []
    for name in ("labelSelector", "namespaceSelector"):
        errors += meta.validate_label_selector(
            term.get(name), path.child(name), allow_invalid_values=options.ratcheting
        )
    for namespace in term.get("namespaces", ()):
        errors += checks.dns1123_label(namespace, path.child("namespace"))
    if "matchLabelKeys" in term or "mismatchLabelKeys" in term:
        errors += _validate_label_keys(term, path)
    key = term.get("topologyKey", "")
    if not key:
        errors.append(field.required(path.child("topologyKey"), "can not be empty"))
    return errors + checks.qualified_name(key, path.child("topologyKey"))


def _validate_label_keys(term: Term, path: field.Path) -> list[field.Error]:
    selector = term.get("labelSelector")
    errors: list[field.Error] = []
    for name in ("matchLabelKeys", "mismatchLabelKeys"):
        if term.get(name) and selector is None:
            errors.append(field.forbidden(path.child(name), _NO_SELECTOR))
            continue
        for index, key in enumerate(term.get(name, ())):
            errors += checks.qualified_name(key, path.child(name).index(index))
    matched, mismatched = term.get("matchLabelKeys", ()), term.get("mismatchLabelKeys", ())
    # The selector has by now one expression for every matched key; a second one was the user's.
    seen = set((selector or {}).get("matchLabels", ()))
    for expression in (selector or {}).get("matchExpressions", ()):
        key = expression.get("key", "")
        if key in matched and key in seen:
            errors.append(field.invalid(path.index(matched.index(key)), key, _IN_BOTH))
        seen.add(key)
    for index, key in enumerate(matched):
        if key in mismatched:
            detail = "exists in both matchLabelKeys and mismatchLabelKeys"
            errors.append(field.invalid(path.child("matchLabelKeys").index(index), key, detail))
    return errors


def validate_topology_spread(
    constraints: Sequence[Term], path: field.Path, options: PodOptions
) -> list[field.Error]:
    errors: list[field.Error] = []
    for index, constraint in enumerate(constraints):
        at = path.index(index)
        errors += _validate_constraint(constraint, at)
        pair = (constraint.get("topologyKey", ""), constraint.get("whenUnsatisfiable", ""))
        for other in constraints[index + 1 :]:
            if pair == (other.get("topologyKey", ""), other.get("whenUnsatisfiable", "")):
                where = at.child("{topologyKey, whenUnsatisfiable}")
                errors.append(field.duplicate(where, f"{{{pair[0]}, {pair[1]}}}"))
                break
        if not options.ratcheting:
            errors += meta.validate_label_selector(
                constraint.get("labelSelector"), at.child("labelSelector")
            )
    return errors


def _validate_constraint(constraint: Term, path: field.Path) -> list[field.Error]:
    errors: list[field.Error] = []
    skew = constraint.get("maxSkew", 0)
    if skew <= 0:
        errors.append(field.invalid(path.child("maxSkew"), skew, checks.NOT_POSITIVE))
    if not constraint.get("topologyKey"):
        errors.append(field.required(path.child("topologyKey"), "can not be empty"))
    action = constraint.get("whenUnsatisfiable", "")
    if action not in _ACTIONS:
        errors.append(field.not_supported(path.child("whenUnsatisfiable"), action, _ACTIONS))
    errors += _validate_min_domains(constraint.get("minDomains"), action, path)
    for name in ("nodeAffinityPolicy", "nodeTaintsPolicy"):
        policy = constraint.get(name)
        errors += checks.optional_one_of(policy, path.child(name), _INCLUSION_POLICIES)
    if constraint.get("matchLabelKeys"):
        errors += _validate_label_keys(constraint, path)
    return errors


def _validate_min_domains(domains: int | None, action: str, path: field.Path) -> list[field.Error]:
    if domains is None:
        return []
    errors = []
    at = path.child("minDomains")
    if domains <= 0:
        errors.append(field.invalid(at, domains, checks.NOT_POSITIVE))
    if action != "DoNotSchedule":
        detail = f"can only use minDomains if whenUnsatisfiable=DoNotSchedule, not {action}"
        errors.append(field.invalid(at, domains, detail))
    return errors


def validate_gates(gates: Sequence[Term], path: field.Path) -> list[field.Error]:
    errors: list[field.Error] = []
    seen: set[str] = set()
    for index, gate in enumerate(gates):
        name = gate.get("name", "")
        errors += checks.qualified_name(name, path.index(index))
        if name in seen:
            errors.append(field.duplicate(path.index(index), name))
        seen.add(name)
    return errors
