# SPDX-License-Identifier: Apache-2.0
"""Rules of Pods for Windows, and of what a Pod may say once its operating system is named."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from pyk8s.apimachinery import field
from pyk8s.apis import pods
from pyk8s.apis.validation import checks

Spec = Mapping[str, Any]

_CREDENTIAL_SPEC_KIB_MAX = 64
_DOMAIN_CHARACTERS_MAX = 256
_USER_CHARACTERS_MAX = 104
_SYSTEMS = frozenset({"linux", "windows"})
_NOT_ON_LINUX = "windows options cannot be set for a linux pod"
_NOT_ON_WINDOWS = "cannot be set for a windows pod"

_control = re.compile(r"[\x00-\x1f\x7f]").search
_net_bios = re.compile(r'[^\\/:*?"<>|.][^\\/:*?"<>|]{0,14}').fullmatch
_dns = re.compile(
    r"[a-zA-Z0-9](?:[a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?"
    r"(?:\.[a-zA-Z0-9](?:[a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?)*"
).fullmatch
_forbidden_in_user = re.compile(r'["/\\:;|=,+*?<>@\[\]]').search
_dots_and_spaces = re.compile(r"[. ]+").fullmatch

_POD_CONTEXT = (
    "appArmorProfile",
    "seLinuxOptions",
    "seccompProfile",
    "fsGroup",
    "fsGroupChangePolicy",
    "sysctls",
    "runAsUser",
    "runAsGroup",
    "supplementalGroups",
    "supplementalGroupsPolicy",
    "seLinuxChangePolicy",
)
_CONTAINER_CONTEXT = (
    "appArmorProfile",
    "seLinuxOptions",
    "seccompProfile",
    "capabilities",
    "readOnlyRootFilesystem",
    "privileged",
    "allowPrivilegeEscalation",
    "procMount",
    "runAsUser",
    "runAsGroup",
)


def validate_options(options: Mapping[str, Any], path: field.Path) -> list[field.Error]:
    errors: list[field.Error] = []
    name = options.get("gmsaCredentialSpecName")
    if name is not None:
        at = path.child("gmsaCredentialSpecName")
        errors += checks.dns1123_subdomain(name, at)
    spec = options.get("gmsaCredentialSpec")
    at = path.child("gmsaCredentialSpec")
    if spec == "":
        errors.append(field.invalid(at, spec, "gmsaCredentialSpec cannot be an empty string"))
    elif spec is not None and len(spec) > _CREDENTIAL_SPEC_KIB_MAX * 1024:
        detail = f"gmsaCredentialSpec size must be under {_CREDENTIAL_SPEC_KIB_MAX} KiB"
        errors.append(field.invalid(at, spec, detail))
    user = options.get("runAsUserName")
    if user is not None:
        at = path.child("runAsUserName")
        errors += [field.invalid(at, user, fault) for fault in _user_name_faults(user)]
    return errors


def _user_name_faults(name: str) -> list[str]:
    if not name:
        return ["runAsUserName cannot be an empty string"]
    if _control(name):
        return ["runAsUserName cannot contain control characters"]
    if name.count("\\") > 1:
        return ["runAsUserName cannot contain more than one backslash"]
    domain, backslash, user = name.rpartition("\\")
    faults = []
    if len(domain) >= _DOMAIN_CHARACTERS_MAX:
        faults.append(
            f"runAsUserName's Domain length must be under {_DOMAIN_CHARACTERS_MAX} characters"
        )
    if backslash and not (_net_bios(domain) or _dns(domain)):
        faults.append("runAsUserName's Domain doesn't match the NetBios nor the DNS format")
    if not user:
        faults.append("runAsUserName's User cannot be empty")
    elif len(user) > _USER_CHARACTERS_MAX:
        faults.append(
            f"runAsUserName's User length must not be longer than {_USER_CHARACTERS_MAX} characters"
        )
    if _dots_and_spaces(user):
        faults.append("runAsUserName's User cannot contain only periods or spaces")
    if _forbidden_in_user(user):
        faults.append(
            "runAsUserName's User cannot contain the following characters: \"/\\:;|=,+*?<>@[]"
        )
    return faults


def validate_host_process(spec: Spec, path: field.Path) -> list[field.Error]:
    """HostProcess containers: all of a Pod's or none, and only in the host's network."""
    pod = _host_process(spec)
    count = on_host = 0
    errors = []
    for container, at in pods.each_container(spec, path):
        count += 1
        own = _host_process(container)
        if pod is not None and own is not None and pod != own:
            shown = "true" if pod else "false"
            detail = f"pod hostProcess value must be identical if both are specified, was {shown}"
            where = at.child("securityContext", "windowsOptions", "hostProcess")
            errors.append(field.invalid(where, own, detail))
        on_host += bool(own if own is not None else pod)
    if not on_host:
        return errors
    if on_host != count:
        detail = (
            "If pod contains any hostProcess containers then all containers must be HostProcess "
            "containers"
        )
        errors.append(field.invalid(path, "", detail))
    if not spec.get("hostNetwork"):
        detail = "hostNetwork must be true if pod contains any hostProcess containers"
        errors.append(field.invalid(path.child("hostNetwork"), False, detail))
    return errors


def _host_process(holder: Mapping[str, Any]) -> bool | None:
    options = (holder.get("securityContext") or {}).get("windowsOptions") or {}
    value: bool | None = options.get("hostProcess")
    return value


def validate_os(spec: Spec, path: field.Path) -> list[field.Error]:
    """`os`, and what its value rules out; `path` is that of the spec."""
    name = spec["os"].get("name", "")
    at = path.child("os")
    if not name:
        return [field.required(at.child("name"), "cannot be empty")]
    if name not in _SYSTEMS:
        return [field.not_supported(at, name, _SYSTEMS)]
    return _validate_linux(spec, path) if name == "linux" else _validate_windows(spec, path)


def _validate_linux(spec: Spec, path: field.Path) -> list[field.Error]:
    errors = []
    for holder, at in ((spec, path), *pods.each_container(spec, path)):
        if "windowsOptions" in (holder.get("securityContext") or ()):
            where = at.child("securityContext", "windowsOptions")
            errors.append(field.forbidden(where, _NOT_ON_LINUX))
    return errors


def _validate_windows(spec: Spec, path: field.Path) -> list[field.Error]:
    errors = []
    for name in ("hostUsers", "shareProcessNamespace"):
        if name in spec:
            errors.append(field.forbidden(path.child(name), _NOT_ON_WINDOWS))
    for name in ("hostPID", "hostIPC"):
        if spec.get(name):
            errors.append(field.forbidden(path.child(name), _NOT_ON_WINDOWS))
    for name in _POD_CONTEXT:
        if name in (spec.get("securityContext") or ()):
            where = path.child("securityContext", name)
            errors.append(field.forbidden(where, _NOT_ON_WINDOWS))
    for container, at in pods.each_container(spec, path):
        for name in _CONTAINER_CONTEXT:
            if name in (container.get("securityContext") or ()):
                where = at.child("securityContext", name)
                errors.append(field.forbidden(where, _NOT_ON_WINDOWS))
    return errors
