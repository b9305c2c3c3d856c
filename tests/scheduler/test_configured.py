# SPDX-License-Identifier: Apache-2.0
"""A scheduler with a configuration beside a running API server: the examples of the docs."""

from __future__ import annotations

import contextlib
import json
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cluster import ControlPlane, Http, running, wait_until
from test_extender import Service

Object = dict[str, Any]

DOCS = (Path(__file__).parents[2] / "docs" / "scheduler.md").read_text()
PODS = "/api/v1/namespaces/default/pods"


def examples(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", DOCS, re.DOTALL | re.MULTILINE)


def install(directory: Path, about: str, module: str, program: str) -> None:
    """A package of one module, as an installer leaves it; `about` is its pyproject.toml."""
    project = tomllib.loads(about)["project"]
    info = directory / f"{project['name'].replace('-', '_')}-{project['version']}.dist-info"
    info.mkdir(parents=True)
    name, version = project["name"], project["version"]
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    groups = project["entry-points"].items()
    lines = [
        line
        for group, points in groups
        for line in (f"[{group}]", *(f"{key} = {value}" for key, value in points.items()))
    ]
    (info / "entry_points.txt").write_text("\n".join(lines) + "\n")
    (directory / f"{module}.py").write_text(program)


@contextlib.contextmanager
def scheduling(plane: ControlPlane, directory: Path, config: str) -> Iterator[None]:
    """Another scheduler beside that of the plane, with what is installed in the directory."""
    file = directory / "scheduler.yaml"
    file.write_text(config)
    path = os.pathsep.join((str(directory), *sys.path))
    environment = {**os.environ, "KUBECONFIG": str(plane.kubeconfig), "PYTHONPATH": path}
    command = [sys.executable, "-m", "pyk8s", "scheduler", f"--config={file}"]
    process = subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL)
    yield
    process.terminate()
    assert process.wait(30) == 0


@pytest.fixture(scope="module")
def plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """Three nodes, and a scheduler by the first configuration of the docs."""
    file = tmp_path_factory.mktemp("config") / "scheduler.yaml"
    file.write_text(examples("yaml")[0])
    yield from running("--nodes=3", f"--scheduler-config={file}")


@pytest.fixture(scope="module")
def http(plane: ControlPlane) -> Iterator[Http]:
    connection = Http(plane.access)
    account = "/api/v1/namespaces/default/serviceaccounts/default"
    wait_until(lambda: connection.get(account).status == 200, "the account that pods run as")
    yield connection
    connection.close()


@pytest.fixture
def cool(plane: ControlPlane, tmp_path: Path) -> Iterator[None]:
    """A second scheduler, with the plugin of the docs."""
    (program,), (about,) = examples("python"), examples("toml")
    install(tmp_path, about, "cool_nodes", program)
    with scheduling(plane, tmp_path, examples("yaml")[1]):
        yield


def alone(**more: Any) -> str:
    """The configuration of a scheduler that leads without asking."""
    config = {
        "apiVersion": "kubescheduler.config.k8s.io/v1",
        "kind": "KubeSchedulerConfiguration",
        "leaderElection": {"leaderElect": False},
        "podMaxBackoffSeconds": 1,
    }
    return json.dumps(config | more)


GANG = """
from pyk8s.scheduler.framework.status import SUCCESS, Code, Status

class Gang:
    def __init__(self, args, handle):
        self._waiting, self._size = handle.waiting, args["size"]

    def permit(self, state, pod, node):
        held = [*self._waiting]
        if len(held) + 1 < self._size:
            return Status(Code.WAIT), 60.0
        for each in held:
            each.allow("Gang")
        return SUCCESS, 0.0
"""
BROKEN = """
class Broken:
    def __init__(self, args, handle):
        {in_init}

    def filter(self, pod, node):
        return None

    def events_to_register(self):
        raise ValueError("no idea")
"""
ABOUT_BROKEN = """
[project]
name = "broken"
version = "1.0"
[project.entry-points."pyk8s.scheduler.plugins"]
Broken = "broken:Broken"
"""


