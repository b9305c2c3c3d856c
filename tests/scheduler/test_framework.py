# SPDX-License-Identifier: Apache-2.0
"""The framework as plugins meet it: which run, in what order, what they may say, how they fail."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pyk8s.scheduler import queue
from pyk8s.scheduler.binding import BindingCycle
from pyk8s.scheduler.config import loading
from pyk8s.scheduler.config.decoding import ConfigError
from pyk8s.scheduler.evaluation import Evaluation, Evaluations
from pyk8s.scheduler.framework import clusterevents, podinfo
from pyk8s.scheduler.framework.nodetable import NodeTable
from pyk8s.scheduler.framework.podinfo import PodInfo
from pyk8s.scheduler.framework.profile import Profile
from pyk8s.scheduler.framework.status import (
    SKIP,
    SUCCESS,
    Code,
    PluginError,
    Status,
    unresolvable,
    unschedulable,
)
from pyk8s.scheduler.framework.waiting import WaitingPods
from pyk8s.scheduler.handle import Handle, handle_of
from pyk8s.scheduler.metrics import SchedulerMetrics
from pyk8s.scheduler.nominator import Nominator
from pyk8s.scheduler.preempting import Preemptor
from pyk8s.scheduler.profiles import make_profile, make_profiles

Object = dict[str, Any]
Install = Callable[..., None]
_MODULE = """
import test_framework_plugins
def __getattr__(name):
    return test_framework_plugins.PLUGINS[name]
