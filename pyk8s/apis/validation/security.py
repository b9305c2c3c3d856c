# SPDX-License-Identifier: Apache-2.0
"""Rules of security contexts, of a Pod and of its containers."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from pyk8s.apimachinery import field, names
from pyk8s.apis.validation import checks, filepaths, windows

Context = Mapping[str, Any]

_PROFILE_TYPES = ("Localhost", "RuntimeDefault", "Unconfined")
_PROC_MOUNTS = ("Default", "Unmasked")
_FS_GROUP_CHANGE_POLICIES = frozenset({"OnRootMismatch", "Always"})
_SUPPLEMENTAL_GROUPS_POLICIES = frozenset({"Merge", "Strict"})
_SELINUX_CHANGE_POLICIES = frozenset({"Recursive", "MountOption"})
_APP_ARMOR_PROFILE_BYTES_MAX = 4095
_SYSCTL_BYTES_MAX = 253
_SYSCTL_SEGMENT = "[a-z0-9]([-_a-z0-9]*[a-z0-9])?"
_SYSCTL = f"^({_SYSCTL_SEGMENT}[\\./])*{_SYSCTL_SEGMENT}$"
_sysctl = re.compile(_SYSCTL).match
_IPC_SYSCTLS = ("kernel.shm", "kernel.msg", "fs.mqueue.")


def validate_pod(spec: Mapping[str, Any], path: field.Path) -> list[field.Error]:
    """A Pod's security context, at `path`, which is that of the spec."""
    context = spec.get("securityContext")
    if not context:
        return []
    at = path.child("securityContext")
    errors = _validate_ids(context, ("fsGroup", "runAsUser", "runAsGroup"), at)
    for index, group in enumerate(context.get("supplementalGroups", ())):
        for fault in names.is_valid_group_id(group):
            where = at.child("supplementalGroups").index(index)
            errors.append(field.invalid(where, group, fault))
    if spec.get("shareProcessNamespace") and spec.get("hostPID"):
        detail = "ShareProcessNamespace and HostPID cannot both be enabled"
        errors.append(field.invalid(at.child("shareProcessNamespace"), True, detail))
    if context.get("sysctls"):
        errors += _validate_sysctls(context["sysctls"], spec, at.child("sysctls"))
    for name, supported in (
        ("fsGroupChangePolicy", _FS_GROUP_CHANGE_POLICIES),
        ("supplementalGroupsPolicy", _SUPPLEMENTAL_GROUPS_POLICIES),
        ("seLinuxChangePolicy", _SELINUX_CHANGE_POLICIES),
    ):
        errors += checks.optional_one_of(context.get(name), at.child(name), supported)
    return errors + _validate_profiles(context, at)


def validate_container(
    context: Context, spec: Mapping[str, Any], path: field.Path
) -> list[field.Error]:
    errors = _validate_ids(context, ("runAsUser", "runAsGroup"), path)
    proc_mount = context.get("procMount")
    if proc_mount is not None:
        at = path.child("procMount")
        errors += checks.optional_one_of(proc_mount, at, _PROC_MOUNTS)
        if proc_mount == "Unmasked" and spec.get("hostUsers", True):
            detail = "`hostUsers` must be false to use `Unmasked`"
            errors.append(field.invalid(at, proc_mount, detail))
    if context.get("allowPrivilegeEscalation") is False:
        if context.get("privileged"):
            detail = "cannot set `allowPrivilegeEscalation` to false and `privileged` to true"
            errors.append(field.invalid(path, context, detail))
        for capability in (context.get("capabilities") or {}).get("add", ()):
            if capability == "CAP_SYS_ADMIN":
                detail = (
                    "cannot set `allowPrivilegeEscalation` to false and `capabilities.Add` "
                    "CAP_SYS_ADMIN"
                )
                errors.append(field.invalid(path, context, detail))
    return errors + _validate_profiles(context, path)


