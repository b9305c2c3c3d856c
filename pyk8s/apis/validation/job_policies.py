# SPDX-License-Identifier: Apache-2.0
"""Rules of a Job's pod failure, success and replacement policies.

Mirrors upstream's `pkg/apis/batch/validation/validation.go`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pyk8s.apimachinery import field
from pyk8s.apis.validation import checks, indexes

_ACTIONS = ("Count", "FailIndex", "FailJob", "Ignore")
_OPERATORS = ("In", "NotIn")
_STATUSES = ("False", "True", "Unknown")
_RULES_MAX = 20
_EXIT_CODES_MAX = 255
_CONDITIONS_MAX = 20
_SUCCESS_RULES_MAX = 20
_INDEXES_BYTES_MAX = 64 * 1024

Spec = Mapping[str, Any]


def validate(spec: Spec, path: field.Path) -> list[field.Error]:
    found = []
    if "podFailurePolicy" in spec:
        found += _failure_policy(spec, path.child("podFailurePolicy", "rules"))
    success = spec.get("successPolicy")
    if success is not None:
        where = path.child("successPolicy")
        if spec.get("completionMode") == "Indexed":
            found += _success_policy(success, spec.get("completions", 0), where.child("rules"))
        else:
            shown = {"Rules": [_go_success_rule(r) for r in success.get("rules") or ()]}
            found.append(field.invalid(where, shown, "requires indexed completion mode"))
    return found + _replacement_policy(spec, path.child("podReplacementPolicy"))


def _go_success_rule(rule: Spec) -> Any:
    pairs = (("SucceededIndexes", "succeededIndexes"), ("SucceededCount", "succeededCount"))
    return checks.go_struct(rule, pairs)


def _replacement_policy(spec: Spec, path: field.Path) -> list[field.Error]:
    policy = spec.get("podReplacementPolicy")
    if policy is None:
        return []
    either = ("Failed", "TerminatingOrFailed")
    return checks.one_of(policy, path, ("Failed",) if "podFailurePolicy" in spec else either)


def _failure_policy(spec: Spec, path: field.Path) -> list[field.Error]:
    rules = spec["podFailurePolicy"].get("rules") or ()
    found = []
    if len(rules) > _RULES_MAX:
        found.append(field.too_many(path, len(rules), _RULES_MAX))
    pod = spec["template"]["spec"]
    containers = [*(pod.get("containers") or ()), *(pod.get("initContainers") or ())]
    container_names = {container.get("name", "") for container in containers}
    for index, rule in enumerate(rules):
        where = path.index(index)
        found += _action(rule, "backoffLimitPerIndex" in spec, where.child("action"))
        found += _requirements(rule, container_names, where)
    return found


def _action(rule: Spec, per_index: bool, path: field.Path) -> list[field.Error]:
    action = rule.get("action", "")
    if not action:
        return [field.required(path, _valid_values(_ACTIONS))]
    if action == "FailIndex" and not per_index:
        return [field.invalid(path, action, "requires the backoffLimitPerIndex to be set")]
    return checks.one_of(action, path, _ACTIONS)


def _valid_values(values: tuple[str, ...]) -> str:
    return "valid values: [" + " ".join(f'"{value}"' for value in values) + "]"


def _requirements(rule: Spec, containers: set[str], path: field.Path) -> list[field.Error]:
    exit_codes = rule.get("onExitCodes")
    conditions = rule.get("onPodConditions") or ()
    found = []
    if exit_codes is not None:
        found += _on_exit_codes(exit_codes, containers, path.child("onExitCodes"))
    if conditions:
        found += _on_conditions(conditions, path.child("onPodConditions"))
    detail = ""
    if exit_codes is not None and conditions:
        detail = "specifying both OnExitCodes and OnPodConditions is not supported"
    if exit_codes is None and not conditions:
        detail = "specifying one of OnExitCodes and OnPodConditions is required"
    if detail:
        found.append(field.invalid(path, field.OMITTED, detail))
    return found


def _on_conditions(patterns: list[Spec], path: field.Path) -> list[field.Error]:
    found = []
    if len(patterns) > _CONDITIONS_MAX:
        found.append(field.too_many(path, len(patterns), _CONDITIONS_MAX))
    for index, pattern in enumerate(patterns):
        where = path.index(index)
        found += checks.qualified_name(pattern.get("type", ""), where.child("type"))
        found += _required_of(pattern.get("status", ""), where.child("status"), _STATUSES)
    return found


def _required_of(value: str, path: field.Path, supported: tuple[str, ...]) -> list[field.Error]:
    if not value:
        return [field.required(path, _valid_values(supported))]
    return checks.one_of(value, path, supported)


def _on_exit_codes(requirement: Spec, containers: set[str], path: field.Path) -> list[field.Error]:
    operator = requirement.get("operator", "")
    found = _required_of(operator, path.child("operator"), _OPERATORS)
    container = requirement.get("containerName")
    if container is not None and container not in containers:
        detail = "must be one of the container or initContainer names in the pod template"
        found.append(field.invalid(path.child("containerName"), container, detail))
    values = requirement.get("values") or []
    where = path.child("values")
    if not values:
        found.append(field.invalid(where, values, "at least one value is required"))
    elif len(values) > _EXIT_CODES_MAX:
        found.append(field.too_many(where, len(values), _EXIT_CODES_MAX))
    if operator == "In":
        found += [
            field.invalid(where.index(index), value, "must not be 0 for the In operator")
            for index, value in enumerate(values)
            if value == 0
        ]
    found += checks.unique(values, where)
    if values != sorted(values):
        found.append(field.invalid(where, values, "must be ordered"))
    return found


def _success_policy(policy: Spec, completions: int, path: field.Path) -> list[field.Error]:
    rules = policy.get("rules") or ()
    found = []
    if not rules:
        detail = "at least one rules must be specified when the successPolicy is specified"
        found.append(field.required(path, detail))
    if len(rules) > _SUCCESS_RULES_MAX:
        found.append(field.too_many(path, len(rules), _SUCCESS_RULES_MAX))
    for index, rule in enumerate(rules):
        found += _success_rule(rule, completions, path.index(index))
    return found


def _success_rule(rule: Spec, completions: int, path: field.Path) -> list[field.Error]:
    text = rule.get("succeededIndexes")
    needed = rule.get("succeededCount")
    if text is None and needed is None:
        detail = "at least one of succeededCount or succeededIndexes must be specified"
        return [field.required(path, detail)]
    found = []
    total = 0
    if text is not None:
        where = path.child("succeededIndexes")
        if len(text) > _INDEXES_BYTES_MAX:
            found.append(field.too_long(where, _INDEXES_BYTES_MAX))
        try:
            total = indexes.count(text, completions)
        except ValueError as error:
            detail = f"error parsing succeededIndexes: {error}"
            found.append(field.invalid(where, text, detail))
    if needed is None:
        return found
    where = path.child("succeededCount")
    found += checks.non_negative(needed, where)
    most = "must be less than or equal to"
    if needed > completions:
        detail = f"{most} {completions} (the number of specified completions)"
        found.append(field.invalid(where, needed, detail))
    if text is not None and needed > total:
        detail = f"{most} {total} (the number of indexes in the specified succeededIndexes field)"
        found.append(field.invalid(where, needed, detail))
    return found
