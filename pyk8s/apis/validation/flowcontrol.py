# SPDX-License-Identifier: Apache-2.0
"""Rules of FlowSchemas and PriorityLevelConfigurations.

Mirrors upstream's `pkg/apis/flowcontrol/validation/validation.go`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from pyk8s.apimachinery import field, names
from pyk8s.apimachinery.gvk import Object
from pyk8s.apis.validation import checks, meta

_SPEC = field.Path("spec")
_CONDITIONS = field.Path("status", "conditions")
_PRECEDENCE_MAX = 10000
_QUEUES_MAX = 10_000_000
_HASH_BITS_MAX = 60
_EXEMPT = "exempt"
_VERBS = frozenset(
    {
        "get",
        "list",
        "create",
        "update",
        "delete",
        "deletecollection",
        "patch",
        "watch",
        "proxy",
    }
)
_METHODS = frozenset({"ByNamespace", "ByUser"})
_LEVEL_TYPES = frozenset({"Exempt", "Limited"})
_RESPONSE_TYPES = frozenset({"Queue", "Reject"})
_SUBJECTS = {"ServiceAccount": "serviceAccount", "User": "user", "Group": "group"}
_NAMESPACE_INTRO = "each member of this list must be '*' or a DNS-1123 label; "

Spec = Mapping[str, Any]


def validate_flow_schema(schema: Object) -> list[field.Error]:
    found = meta.validate_object_meta(
        schema, namespaced=False, name_rule=names.is_dns1123_subdomain
    )
    spec = schema.get("spec") or {}
    found += _precedence(spec.get("matchingPrecedence", 0), schema["metadata"].get("name", ""))
    method = spec.get("distinguisherMethod")
    if method is not None and method.get("type") not in _METHODS:
        where = _SPEC.child("distinguisherMethod", "type")
        found.append(field.not_supported(where, {"Type": method.get("type", "")}, _METHODS))
    level = (spec.get("priorityLevelConfiguration") or {}).get("name", "")
    where = _SPEC.child("priorityLevelConfiguration", "name")
    if level:
        found += checks.dns1123_subdomain(level, where)
    else:
        found.append(field.required(where, "must reference a priority level"))
    for index, rule in enumerate(spec.get("rules") or ()):
        found += _rule(rule, _SPEC.child("rules").index(index))
    return found + validate_conditions(schema)


def _precedence(precedence: int, name: str) -> list[field.Error]:
    path = _SPEC.child("matchingPrecedence")
    if precedence <= 0:
        return [field.invalid(path, precedence, "must be a positive value")]
    if precedence > _PRECEDENCE_MAX:
        detail = f"must not be greater than {_PRECEDENCE_MAX}"
        return [field.invalid(path, precedence, detail)]
    if precedence == 1 and name != _EXEMPT:
        detail = "only the schema named 'exempt' may have matchingPrecedence 1"
        return [field.invalid(path, precedence, detail)]
    return []


def _rule(rule: Spec, path: field.Path) -> list[field.Error]:
    found = []
    subjects = rule.get("subjects") or ()
    if not subjects:
        detail = "subjects must contain at least one value"
        found.append(field.required(path.child("subjects"), detail))
    for index, subject in enumerate(subjects):
        found += _subject(subject, path.child("subjects").index(index))
    resources, urls = rule.get("resourceRules") or (), rule.get("nonResourceRules") or ()
    if not resources and not urls:
        detail = "at least one of resourceRules and nonResourceRules has to be non-empty"
        found.append(field.required(path, detail))
    for index, inner in enumerate(resources):
        found += _resource_rule(inner, path.child("resourceRules").index(index))
    for index, inner in enumerate(urls):
        found += _url_rule(inner, path.child("nonResourceRules").index(index))
    return found


def _subject(subject: Spec, path: field.Path) -> list[field.Error]:
    kind = subject.get("kind", "")
    key = _SUBJECTS.get(kind)
    if key is None:
        return [field.not_supported(path.child("kind"), kind, frozenset(_SUBJECTS))]
    found = []
    inner = subject.get(key)
    where = path.child(key)
    if inner is None:
        detail = f"{key} is required when subject kind is '{kind}'"
        found.append(field.required(where, detail))
    elif key == "serviceAccount":
        found += _service_account(inner, where)
    elif not inner.get("name"):
        found.append(field.required(where.child("name")))
    for other_kind, other in _SUBJECTS.items():
        if other != key and other in subject:
            detail = f"{other} is forbidden when subject kind is not '{other_kind}'"
            found.append(field.forbidden(path.child(other), detail))
    return found


def _service_account(account: Spec, path: field.Path) -> list[field.Error]:
    found = []
    name, namespace = account.get("name", ""), account.get("namespace", "")
    if not name:
        found.append(field.required(path.child("name")))
    elif name != "*":
        found += checks.dns1123_subdomain(name, path.child("name"))
    where = path.child("namespace")
    if namespace:
        return found + checks.dns1123_label(namespace, where)
    return [*found, field.required(where, "must specify namespace for service account")]


def _verbs(rule: Spec, path: field.Path) -> list[field.Error]:
    verbs = rule.get("verbs") or []
    where = path.child("verbs")
    if not verbs:
        return [field.required(where, "verbs must contain at least one value")]
    if "*" in verbs:
        return _alone(verbs, where, "verbs")
    if not _VERBS.issuperset(verbs):
        return [field.not_supported(where, verbs, _VERBS)]
    return []


def _alone(given: list[str], path: field.Path, what: str) -> list[field.Error]:
    if len(given) < 2 or "*" not in given:
        return []
    return [field.invalid(path, given, f"if '*' is present, must not specify other {what}")]


def _url_rule(rule: Spec, path: field.Path) -> list[field.Error]:
    found = _verbs(rule, path)
    urls = rule.get("nonResourceURLs") or []
    where = path.child("nonResourceURLs")
    if not urls:
        detail = "nonResourceURLs must contain at least one value"
        return [*found, field.required(where, detail)]
    if "*" in urls:
        return found + _alone(urls, where, "non-resource URLs")
    for index, url in enumerate(urls):
        detail = _url_fault(url)
        if detail:
            found.append(field.invalid(where.index(index), url, detail))
    return found


def _url_fault(url: str) -> str:
    if not url:
        return "must not be empty"
    if url == "/":
        return ""
    if not url.startswith("/"):
        return "must start with slash"
    if " " in url:
        return "must not contain white-space"
    if "//" in url:
        return "must not contain double slash"
    stars = url.count("*")
    if stars > 1 or (stars == 1 and not url.endswith("/*")):
        return "wildcard can only do suffix matching"
    return ""


def _resource_rule(rule: Spec, path: field.Path) -> list[field.Error]:
    found = _verbs(rule, path)
    for key, one, many in (
        ("apiGroups", "api group", "api groups"),
        ("resources", "resource", "resources"),
    ):
        given = rule.get(key) or []
        where = path.child(key)
        if not given:
            found.append(field.required(where, f"resource rules must supply at least one {one}"))
        found += _alone(given, where, many)
    namespaces = rule.get("namespaces") or []
    where = path.child("namespaces")
    if not namespaces and not rule.get("clusterScope"):
        detail = "resource rules that are not cluster scoped must supply at least one namespace"
        return [*found, field.required(where, detail)]
    if "*" in namespaces:
        return found + _alone(namespaces, where, "namespaces")
    for index, namespace in enumerate(namespaces):
        faults = [_NAMESPACE_INTRO + fault for fault in names.is_dns1123_label(namespace)]
        found += checks.all_invalid(where.index(index), namespace, faults)
    return found


def validate_conditions(obj: Object) -> list[field.Error]:
    """The conditions of either kind: named, and each once."""
    conditions = (obj.get("status") or {}).get("conditions") or ()
    types = [condition.get("type", "") for condition in conditions]
    found = checks.unique(types, _CONDITIONS, "type")
    for index, kind in enumerate(types):
        if not kind:
            where = _CONDITIONS.index(index).child("type")
            found.append(field.required(where, "must not be empty"))
    return found


def validate_priority_level(level: Object) -> list[field.Error]:
    found = meta.validate_object_meta(level, namespaced=False, name_rule=names.is_dns1123_subdomain)
    spec = level.get("spec") or {}
    kind = spec.get("type", "")
    if (level["metadata"].get("name") == _EXEMPT) != (kind == "Exempt"):
        detail = "type must be 'Exempt' if and only if name is 'exempt'"
        found.append(field.invalid(_SPEC.child("type"), kind, detail))
    exempt, limited = spec.get("exempt"), spec.get("limited")
    if kind == "Exempt":
        found += _exempt(exempt, limited)
    elif kind == "Limited":
        found += _limited(exempt, limited)
    else:
        found.append(field.not_supported(_SPEC.child("type"), kind, _LEVEL_TYPES))
    return found + validate_conditions(level)


def _exempt(exempt: Spec | None, limited: Spec | None) -> list[field.Error]:
    found = []
    if limited is not None:
        detail = "must be nil if the type is not Limited"
        found.append(field.forbidden(_SPEC.child("limited"), detail))
    if exempt is None:
        # Permitted for what is stored since before the field existed.
        return found
    return found + _shares(exempt, _SPEC.child("exempt"))


def _limited(exempt: Spec | None, limited: Spec | None) -> list[field.Error]:
    found = []
    if exempt is not None:
        detail = "must be nil if the type is Limited"
        found.append(field.forbidden(_SPEC.child("exempt"), detail))
    path = _SPEC.child("limited")
    if limited is None:
        return [*found, field.required(path, "must not be empty when type is Limited")]
    found += _shares(limited, path)
    borrowed = limited.get("borrowingLimitPercent")
    if borrowed is not None and borrowed < 0:
        where = path.child("borrowingLimitPercent")
        detail = "if specified, must be a non-negative integer"
        found.append(field.invalid(where, borrowed, detail))
    return found + _response(limited.get("limitResponse") or {}, path.child("limitResponse"))


def _shares(level: Spec, path: field.Path) -> list[field.Error]:
    found = []
    shares = level.get("nominalConcurrencyShares", 0)
    if shares < 0:
        where = path.child("nominalConcurrencyShares")
        found.append(field.invalid(where, shares, "must be a non-negative integer"))
    lendable = level.get("lendablePercent", 0)
    if not 0 <= lendable <= 100:
        where = path.child("lendablePercent")
        found.append(field.invalid(where, lendable, "must be between 0 and 100, inclusive"))
    return found


def _response(response: Spec, path: field.Path) -> list[field.Error]:
    kind, queuing = response.get("type", ""), response.get("queuing")
    where = path.child("queuing")
    if kind == "Reject":
        if queuing is None:
            return []
        detail = "must be nil if limited.limitResponse.type is not Limited"
        return [field.forbidden(where, detail)]
    if kind != "Queue":
        return [field.not_supported(path.child("type"), kind, _RESPONSE_TYPES)]
    if queuing is None:
        detail = "must not be empty if limited.limitResponse.type is Limited"
        return [field.required(where, detail)]
    return _queuing(queuing, where)


def _queuing(queuing: Spec, path: field.Path) -> list[field.Error]:
    queues, hand = queuing.get("queues", 0), queuing.get("handSize", 0)
    length = queuing.get("queueLengthLimit", 0)
    found = []
    if length <= 0:
        where = path.child("queueLengthLimit")
        found.append(field.invalid(where, length, "must be positive"))
    where = path.child("queues")
    if queues <= 0:
        found.append(field.invalid(where, queues, "must be positive"))
    elif queues > _QUEUES_MAX:
        found.append(field.invalid(where, queues, f"must not be greater than {_QUEUES_MAX}"))
    where = path.child("handSize")
    if hand <= 0:
        found.append(field.invalid(where, hand, "must be positive"))
    elif hand > queues:
        detail = f"should not be greater than queues ({queues})"
        found.append(field.invalid(where, hand, detail))
    elif _entropy_bits(queues, hand) > _HASH_BITS_MAX:
        detail = (
            f"required entropy bits of deckSize {queues} and handSize {hand} should not be "
            f"greater than {_HASH_BITS_MAX}"
        )
        found.append(field.invalid(where, hand, detail))
    return found


def _entropy_bits(queues: int, hand: int) -> int:
    """Bits of a hash that dealing a hand out of a deck uses up."""
    return math.ceil(math.log2(queues) * hand)
