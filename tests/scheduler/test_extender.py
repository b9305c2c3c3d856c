# SPDX-License-Identifier: Apache-2.0
"""HTTP extenders, by a real one: what it is sent, and what its answers do."""

from __future__ import annotations

import asyncio
import contextlib
import json
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from pyk8s.scheduler.binding import BindingCycle
from pyk8s.scheduler.config import loading
from pyk8s.scheduler.config.decoding import ConfigError
from pyk8s.scheduler.extender import ExtenderError, Extenders, HTTPExtender
from pyk8s.scheduler.framework import podinfo
from pyk8s.scheduler.framework.nodetable import NodeTable
from pyk8s.scheduler.framework.status import Code
from pyk8s.scheduler.framework.waiting import WaitingPods
from pyk8s.scheduler.handle import handle_of
from pyk8s.scheduler.metrics import SchedulerMetrics
from pyk8s.scheduler.profiles import make_profiles

Object = dict[str, Any]


class Service:
    """Answers each verb as it is told, and keeps what it was sent. A number is a status code."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, Object]] = []
        self.answers: dict[str, Any] = {}
        service = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                verb = self.path.rsplit("/", 1)[1]
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                service.asked.append((self.path, body))
                answer = service.answers[verb]
                answer = answer(body) if callable(answer) else answer
                content = b"" if isinstance(answer, int) else json.dumps(answer).encode()
                # Who asked may have given up.
                with contextlib.suppress(ConnectionError):
                    self.send_response(answer if isinstance(answer, int) else 200)
                    self.send_header("Content-Length", str(len(content)))
                    self.end_headers()
                    self.wfile.write(content)

            def log_message(self, *_: Any) -> None:
                """Says nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()

    def stop(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@pytest.fixture
def service() -> Iterator[Service]:
    started = Service()
    yield started
    started.stop()


Make = Callable[..., Extenders]


@pytest.fixture
async def make(service: Service) -> AsyncIterator[Make]:
    """Extenders by their entries in a configuration."""
    made: list[Extenders] = []

    def add(*entries: Object) -> Extenders:
        written = [{"urlPrefix": f"{service.url}/scheduler", **each} for each in entries]
        config = loading.complete({"extenders": written})
        made.append(Extenders([HTTPExtender(each) for each in config["extenders"]]))
        return made[-1]

    yield add
    for each in made:
        await each.close()


NODES = {name: {"metadata": {"name": name}} for name in "abc"}
FILTER = {"filterVerb": "filter"}


def pod(**resources: str) -> Object:
    container = {"name": "c", "image": "i", "resources": {"limits": resources}}
    metadata = {"name": "p", "namespace": "n", "uid": "u"}
    return {"metadata": metadata, "spec": {"containers": [container]}}


async def test_filter_by_name(service: Service, make: Make) -> None:
    """One that knows the nodes gets their names, and says which are left and why not the others."""
    service.answers["filter"] = {
        "NodeNames": ["a"],
        "FailedNodes": {"b": "too far"},
        "FailedAndUnresolvableNodes": {"c": "no road"},
    }
    found = await make({**FILTER, "nodeCacheCapable": True}).opinion(pod(), NODES)
    sent = {"Pod": pod(), "Nodes": None, "NodeNames": ["a", "b", "c"]}
    assert service.asked == [("/scheduler/filter", sent)]
    assert found.passed == {"a"}
    said = {name: (status.code, status.message) for name, status in found.failed.items()}
    assert said == {"b": (Code.UNSCHEDULABLE, "too far"), "c": (Code.UNRESOLVABLE, "no road")}


async def test_filter_by_object(service: Service, make: Make) -> None:
    """One that does not gets the nodes, and answers nodes, in whatever case it writes fields."""
    service.answers["filter"] = lambda body: {"nodes": {"items": body["Nodes"]["items"][:2]}}
    found = await make(FILTER).opinion(pod(), NODES)
    assert service.asked[0][1]["Nodes"]["items"] == [*NODES.values()]
    assert found.passed == {"a", "b"}


async def test_one_after_the_other(service: Service, make: Make) -> None:
    """The next one is asked about what the one before let pass; those that may be ignored last."""
    service.answers["first"] = {"NodeNames": ["a", "b"]}
    service.answers["last"] = {"NodeNames": ["b"]}
    last = {"filterVerb": "last", "nodeCacheCapable": True, "ignorable": True}
    extenders = make(last, {"filterVerb": "first", "nodeCacheCapable": True})
    assert (await extenders.opinion(pod(), NODES)).passed == {"b"}
    sent = [(path, body["NodeNames"]) for path, body in service.asked]
    assert sent == [("/scheduler/first", ["a", "b", "c"]), ("/scheduler/last", ["a", "b"])]


async def test_prioritize(service: Service, make: Make) -> None:
    """Scores of 0 to 10 are brought to the scale of plugins, weighed, and added up; of one that
    fails nothing is added."""
    service.answers["one"] = [{"Host": "a", "Score": 10}, {"Host": "b", "Score": 1}]
    service.answers["two"] = [{"Host": "b", "Score": 2}]
    service.answers["bad"] = 500
    entries = [{"prioritizeVerb": verb, "weight": n} for n, verb in enumerate(("one", "two"), 1)]
    extenders = make(*entries, {"prioritizeVerb": "bad", "weight": 9})
    found = await extenders.opinion(pod(), NODES)
    assert found.scores == {"a": 100, "b": 10 + 2 * 20, "c": 0}


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        pytest.param(500, "failed filter with extender at URL {url}/filter, code 500", id="status"),
        pytest.param({"Error": "cannot"}, "cannot", id="error"),
        pytest.param(
            {"NodeNames": ["z"]},
            'extender "{url}" claims a filtered node "z" which is not found in the input node list',
            id="a node of its own",
        ),
    ],
)
async def test_failures(service: Service, make: Make, answer: Any, message: str) -> None:
    """An extender that fails fails the pod, unless it may be ignored."""
    service.answers["filter"] = answer
    entry = {**FILTER, "nodeCacheCapable": True}
    with pytest.raises(ExtenderError) as failed:
        await make(entry).opinion(pod(), NODES)
    assert str(failed.value) == message.format(url=f"{service.url}/scheduler")
    found = await make({**entry, "ignorable": True}).opinion(pod(), NODES)
    assert found.passed == {*NODES}


