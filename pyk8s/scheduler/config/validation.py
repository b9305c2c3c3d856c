# SPDX-License-Identifier: Apache-2.0
"""Whether a defaulted configuration makes sense: `apis/config/validation/validation.go`.

All faults are collected. What is not built is forbidden by name.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pyk8s.apimachinery import durations, field, names
from pyk8s.scheduler.config import pluginargs, types

Config = Mapping[str, Any]
Errors = list[field.Error]

_INVALID_PLUGINS = ("AzureDiskLimits", "CinderLimits", "EBSLimits", "GCEPDLimits")
NOT_BUILT = ("DynamicResources",)


def validate(config: Config) -> Errors:
    profiles = field.Path("profiles")
    return [
        *_client_connection(config["clientConnection"], field.Path("clientConnection")),
        *_leader_election(config["leaderElection"], field.Path("leaderElection")),
        *_parallelism(config),
        *_profiles(config["profiles"], profiles),
        *_percentage(config.get("percentageOfNodesToScore"), field.Path()),
        *_backoff(config),
        *_extenders(config.get("extenders") or (), field.Path("extenders")),
    ]


def message(errors: Sequence[field.Error]) -> str:
    """As an Aggregate prints: one bare, several in brackets, none twice."""
    texts = list(dict.fromkeys(error.message for error in errors))
    return texts[0] if len(texts) == 1 else f"[{', '.join(texts)}]"


def _client_connection(connection: Config, path: field.Path) -> Errors:
    burst = connection["burst"]
    return [] if burst >= 0 else [field.invalid(path.child("burst"), burst, "must be non-negative")]


def _leader_election(election: Config, path: field.Path) -> Errors:
    if not election["leaderElect"]:
        return []
    errors = [
        field.invalid(path.child(name), election[name], "must be greater than zero")
        for name in ("leaseDuration", "renewDeadline", "retryPeriod")
        if durations.parse(election[name]) <= 0
    ]
    if durations.parse(election["leaseDuration"]) <= durations.parse(election["renewDeadline"]):
        # Upstream prints the deadline, too.
        detail = "must be greater than `RenewDeadline`"
        errors.append(field.invalid(path.child("leaseDuration"), election["renewDeadline"], detail))
    if (lock := election["resourceLock"]) != "leases":
        detail = 'resourceLock value must be "leases"'
        errors.append(field.invalid(path.child("resourceLock"), lock, detail))
    return errors


def _parallelism(config: Config) -> Errors:
    value = config["parallelism"]
    if value > 0:
        return []
    detail = "should be an integer value greater than zero"
    return [field.invalid(field.Path("parallelism"), value, detail)]


def _percentage(value: int | None, path: field.Path) -> Errors:
    if value is None or 0 <= value <= 100:
        return []
    return [
        field.invalid(path.child("percentageOfNodesToScore"), value, "not in valid range [0-100]")
    ]


def _backoff(config: Config) -> Errors:
    initial, most = config["podInitialBackoffSeconds"], config["podMaxBackoffSeconds"]
    errors = []
    if initial <= 0:
        path = field.Path("podInitialBackoffSeconds")
        errors.append(field.invalid(path, initial, "must be greater than 0"))
    if most < initial:
        detail = "must be greater than or equal to PodInitialBackoffSeconds"
        errors.append(field.invalid(field.Path("podMaxBackoffSeconds"), most, detail))
    return errors


# --- profiles


def _profiles(profiles: Sequence[Config], path: field.Path) -> Errors:
    errors: Errors = []
    seen: dict[str, int] = {}
    for index, profile in enumerate(profiles):
        here, name = path.index(index), profile.get("schedulerName") or ""
        errors += _profile(profile, here)
        if name in seen:
            other = path.index(seen[name]).child("schedulerName")
            errors.append(field.duplicate(here.child("schedulerName"), str(other)))
        seen[name] = index
    return errors + _common_queue_sort(profiles, path)


def _profile(profile: Config, path: field.Path) -> Errors:
    errors: Errors = []
    if not profile.get("schedulerName"):
        errors.append(field.required(path.child("schedulerName")))
    errors += _percentage(profile.get("percentageOfNodesToScore"), path)
    for point in (types.MULTI_POINT, *types.EXTENSION_POINTS):
        here = path.child("plugins", point, "enabled")
        for index, plugin in enumerate(profile["plugins"][point].get("enabled") or ()):
            errors += _plugin(plugin.get("name", ""), here.index(index))
    return errors + _plugin_config(profile["pluginConfig"], path.child("pluginConfig"))


def _plugin(name: str, path: field.Path) -> Errors:
    if name in _INVALID_PLUGINS:
        version = types.API_VERSION
        detail = (
            f'was invalid in version "{version}" '
            f'(KubeSchedulerConfiguration is version "{version}")'
        )
        return [field.invalid(path, name, detail)]
    if name in NOT_BUILT:
        return [field.forbidden(path, f"the plugin {name} is not built")]
    return []


def _plugin_config(configured: Sequence[Config], path: field.Path) -> Errors:
    errors: Errors = []
    seen = set()
    for index, each in enumerate(configured):
        here, name = path.index(index), each["name"]
        if name in seen:
            errors.append(field.duplicate(here, name))
        seen.add(name)
        refused = _plugin(name, here)
        validate_args = None if refused else pluginargs.VALIDATIONS.get(name)
        errors += refused
        if validate_args is not None:
            errors += validate_args(each["args"], here.child("args"))
    return errors


def _common_queue_sort(profiles: Sequence[Config], path: field.Path) -> Errors:
    """There is one queue."""
    errors: Errors = []
    first = profiles[0]
    canon = first["plugins"]["queueSort"]
    enabled = canon.get("enabled") or ()
    if len(enabled) > 1:
        here = path.index(0).child("plugins", "queueSort", "Enabled")
        detail = "only one queue sort plugin can be enabled"
        errors.append(field.invalid(here, len(enabled), detail))
    name = enabled[0]["name"] if enabled else ""
    args = _args_of(first, name)
    for index, profile in enumerate(profiles[1:], 1):
        here = path.index(index)
        if profile["plugins"]["queueSort"] != canon:
            where, value = here.child("plugins", "queueSort"), profile["plugins"]["queueSort"]
            errors.append(field.invalid(where, value, "must be the same for all profiles"))
        for other in _args_of(profile, name):
            if other != (args[0] if args else None):
                where = here.child("pluginConfig", "args")
                detail = "queueSort must be the same for all profiles"
                errors.append(field.invalid(where, other, detail))
    return errors


def _args_of(profile: Config, name: str) -> list[Any]:
    return [each.get("args") for each in profile["pluginConfig"] if name and each["name"] == name]


# --- extenders


def _extenders(extenders: Sequence[Config], path: field.Path) -> Errors:
    errors: Errors = []
    managed: set[str] = set()
    for index, extender in enumerate(extenders):
        here, weight = path.index(index), extender.get("weight") or 0
        if extender.get("preemptVerb"):
            # Preemption does not wait for anybody.
            errors.append(field.forbidden(here.child("preemptVerb"), "it is not built"))
        if extender.get("prioritizeVerb") and weight <= 0:
            detail = "must have a positive weight applied to it"
            errors.append(field.invalid(here.child("weight"), weight, detail))
        for place, resource in enumerate(extender.get("managedResources") or ()):
            where = here.child("managedResources").index(place).child("name")
            name = resource.get("name") or ""
            errors += _extended_resource(name, where)
            if name in managed:
                detail = "duplicate extender managed resource name"
                errors.append(field.invalid(where, name, detail))
            managed.add(name)
    binders = sum(bool(extender.get("bindVerb")) for extender in extenders)
    if binders > 1:
        value = f"found {binders} extenders implementing bind"
        errors.append(field.invalid(path, value, "only one extender can implement bind"))
    return errors


def _extended_resource(name: str, path: field.Path) -> Errors:
    if faults := names.is_qualified_name(name):
        return [field.invalid(path, name, fault) for fault in faults]
    if not pluginargs.is_extended_resource(name):
        return [field.invalid(path, name, "is an invalid extended resource name")]
    return []
