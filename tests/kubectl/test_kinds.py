# SPDX-License-Identifier: Apache-2.0
"""Two manifests of each kind, as rich as users write them: created, listed, read back, described,
found in etcd, and deleted, with kubectl's own validation on.

The objects stand while this module's tests run. Their deletion is the fixture's end, and checked.
"""

from __future__ import annotations

import base64
import functools
import http.client
import json
import re
import socket
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from cluster import ControlPlane, Kubectl, Object, wait_until

from pyk8s.apimachinery.gvk import GroupVersionKind, parse_group_version
from pyk8s.apis import discovery, scheme

DIRECTORY = Path(__file__).parent.parent / "manifests" / "twice"
KEYS = Path(__file__).parent / "testdata" / "stored.tsv"
NAMESPACE = "twice"

_ENDPOINTS_WARNING = "Warning: v1 Endpoints is deprecated in v1.33+"

# Kinds that kubectl described through a beta of their group while it was one; a server that
# serves no beta has nothing to answer it.
_DESCRIBED_BY_BETA = {"IPAddress": 33, "ServiceCIDR": 33, "VolumeAttributesClass": 34}


@functools.cache
def manifests() -> tuple[Object, ...]:
    """Every document of the directory, in the order in which kubectl reads the files."""
    files = sorted(DIRECTORY.glob("*.yaml"))
    texts = [file.read_text() for file in files]
    return tuple(obj for text in texts for obj in yaml.load_all(text, Loader=_Strings))


class _Strings(yaml.SafeLoader):
    """Leaves times as the strings they are in JSON."""