async def test_nobody_there(make: Make) -> None:
    """An extender that is not there is an error that names it."""
    gone = Service()
    gone.stop()
    with pytest.raises(ExtenderError, match=f'extender "{gone.url}": '):
        await make({**FILTER, "urlPrefix": gone.url}).opinion(pod(), NODES)


async def test_time_is_bounded(service: Service, make: Make) -> None:
    """An extender that does not answer within httpTimeout has failed."""
    over = threading.Event()
    service.answers["filter"] = lambda body: over.wait(30) and {"NodeNames": []}
    entry = {**FILTER, "httpTimeout": "50ms"}
    try:
        with pytest.raises(ExtenderError):
            await make(entry).opinion(pod(), NODES)
    finally:
        over.set()


@pytest.mark.parametrize(
    ("asking", "expected"),
    [
        pytest.param({}, False, id="nothing"),
        pytest.param({"cpu": "1"}, False, id="something else"),
        pytest.param({"example.com/gpu": "1"}, True, id="what it manages"),
    ],
)
async def test_managed_resources(make: Make, asking: dict[str, str], expected: bool) -> None:
    """An extender of resources is asked about pods that want one of them, and no others."""
    managed = [{"name": "example.com/gpu"}]
    extenders = make({**FILTER, "managedResources": managed})
    assert extenders.concern(pod(**asking)) is expected


async def test_bind(service: Service, make: Make) -> None:
    """A pod that an extender binds is left alone by the plugins that would."""
    service.answers["bind"] = {"Error": ""}
    table = NodeTable()
    profiles = make_profiles(loading.load(""), handle_of(table))
    extenders = make({"bindVerb": "bind"})
    assert not extenders.concern(pod())
    (profile,) = profiles.values()
    cycle = BindingCycle(profile, WaitingPods(), SchedulerMetrics(), extenders)
    info = podinfo.of(pod())
    assert (await cycle.run({}, info, "a", lambda uid: None)).is_success
    sent = {"PodName": "p", "PodNamespace": "n", "PodUID": "u", "Node": "a"}
    assert service.asked == [("/scheduler/bind", sent)]
    service.answers["bind"] = {"Error": "not today"}
    status = await cycle.run({}, info, "a", lambda uid: None)
    assert (status.code, status.message) == (Code.ERROR, "not today")


def test_resources_that_an_extender_manages_alone() -> None:
    """NodeResourcesFit does not ask nodes for what it is told to leave to an extender."""
    managed = [{"name": "example.com/gpu", "ignoredByScheduler": True}]
    entry = {"urlPrefix": "http://localhost", "filterVerb": "f", "managedResources": managed}
    config = loading.complete({"extenders": [entry]})
    table = NodeTable()
    (profile,) = make_profiles(config, handle_of(table)).values()
    (fit,) = (each for each in profile.plugins if each.name == "NodeResourcesFit")
    state: Object = {}
    fit.pre_filter(state, podinfo.of(pod(**{"example.com/gpu": "1", "cpu": "1"})), table)
    assert "example.com/gpu" not in [name for name, _ in state[fit.name]]


def test_preempt_verb() -> None:
    """What is not built is refused by its name."""
    entry = {"urlPrefix": "http://localhost", "preemptVerb": "p"}
    with pytest.raises(ConfigError, match=r"extenders\[0\].preemptVerb: Forbidden"):
        loading.complete({"extenders": [entry]})


def test_https_without_an_authority(service: Service) -> None:
    """enableHTTPS alone trusts whoever answers, and an authority is insisted on."""

    async def check(entry: Object) -> Any:
        config = loading.complete({"extenders": [{"urlPrefix": "https://localhost", **entry}]})
        extender = HTTPExtender(config["extenders"][0])
        await extender.close()
        return extender._rest.config.tls

    trusting = asyncio.run(check({"enableHTTPS": True}))
    careful = asyncio.run(check({}))
    assert (trusting.check_hostname, careful.check_hostname) == (False, True)