"""


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Install:
    """Makes factories known as the plugins of an installed package."""
    import sys
    import types

    found = types.ModuleType("test_framework_plugins")
    found.PLUGINS = {}  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "test_framework_plugins", found)
    monkeypatch.delitem(sys.modules, "of_others", raising=False)
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "of_others.py").write_text(_MODULE)

    def add(**plugins: Any) -> None:
        found.PLUGINS.update(plugins)
        info = tmp_path / "of_others-1.0.dist-info"
        info.mkdir(exist_ok=True)
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: of-others\nVersion: 1.0\n")
        lines = [f"{name} = of_others:{name}" for name in found.PLUGINS]
        content = "\n".join(("[pyk8s.scheduler.plugins]", *lines))
        (info / "entry_points.txt").write_text(content + "\n")

    return add


def node(name: str, **annotations: str) -> Object:
    metadata = {"name": name, "labels": {}, "annotations": annotations}
    status = {"allocatable": {"cpu": "4", "memory": "8Gi", "pods": "9"}}
    return {"metadata": metadata, "spec": {}, "status": status}


def pod(name: str = "p", **annotations: str) -> PodInfo:
    metadata = {"name": name, "namespace": "n", "uid": name, "annotations": annotations}
    return podinfo.of({"metadata": metadata, "spec": {"containers": [{"name": "c"}]}})


def made(plugins: Object, *nodes: Object, **more: Any) -> tuple[Profile, NodeTable, Handle]:
    table = NodeTable(rows=1)
    handle = handle_of(table)
    (config,) = loading.complete({"profiles": [{"plugins": plugins, **more}]})["profiles"]
    profile = make_profile(config, handle)
    for each in nodes:
        table.set_node(each)
    return profile, table, handle


def multi(*names: str, **more: Any) -> Object:
    return {"multiPoint": {"enabled": [{"name": name} for name in names]}, **more}


def _ignore(uid: str) -> None:
    """Nobody wants to know that a pod is permitted."""


class Recording:
    """Has every extension point, and tells which it was asked at."""

    def __init__(self, name: str, calls: list[str]) -> None:
        self.name = name
        self._calls = calls

    def _called(self, point: str) -> Status:
        self._calls.append(f"{point} {self.name}")
        return SUCCESS

    def pre_enqueue(self, pod: PodInfo) -> Status:
        return self._called("PreEnqueue")

    def pre_filter(self, state: Object, pod: PodInfo, nodes: NodeTable) -> Status:
        return self._called("PreFilter")

    def filter(self, pod: Object, node: Object) -> Status:
        return self._called("Filter")

    def post_filter(self, pod: PodInfo, judged: Any) -> Any:
        self._called("PostFilter")

    def pre_score(self, state: Object, pod: PodInfo, nodes: NodeTable) -> Status:
        return self._called("PreScore")

    def score(self, pod: Object, node: Object) -> int:
        self._called("Score")
        return 200

    def normalize(self, scores: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        self._called("NormalizeScore")
        return scores // 2

    def reserve(self, state: Object, pod: PodInfo, node: str) -> Status:
        return self._called("Reserve")

    def unreserve(self, state: Object, pod: PodInfo, node: str) -> None:
        self._called("Unreserve")

    def permit(self, state: Object, pod: PodInfo, node: str) -> tuple[Status, float]:
        return self._called("Permit"), 0.0

    async def pre_bind(self, state: Object, pod: PodInfo, node: str) -> Status:
        return self._called("PreBind")

    async def bind(self, state: Object, pod: PodInfo, node: str) -> Status:
        self._called("Bind")
        return SKIP if self.name == "A" else SUCCESS

    def post_bind(self, state: Object, pod: PodInfo, node: str) -> None:
        self._called("PostBind")


async def test_order_of_extension_points(install: Install) -> None:
    """Every point is run, plugin after plugin; who says Skip to Bind leaves it to the next."""
    calls: list[str] = []
    install(A=lambda args, handle: Recording("A", calls), B=lambda *_: Recording("B", calls))
    plugins = multi("PrioritySort", "A", "B")
    plugins["multiPoint"]["disabled"] = [{"name": "*"}]
    profile, table, handle = made(plugins, node("a"))
    info = pod()
    for plugin in profile.at("preEnqueue"):
        plugin.pre_enqueue(info)
    evaluation = Evaluations(table).of(profile, info)
    assert table.names[evaluation.best()] == "a"
    cycle = BindingCycle(profile, handle.waiting, SchedulerMetrics())
    assert cycle.reserve(evaluation.state, info, "a").is_success
    assert (await cycle.run(evaluation.state, info, "a", _ignore)).is_success
    expected = "PreEnqueue PreFilter Filter PreScore Score NormalizeScore Reserve Permit PreBind"
    by_plugin = [f"{point} {name}" for point in expected.split() for name in "AB"]
    assert calls == [*by_plugin, "Bind A", "Bind B", "PostBind A", "PostBind B"]


@pytest.mark.parametrize(
    ("fails", "undone"),
    [
        pytest.param("reserve", ["Unreserve B", "Unreserve A"], id="reserve"),
        pytest.param("permit", ["Unreserve B", "Unreserve A"], id="permit"),
        pytest.param("pre_bind", ["Unreserve B", "Unreserve A"], id="pre bind"),
        pytest.param("bind", ["Unreserve B", "Unreserve A"], id="bind"),
    ],
)
async def test_unreserve_in_reverse(install: Install, fails: str, undone: list[str]) -> None:
    """Whichever step fails, everything is unreserved, the last first, and the error is told."""
    calls: list[str] = []

    class Failing(Recording):
        pass

    async def awaited(*_: Any) -> Status:
        return Status(Code.ERROR, ("no luck",))

    def called(*_: Any) -> Any:
        failed = Status(Code.ERROR, ("no luck",))
        return (failed, 0.0) if fails == "permit" else failed

    setattr(Failing, fails, awaited if fails in ("pre_bind", "bind") else called)
    install(A=lambda *_: Recording("A", calls), B=lambda *_: Failing("B", calls))
    # Nobody binds before those two.
    plugins = multi("A", "B", bind={"disabled": [{"name": "DefaultBinder"}]})
    profile, _, handle = made(plugins, node("a"))
    cycle = BindingCycle(profile, handle.waiting, SchedulerMetrics())
    status = cycle.reserve({}, pod(), "a")
    if fails in ("pre_bind", "bind"):
        assert status.is_success
        status = await cycle.run({}, pod(), "a", _ignore)
    assert [call for call in calls if call.startswith("Unreserve")] == undone
    point = {"pre_bind": "PreBind"}.get(fails, fails.capitalize())
    assert (status.code, status.message) == (Code.ERROR, f'running {point} plugin "B": no luck')


class Holding:
    """Holds every pod, for so many seconds at most."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds

    def permit(self, state: Object, pod: PodInfo, node: str) -> tuple[Status, float]:
        return Status(Code.WAIT), self._seconds


async def held(install: Install) -> tuple[WaitingPods, asyncio.Task[Status]]:
    class Binder:
        async def bind(self, state: Object, pod: PodInfo, node: str) -> Status:
            return SUCCESS

    install(
        A=lambda *_: Holding(60), B=lambda *_: Holding(10_000), Binder=lambda args, handle: Binder()
    )
    off = {"disabled": [{"name": "DefaultBinder"}], "enabled": [{"name": "Binder"}]}
    profile, _, handle = made(multi("A", "B", bind=off), node("a"))
    cycle = BindingCycle(profile, handle.waiting, SchedulerMetrics())
    assert cycle.reserve({}, pod(), "a").is_success
    task = asyncio.create_task(cycle.run({}, pod(), "a", _ignore))
    await asyncio.sleep(0)
    return handle.waiting, task


