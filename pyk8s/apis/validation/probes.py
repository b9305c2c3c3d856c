# SPDX-License-Identifier: Apache-2.0
"""Rules of probes and lifecycle handlers: exactly one way to act, and sane numbers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pyk8s.apimachinery import field, names
from pyk8s.apis.validation import checks, netaddr

Probe = Mapping[str, Any]

_PROBE_HANDLERS = ("exec", "httpGet", "tcpSocket", "grpc")
_LIFECYCLE_HANDLERS = ("exec", "httpGet", "tcpSocket", "sleep")
_SCHEMES = frozenset({"HTTP", "HTTPS"})
_COUNTS = (
    "initialDelaySeconds",
    "timeoutSeconds",
    "periodSeconds",
    "successThreshold",
    "failureThreshold",
)
_WINDOWS_SIGNALS = frozenset({"SIGTERM", "SIGKILL"})
_SIGNALS = frozenset(
    [
        "SIGABRT",
        "SIGALRM",
        "SIGBUS",
        "SIGCHLD",
        "SIGCLD",
        "SIGCONT",
        "SIGFPE",
        "SIGHUP",
        "SIGILL",
        "SIGINT",
        "SIGIO",
        "SIGIOT",
        "SIGKILL",
        "SIGPIPE",
        "SIGPOLL",
        "SIGPROF",
        "SIGPWR",
        "SIGQUIT",
        "SIGSEGV",
        "SIGSTKFLT",
        "SIGSTOP",
        "SIGSYS",
        "SIGTERM",
        "SIGTRAP",
        "SIGTSTP",
        "SIGTTIN",
        "SIGTTOU",
        "SIGURG",
        "SIGUSR1",
        "SIGUSR2",
        "SIGVTALRM",
        "SIGWINCH",
        "SIGXCPU",
        "SIGXFSZ",
        "SIGRTMIN",
        "SIGRTMAX",
    ]
    + [f"SIGRTMIN+{number}" for number in range(1, 16)]
    + [f"SIGRTMAX-{number}" for number in range(1, 15)]
)


def validate_probes(container: Mapping[str, Any], path: field.Path) -> list[field.Error]:
    """The three probes a long-running container may have."""
    errors: list[field.Error] = []
    for name in ("livenessProbe", "readinessProbe", "startupProbe"):
        if name in container:
            errors += _validate_probe(name, container[name], path.child(name))
    return errors


def _validate_probe(name: str, probe: Probe, path: field.Path) -> list[field.Error]:
    errors = _validate_handler(probe, _PROBE_HANDLERS, None, path)
    for count in _COUNTS:
        if probe.get(count, 0) < 0:
            errors += checks.non_negative(probe[count], path.child(count))
    grace = probe.get("terminationGracePeriodSeconds")
    if grace is not None and grace <= 0:
        where = path.child("terminationGracePeriodSeconds")
        errors.append(field.invalid(where, grace, "must be greater than 0"))
    if name == "readinessProbe":
        if grace is not None:
            where = path.child("terminationGracePeriodSeconds")
            errors.append(field.invalid(where, grace, "must not be set for readinessProbes"))
    elif probe.get("successThreshold", 0) != 1:
        where = path.child("successThreshold")
        errors.append(field.invalid(where, probe.get("successThreshold", 0), "must be 1"))
    return errors


def validate_lifecycle(
    lifecycle: Mapping[str, Any], spec: Mapping[str, Any], path: field.Path
) -> list[field.Error]:
    """Hooks and the stop signal; `spec` is the Pod's, for its grace period and system."""
    errors: list[field.Error] = []
    grace = spec.get("terminationGracePeriodSeconds")
    for name in ("postStart", "preStop"):
        if name in lifecycle:
            at = path.child(name)
            errors += _validate_handler(lifecycle[name], _LIFECYCLE_HANDLERS, grace, at)
    if "stopSignal" in lifecycle:
        system = (spec.get("os") or {}).get("name")
        errors += _validate_stop_signal(lifecycle["stopSignal"], system, path.child("stopSignal"))
    return errors


def _validate_stop_signal(signal: str, system: str | None, path: field.Path) -> list[field.Error]:
    if not system:
        detail = "may not be set for containers with empty `spec.os.name`"
        return [field.forbidden(path, detail)]
    supported = _WINDOWS_SIGNALS if system == "windows" else _SIGNALS
    return checks.optional_one_of(signal, path, supported)


def _validate_handler(
    handler: Probe, kinds: tuple[str, ...], grace: int | None, path: field.Path
) -> list[field.Error]:
    given = [kind for kind in kinds if kind in handler]
    if not given:
        return [field.required(path, "must specify a handler type")]
    errors = _validate_action(given[0], handler[given[0]], grace, path.child(given[0]))
    for kind in given[1:]:
        detail = "may not specify more than 1 handler type"
        errors.append(field.forbidden(path.child(kind), detail))
    return errors


def _validate_action(
    kind: str, action: Mapping[str, Any], grace: int | None, path: field.Path
) -> list[field.Error]:
    if kind == "exec":
        return [] if action.get("command") else [field.required(path.child("command"))]
    if kind == "httpGet":
        return _validate_http_get(action, path)
    if kind == "sleep":
        return _validate_sleep(action.get("seconds", 0), grace, path)
    return netaddr.port_number_or_name(action.get("port", 0), path.child("port"))


def _validate_http_get(action: Mapping[str, Any], path: field.Path) -> list[field.Error]:
    errors = [] if action.get("path") else [field.required(path.child("path"))]
    errors += netaddr.port_number_or_name(action.get("port", 0), path.child("port"))
    scheme = action.get("scheme", "")
    if scheme not in _SCHEMES:
        errors.append(field.not_supported(path.child("scheme"), scheme, _SCHEMES))
    for header in action.get("httpHeaders", ()):
        name = header.get("name", "")
        errors += checks.follows(names.is_http_header_name, name, path.child("httpHeaders"))
    return errors


def _validate_sleep(seconds: int, grace: int | None, path: field.Path) -> list[field.Error]:
    if grace is None or 0 <= seconds <= grace:
        return []
    detail = f"must be non-negative and less than terminationGracePeriodSeconds ({grace})"
    return [field.invalid(path, seconds, detail)]
