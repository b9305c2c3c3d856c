# SPDX-License-Identifier: Apache-2.0
"""Rules of a container's environment: variables, and whole ConfigMaps and Secrets as variables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pyk8s.apimachinery import field, names
from pyk8s.apis.validation import checks, filepaths, references

_ENV_FIELDS = frozenset(
    {
        "metadata.name",
        "metadata.namespace",
        "metadata.uid",
        "spec.nodeName",
        "spec.serviceAccountName",
        "status.hostIP",
        "status.hostIPs",
        "status.podIP",
        "status.podIPs",
    }
)
_NO_SOURCE = (
    "must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef`, `secretKeyRef` or "
    "`fileKeyRef`"
)
_TWO_SOURCES = "may not have more than one field specified at a time"


def validate_env(
    variables: Sequence[Mapping[str, Any]],
    volumes: Mapping[str, Mapping[str, Any]],
    path: field.Path,
) -> list[field.Error]:
    errors: list[field.Error] = []
    for index, variable in enumerate(variables):
        name = variable.get("name")
        if not name:
            errors.append(field.required(path.index(index).child("name")))
        else:
            for fault in names.is_relaxed_env_var_name(name):
                errors.append(field.invalid(path.index(index).child("name"), name, fault))
        if "valueFrom" in variable:
            at = path.index(index).child("valueFrom")
            errors += _validate_value_from(variable, volumes, at)
    return errors


def _validate_value_from(
    variable: Mapping[str, Any], volumes: Mapping[str, Mapping[str, Any]], path: field.Path
) -> list[field.Error]:
    source = variable["valueFrom"]
    errors: list[field.Error] = []
    if "fieldRef" in source:
        errors += references.validate_field_selector(
            source["fieldRef"], _ENV_FIELDS, path.child("fieldRef")
        )
    if "resourceFieldRef" in source:
        errors += references.validate_resource_selector(
            source["resourceFieldRef"], path.child("resourceFieldRef"), in_volume=False
        )
    for name in ("configMapKeyRef", "secretKeyRef"):
        if name in source:
            errors += references.validate_key_selector(source[name], path.child(name))
    if "fileKeyRef" in source:
        errors += _validate_file_key(source["fileKeyRef"], volumes, path.child("fileKeyRef"))
    if not source:
        errors.append(field.invalid(path, "", _NO_SOURCE))
    elif variable.get("value"):
        detail = "may not be specified when `value` is not empty"
        errors.append(field.invalid(path, "", detail))
    elif len(source) > 1:
        errors.append(field.invalid(path, "", _TWO_SOURCES))
    return errors


def _validate_file_key(
    selector: Mapping[str, Any], volumes: Mapping[str, Mapping[str, Any]], path: field.Path
) -> list[field.Error]:
    errors: list[field.Error] = []
    key, name, file = (selector.get(part, "") for part in ("key", "volumeName", "path"))
    errors += checks.required_name(names.is_relaxed_env_var_name, key, path.child("key"))
    if not name:
        errors.append(field.required(path.child("volumeName")))
    elif name not in volumes:
        errors.append(field.not_found(path.child("volumeName"), name))
    elif "emptyDir" not in volumes[name]:
        detail = "referenced volume must be of type emptyDir"
        errors.append(field.invalid(path.child("volumeName"), name, detail))
    if not file:
        errors.append(field.required(path.child("path")))
    return errors + filepaths.local_non_reserved(file, path.child("path"))


def validate_env_from(sources: Sequence[Mapping[str, Any]], path: field.Path) -> list[field.Error]:
    errors: list[field.Error] = []
    for index, source in enumerate(sources):
        at = path.index(index)
        if source.get("prefix"):
            errors += checks.follows(
                names.is_relaxed_env_var_name, source["prefix"], at.child("prefix")
            )
        given = [name for name in ("configMapRef", "secretRef") if name in source]
        for name in given:
            errors += checks.required_name(
                names.is_dns1123_subdomain, source[name].get("name"), at.child(name, "name")
            )
        if not given:
            detail = "must specify one of: `configMapRef` or `secretRef`"
            errors.append(field.invalid(path, "", detail))
        elif len(given) > 1:
            errors.append(field.invalid(path, "", _TWO_SOURCES))
    return errors