@pytest.mark.looptime
async def test_permit_waits_for_all(install: Install) -> None:
    """A pod is held until every plugin that said Wait allows it."""
    waiting, task = await held(install)
    (one,) = waiting
    assert (one.pod.uid, one.node, one.pending_plugins) == ("p", "a", ["A", "B"])
    one.allow("A")
    await asyncio.sleep(1)
    assert not task.done()
    one.allow("B")
    assert (await task).is_success
    assert [*waiting] == []


@pytest.mark.looptime
@pytest.mark.parametrize(
    ("decide", "plugin", "message"),
    [
        pytest.param(lambda waiting: waiting.get("p").reject("B", "no"), "B", "no", id="rejected"),
        pytest.param(lambda waiting: waiting.reject("p"), "", "removed", id="removed"),
        pytest.param(
            lambda waiting: None,
            "A",
            "rejected due to timeout after waiting 1m0s at plugin A",
            id="too late",
        ),
        pytest.param(
            lambda waiting: waiting.get("p").allow("A"),
            "B",
            "rejected due to timeout after waiting 15m0s at plugin B",
            id="never longer than 15 minutes",
        ),
    ],
)
async def test_permit_rejects(
    install: Install, decide: Callable[[WaitingPods], Any], plugin: str, message: str
) -> None:
    """A held pod goes back when it is rejected or nobody allows it in time."""
    waiting, task = await held(install)
    decide(waiting)
    status = await task
    assert (status.code, status.plugin, status.message) == (Code.UNSCHEDULABLE, plugin, message)
    assert waiting.get("p") is None


@pytest.mark.looptime
async def test_preempted_while_it_waits(install: Install) -> None:
    """A victim that Permit holds is on no node yet: it is sent back, and goes on living."""
    waiting, task = await held(install)
    told: list[str] = []

    class Recorder:
        def event(self, regarding: Object, telling: Any) -> None:
            told.append(f"{regarding['metadata']['name']} {telling.reason}")

    # Without a client, any request to end the pod fails the test.
    nobody: Any = None
    recorder: Any = Recorder()
    preemptor = Preemptor(nobody, recorder, Nominator(NodeTable()), waiting)
    await preemptor.make_room(pod("important"), "a", [pod("p")])
    status = await task
    assert (status.plugin, status.message) == ("DefaultPreemption", "preempted")
    assert told == ["p Preempted"]


class Gate:
    """Lets in what is in its list, and may change its mind when a node comes."""

    def __init__(self, let_in: set[str]) -> None:
        self._let_in = let_in

    def pre_enqueue(self, pod: PodInfo) -> Status:
        return SUCCESS if pod.uid in self._let_in else unresolvable("not yet")

    def events_to_register(self) -> list[clusterevents.ClusterEvent]:
        return [clusterevents.NODE_ADD]


@pytest.mark.looptime
async def test_gate_of_others(install: Install) -> None:
    """A pod that PreEnqueue keeps out is asked about again after an event its plugin named."""
    let_in: set[str] = set()
    install(Gate=lambda *_: Gate(let_in))
    profile, _, _ = made(multi("Gate"))

    def gate(info: PodInfo) -> str:
        plugins = profile.at("preEnqueue")
        return next((each.name for each in plugins if not each.pre_enqueue(info).is_success), "")

    hints = {"": clusterevents.hints_of(profile.plugins)}
    waiting = queue.Queue(queue.QueueOptions(hints=hints, gate=gate))
    waiting.add(pod())
    assert waiting.depths() == {"active": 0, "backoff": 0, "unschedulable": 0, "gated": 1}
    let_in.add("p")
    waiting.event(clusterevents.ASSIGNED_POD_DELETE)
    assert waiting.depths()["gated"] == 1
    waiting.event(clusterevents.NODE_ADD)
    assert waiting.depths() == {"active": 1, "backoff": 0, "unschedulable": 0, "gated": 0}
    assert (await waiting.pop()).info.uid == "p"


