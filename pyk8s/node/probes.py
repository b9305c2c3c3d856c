# SPDX-License-Identifier: Apache-2.0
"""When the probes of one run of a container are due, and what follows from them: no I/O.

Mirrors `pkg/kubelet/prober`, without a loop per probe: a runtime that knows for how long a probe
will succeed is asked again only after that. A probe that fails is asked at each period, as each
failure is told.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from pyk8s.apimachinery.gvk import Object
from pyk8s.node.runtime import Ask, Outcome

STARTUP = "startup"
READINESS = "readiness"
LIVENESS = "liveness"
_FIELDS = {STARTUP: "startupProbe", READINESS: "readinessProbe", LIVENESS: "livenessProbe"}
# What fell due while nobody looked is made up for this often; then what is past is passed over.
_LATE_PERIODS_MAX = 3

Answer = Callable[[Ask], Outcome]


class Told(NamedTuple):
    """Reason and message of an event."""

    reason: str
    message: str


def has_probes(spec: Object) -> bool:
    return any(field in spec for field in _FIELDS.values())


@dataclass(slots=True)
class _Probe:
    """`result` is what counts, None before there is any; `last` and `run` are the last answer and
    how often in a row it was that. `due` is when the next one is asked. One that rests has no
    reason to be asked before `rests_until`, None for ever."""

    kind: str
    spec: Object
    result: bool | None
    due: float
    last: bool | None = None
    run: int = 0
    rests: bool = False
    rests_until: float | None = None

    def number(self, name: str, otherwise: int) -> int:
        return int(self.spec.get(name) or otherwise)

    @property
    def period(self) -> int:
        return self.number("periodSeconds", 10)

    def tick_from(self, moment: float) -> float:
        """The first of its ticks that is not before the moment."""
        missed = math.ceil((moment - self.due) / self.period - 1e-9)
        return self.due + max(0, missed) * self.period

    @property
    def next(self) -> float | None:
        if not self.rests:
            return self.due
        return None if self.rests_until is None else self.tick_from(self.rests_until)


class Probes:
    """The probes of a run that has begun at `since` and is probed from `now` on, in seconds since
    the epoch. One that is taken over from an earlier process may have started or be ready."""

    def __init__(
        self, spec: Object, since: float, now: float, *, started: bool = False, ready: bool = False
    ) -> None:
        self._since = since
        self._probes = {
            kind: _Probe(kind, spec[field], None, max(now, since + _delay(kind, spec[field])))
            for kind, field in _FIELDS.items()
            if field in spec
        }
        if started and STARTUP in self._probes:
            self._probes[STARTUP].result = True
        if ready and READINESS in self._probes:
            self._probes[READINESS].result = True

    @property
    def started(self) -> bool:
        return STARTUP not in self._probes or self._probes[STARTUP].result is True

    @property
    def ready(self) -> bool:
        return self.started and (
            READINESS not in self._probes or self._probes[READINESS].result is True
        )

    @property
    def failed(self) -> str:
        """The kind of probe for which the container is to be restarted; empty for none."""
        for kind in (LIVENESS, STARTUP):
            if kind in self._probes and self._probes[kind].result is False:
                return kind
        return ""

    def grace_seconds(self, kind: str) -> int | None:
        """The probe's own terminationGracePeriodSeconds."""
        return self._probes[kind].spec.get("terminationGracePeriodSeconds")

    def advance(self, now: float, answer: Answer, *, ends: bool = False) -> list[Told]:
        """Ask what has fallen due. Of a container that is on its way out readiness alone is."""
        told: list[Told] = []
        for probe in self._asked(ends=ends):
            if probe.rests:
                _look_again(probe, now, answer)
            _pass_over(probe, now)
            while not self.failed and not probe.rests and probe.due <= now:
                outcome = answer(Ask(probe.kind, probe.spec, probe.due))
                over_at = probe.due + min(outcome.seconds, probe.number("timeoutSeconds", 1))
                if over_at > now:
                    break
                told += _settle(probe, outcome, over_at)
                if probe.kind == STARTUP and self.started:
                    self._begin_others(over_at)
                    break
        return told

    def next(self, answer: Answer, *, ends: bool = False) -> float | None:
        """When to advance again; None if nothing is to come."""
        moments = []
        for probe in self._asked(ends=ends):
            at = probe.next
            if at is not None and not self.failed:
                if not probe.rests:
                    seconds = answer(Ask(probe.kind, probe.spec, at)).seconds
                    at += min(seconds, probe.number("timeoutSeconds", 1))
                moments.append(at)
        return min(moments, default=None)

    def _asked(self, *, ends: bool) -> Iterator[_Probe]:
        """Startup alone until it has succeeded, and no more afterwards."""
        for kind, probe in self._probes.items():
            if (kind == STARTUP) != self.started and not (ends and kind != READINESS):
                yield probe

    def _begin_others(self, at: float) -> None:
        for kind, probe in self._probes.items():
            if kind != STARTUP:
                probe.due = max(self._since + _delay(kind, probe.spec), at)


def _delay(kind: str, spec: Object) -> int:
    """Upstream's ticks begin with the pod, and the first finds no container yet; readiness alone
    is looked at as soon as there is one."""
    delay = int(spec.get("initialDelaySeconds") or 0)
    if kind == READINESS:
        return delay
    period = int(spec.get("periodSeconds") or 10)
    return period * max(1, math.ceil(delay / period))


def _look_again(probe: _Probe, now: float, answer: Answer) -> None:
    """Somebody may have stepped in since it was said that the probe succeeds."""
    tick = probe.tick_from(now)
    if probe.rests_until is not None:
        tick = min(tick, probe.tick_from(probe.rests_until))
    outcome = answer(Ask(probe.kind, probe.spec, tick))
    probe.rests = outcome.succeeded and not outcome.error
    probe.rests_until = outcome.until
    if not probe.rests:
        probe.due = tick


def _pass_over(probe: _Probe, now: float) -> None:
    late = now - probe.due - _LATE_PERIODS_MAX * probe.period
    if not probe.rests and late > 0:
        probe.due = probe.tick_from(probe.due + late)


def _settle(probe: _Probe, outcome: Outcome, over_at: float) -> list[Told]:
    """Count the outcome, and set the next tick."""
    probe.due = probe.tick_from(max(over_at, probe.due + probe.period))
    name = probe.kind.capitalize()
    if outcome.error:
        message = f"{name} probe errored and resulted in unknown state: {outcome.error}"
        return [Told("Unhealthy", message)]
    probe.run = probe.run + 1 if outcome.succeeded == probe.last else 1
    probe.last = outcome.succeeded
    threshold = ("successThreshold", 1) if outcome.succeeded else ("failureThreshold", 3)
    if probe.run >= probe.number(*threshold):
        probe.result = outcome.succeeded
        probe.rests = outcome.succeeded
        probe.rests_until = outcome.until
    if outcome.succeeded:
        return []
    return [Told("Unhealthy", f"{name} probe failed: {outcome.output}")]
