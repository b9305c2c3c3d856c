# SPDX-License-Identifier: Apache-2.0
"""Rules of admission webhooks, and of what all admission configurations match on.

Whether a CEL expression compiles is not looked at here. Mirrors upstream's
`pkg/apis/admissionregistration/validation/validation.go` and apiserver's
`pkg/util/webhook/validation.go`.
"""

from __future__ import annotations

import urllib.parse
from collections.abc import Mapping, Sequence
from typing import Any

from pyk8s.apimachinery import field, names
from pyk8s.apimachinery.gvk import Object
from pyk8s.apis.validation import checks, meta

FAILURE_POLICIES = frozenset({"Ignore", "Fail"})
MATCH_POLICIES = frozenset({"Exact", "Equivalent"})
REINVOCATION_POLICIES = frozenset({"Never", "IfNeeded"})
REVIEW_VERSIONS = ("v1", "v1beta1")
_SCOPES = frozenset({"Cluster", "Namespaced", "*"})
_OPERATIONS = frozenset({"*", "CREATE", "UPDATE", "DELETE", "CONNECT"})
_SIDE_EFFECTS = frozenset({"Unknown", "None", "Some", "NoneOnDryRun"})
_NO_SIDE_EFFECTS = frozenset({"None", "NoneOnDryRun"})
_TIMEOUT_SECONDS_MAX = 30
_MATCH_CONDITIONS_MAX = 64

Spec = Mapping[str, Any]


def validate_webhook_configuration(configuration: Object) -> list[field.Error]:
    """A ValidatingWebhookConfiguration or MutatingWebhookConfiguration."""
    return _configuration(configuration, None)


def validate_webhook_configuration_update(updated: Object, existing: Object) -> list[field.Error]:
    """What was stored before some rules existed may go on breaking them."""
    return _configuration(updated, existing.get("webhooks") or [])


def _configuration(configuration: Object, before: list[Spec] | None) -> list[field.Error]:
    found = meta.validate_object_meta(
        configuration, namespaced=False, name_rule=names.is_dns1123_subdomain
    )
    path = field.Path("webhooks")
    webhooks = configuration.get("webhooks") or []
    stored = before or []
    no_side_effects = all(hook.get("sideEffects") in _NO_SIDE_EFFECTS for hook in stored)
    known_version = all(_knows_version(hook.get("admissionReviewVersions")) for hook in stored)
    unchanged = before is not None and _match_conditions(webhooks) == _match_conditions(before)
    for index, hook in enumerate(webhooks):
        where = path.index(index)
        found += _webhook(hook, no_side_effects, where)
        if not unchanged:
            conditions = hook.get("matchConditions") or ()
            found += match_conditions(conditions, where.child("matchConditions"))
        found += review_versions(
            hook.get("admissionReviewVersions") or [],
            where.child("admissionReviewVersions"),
            require_known=known_version,
        )
    stored_names = [hook.get("name", "") for hook in stored]
    if len(set(stored_names)) == len(stored_names):
        given = [hook.get("name") or object() for hook in webhooks]
        found += checks.unique(given, path, "name")
    return found


def _knows_version(versions: Sequence[str] | None) -> bool:
    return not versions or any(version in REVIEW_VERSIONS for version in versions)


def _match_conditions(webhooks: Sequence[Spec]) -> list[Any]:
    return [hook.get("matchConditions") or [] for hook in webhooks]


