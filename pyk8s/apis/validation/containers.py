# SPDX-License-Identifier: Apache-2.0
"""Rules of containers: regular, init and ephemeral ones."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pyk8s.apimachinery import field, names
from pyk8s.apis import pods
from pyk8s.apis.validation import (
    checks,
    environment,
    mounts,
    netaddr,
    probes,
    resources,
    security,
)
from pyk8s.apis.validation.volumes import PULL_POLICIES

Container = Mapping[str, Any]
Spec = Mapping[str, Any]

PROTOCOLS = frozenset({"TCP", "UDP", "SCTP"})
_MESSAGE_POLICIES = ("File", "FallbackToLogsOnError")
_RESIZE_RESOURCES = frozenset({"cpu", "memory"})
_RESIZE_POLICIES = frozenset({"NotRequired", "RestartContainer"})
_RESTART_POLICIES = frozenset({"Always", "OnFailure", "Never"})
_RESTART_RULES_MAX = 20
_RESTART_CODES_MAX = 255
_NOT_IN_INIT = "may not be set for init containers without restartPolicy=Always"
_EPHEMERAL_FIELDS = frozenset(
    {
        "name",
        "image",
        "command",
        "args",
        "workingDir",
        "envFrom",
        "env",
        "volumeMounts",
        "volumeDevices",
        "terminationMessagePath",
        "terminationMessagePolicy",
        "imagePullPolicy",
        "securityContext",
        "stdin",
        "stdinOnce",
        "tty",
        "targetContainerName",
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What a container's rules look at in its Pod: the spec, the sound volumes, the claims."""

    spec: Spec
    volumes: Mapping[str, Mapping[str, Any]]
    claim_names: Collection[str]


def validate_containers(around: Surroundings, path: field.Path) -> list[field.Error]:
    containers = around.spec.get("containers", ())
    if not containers:
        return [field.required(path)]
    errors: list[field.Error] = []
    seen: set[str] = set()
    for index, container in enumerate(containers):
        at = path.index(index)
        errors += _validate_common(container, around, at)
        name = container.get("name", "")
        if name in seen:
            errors.append(field.duplicate(at.child("name"), name))
        seen.add(name)
        errors += _validate_long_running(container, around.spec, at)
        if "restartPolicy" in container or "restartPolicyRules" in container:
            errors += _validate_restart_policy(container, at)
    return errors + validate_host_ports(containers, path)


def validate_init_containers(around: Surroundings, path: field.Path) -> list[field.Error]:
    errors: list[field.Error] = []
    seen = {container.get("name", "") for container in around.spec.get("containers", ())}
    for index, container in enumerate(around.spec.get("initContainers", ())):
        at = path.index(index)
        errors += _validate_common(container, around, at)
        if "restartPolicy" in container or "restartPolicyRules" in container:
            errors += _validate_restart_policy(container, at)
        name = container.get("name", "")
        if name in seen:
            errors.append(field.duplicate(at.child("name"), name))
        elif name:
            seen.add(name)
        errors += validate_host_ports([container], path)
        if pods.is_restartable(container):
            errors += _validate_long_running(container, around.spec, at)
            continue
        for kind in ("lifecycle", "livenessProbe", "readinessProbe", "startupProbe"):
            if kind in container:
                errors.append(field.forbidden(at.child(kind), _NOT_IN_INIT))
    return errors


def validate_ephemeral_containers(around: Surroundings, path: field.Path) -> list[field.Error]:
    errors: list[field.Error] = []
    others = {
        container.get("name", "")
        for kind in ("containers", "initContainers")
        for container in around.spec.get(kind, ())
    }
    seen = set(others)
    for index, container in enumerate(around.spec.get("ephemeralContainers", ())):
        at = path.index(index)
        errors += _validate_common(container, around, at)
        errors += validate_image_whitespace(container, at)
        name = container.get("name", "")
        if name in seen:
            errors.append(field.duplicate(at.child("name"), name))
        seen.add(name)
        target = container.get("targetContainerName")
        if target and target not in others:
            errors.append(field.not_found(at.child("targetContainerName"), target))
        errors += _validate_ephemeral_fields(container, at)
    return errors


def _validate_ephemeral_fields(container: Container, path: field.Path) -> list[field.Error]:
    detail = "cannot be set for an Ephemeral Container"
    errors = [
        field.forbidden(path.child(name), detail)
        for name, value in container.items()
        if name not in _EPHEMERAL_FIELDS and value not in ({}, [])
    ]
    for index, mount in enumerate(container.get("volumeMounts", ())):
        for name in ("subPath", "subPathExpr"):
            if mount.get(name):
                at = path.child("volumeMounts").index(index).child(name)
                errors.append(field.forbidden(at, detail))
    return errors


def validate_image_whitespace(container: Container, path: field.Path) -> list[field.Error]:
    image = container.get("image", "")
    if image != image.strip():
        detail = "must not have leading or trailing whitespace"
        return [field.invalid(path.child("image"), image, detail)]
    return []


def _validate_long_running(container: Container, spec: Spec, path: field.Path) -> list[field.Error]:
    errors: list[field.Error] = []
    if "lifecycle" in container:
        errors += probes.validate_lifecycle(container["lifecycle"], spec, path.child("lifecycle"))
    return errors + probes.validate_probes(container, path)


