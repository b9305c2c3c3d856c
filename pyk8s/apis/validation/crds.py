# SPDX-License-Identifier: Apache-2.0
"""Rules of CustomResourceDefinitions, but for the schemas in them.

Upstream judges the internal form of a definition, in which what all versions have alike stands
once, at the top: so the path of a schema is `spec.validation.openAPIV3Schema` when there is one
version. Mirrors apiextensions-apiserver's `pkg/apis/apiextensions/validation/validation.go`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pyk8s.apimachinery import field, names
from pyk8s.apimachinery.gvk import Object
from pyk8s.apis.validation import checks, crdschemas, meta, webhooks

_SPEC = field.Path("spec")
_STATUS = field.Path("status")
_VERSIONS = _SPEC.child("versions")
_APPROVED = "api-approved.kubernetes.io"
_APPROVAL_URL = "https://github.com/kubernetes/enhancements/pull/1111"
_COLUMN_TYPES = ("boolean", "date", "integer", "number", "string")
_COLUMN_FORMATS = (
    "binary",
    "bool",
    "byte",
    "date",
    "date-time",
    "double",
    "float",
    "int32",
    "int64",
    "password",
)
_WARNING_CHARACTERS_MAX = 256
_SELECTABLE_FIELDS_MAX = 8
_PROTECTED = ("k8s.io", "kubernetes.io")

Spec = Mapping[str, Any]


def validate_definition(definition: Object) -> list[field.Error]:
    spec = definition["spec"]
    found = meta.validate_object_meta(definition, namespaced=False, name_rule=_name_rule(spec))
    found += _spec(spec)
    found += _status(definition)
    found += _approval(definition, None)
    return found + _preserve_unknown_fields(spec, {})


def validate_definition_update(updated: Object, existing: Object) -> list[field.Error]:
    spec, before = updated["spec"], existing["spec"]
    found = meta.validate_object_meta_update(updated, existing)
    found += _spec(spec)
    if _is_established(existing):
        found += checks.immutable(spec.get("scope"), before.get("scope"), _SPEC.child("scope"))
        found += _same_name(spec, before, "kind")
    found += checks.immutable(spec.get("group"), before.get("group"), _SPEC.child("group"))
    found += _same_name(spec, before, "plural")
    found += _status(updated)
    found += _approval(updated, existing)
    return found + _preserve_unknown_fields(spec, before)


def validate_definition_status_update(updated: Object, existing: Object) -> list[field.Error]:
    found = meta.validate_object_meta_update(updated, existing)
    accepted = (updated.get("status") or {}).get("acceptedNames") or {}
    return found + _names(accepted, _STATUS.child("acceptedNames"))


def _name_rule(spec: Spec) -> meta.NameRule:
    required = f"{spec['names'].get('plural', '')}.{spec.get('group', '')}"

    def rule(name: str) -> list[str]:
        faults = names.is_dns1123_subdomain(name)
        if name != required:
            faults.append('must be spec.names.plural+"."+spec.group')
        return faults

    return rule


def _is_established(definition: Object) -> bool:
    conditions = (definition.get("status") or {}).get("conditions") or ()
    return any(c.get("type") == "Established" and c.get("status") == "True" for c in conditions)


def _same_name(spec: Spec, before: Spec, key: str) -> list[field.Error]:
    now, then = spec["names"].get(key), before["names"].get(key)
    return checks.immutable(now, then, _SPEC.child("names", key))


def _spec(spec: Spec) -> list[field.Error]:
    found = _group(spec.get("group", ""), _SPEC.child("group"))
    scopes = ("Cluster", "Namespaced")
    found += checks.required_one_of(spec.get("scope"), _SPEC.child("scope"), scopes)
    versions = spec.get("versions") or []
    found += _versions(versions)
    found += _alike_or_not(versions)
    for key in ("plural", "singular", "kind", "listKind"):
        if not spec["names"].get(key):
            found.append(field.required(_SPEC.child("names", key)))
    found += _names(spec["names"], _SPEC.child("names"))
    return found + _conversion(spec.get("conversion") or {}, _SPEC.child("conversion"))


def _group(group: str, path: field.Path) -> list[field.Error]:
    if not group:
        return [field.required(path)]
    found = checks.joined(names.is_dns1123_subdomain, group, path)
    if not found and "." not in group:
        detail = "should be a domain with at least one dot"
        found.append(field.invalid(path, group, detail))
    return found


def _versions(versions: list[Spec]) -> list[field.Error]:
    found = []
    given = []
    for index, version in enumerate(versions):
        path = _VERSIONS.index(index)
        name = version.get("name", "")
        given.append(name)
        if not (version.get("schema") or {}).get("openAPIV3Schema"):
            where = path.child("schema", "openAPIV3Schema")
            found.append(field.required(where, "schemas are required"))
        found += checks.joined(names.is_dns1035_label, name, path.child("name"))
        found += _deprecation(version, path.child("deprecationWarning"))
    if len(set(given)) != len(given):
        detail = "must contain unique version names"
        found.append(field.invalid(_VERSIONS, versions, detail))
    if sum(1 for version in versions if version.get("storage")) != 1:
        detail = "must have exactly one version marked as storage version"
        found.append(field.invalid(_VERSIONS, versions, detail))
    return found


def _deprecation(version: Spec, path: field.Path) -> list[field.Error]:
    warning = version.get("deprecationWarning")
    if warning is None:
        return []
    if not version.get("deprecated"):
        return [field.invalid(path, warning, "can only be set for deprecated versions")]
    faults = []
    if len(warning) > _WARNING_CHARACTERS_MAX:
        faults.append(f"must be <= {_WARNING_CHARACTERS_MAX} characters long")
    if not warning:
        faults.append("must not be an empty string")
    for character in warning:
        if not character.isprintable():
            at = names.bytes_length(warning[: warning.index(character)])
            faults.append(
                "must only contain printable UTF-8 characters; non-printable character found at "
                f"index {at}"
            )
            break
    return checks.all_invalid(path, warning, faults)


def _alike_or_not(versions: list[Spec]) -> list[field.Error]:
    """Rules of what stands once when all versions have it alike, and in each version else."""
    found = []
    has_status = ["status" in (version.get("subresources") or {}) for version in versions]
    for key, at_top, rule in (
        ("schema", "validation", None),
        ("subresources", "subresources", _subresources),
        ("additionalPrinterColumns", "additionalPrinterColumns", _columns),
        ("selectableFields", "selectableFields", None),
    ):
        alike = all(version.get(key) == versions[0].get(key) for version in versions)
        for index, version in enumerate(versions[:1] if alike else versions):
            path = _SPEC.child(at_top) if alike else _VERSIONS.index(index).child(key)
            value = version.get(key)
            if not value:
                continue
            if key == "schema":
                with_status = any(has_status) if alike else has_status[index]
                found += _schema(value, with_status, path)
            elif key == "selectableFields":
                found += _selectable_fields(value, version.get("schema") or {}, path)
            elif rule is not None:
                found += rule(value, path)
    return found


def _schema(validation: Spec, has_status: bool, path: field.Path) -> list[field.Error]:
    schema = validation.get("openAPIV3Schema")
    if not schema:
        return []
    return crdschemas.validate(schema, path.child("openAPIV3Schema"), has_status=has_status)


def _subresources(subresources: Spec, path: field.Path) -> list[field.Error]:
    scale = subresources.get("scale")
    if scale is None:
        return []
    found = []
    for key, place in (("specReplicasPath", ".spec"), ("statusReplicasPath", ".status")):
        text = scale.get(key, "")
        where = path.child(f"scale.{key}")
        faults = _json_path(text, where)
        if not text:
            found.append(field.required(where))
        elif faults:
            found += faults
        elif not text.startswith(place + "."):
            detail = f"should be a json path under {place}"
            found.append(field.invalid(where, text, detail))
    text = scale.get("labelSelectorPath", "")
    where = path.child("scale.labelSelectorPath")
    if text:
        faults = _json_path(text, where)
        if not faults and not text.startswith((".spec.", ".status.")):
            detail = "should be a json path under either .spec or .status"
            faults = [field.invalid(where, text, detail)]
        found += faults
    return found


def _json_path(text: str, path: field.Path) -> list[field.Error]:
    if text and not text.startswith("."):
        return [field.invalid(path, text, "must be a simple json path starting with .")]
    return []


def _columns(columns: list[Spec], path: field.Path) -> list[field.Error]:
    found = []
    for index, column in enumerate(columns):
        where = path.index(index)
        if not column.get("name"):
            found.append(field.required(where.child("name")))
        kind, one_of = column.get("type", ""), "must be one of " + ",".join(_COLUMN_TYPES)
        if not kind:
            found.append(field.required(where.child("type"), one_of))
        elif kind not in _COLUMN_TYPES:
            found.append(field.invalid(where.child("type"), kind, one_of))
        form = column.get("format", "")
        if form and form not in _COLUMN_FORMATS:
            detail = "must be one of " + ",".join(_COLUMN_FORMATS)
            found.append(field.invalid(where.child("format"), form, detail))
        text = column.get("jsonPath", "")
        if not text:
            found.append(field.required(where.child("JSONPath")))
        found += _json_path(text, where.child("JSONPath"))
    return found


def _selectable_fields(fields: list[Spec], validation: Spec, path: field.Path) -> list[field.Error]:
    schema = validation.get("openAPIV3Schema") or {}
    found = []
    seen: set[str] = set()
    for index, selectable in enumerate(fields):
        where = path.index(index).child("jsonPath")
        text = selectable.get("jsonPath", "")
        if not text:
            found.append(field.required(where))
            continue
        target = _schema_at(schema, text)
        if target is None:
            detail = "is an invalid path: does not refer to a valid field"
            found.append(field.invalid(where, text, detail))
            continue
        if text.startswith(".metadata"):
            detail = "must not point to fields in metadata"
            found.append(field.invalid(where, text, detail))
        if target.get("type") not in ("string", "boolean", "integer"):
            detail = (
                "must point to a field of type string, boolean or integer. Enum string fields "
                "and strings with formats are allowed."
            )
            found.append(field.invalid(where, text, detail))
        if text in seen:
            found.append(field.duplicate(where, text))
        seen.add(text)
    if len(seen) > _SELECTABLE_FIELDS_MAX:
        found.append(field.too_many(path, len(seen), _SELECTABLE_FIELDS_MAX))
    return found


def _schema_at(schema: Spec, json_path: str) -> Spec | None:
    """The schema of a field named `.spec.color`; None when there is no such field."""
    if not json_path.startswith("."):
        return None
    for step in json_path[1:].split("."):
        properties = schema.get("properties") or {}
        if step not in properties:
            return None
        schema = properties[step]
    return schema


def _names(given: Spec, path: field.Path) -> list[field.Error]:
    found = []
    for key in ("plural", "singular"):
        if given.get(key):
            found += checks.joined(names.is_dns1035_label, given[key], path.child(key))
    for key in ("kind", "listKind"):
        name = given.get(key, "")
        faults = names.is_dns1035_label(name.lower()) if name else []
        if faults:
            detail = "may have mixed case, but should otherwise match: " + ",".join(faults)
            found.append(field.invalid(path.child(key), name, detail))
    for index, name in enumerate(given.get("shortNames") or ()):
        where = path.child("shortNames").index(index)
        found += checks.joined(names.is_dns1035_label, name, where)
    kind = given.get("kind", "")
    if kind and kind == given.get("listKind"):
        detail = "kind and listKind may not be the same"
        found.append(field.invalid(path.child("listKind"), kind, detail))
    for index, name in enumerate(given.get("categories") or ()):
        where = path.child("categories").index(index)
        found += checks.joined(names.is_dns1035_label, name, where)
    return found


def _conversion(conversion: Spec, path: field.Path) -> list[field.Error]:
    strategy = conversion.get("strategy")
    strategies = ("None", "Webhook")
    found = checks.required_one_of(strategy, path.child("strategy"), strategies)
    webhook = conversion.get("webhook")
    # These are the fields of the internal form; v1 has both inside `webhook`.
    where = path.child("webhookClientConfig")
    if strategy != "Webhook":
        if webhook is not None:
            detail = "should not be set when strategy is not set to Webhook"
            found.append(field.forbidden(where, detail))
        return found
    config = (webhook or {}).get("clientConfig")
    if config is None:
        detail = "required when strategy is set to Webhook"
        found.append(field.required(where, detail))
    else:
        found += webhooks.client_config(config, where)
    where = path.child("conversionReviewVersions")
    versions = (webhook or {}).get("conversionReviewVersions") or []
    if not versions:
        return [*found, field.required(where)]
    return found + webhooks.review_versions(versions, where, require_known=True)


def _status(definition: Object) -> list[field.Error]:
    status = definition.get("status") or {}
    found = _names(status.get("acceptedNames") or {}, _STATUS.child("acceptedNames"))
    stored = status.get("storedVersions") or []
    path = _STATUS.child("storedVersions")
    if not stored:
        return [*found, field.invalid(path, stored, "must have at least one stored version")]
    versions = definition["spec"].get("versions") or ()
    for version in versions:
        name = version.get("name", "")
        if version.get("storage") and name not in stored:
            detail = f"must have the storage version {name}"
            found.append(field.invalid(path, stored, detail))
    known = {version.get("name") for version in versions}
    for index, name in enumerate(stored):
        if name not in known:
            detail = (
                f"missing from spec.versions; {name} was previously a storage version, and must "
                "remain in spec.versions until a storage migration ensures no data remains "
                f"persisted in {name} and removes {name} from status.storedVersions"
            )
            found.append(field.invalid(path.index(index), name, detail))
    return found


def _approval(definition: Object, existing: Object | None) -> list[field.Error]:
    """Groups of the community's own domains need a word that the API was reviewed."""
    group = definition["spec"].get("group", "")
    if not any(group == domain or group.endswith("." + domain) for domain in _PROTECTED):
        return []
    value = (definition["metadata"].get("annotations") or {}).get(_APPROVED, "")
    before = ((existing or {}).get("metadata", {}).get("annotations") or {}).get(_APPROVED, "")
    if existing is not None and value == before:
        return []
    path = field.Path("metadata", "annotations").key(_APPROVED)
    must = f'protected groups must have approval annotation "{_APPROVED}"'
    if not value:
        return [field.required(path, f"{must}, see {_APPROVAL_URL}")]
    if value.startswith("unapproved") or "://" in value:
        return []
    detail = f'{must} with either a URL or a reason starting with "unapproved", see {_APPROVAL_URL}'
    return [field.invalid(path, value, detail)]


def _preserve_unknown_fields(spec: Spec, before: Spec) -> list[field.Error]:
    if not spec.get("preserveUnknownFields") or before.get("preserveUnknownFields"):
        return []
    detail = (
        "cannot set to true, set x-kubernetes-preserve-unknown-fields to true in "
        "spec.versions[*].schema instead"
    )
    return [field.invalid(_SPEC.child("preserveUnknownFields"), True, detail)]