def _validate_ids(context: Context, fields: Sequence[str], path: field.Path) -> list[field.Error]:
    errors = []
    for name in fields:
        number = context.get(name)
        if number is not None:
            for fault in names.is_valid_user_id(number):
                errors.append(field.invalid(path.child(name), number, fault))
    return errors


def _validate_profiles(context: Context, path: field.Path) -> list[field.Error]:
    errors: list[field.Error] = []
    if "seccompProfile" in context:
        errors += _validate_seccomp(context["seccompProfile"], path.child("seccompProfile"))
    if "windowsOptions" in context:
        at = path.child("windowsOptions")
        errors += windows.validate_options(context["windowsOptions"], at)
    if "appArmorProfile" in context:
        errors += _validate_app_armor(context["appArmorProfile"], path.child("appArmorProfile"))
    return errors


def _validate_seccomp(profile: Context, path: field.Path) -> list[field.Error]:
    kind, local = profile.get("type", ""), profile.get("localhostProfile")
    errors = []
    if not kind:
        detail = "type is required when seccompProfile is set"
        errors.append(field.required(path.child("type"), detail))
    elif kind not in _PROFILE_TYPES:
        errors.append(field.not_supported(path.child("type"), kind, _PROFILE_TYPES))
    at = path.child("localhostProfile")
    if kind != "Localhost":
        if local is not None:
            detail = "can only be set when seccomp type is Localhost"
            errors.append(field.invalid(at, profile, detail))
    elif local is None:
        errors.append(field.required(at, "must be set when seccomp type is Localhost"))
    else:
        errors += filepaths.local_descending(local, at)
    return errors


def _validate_app_armor(profile: Context, path: field.Path) -> list[field.Error]:
    kind, local = profile.get("type", ""), profile.get("localhostProfile")
    at = path.child("localhostProfile")
    if not kind:
        detail = "type is required when appArmorProfile is set"
        return [field.required(path.child("type"), detail)]
    if kind not in _PROFILE_TYPES:
        return [field.not_supported(path.child("type"), kind, _PROFILE_TYPES)]
    if kind != "Localhost":
        if local is None:
            return []
        detail = "can only be set when AppArmor type is Localhost"
        return [field.invalid(at, local, detail)]
    if not local:
        return [field.required(at, "must be set when AppArmor type is Localhost")]
    errors = []
    if local != local.strip():
        errors.append(field.invalid(at, local, "must not be padded with whitespace"))
    if len(local) > _APP_ARMOR_PROFILE_BYTES_MAX:
        errors.append(field.too_long(at, _APP_ARMOR_PROFILE_BYTES_MAX))
    return errors


def _validate_sysctls(
    sysctls: Sequence[Context], spec: Mapping[str, Any], path: field.Path
) -> list[field.Error]:
    errors = []
    seen: set[str] = set()
    for index, sysctl in enumerate(sysctls):
        at = path.index(index).child("name")
        name = sysctl.get("name", "")
        if not name:
            errors.append(field.required(at))
        elif len(name) > _SYSCTL_BYTES_MAX or not _sysctl(name):
            detail = f"must have at most {_SYSCTL_BYTES_MAX} characters and match regex {_SYSCTL}"
            errors.append(field.invalid(at, name, detail))
        elif name in seen:
            errors.append(field.duplicate(at, name))
        dotted = _dotted(name)
        if spec.get("hostNetwork") and dotted.startswith("net."):
            detail = "may not be specified when 'hostNetwork' is true"
            errors.append(field.invalid(at, name, detail))
        elif spec.get("hostIPC") and (dotted.startswith(_IPC_SYSCTLS) or dotted == "kernel.sem"):
            detail = "may not be specified when 'hostIPC' is true"
            errors.append(field.invalid(at, name, detail))
        seen.add(name)
    return errors


def _dotted(name: str) -> str:
    """With slashes as separators a dot belongs to a name: net/ipv4/conf/eno2.100/rp_filter."""
    first = min((name.find(mark) for mark in "./" if mark in name), default=-1)
    if first < 0 or name[first] == ".":
        return name
    return name.translate(str.maketrans("./", "/."))