@pytest.mark.parametrize(
    ("in_init", "said"),
    [
        pytest.param(
            "raise KeyError('size')",
            "initializing profiles: creating profile for scheduler name default-scheduler: "
            "initializing plugin \"Broken\": 'size'",
            id="made",
        ),
        pytest.param(
            "pass", 'running EnqueueExtensions plugin "Broken": no idea', id="asked for its events"
        ),
        pytest.param(
            "import nothing_of_that_name",
            "initializing profiles: creating profile for scheduler name default-scheduler: "
            "initializing plugin \"Broken\": No module named 'nothing_of_that_name'",
            id="not complete",
        ),
    ],
)
def test_plugin_that_cannot_start(
    plane: ControlPlane, tmp_path: Path, in_init: str, said: str
) -> None:
    """A scheduler whose plugin cannot be made ends, and says in one line which and why."""
    install(tmp_path, ABOUT_BROKEN, "broken", BROKEN.format(in_init=in_init))
    plugins = {"multiPoint": {"enabled": [{"name": "Broken"}]}}
    file = tmp_path / "scheduler.yaml"
    file.write_text(alone(profiles=[{"plugins": plugins}]))
    path = os.pathsep.join((str(tmp_path), *sys.path))
    environment = {**os.environ, "KUBECONFIG": str(plane.kubeconfig), "PYTHONPATH": path}
    command = [sys.executable, "-m", "pyk8s", "scheduler", f"--config={file}"]
    ended = subprocess.run(command, env=environment, stderr=subprocess.PIPE, text=True, timeout=30)
    assert ended.returncode == 1
    assert ended.stderr.splitlines()[-1] == f"pyk8s scheduler: {said}"


ABOUT_GANG = """
[project]
name = "gang"
version = "1.0"
[project.entry-points."pyk8s.scheduler.plugins"]
Gang = "gang:Gang"
"""


@pytest.fixture
def gang(plane: ControlPlane, tmp_path: Path) -> Iterator[int]:
    """A scheduler that holds pods until there are more of them than are bound at a time."""
    size = 70
    install(tmp_path, ABOUT_GANG, "gang", GANG)
    profile = {
        "schedulerName": "gang",
        "plugins": {"multiPoint": {"enabled": [{"name": "Gang"}]}},
        "pluginConfig": [{"name": "Gang", "args": {"size": size}}],
    }
    with scheduling(plane, tmp_path, alone(profiles=[profile])):
        yield size


@pytest.fixture
def extended(plane: ControlPlane, tmp_path: Path) -> Iterator[Service]:
    """A third scheduler, which asks an extender."""
    service = Service()
    extender = {
        "urlPrefix": service.url,
        "filterVerb": "filter",
        "prioritizeVerb": "prioritize",
        "weight": 100,
        "nodeCacheCapable": True,
    }
    config = alone(profiles=[{"schedulerName": "extended"}], extenders=[extender])
    with scheduling(plane, tmp_path, config):
        yield service
    service.stop()


def pod(name: str, scheduler: str, cpu: str = "100m") -> Object:
    container = {"name": "c", "image": "i", "resources": {"requests": {"cpu": cpu}}}
    spec = {"schedulerName": scheduler, "containers": [container]}
    return {"metadata": {"name": name}, "spec": spec}


def node_of(http: Http, name: str) -> str:
    found = http.get(f"{PODS}/{name}").json()
    return str(found["spec"].get("nodeName", ""))


def unscheduled_because(http: Http, name: str) -> str:
    found = http.get(f"{PODS}/{name}").json()
    conditions = found["status"].get("conditions") or ()
    messages = [each.get("message", "") for each in conditions if each["type"] == "PodScheduled"]
    return messages[0] if messages else ""


