# SPDX-License-Identifier: Apache-2.0
"""Rules of the annotations that mean something on a Pod."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from pyk8s.apimachinery import field
from pyk8s.apis import pods
from pyk8s.apis.validation import filepaths

Spec = Mapping[str, Any]
Annotations = Mapping[str, str]

MIRROR = "kubernetes.io/config.mirror"
_DELETION_COST = "controller.kubernetes.io/pod-deletion-cost"
_SECCOMP_POD = "seccomp.security.alpha.kubernetes.io/pod"
_SECCOMP_CONTAINER = "container.seccomp.security.alpha.kubernetes.io/"
_APP_ARMOR = "container.apparmor.security.beta.kubernetes.io/"
_integer = re.compile(r"-?[1-9][0-9]*|0").fullmatch


def validate_annotations(
    annotations: Annotations, spec: Spec, path: field.Path
) -> list[field.Error]:
    """The annotations' own form; whether they agree with fields is `validate_agreement`'s."""
    errors: list[field.Error] = []
    if MIRROR in annotations and not spec.get("nodeName"):
        detail = "must set spec.nodeName if mirror pod annotation is set"
        errors.append(field.invalid(path.key(MIRROR), annotations[MIRROR], detail))
    cost = annotations.get(_DELETION_COST)
    if cost is not None and not (_integer(cost) and -(1 << 31) <= int(cost) < 1 << 31):
        errors.append(field.invalid(path.key(_DELETION_COST), cost, "must be a 32bit integer"))
    for key, value in annotations.items():
        if key == _SECCOMP_POD or key.startswith(_SECCOMP_CONTAINER):
            errors += _validate_seccomp(value, path.child(key))
        elif key.startswith(_APP_ARMOR):
            errors += _validate_app_armor(key, value, spec, path.key(key))
    return errors


def _validate_seccomp(profile: str, path: field.Path) -> list[field.Error]:
    if profile in ("runtime/default", "docker/default", "unconfined"):
        return []
    if profile.startswith("localhost/"):
        return filepaths.local_descending(profile.removeprefix("localhost/"), path)
    return [field.invalid(path, profile, "must be a valid seccomp profile")]


def _validate_app_armor(key: str, profile: str, spec: Spec, path: field.Path) -> list[field.Error]:
    errors = []
    name = key.removeprefix(_APP_ARMOR)
    if all(name != container.get("name") for container, _ in pods.each_container(spec, path)):
        errors.append(field.invalid(path, name, "container not found"))
    known = profile in ("", "runtime/default", "unconfined")
    if not known and not profile.startswith("localhost/"):
        detail = f'invalid AppArmor profile name: "{profile}"'
        errors.append(field.invalid(path, profile, detail))
    return errors


def validate_agreement(annotations: Annotations, spec: Spec, path: field.Path) -> list[field.Error]:
    """On create, an old annotation and the field that replaced it must say the same; `path` is
    that of the spec."""
    if not any(
        key.startswith((_SECCOMP_POD, _SECCOMP_CONTAINER, _APP_ARMOR)) for key in annotations
    ):
        return []
    errors: list[field.Error] = []
    pod = spec.get("securityContext") or {}
    if _SECCOMP_POD in annotations and "seccompProfile" in pod:
        at = path.child("securityContext", "seccompProfile")
        errors += _compare("seccomp", annotations[_SECCOMP_POD], pod["seccompProfile"], at)
    windows = (spec.get("os") or {}).get("name") == "windows"
    for container, at in pods.each_container(spec, path):
        context = container.get("securityContext") or {}
        name = container.get("name", "")
        seccomp = annotations.get(_SECCOMP_CONTAINER + name)
        if seccomp is not None and "seccompProfile" in context:
            where = at.child("securityContext", "seccompProfile")
            errors += _compare("seccomp", seccomp, context["seccompProfile"], where)
        app_armor = annotations.get(_APP_ARMOR + name)
        profile = context.get("appArmorProfile") or pod.get("appArmorProfile")
        if app_armor is not None and profile and not windows:
            where = at.child("securityContext", "appArmorProfile")
            errors += _compare("apparmor", app_armor, profile, where)
    return errors


_SAID_AS = {
    "Unconfined": ("unconfined",),
    "RuntimeDefault": ("runtime/default", "docker/default"),
}


def _compare(
    what: str, annotation: str, profile: Mapping[str, Any], path: field.Path
) -> list[field.Error]:
    kind = profile.get("type")
    types_differ = [
        field.forbidden(path.child("type"), f"{what} type in annotation and field must match")
    ]
    if kind in _SAID_AS:
        said = _SAID_AS[kind] if what == "seccomp" else _SAID_AS[kind][:1]
        return [] if annotation in said else types_differ
    if kind != "Localhost":
        return []
    if not annotation.startswith("localhost/"):
        return types_differ
    if annotation.removeprefix("localhost/") == profile.get("localhostProfile"):
        return []
    detail = f"{what} profile in annotation and field must match"
    return [field.forbidden(path.child("localhostProfile"), detail)]


def validate_annotations_update(
    updated: Annotations, existing: Annotations, path: field.Path
) -> list[field.Error]:
    """What a running Pod was started with cannot be annotated otherwise afterwards."""
    errors = []
    for key in existing:
        if updated.get(key) == existing[key]:
            continue
        if key.startswith(_APP_ARMOR):
            detail = "may not remove or update AppArmor annotations"
            errors.append(field.forbidden(path.key(key), detail))
        elif key == MIRROR:
            detail = "may not remove or update mirror pod annotation"
            errors.append(field.forbidden(path.key(key), detail))
    for key in updated:
        if key in existing:
            continue
        if key.startswith(_APP_ARMOR):
            errors.append(field.forbidden(path.key(key), "may not add AppArmor annotations"))
        elif key == MIRROR:
            errors.append(field.forbidden(path.key(key), "may not add mirror pod annotation"))
    return errors