@pytest.mark.looptime
async def test_gate_before_every_try(install: Install) -> None:
    """A pod that PreEnqueue let in once is asked about again before it is queued again."""
    let_in = {"p"}
    install(Gate=lambda *_: Gate(let_in))
    profile, _, _ = made(multi("Gate"))
    (plugin,) = (each for each in profile.at("preEnqueue") if each.name == "Gate")

    def gate(info: PodInfo) -> str:
        return "" if plugin.pre_enqueue(info).is_success else "Gate"

    waiting = queue.Queue(queue.QueueOptions(gate=gate))
    waiting.add(pod())
    queued = await waiting.pop()
    let_in.clear()
    waiting.add_after_error(queued)
    assert waiting.depths() == {"active": 0, "backoff": 0, "unschedulable": 0, "gated": 1}


class ByAnnotation:
    """Wants the annotation of the pod on the node; counts how often it is asked."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def filter(self, pod: Object, node: Object) -> Status | None:
        self.asked.append(node["metadata"]["name"])
        wanted = pod["metadata"]["annotations"].get("on")
        if wanted in (None, node["metadata"]["annotations"].get("at")):
            return None
        return unschedulable(f"node(s) were not at {wanted}")


class Signing(ByAnnotation):
    def sign_pod(self, pod: PodInfo) -> str | None:
        on: str | None = pod.pod["metadata"]["annotations"].get("on")
        return on


@pytest.mark.parametrize("plugin", [ByAnnotation(), Signing()], ids=["unsigned", "signed"])
def test_pods_that_differ_in_what_a_plugin_sees(install: Install, plugin: Any) -> None:
    """Pods that only a plugin of others can tell apart do not share what was found out."""
    install(Mine=lambda *_: plugin)
    profile, table, _ = made(multi("Mine"), node("a", at="x"), node("b", at="y"))
    kept = Evaluations(table)
    for wanted, expected in (("x", "a"), ("y", "b"), ("x", "a")):
        evaluation = kept.of(profile, pod(wanted, on=wanted))
        assert table.names[evaluation.best()] == expected
    nowhere = kept.of(profile, pod("z", on="z"))
    assert nowhere.best() == -1
    assert nowhere.diagnosis().message == "0/2 nodes are available: 2 node(s) were not at z."
    assert nowhere.diagnosis().plugins == {"Mine"}


def test_signed_pods_are_judged_once(install: Install) -> None:
    """A plugin that signs is asked about a node again only when that node has changed."""
    plugin = Signing()
    install(Mine=lambda *_: plugin)
    profile, table, _ = made(multi("Mine"), node("a"), node("b"))
    kept = Evaluations(table)
    for number in range(3):
        kept.of(profile, pod(f"p{number}"))
    assert sorted(plugin.asked) == ["a", "b"]
    table.set_node(node("b"))
    kept.of(profile, pod("again"))
    assert sorted(plugin.asked) == ["a", "b", "b"]


def test_only_feasible_nodes_are_asked_about(install: Install) -> None:
    """A plugin that judges one node at a time is not asked about those that are out already."""
    plugin = ByAnnotation()
    install(Mine=lambda *_: plugin)
    cordoned = {**node("b"), "spec": {"unschedulable": True}}
    profile, table, _ = made(multi("Mine"), node("a"), cordoned)
    Evaluations(table).of(profile, pod())
    assert plugin.asked == ["a"]


class Broken:
    def __init__(self, point: str, answer: Any) -> None:
        def called(*_: Any) -> Any:
            if isinstance(answer, Exception):
                raise answer
            return answer

        two = {"filter": lambda pod, node: called(), "score": lambda pod, node: called()}
        setattr(self, point, two.get(point, called))


@pytest.mark.parametrize(
    ("point", "answer", "message"),
    [
        pytest.param(
            "filter", KeyError("x"), "running Filter plugin \"Bad\": 'x'", id="filter raises"
        ),
        pytest.param(
            "filter",
            Status(Code.ERROR, ("bad day",)),
            'running Filter plugin "Bad": bad day',
            id="filter fails",
        ),
        pytest.param(
            "pre_filter",
            Status(Code.ERROR, ("bad day",)),
            'running PreFilter plugin "Bad": bad day',
            id="pre-filter fails",
        ),
        pytest.param(
            "pre_score",
            unschedulable("x"),
            'running PreScore plugin "Bad": x',
            id="pre-score cannot reject",
        ),
        pytest.param(
            "score", ValueError(), 'running Score plugin "Bad": ValueError', id="score raises"
        ),
        pytest.param(
            "score",
            101,
            'running Score plugin "Bad": returns an invalid score 101, it should in the range of '
            "[0, 100] after normalizing",
            id="score too high",
        ),
    ],
)
def test_plugins_that_fail(install: Install, point: str, answer: Any, message: str) -> None:
    """What goes wrong in a plugin is an error that names it and its extension point."""
    install(Bad=lambda *_: Broken(point, answer))
    profile, table, _ = made(multi("Bad"), node("a"))
    with pytest.raises(PluginError) as failed:
        Evaluations(table).of(profile, pod())
    assert str(failed.value) == message


@pytest.mark.parametrize(
    ("first", "then", "expected"),
    [
        pytest.param(unschedulable("a"), unresolvable("b"), "B b", id="the last rejection"),
        pytest.param(unresolvable("a"), unschedulable("b"), "A a", id="nothing after the hopeless"),
        pytest.param(SKIP, SUCCESS, None, id="skipped"),
    ],
)
def test_pre_filter_verdicts(
    install: Install, first: Status, then: Status, expected: str | None
) -> None:
    """A pod may be rejected as such; a plugin that skips is not asked about nodes."""

    class Pre(ByAnnotation):
        def __init__(self, status: Status) -> None:
            super().__init__()
            self._status = status

        def pre_filter(self, state: Object, pod: PodInfo, nodes: NodeTable) -> Status:
            return self._status

    one, other = Pre(first), Pre(then)
    install(A=lambda *_: one, B=lambda *_: other)
    profile, table, _ = made(multi("A", "B"), node("a"))
    evaluation = Evaluation(profile, pod(), table)
    evaluation.refresh()
    if expected is None:
        assert evaluation.rejected is None
        assert (one.asked, other.asked) == ([], ["a"])
    else:
        rejected = evaluation.rejected
        assert rejected is not None
        assert f"{rejected.plugin} {rejected.message}" == expected


class Both:
    def filter(self, pod: Object, node: Object) -> Status:
        return SUCCESS

    def score(self, pod: Object, node: Object) -> int:
        return 1


@pytest.mark.parametrize(
    ("plugins", "expected"),
    [
        pytest.param(multi("A", "B"), ["A=1", "B=1"], id="multiPoint"),
        pytest.param(
            multi("A", "B", score={"enabled": [{"name": "B", "weight": 7}]}),
            ["B=7", "A=1"],
            id="those that the point names come first",
        ),
        pytest.param(
            multi("A", score={"enabled": [{"name": "B"}]}), ["A=1", "B=1"], id="others come last"
        ),
        pytest.param(
            multi("A", "B", score={"disabled": [{"name": "A"}]}), ["B=1"], id="off at the point"
        ),
        pytest.param(
            multi("A", "B", score={"disabled": [{"name": "*"}], "enabled": [{"name": "B"}]}),
            ["B=1"],
            id="all off at the point",
        ),
        pytest.param(
            {"multiPoint": {"enabled": [{"name": "A", "weight": 3}, {"name": "B"}]}},
            ["A=3", "B=1"],
            id="weighed by multiPoint",
        ),
    ],
)
def test_order_of_plugins(install: Install, plugins: Object, expected: list[str]) -> None:
    """multiPoint enables a plugin wherever it has something to say; a point may say otherwise."""
    install(A=lambda *_: Both(), B=lambda *_: Both())
    profile, _, _ = made(plugins)
    listed = [each.name for each in profile.at("score") if each.name in "AB"]
    assert [f"{name}={profile.weights[name]}" for name in listed] == expected


def test_default_order() -> None:
    """The default plugins at each point, in upstream's order and with upstream's weights."""
    profile, _, _ = made({})
    names = {point: " ".join(each.name for each in of) for point, of in profile.points.items()}
    assert names == {
        "preEnqueue": "SchedulingGates",
        "queueSort": "PrioritySort",
        "preFilter": "NodeUnschedulable NodeName NodeAffinity NodePorts NodeResourcesFit "
        "VolumeRestrictions NodeVolumeLimits VolumeBinding VolumeZone",
        "filter": "NodeUnschedulable NodeName TaintToleration NodeAffinity NodePorts "
        "NodeResourcesFit VolumeRestrictions NodeVolumeLimits VolumeBinding VolumeZone "
        "PodTopologySpread InterPodAffinity",
        "postFilter": "DefaultPreemption",
        "preScore": "NodeAffinity VolumeBinding NodeResourcesBalancedAllocation",
        "score": "TaintToleration NodeAffinity NodeResourcesFit VolumeBinding PodTopologySpread "
        "InterPodAffinity NodeResourcesBalancedAllocation ImageLocality",
        "reserve": "VolumeBinding",
        "permit": "",
        "preBind": "VolumeBinding",
        "bind": "DefaultBinder",
        "postBind": "",
    }
    weighed = {each.name: profile.weights[each.name] for each in profile.at("score")}
    assert weighed == {
        "TaintToleration": 3,
        "NodeAffinity": 2,
        "NodeResourcesFit": 1,
        "VolumeBinding": 1,
        "PodTopologySpread": 2,
        "InterPodAffinity": 2,
        "NodeResourcesBalancedAllocation": 1,
        "ImageLocality": 1,
    }


PREFIX = "initializing profiles: creating profile for scheduler name default-scheduler: "


def _enabled(point: str, *names: str) -> Object:
    return {point: {"enabled": [{"name": name} for name in names]}}


@pytest.mark.parametrize(
    ("plugins", "message"),
    [
        pytest.param(
            multi("Nobody"), 'PreFilterPlugin "Nobody" does not exist', id="there is none"
        ),
        pytest.param(
            _enabled("permit", "Both"), 'plugin "Both" does not extend PermitPlugin plugin', id="no"
        ),
        pytest.param(
            _enabled("score", "Both", "Both"),
            'plugin "Both" already registered as "ScorePlugin"',
            id="twice",
        ),
        pytest.param(
            multi("Both", "Both"), 'plugin "Both" already registered as "FilterPlugin"', id="and so"
        ),
        pytest.param(
            {"queueSort": {"disabled": [{"name": "*"}]}},
            "only one queue sort plugin required for profile with scheduler name "
            '"default-scheduler", but got 0',
            id="no order",
        ),
        pytest.param(
            {"bind": {"disabled": [{"name": "DefaultBinder"}]}},
            "at least one bind plugin is needed for profile with scheduler name "
            '"default-scheduler"',
            id="nobody binds",
        ),
        pytest.param(
            {"preFilter": {"disabled": [{"name": "NodeResourcesFit"}]}},
            'plugin "NodeResourcesFit" cannot filter without its preFilter',
            id="half a plugin",
        ),
        pytest.param(
            multi("Late"), 'initializing plugin "Late": no celsius', id="a factory that fails"
        ),
        pytest.param(
            multi("Odd"),
            'initializing plugin "Odd": running Filter plugin "Odd": filter takes (pod, node) or '
            "(state, pod, nodes, rows)",
            id="a filter of another form",
        ),
    ],
)
def test_refused_profiles(install: Install, plugins: Object, message: str) -> None:
    """A profile that cannot be made is refused in upstream's words."""

    def late(args: Object, handle: Handle) -> Any:
        raise ValueError("no celsius")

    class Odd:
        def filter(self, node: Object) -> Status:
            return SUCCESS

    install(Both=lambda *_: Both(), Late=late, Odd=lambda *_: Odd())
    with pytest.raises(ConfigError) as refused:
        made(plugins)
    assert str(refused.value) == PREFIX + message