def test_profiles(http: Http) -> None:
    """Each profile places the pods that name it by its own rules; pods that name none are left."""
    http.create(PODS, pod("not-ours", "nobody"))
    for number in range(4):
        http.create(PODS, pod(f"packed-{number}", "bin-packer"))
        wait_until(lambda n=number: node_of(http, f"packed-{n}"), "the pod has a node")
    for number in range(2):
        http.create(PODS, pod(f"spread-{number}", "default-scheduler", "1"))
        wait_until(lambda n=number: node_of(http, f"spread-{n}"), "the pod has a node")
    packed = {node_of(http, f"packed-{number}") for number in range(4)}
    assert len(packed) == 1
    assert len({*packed, *(node_of(http, f"spread-{number}") for number in range(2))}) == 3
    assert node_of(http, "not-ours") == ""
    assert unscheduled_because(http, "not-ours") == ""
    events = "/apis/events.k8s.io/v1/namespaces/default/events"

    def tellers() -> set[str]:
        about = [each for each in http.get(events).json()["items"] if each["reason"] == "Scheduled"]
        return {each["reportingController"] for each in about}

    wait_until(lambda: tellers() == {"bin-packer", "default-scheduler"}, "who placed them")


def test_plugin_of_another_package(http: Http, cool: None) -> None:
    """The plugin of the docs keeps a pod from hot nodes, and lets it go once one cools down."""
    nodes = [each["metadata"]["name"] for each in http.get("/api/v1/nodes").json()["items"]]

    def heat(node: str, celsius: int) -> None:
        annotations = {"annotations": {"example.com/celsius": str(celsius)}}
        http.patch(f"/api/v1/nodes/{node}", {"metadata": annotations})

    for node in nodes:
        heat(node, 90)
    http.create(PODS, pod("cool", "cool-scheduler"))
    said = "0/3 nodes are available: 3 node(s) were hotter than 60 degrees."
    wait_until(lambda: unscheduled_because(http, "cool").startswith(said), "the reason")
    heat(nodes[1], 20)
    wait_until(lambda: node_of(http, "cool") == nodes[1], "the pod is on the cool node")
    heat(nodes[2], 10)
    http.create(PODS, pod("cooler", "cool-scheduler"))
    wait_until(lambda: node_of(http, "cooler") == nodes[2], "the pod is on the cooler node")


def test_pods_that_wait_for_each_other(http: Http, gang: int) -> None:
    """Pods that Permit holds are bound together once all are there, and hold nobody else up."""

    def bound() -> list[Object]:
        pods = http.get(PODS).json()["items"]
        mine = [each for each in pods if each["spec"]["schedulerName"] == "gang"]
        return [each for each in mine if each["spec"].get("nodeName")]

    for number in range(gang - 1):
        http.create(PODS, pod(f"gang-{number}", "gang", "1m"))
    assert not bound()
    http.create(PODS, pod(f"gang-{gang - 1}", "gang", "1m"))
    wait_until(lambda: len(bound()) == gang, "all have a node")


def test_extender(http: Http, extended: Service) -> None:
    """An extender keeps pods from nodes, says why, and outweighs what plugins prefer; while it
    fails, nothing is scheduled."""
    extended.answers["filter"] = {"NodeNames": [], "FailedNodes": dict.fromkeys(ALL, "not ripe")}
    extended.answers["prioritize"] = [{"Host": ALL[1], "Score": 10}]
    http.create(PODS, pod("unripe", "extended"))
    said = "0/3 nodes are available: 3 not ripe."
    wait_until(lambda: unscheduled_because(http, "unripe").startswith(said), "the reason")
    extended.answers["filter"] = 503
    http.create(PODS, pod("failed", "extended"))
    wait_until(lambda: "code 503" in unscheduled_because(http, "failed"), "the error")
    assert node_of(http, "failed") == ""
    extended.answers["filter"] = {"NodeNames": ALL[:2]}
    wait_until(lambda: node_of(http, "failed") == ALL[1], "the node that the extender prefers")


ALL = [f"node-{number}" for number in range(3)]