def _validate_common(
    container: Container, around: Surroundings, path: field.Path
) -> list[field.Error]:
    errors: list[field.Error] = []
    name = container.get("name", "")
    if not name:
        errors.append(field.required(path.child("name")))
    else:
        for fault in names.is_dns1123_label(name):
            errors.append(field.invalid(path.child("name"), name, fault))
    if not container.get("image"):
        errors.append(field.required(path.child("image")))
    policy = container.get("terminationMessagePolicy")
    if policy not in _MESSAGE_POLICIES:
        at = path.child("terminationMessagePolicy")
        errors += checks.required_one_of(policy, at, _MESSAGE_POLICIES)
    errors += _validate_contents(container, around, path)
    policy = container.get("imagePullPolicy")
    if policy not in PULL_POLICIES:
        errors += checks.required_one_of(policy, path.child("imagePullPolicy"), PULL_POLICIES)
    if container.get("resources"):
        errors += resources.validate_requirements(
            container["resources"], around.claim_names, path.child("resources")
        )
    if "resizePolicy" in container:
        errors += _validate_resize_policy(
            container["resizePolicy"], around.spec, path.child("resizePolicy")
        )
    if "securityContext" in container:
        errors += security.validate_container(
            container["securityContext"], around.spec, path.child("securityContext")
        )
    return errors


def _validate_contents(
    container: Container, around: Surroundings, path: field.Path
) -> list[field.Error]:
    errors: list[field.Error] = []
    if "ports" in container:
        errors += _validate_ports(container["ports"], path.child("ports"))
    if "env" in container:
        errors += environment.validate_env(container["env"], around.volumes, path.child("env"))
    if "envFrom" in container:
        errors += environment.validate_env_from(container["envFrom"], path.child("envFrom"))
    if "volumeMounts" in container:
        errors += mounts.validate_mounts(container, around.volumes, path.child("volumeMounts"))
    if "volumeDevices" in container:
        errors += mounts.validate_devices(
            container["volumeDevices"], container, around.volumes, path.child("volumeDevices")
        )
    return errors


def _validate_ports(ports: Sequence[Mapping[str, Any]], path: field.Path) -> list[field.Error]:
    errors: list[field.Error] = []
    seen: set[str] = set()
    for index, port in enumerate(ports):
        at = path.index(index)
        name = port.get("name")
        if name:
            faults = checks.follows(names.is_valid_port_name, name, at.child("name"))
            if not faults and name in seen:
                faults = [field.duplicate(at.child("name"), name)]
            seen.add(name)
            errors += faults
        number = port.get("containerPort", 0)
        if not number:
            errors.append(field.required(at.child("containerPort")))
        elif not 0 < number < 65536:
            errors += netaddr.port_number(number, at.child("containerPort"))
        if port.get("hostPort"):
            errors += netaddr.port_number(port["hostPort"], at.child("hostPort"))
        if port.get("protocol") not in PROTOCOLS:
            errors += checks.required_one_of(port.get("protocol"), at.child("protocol"), PROTOCOLS)
    return errors


def validate_host_ports(containers: Iterable[Container], path: field.Path) -> list[field.Error]:
    """A host port can be taken once, per protocol and host address."""
    errors: list[field.Error] = []
    taken: set[str] = set()
    for index, container in enumerate(containers):
        for number, port in enumerate(container.get("ports", ())):
            if not port.get("hostPort"):
                continue
            key = f"{port.get('protocol', '')}/{port.get('hostIP', '')}/{port['hostPort']}"
            if key in taken:
                at = path.index(index).child("ports").index(number).child("hostPort")
                errors.append(field.duplicate(at, key))
            taken.add(key)
    return errors


def _validate_resize_policy(
    policies: Sequence[Mapping[str, Any]], spec: Spec, path: field.Path
) -> list[field.Error]:
    errors: list[field.Error] = []
    seen: set[str] = set()
    for index, policy in enumerate(policies):
        name, restart = policy.get("resourceName", ""), policy.get("restartPolicy", "")
        if name in seen:
            errors.append(field.duplicate(path.index(index), name))
        seen.add(name)
        errors += checks.required_one_of(name, path, _RESIZE_RESOURCES)
        errors += checks.required_one_of(restart, path, _RESIZE_POLICIES)
        if spec.get("restartPolicy") == "Never" and restart != "NotRequired":
            detail = "must be 'NotRequired' when `restartPolicy` is 'Never'"
            errors.append(field.invalid(path, restart, detail))
    return errors


def _validate_restart_policy(container: Container, path: field.Path) -> list[field.Error]:
    policy, rules = container.get("restartPolicy"), container.get("restartPolicyRules", ())
    errors: list[field.Error] = []
    if policy is None and rules:
        detail = "must specify restartPolicy when restart rules are used"
        errors.append(field.required(path.child("restartPolicy"), detail))
    errors += checks.optional_one_of(policy, path.child("restartPolicy"), _RESTART_POLICIES)
    rules_path = path.child("restartPolicyRules")
    if len(rules) > _RESTART_RULES_MAX:
        errors.append(field.too_many(rules_path, len(rules), _RESTART_RULES_MAX))
    for index, rule in enumerate(rules):
        errors += _validate_restart_rule(rule, rules_path.index(index))
    return errors


def _validate_restart_rule(rule: Mapping[str, Any], path: field.Path) -> list[field.Error]:
    errors = checks.required_one_of(
        rule.get("action"), path.child("action"), {"Restart", "RestartAllContainers"}
    )
    codes = rule.get("exitCodes")
    if codes is None:
        return [*errors, field.required(path.child("exitCodes"), "must be specified")]
    at = path.child("exitCodes")
    errors += checks.required_one_of(codes.get("operator"), at.child("operator"), {"In", "NotIn"})
    count = len(codes.get("values", ()))
    if count > _RESTART_CODES_MAX:
        errors.append(field.too_many(at.child("values"), count, _RESTART_CODES_MAX))
    return errors