def test_names_of_the_tree_are_taken(install: Install) -> None:
    """A package cannot put itself in the place of a plugin of the tree."""
    install(NodePorts=lambda *_: Both(), Both=lambda *_: Both())
    with pytest.raises(ConfigError, match="a plugin named NodePorts already exists"):
        made(multi("Both"))


def test_one_order_for_all_profiles(install: Install) -> None:
    """Profiles that would sort the one queue differently are refused, however they say so."""

    class Sort:
        def sort_key(self, pod: PodInfo, queued_at: float) -> float:
            return queued_at

    install(ByAge=lambda *_: Sort())
    other = multi("ByAge")
    other["multiPoint"]["disabled"] = [{"name": "PrioritySort"}]
    profiles = [{"schedulerName": "a"}, {"schedulerName": "b", "plugins": other}]
    config = loading.complete({"profiles": profiles})
    with pytest.raises(ConfigError, match="different queue sort plugins"):
        make_profiles(config, handle_of(NodeTable()))


def test_arguments_and_handle(install: Install) -> None:
    """A factory gets what is configured for its plugin, and the state that the scheduler shares."""
    given: list[Any] = []

    def factory(args: Object, handle: Handle) -> Any:
        given.extend((args, handle))
        return Both()

    install(Mine=factory)
    config = [{"name": "Mine", "args": {"degrees": 3}}]
    _, _, handle = made(multi("Mine"), pluginConfig=config)
    assert given == [{"degrees": 3}, handle]