_Strings.yaml_implicit_resolvers = {
    first: [(tag, rule) for tag, rule in rules if tag != "tag:yaml.org,2002:timestamp"]
    for first, rules in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


@pytest.fixture(scope="module")
def twice(session_kubectl: Kubectl) -> Iterator[Kubectl]:
    """kubectl in the namespace that holds what the manifests say. At the end all of it is gone,
    but for namespaces, which somebody else empties."""
    session_kubectl("create", "namespace", NAMESPACE)
    kubectl = session_kubectl.in_namespace(NAMESPACE)
    created = kubectl("create", "-f", str(DIRECTORY))
    assert len(created.lines) == len(manifests())
    assert [line for line in created.lines if not line.endswith(" created")] == []
    warnings = created.stderr.splitlines()
    assert [line for line in warnings if not line.startswith(_ENDPOINTS_WARNING)] == []
    yield kubectl
    deleted = kubectl("delete", "-f", str(DIRECTORY), "--wait=false")
    assert sum(" deleted" in line for line in deleted.lines) == len(manifests())
    wait_until(lambda: _left(kubectl) <= {"namespace"}, "all objects are gone")
    session_kubectl("delete", "namespace", NAMESPACE, "--wait=false")


def _left(kubectl: Kubectl) -> set[str]:
    found = kubectl("get", "-f", str(DIRECTORY), "--ignore-not-found", "-o", "name").lines
    return {name.partition("/")[0] for name in found}


def test_two_of_each_kind() -> None:
    """Every kind that is served and stored is there twice, but for those that need a partner."""
    partners = {"APIService", "ClusterTrustBundle", "PodCertificateRequest"}
    counted = Counter((obj["apiVersion"], obj["kind"]) for obj in manifests())
    served = {
        (str(resource.group_version), resource.kind)
        for resource in scheme.builtin().resources
        if resource.stored and resource.kind not in partners
    }
    assert {key for key, count in counted.items() if count >= 2} == served


def test_get_wide(twice: Kubectl) -> None:
    """One row for each, every cell under its header, none without a value that should have one."""
    tables = twice("get", "-f", str(DIRECTORY), "-o", "wide").stdout.strip().split("\n\n")
    rows = [row for table in tables for row in table.splitlines()[1:]]
    assert len(rows) == len(manifests())
    broken = re.compile(r"%!|<invalid>|<nil>|None\b(?!\s)")
    assert [row for row in rows if broken.search(row.replace("ClusterIP      None", ""))] == []
    # A node whose kubelet never told, and metrics that nobody has measured.
    unknown = [row.split()[0] for row in rows if "<unknown>" in row]
    assert {name.partition(".")[0].partition("/")[0] for name in unknown} == {
        "node",
        "horizontalpodautoscaler",
    }


def test_read_back(twice: Kubectl) -> None:
    """What the manifests say is in what the server holds, field by field."""
    text = twice("get", "-f", str(DIRECTORY), "-o", "yaml").stdout
    found = yaml.load(text, Loader=_Strings)["items"]
    lost = [
        f"{said['kind']} {said['metadata']['name']}: {fault}"
        for said, held in zip(manifests(), found, strict=True)
        for fault in missing(_as_held(said), held)
    ]
    assert lost == [], "\n".join(lost)


# What DefaultTolerationSeconds adds.
_TOLERATED_BY_ALL = [
    {
        "key": f"node.kubernetes.io/{taint}",
        "operator": "Exists",
        "effect": "NoExecute",
        "tolerationSeconds": 300,
    }
    for taint in ("not-ready", "unreachable")
]


def _as_held(said: Object) -> Object:
    """A Secret's stringData is never read back: it is data from the start. A Pod that names
    tolerations gets those that every Pod has beside them."""
    if said["kind"] == "Pod" and said["spec"].get("tolerations"):
        tolerations = said["spec"]["tolerations"] + _TOLERATED_BY_ALL
        return said | {"spec": said["spec"] | {"tolerations": tolerations}}
    if "stringData" not in said:
        return said
    texts = said["stringData"].items()
    encoded = {key: base64.b64encode(text.encode()).decode() for key, text in texts}
    rest = {key: value for key, value in said.items() if key != "stringData"}
    return rest | {"data": said["data"] | encoded}


def missing(said: Any, held: Any, path: str = "") -> list[str]:
    """The places where `held` does not hold what was said; it may hold more in any map, and
    nothing where the empty list, or false, was said: Go keeps no difference there."""
    if isinstance(said, dict) and isinstance(held, dict):
        return [
            fault
            for key, value in said.items()
            for fault in missing(value, held.get(key), f"{path}.{key}")
        ]
    if isinstance(said, list) and isinstance(held, list) and len(said) == len(held):
        return [
            fault
            for index, pair in enumerate(zip(said, held, strict=True))
            for fault in missing(*pair, f"{path}[{index}]")
        ]
    if held is None and (said is False or said == []):
        return []
    return [] if said == held else [f"{path}: {held!r} instead of {said!r}"]


def test_describe(twice: Kubectl) -> None:
    """Every object has its page, without a word of an error and with nothing left unformatted."""
    minor = int(re.sub(r"\D", "", _client_version(twice)["minor"]))
    too_new = {kind for kind, since in _DESCRIBED_BY_BETA.items() if minor < since}
    shown = [obj for obj in manifests() if obj["kind"] not in too_new]
    said = twice("describe", "-f", "-", stdin=shown)
    assert [x for x in said.stderr.splitlines() if not x.startswith(_ENDPOINTS_WARNING)] == []
    names = re.findall(r"^Name: +(\S+)$", said.stdout, re.MULTILINE)
    wanted = Counter(obj["metadata"]["name"] for obj in shown)
    assert wanted - Counter(names) == Counter()
    # A kubelet's lease lies in a namespace of its own; these nodes have no kubelet.
    broken = re.compile(
        r"%!|0x[0-9a-f]{6}|<invalid>|map\[|<error>|[Uu]nable to|Failed to (?!get lease)"
    )
    assert [line for line in said.stdout.splitlines() if broken.search(line)] == []


def _client_version(kubectl: Kubectl) -> dict[str, str]:
    version: dict[str, str] = kubectl("version", "--client", "-o", "json").json()["clientVersion"]
    return version


@pytest.mark.parametrize(
    ("kind", "lines"),
    [
        pytest.param(
            "service/twice-web",
            [
                "Type: LoadBalancer",
                "IP Family Policy: SingleStack",
                "Endpoints: 192.0.2.1:8080",
                "External Traffic Policy: Local",
            ],
            id="service",
        ),
        pytest.param(
            "node/twice-control",
            [
                "Roles: control-plane",
                "Taints: node-role.kubernetes.io/control-plane:NoSchedule",
                "Unschedulable: false",
                "Kubelet Version: v1.37.0",
            ],
            id="node",
        ),
        pytest.param(
            "pod/twice-web",
            [
                "Service Account: twice-robot",
                "Priority Class Name: twice-high",
                "Status: Pending",
                "QoS Class: Burstable",
            ],
            id="pod",
        ),
        pytest.param(
            "deployment.apps/twice-web",
            [
                "StrategyType: RollingUpdate",
                "RollingUpdateStrategy: 0 max unavailable, 50% max surge",
                "MinReadySeconds: 3",
            ],
            id="deployment",
        ),
        pytest.param(
            "job.batch/twice-indexed",
            [
                "Parallelism: 2",
                "Completion Mode: Indexed",
                "Suspend: true",
                "Active Deadline Seconds: 300s",
            ],
            id="job",
        ),
        pytest.param(
            "ingress/twice-web",
            ["Ingress Class: twice-nginx", "Default backend: twice-web:80 (192.0.2.1:8080)"],
            id="ingress",
        ),
    ],
)
def test_described_values(twice: Kubectl, kind: str, lines: list[str]) -> None:
    """A page tells what was written and what was defaulted."""
    page = twice("describe", kind).lines
    found = [re.sub(r"\s+", " ", line).strip() for line in page]
    assert [line for line in lines if line not in found] == []


# --- what lies in etcd


@functools.cache
def stored_as() -> dict[tuple[str, str], tuple[str, str, str]]:
    """Key prefix, stored version and its hash by group version and resource, as upstream's
    test/integration/etcd/data.go and api/discovery have them."""
    lines = KEYS.read_text().splitlines()
    cells = [line.split("\t") for line in lines if not line.startswith("#")]
    return {(version, resource): (key, held, mark) for version, resource, key, held, mark in cells}


@pytest.fixture(scope="module")
def keyspace(twice: Kubectl, control_plane: ControlPlane) -> dict[str, bytes]:
    """Every key and value under /registry/ once the manifests are created."""
    directory = control_plane.kubeconfig.parent / "etcd" / "socket"
    body = {"key": _word("/registry/"), "range_end": _word("/registry0")}
    connection = _UnixConnection(directory / "localhost:2379")
    connection.request("POST", "/v3/kv/range", json.dumps(body))
    found = json.loads(connection.getresponse().read())["kvs"]
    connection.close()
    decode = base64.b64decode
    return {decode(pair["key"]).decode(): decode(pair["value"]) for pair in found}


def _word(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


class _UnixConnection(http.client.HTTPConnection):
    """HTTP to a socket file: etcd's own JSON gateway."""

    def __init__(self, path: Path) -> None:
        super().__init__("localhost")
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(str(self._path))


def test_every_stored_resource_has_a_golden_key() -> None:
    """The table of keys leaves out nothing that is stored."""
    served = {(str(r.group_version), r.resource) for r in scheme.builtin().resources if r.stored}
    assert set(stored_as()) == served


@pytest.mark.parametrize(("version", "resource"), stored_as())
def test_storage_version_hash(version: str, resource: str) -> None:
    """Discovery publishes upstream's hash of the one stored version."""
    group_version = parse_group_version(version)
    resources = scheme.builtin().resources
    listed = discovery.api_resource_list(group_version, resources)["resources"]
    entry = next(entry for entry in listed if entry["name"] == resource)
    assert entry["storageVersionHash"] == stored_as()[version, resource][2]


def test_stored_form(twice: Kubectl, keyspace: dict[str, bytes]) -> None:
    """Under upstream's key lies the object in its stored version, kind and apiVersion first, with
    all that is served but the resourceVersion, which is the revision."""
    faults = []
    for said, served in zip(manifests(), _served_raw(twice), strict=True):
        resource = scheme.builtin().by_kind[_gvk(said)]
        prefix, version, _ = stored_as()[said["apiVersion"], resource.resource]
        key = _key(prefix, resource.namespaced, said["metadata"]["name"])
        value = keyspace.get(key, b"{}")
        head = json.dumps({"kind": said["kind"], "apiVersion": version}, separators=(",", ":"))
        if not value.startswith(head[:-1].encode() + b',"metadata":{'):
            faults.append(f"{key}: {value[:60]!r}")
        held = json.loads(value)
        faults += [f"{key}{fault}" for fault in _differences(held, served, version)]
    assert faults == []


def _served_raw(kubectl: Kubectl) -> list[Object]:
    arguments = ("get", "-f", str(DIRECTORY), "-o", "json", "--show-managed-fields")
    items: list[Object] = kubectl(*arguments).json()["items"]
    return items


def _gvk(obj: Object) -> GroupVersionKind:
    return GroupVersionKind(*parse_group_version(obj["apiVersion"]), obj["kind"])


def _key(prefix: str, namespaced: bool, name: str) -> str:
    return f"{prefix}/{NAMESPACE}/{name}" if namespaced else f"{prefix}/{name}"


def _differences(held: Object, served: Object, version: str) -> list[str]:
    """Served in the stored version: the same but for resourceVersion. In another one: the same
    metadata."""
    metadata = dict(served["metadata"])
    metadata.pop("resourceVersion")
    if served["apiVersion"] != version:
        return [] if held.get("metadata") == metadata else [": other metadata"]
    wanted = served | {"metadata": metadata}
    return missing(wanted, held) + missing(held, wanted)


def test_one_store_behind_two_versions(keyspace: dict[str, bytes]) -> None:
    """An autoscaler written as v1 lies there as v2, an event of the newer group as core's."""
    autoscaler = json.loads(keyspace[f"/registry/horizontalpodautoscalers/{NAMESPACE}/twice-v1"])
    assert autoscaler["spec"]["metrics"] == [
        {
            "type": "Resource",
            "resource": {
                "name": "cpu",
                "target": {"type": "Utilization", "averageUtilization": 75},
            },
        }
    ]
    event = json.loads(keyspace[f"/registry/events/{NAMESPACE}/twice.18f1"])
    assert event["message"] == "no such volume"
    assert event["involvedObject"]["name"] == "twice-agent"
    assert event["reportingComponent"] == "example.com/agent"