def _webhook(hook: Spec, no_side_effects: bool, path: field.Path) -> list[field.Error]:
    found = fully_qualified_name(hook.get("name", ""), path.child("name"))
    for index, rule in enumerate(hook.get("rules") or ()):
        found += rule_with_operations(rule, path.child("rules").index(index))
    for key, supported in (
        ("failurePolicy", FAILURE_POLICIES),
        ("matchPolicy", MATCH_POLICIES),
        ("reinvocationPolicy", REINVOCATION_POLICIES),
    ):
        if key in hook:
            found += checks.one_of(hook[key], path.child(key), supported)
    effects = _NO_SIDE_EFFECTS if no_side_effects else _SIDE_EFFECTS
    found += _side_effects(hook.get("sideEffects"), effects, path.child("sideEffects"))
    seconds = hook.get("timeoutSeconds")
    if seconds is not None and not 1 <= seconds <= _TIMEOUT_SECONDS_MAX:
        detail = f"the timeout value must be between 1 and {_TIMEOUT_SECONDS_MAX} seconds"
        found.append(field.invalid(path.child("timeoutSeconds"), seconds, detail))
    for key in ("namespaceSelector", "objectSelector"):
        found += meta.validate_label_selector(hook.get(key), path.child(key))
    return found + client_config(hook.get("clientConfig") or {}, path.child("clientConfig"))


def _side_effects(
    value: str | None, supported: frozenset[str], path: field.Path
) -> list[field.Error]:
    if value is None:
        return [field.required(path, "must specify one of " + ", ".join(sorted(supported)))]
    return checks.one_of(value, path, supported)


def fully_qualified_name(name: str, path: field.Path) -> list[field.Error]:
    if not name:
        return [field.required(path)]
    return checks.follows(names.is_fully_qualified_name, name, path)


def review_versions(
    versions: list[str], path: field.Path, *, require_known: bool
) -> list[field.Error]:
    """Versions of the review object that the webhook understands."""
    known = ", ".join(REVIEW_VERSIONS)
    if not versions:
        return [field.required(path, f"must specify one of {known}")]
    return _review_versions(versions, path, require_known)


def _review_versions(
    versions: list[str], path: field.Path, require_known: bool
) -> list[field.Error]:
    found = []
    seen: set[str] = set()
    for index, version in enumerate(versions):
        where = path.index(index)
        if version in seen:
            found.append(field.invalid(where, version, "duplicate version"))
            continue
        seen.add(version)
        found += checks.follows(names.is_dns1035_label, version, where)
    if require_known and not seen.intersection(REVIEW_VERSIONS):
        detail = "must include at least one of " + ", ".join(REVIEW_VERSIONS)
        found.append(field.invalid(path, versions, detail))
    return found


def client_config(config: Spec, path: field.Path) -> list[field.Error]:
    """Where a webhook is: exactly one of a URL and a Service."""
    url, service = config.get("url"), config.get("service")
    if (url is None) == (service is None):
        return [field.required(path, "exactly one of url or service is required")]
    if url is not None:
        return _url(url, path.child("url"))
    assert service is not None
    return _service(service, path.child("service"))


_URL_FORM = "; desired format: https://host[/path]"


def _url(url: str, path: field.Path) -> list[field.Error]:
    try:
        parts = urllib.parse.urlsplit(url)
    except ValueError as error:
        return [field.required(path, f"url must be a valid URL: {error}{_URL_FORM}")]
    host = parts.netloc.rpartition("@")[2]
    found = []
    if parts.scheme != "https":
        detail = "'https' is the only allowed URL scheme" + _URL_FORM
        found.append(field.invalid(path, parts.scheme, detail))
    if not host:
        found.append(field.invalid(path, host, "host must be provided" + _URL_FORM))
    if "@" in parts.netloc:
        user = parts.netloc.rpartition("@")[0]
        detail = "user information is not permitted in the URL"
        found.append(field.invalid(path, user, detail))
    if parts.fragment:
        detail = "fragments are not permitted in the URL"
        found.append(field.invalid(path, parts.fragment, detail))
    if parts.query:
        detail = "query parameters are not permitted in the URL"
        found.append(field.invalid(path, parts.query, detail))
    return found


def _service(service: Spec, path: field.Path) -> list[field.Error]:
    found = []
    # Upstream's callers pass name and namespace the wrong way round, so the faults are swapped.
    if not service.get("namespace"):
        found.append(field.required(path.child("name"), "service name is required"))
    if not service.get("name"):
        found.append(field.required(path.child("namespace"), "service namespace is required"))
    port = service.get("port", 0)
    faults = names.is_valid_port_num(port)
    if faults:
        detail = "port is not valid: " + ", ".join(faults)
        found.append(field.invalid(path.child("port"), port, detail))
    return found + _service_path(service.get("path"), path.child("path"))


