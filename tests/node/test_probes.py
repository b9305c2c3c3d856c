# SPDX-License-Identifier: Apache-2.0
"""When probes are asked and what follows, without a cluster and without a clock."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from pyk8s.node import answers, images, program
from pyk8s.node.files import Change, Files
from pyk8s.node.probes import Probes
from pyk8s.node.runtime import Ask, Container, Outcome

Object = dict[str, Any]


class Asked:
    """An answer by moment, and when it was asked for."""

    def __init__(self, outcome: Callable[[float], Outcome]) -> None:
        self.moments: list[float] = []
        self._outcome = outcome

    def __call__(self, ask: Ask) -> Outcome:
        self.moments.append(ask.at)
        return self._outcome(ask.at)


def _run(
    probes: Probes, answer: Callable[[Ask], Outcome], until: float
) -> list[tuple[float, bool, bool, str]]:
    """Advance from wake to wake: moment, started, ready, failed, where they change."""
    now: float | None = 0.0
    seen: list[tuple[float, bool, bool, str]] = []
    while now is not None and now <= until:
        probes.advance(now, answer)
        state = (probes.started, probes.ready, probes.failed)
        if not seen or seen[-1][1:] != state:
            seen.append((now, *state))
        now = probes.next(answer)
    return seen


def _well(at: float) -> Outcome:
    return Outcome()


def test_what_always_succeeds_is_asked_once() -> None:
    """Readiness comes after its delay; then there is nothing to wake up for."""
    answer = Asked(_well)
    probes = Probes({"readinessProbe": {"initialDelaySeconds": 15}}, 0, 0)
    assert _run(probes, answer, 1000) == [(0, True, False, ""), (15, True, True, "")]
    assert set(answer.moments) == {15}


def test_thresholds() -> None:
    """So many failures in a row make it unready, so many successes ready again."""

    def outcome(at: float) -> Outcome:
        return Outcome(not 4 <= at < 9, until=4 if at < 4 else None)

    spec = {"periodSeconds": 1, "failureThreshold": 3, "successThreshold": 2}
    probes = Probes({"readinessProbe": spec}, 0, 0)
    assert _run(probes, lambda ask: outcome(ask.at), 100) == [
        (0, True, False, ""),
        (1, True, True, ""),
        (6, True, False, ""),
        (10, True, True, ""),
    ]


def test_liveness_waits_for_startup() -> None:
    """Until the startup probe has succeeded no other is asked; then both at once."""

    def answer(ask: Ask) -> Outcome:
        return Outcome(ask.at >= 6 if ask.kind == "startup" else ask.kind == "readiness")

    spec = {
        "startupProbe": {"periodSeconds": 3, "failureThreshold": 5},
        "readinessProbe": {"periodSeconds": 10},
        "livenessProbe": {"periodSeconds": 10, "failureThreshold": 2},
    }
    assert _run(Probes(spec, 0, 0), answer, 100) == [
        (0, False, False, ""),
        (6, True, True, ""),
        (20, True, True, "liveness"),
    ]


def test_startup_fails() -> None:
    """A startup probe that fails as often as it may is a reason to restart."""
    probes = Probes({"startupProbe": {"periodSeconds": 2, "failureThreshold": 3}}, 0, 0)
    seen = _run(probes, lambda ask: Outcome(False, "no"), 100)
    assert seen[-1] == (6, False, False, "startup")


def test_told() -> None:
    """Each failure is told; one that cannot be asked at all counts for nothing."""
    probes = Probes({"livenessProbe": {"periodSeconds": 1}}, 0, 0)
    told = probes.advance(1, lambda ask: Outcome(False, "no good"))
    assert told == [("Unhealthy", "Liveness probe failed: no good")]
    text = "Liveness probe errored and resulted in unknown state: no such port"
    told = probes.advance(3.5, lambda ask: Outcome(False, error="no such port"))
    assert told == [("Unhealthy", text)] * 2
    assert not probes.failed


def test_somebody_steps_in() -> None:
    """What was known to succeed for ever is asked at its next tick once it no longer does."""
    broken = False

    def answer(ask: Ask) -> Outcome:
        return Outcome(not broken)

    probes = Probes({"readinessProbe": {"periodSeconds": 10, "failureThreshold": 1}}, 0, 0)
    probes.advance(0, answer)
    assert probes.next(answer) is None
    broken = True
    probes.advance(14, answer)
    assert (probes.ready, probes.next(answer)) == (True, 20)
    probes.advance(20, answer)
    assert not probes.ready


def test_timeout() -> None:
    """The result of a slow probe is there after its time, at most its timeout."""
    probes = Probes({"readinessProbe": {"timeoutSeconds": 5, "periodSeconds": 1}}, 0, 0)
    assert probes.next(lambda ask: Outcome(seconds=3)) == 3
    probes.advance(2, lambda ask: Outcome(seconds=3))
    assert not probes.ready
    probes.advance(3, lambda ask: Outcome(seconds=3))
    assert probes.ready


def test_on_the_way_out() -> None:
    """Of a container that ends readiness alone is asked."""
    spec = {"livenessProbe": {"failureThreshold": 1}, "readinessProbe": {"failureThreshold": 1}}
    probes = Probes(spec, 0, 0, started=True, ready=True)
    probes.advance(10, lambda ask: Outcome(False), ends=True)
    assert (probes.ready, probes.failed) == (False, "")


def test_taken_over() -> None:
    """What an earlier process has found holds until it is asked again."""
    probes = Probes({"startupProbe": {}, "readinessProbe": {}}, 0, 95, started=True, ready=True)
    assert probes.ready


# --- what simulated containers answer


def _container(spec: Object) -> Container:
    found = program.of({"spec": {}}, spec)
    there = images.files(spec["image"], spec.get("command") or ())
    changes = (*(Change(0.0, path, content) for path, content in there.items()), *found.changes)
    files = Files(changes, knows_all=not found.is_server)
    return Container(
        id="", name="c", image="", image_id="", attempt=0, started_at=1000.0, files=files
    )


def _ask(spec: Object, probe: Object, age: float = 0.0, kind: str = "liveness") -> Outcome:
    """With moments of the run."""
    pod = {"metadata": {"annotations": spec.pop("annotations", {})}, "spec": {},
           "status": {"podIP": "10.0.0.1"}}  # fmt: skip
    spec = {"name": "c", "image": "nginx", **spec}
    found = answers.of_probe(pod, spec, _container(spec), Ask(kind, probe, 1000.0 + age))
    return found if found.until is None else found._replace(until=found.until - 1000.0)


AGNHOST = "registry.k8s.io/e2e-test-images/agnhost:2.53"
HEALTH = "echo ok >/tmp/health; sleep 10; rm -rf /tmp/health; sleep 600"
HTTP = {"httpGet": {"path": "/healthz", "port": 8080}}
INDEX = {"httpGet": {"path": "/index.html", "port": 80}}
GRPC = {"grpc": {"port": 5000}}


@pytest.mark.parametrize(
    ("spec", "probe", "age", "expected"),
    [
        pytest.param({}, HTTP, 0, Outcome(), id="whoever answers on any port"),
        pytest.param({}, {"exec": {"command": ["pg_isready"]}}, 0, Outcome(), id="not known"),
        pytest.param({}, {"exec": {"command": ["false"]}}, 0, Outcome(False), id="known"),
        pytest.param(
            {"command": ["sh", "-c", HEALTH]}, {"exec": {"command": ["cat", "/tmp/health"]}}, 0,
            Outcome(True, "ok\n", until=10), id="a file that will go",
        ),
        pytest.param(
            {"command": ["sh", "-c", HEALTH]}, {"exec": {"command": ["cat", "/tmp/health"]}}, 15,
            Outcome(False, "cat: /tmp/health: No such file or directory\n"), id="that has gone",
        ),
        pytest.param(
            {}, {"exec": {"command": ["sh", "-c", "sleep 10"]}}, 0,
            Outcome(False, 'command timed out: "sh -c sleep 10" timed out after 1s', 1.0),
            id="too slow",
        ),
        pytest.param(
            {"command": ["sleep", "600"]}, HTTP, 0,
            Outcome(False, 'Get "http://10.0.0.1:8080/healthz": dial tcp 10.0.0.1:8080: '
                           "connect: connection refused"),
            id="nobody listens",
        ),
        pytest.param(
            {"command": ["sleep", "600"]}, {"tcpSocket": {"port": 80}}, 0,
            Outcome(False, "dial tcp 10.0.0.1:80: connect: connection refused"), id="tcp",
        ),
        pytest.param(
            {"image": AGNHOST, "args": ["liveness"]}, HTTP, 5, Outcome(until=10), id="agnhost",
        ),
        pytest.param(
            {"image": AGNHOST, "args": ["liveness"]}, HTTP, 15,
            Outcome(False, "HTTP probe failed with statuscode: 500"), id="agnhost later",
        ),
        pytest.param({"image": "httpd:2.4"}, INDEX, 5, Outcome(), id="httpd"),
        pytest.param(
            {"image": "httpd:2.4"}, {"httpGet": {"path": "/healthz", "port": 80}}, 5,
            Outcome(False, "HTTP probe failed with statuscode: 404"), id="a page it does not have",
        ),
        pytest.param(
            {"image": "httpd", "volumeMounts": [{"mountPath": "/usr/local/apache2/htdocs"}]},
            {"httpGet": {"path": "/healthz", "port": 80}}, 5, Outcome(), id="what is mounted",
        ),
        pytest.param(
            {"image": AGNHOST, "args": ["grpc-health-checking"]}, GRPC, 5, Outcome(), id="grpc",
        ),
        pytest.param(
            {"image": AGNHOST, "args": ["grpc-health-checking"]}, {"grpc": {"port": 2333}}, 5,
            Outcome(False, 'timeout: failed to connect service "10.0.0.1:2333" within 1s: context '
                           "deadline exceeded", 1.0),
            id="grpc elsewhere",
        ),
        pytest.param(
            {"ports": [{"name": "web", "containerPort": 80}], "image": AGNHOST,
             "args": ["test-webserver"]},
            {"httpGet": {"path": "/", "port": "web"}}, 0, Outcome(), id="port by name",
        ),
        pytest.param(
            {}, {"tcpSocket": {"port": "web"}}, 0,
            Outcome(False, error='strconv.Atoi: parsing "web": invalid syntax'), id="no such port",
        ),
    ],
)  # fmt: skip
def test_answers(spec: Object, probe: Object, age: float, expected: Outcome) -> None:
    """A probe comes to what it would, as far as that is known; else it succeeds."""
    assert _ask(dict(spec), probe, age) == expected


@pytest.mark.parametrize(
    ("annotations", "age", "succeeds", "until"),
    [
        pytest.param({"liveness-fails-after": "10s"}, 9, True, 10, id="before"),
        pytest.param({"liveness-fails-after": "10s"}, 10, False, None, id="after"),
        pytest.param({"liveness-succeeds-after": "10s"}, 9, False, 10, id="not yet"),
        pytest.param({"liveness-succeeds-after": "5s", "liveness-fails-after": "10s"}, 7, True, 10,
                     id="between"),
        pytest.param({"readiness-fails-after": "0s"}, 5, True, None, id="another kind"),
        pytest.param({"liveness-fails-after": "soon"}, 5, True, None, id="no duration"),
    ],
)  # fmt: skip
def test_annotations(annotations: Object, age: float, succeeds: bool, until: float | None) -> None:
    """Annotations say when probes begin and cease to succeed."""
    named = {f"simulation.pyk8s.io/{name}": value for name, value in annotations.items()}
    found = _ask({"annotations": named}, HTTP, age)
    assert (found.succeeded, found.until) == (succeeds, until)
    named = {f"d.simulation.pyk8s.io/{name}": value for name, value in annotations.items()}
    assert _ask({"annotations": named}, HTTP, age) == Outcome()