def _service_path(text: str | None, path: field.Path) -> list[field.Error]:
    if text is None or text in ("", "/"):
        return []
    if text == "//":
        return [field.invalid(path, text, "segment[0] may not be empty")]
    found = []
    if not text.startswith("/"):
        found.append(field.invalid(path, text, "must start with a '/'"))
    for index, step in enumerate(text[1:].removesuffix("/").split("/")):
        if not step:
            found.append(field.invalid(path, text, f"segment[{index}] may not be empty"))
            continue
        faults = names.is_dns1123_subdomain(step)
        found += [field.invalid(path, text, f"segment[{index}]: {fault}") for fault in faults]
    return found


def match_conditions(conditions: Sequence[Spec], path: field.Path) -> list[field.Error]:
    found = []
    if len(conditions) > _MATCH_CONDITIONS_MAX:
        found.append(field.too_many(path, len(conditions), _MATCH_CONDITIONS_MAX))
    for index, condition in enumerate(conditions):
        where = path.index(index)
        if not condition.get("expression", "").strip():
            found.append(field.required(where.child("expression")))
        name = condition.get("name", "")
        if not name:
            found.append(field.required(where.child("name")))
        else:
            found += checks.qualified_name(name, where.child("name"))
    given = [condition.get("name") or object() for condition in conditions]
    return found + checks.unique(given, path, "name")


def rule_with_operations(rule: Spec, path: field.Path) -> list[field.Error]:
    operations = rule.get("operations") or []
    where = path.child("operations")
    found = []
    if not operations:
        found.append(field.required(where))
    found += _alone(operations, where, "operations")
    for index, operation in enumerate(operations):
        found += checks.one_of(operation, where.index(index), _OPERATIONS)
    groups = rule.get("apiGroups") or []
    where = path.child("apiGroups")
    if not groups:
        found.append(field.required(where))
    found += _alone(groups, where, "API groups")
    versions = rule.get("apiVersions") or []
    where = path.child("apiVersions")
    if not versions:
        found.append(field.required(where))
    found += _alone(versions, where, "API versions")
    for index, version in enumerate(versions):
        if not version:
            found.append(field.required(where.index(index)))
    found += _resources(rule.get("resources") or [], path.child("resources"))
    scope = rule.get("scope")
    if scope is not None:
        found += checks.one_of(scope, path.child("scope"), _SCOPES)
    return found


def _alone(given: list[str], path: field.Path, what: str) -> list[field.Error]:
    if len(given) < 2 or "*" not in given:
        return []
    return [field.invalid(path, given, f"if '*' is present, must not specify other {what}")]


def _resources(resources: list[str], path: field.Path) -> list[field.Error]:
    if not resources:
        return [field.required(path)]
    found = []
    all_subresources: set[str] = set()
    all_resources: set[str] = set()
    plain = False
    for index, name in enumerate(resources):
        where = path.index(index)
        if not name:
            found.append(field.required(where))
            continue
        resource, slash, subresource = name.partition("/")
        if not slash:
            plain = name != "*"
            continue
        if resource in all_subresources:
            detail = f"if '{resource}/*' is present, must not specify {name}"
            found.append(field.invalid(where, name, detail))
        if subresource in all_resources:
            detail = f"if '*/{subresource}' is present, must not specify {name}"
            found.append(field.invalid(where, name, detail))
        if subresource == "*":
            all_subresources.add(resource)
        if resource == "*":
            all_resources.add(subresource)
    if len(resources) > 1 and "*/*" in resources:
        detail = "if '*/*' is present, must not specify other resources"
        found.append(field.invalid(path, resources, detail))
    if "*" in resources and plain:
        detail = "if '*' is present, must not specify other resources without subresources"
        found.append(field.invalid(path, resources, detail))
    return found
