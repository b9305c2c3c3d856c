# SPDX-License-Identifier: Apache-2.0
"""VolumeBinding, VolumeZone, VolumeRestrictions and NodeVolumeLimits, each by table."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest

from pyk8s.apimachinery import meta
from pyk8s.apimachinery.gvk import GroupVersionResource
from pyk8s.client import resources
from pyk8s.componenthelpers import volumes
from pyk8s.scheduler.framework import podinfo
from pyk8s.scheduler.framework.nodetable import ALL, NodeTable
from pyk8s.scheduler.framework.status import Code, Status
from pyk8s.scheduler.plugins import volumebinding, volumelimits, volumerules
from pyk8s.scheduler.storage import Storage

Object = dict[str, Any]

_DRIVER = "csi.example.com"
_ZONE = "topology.kubernetes.io/zone"


def _claim(name: str, size: str = "1Gi", **given: Any) -> Object:
    metadata = {"namespace": "ns", "name": name, "uid": f"uid-{name}", "resourceVersion": "5"}
    metadata |= {
        key: given.pop(key) for key in ("annotations", "deletionTimestamp") if key in given
    }
    resources_wanted = {"requests": {"storage": size}}
    spec = {"accessModes": ["ReadWriteOnce"], "resources": resources_wanted, **given}
    return {"metadata": metadata, "spec": spec, "status": {"phase": "Pending"}}


def _bound(name: str, volume: str, **given: Any) -> Object:
    return _claim(name, volumeName=volume, annotations={volumes.BIND_COMPLETED: "yes"}, **given)


def _volume(name: str, size: str = "1Gi", labels: Object | None = None, **spec: Any) -> Object:
    metadata = {"name": name, "uid": f"uid-{name}", "resourceVersion": "5", "labels": labels or {}}
    given = {"capacity": {"storage": size}, "accessModes": ["ReadWriteOnce"], **spec}
    return {"metadata": metadata, "spec": given, "status": {"phase": "Available"}}


def _on(node: str) -> Object:
    expression = {"key": "host", "operator": "In", "values": [node]}
    return {"required": {"nodeSelectorTerms": [{"matchExpressions": [expression]}]}}


def _class(name: str = "local", provisioner: str = _DRIVER, **given: Any) -> Object:
    mode = "WaitForFirstConsumer"
    metadata = {"name": name}
    made = {"metadata": metadata, "provisioner": provisioner, "volumeBindingMode": mode}
    return {**made, **given}


def _pod(*claims: str, name: str = "p", **volume: Any) -> podinfo.PodInfo:
    mounted: list[Object] = [
        {"name": each, "persistentVolumeClaim": {"claimName": each}} for each in claims
    ]
    if volume:
        mounted.append({"name": "more", **volume})
    metadata = {"namespace": "ns", "name": name, "uid": f"uid-{name}"}
    return podinfo.of({"metadata": metadata, "spec": {"containers": [], "volumes": mounted}})


_KINDS: dict[str, GroupVersionResource] = {
    "claims": resources.PERSISTENT_VOLUME_CLAIMS,
    "volumes": resources.PERSISTENT_VOLUMES,
    "classes": resources.STORAGE_CLASSES,
    "csi_nodes": resources.CSI_NODES,
    "csi_drivers": resources.CSI_DRIVERS,
    "capacities": resources.CSI_STORAGE_CAPACITIES,
}


def _storage(**objects: Iterable[Object]) -> Storage:
    made = Storage()
    for kind, found in objects.items():
        for obj in found:
            made.indexers[_KINDS[kind]].put(meta.namespaced_name(obj), obj)
    return made


def _table(*names: str, zone: str = "") -> NodeTable:
    table = NodeTable()
    for name in names:
        labels = {"host": name, **({_ZONE: zone} if zone else {})}
        table.set_node({"metadata": {"name": name, "labels": labels}})
    return table


def _judge(plugin: Any, pod: podinfo.PodInfo, table: NodeTable) -> dict[str, Status]:
    """What the plugin says of each node; of the pod under the empty name."""
    state: Object = {}
    before: Status = plugin.pre_filter(state, pod, table)
    if before.code is Code.SKIP:
        return {}
    if not before.is_success:
        return {"": before}
    codes = plugin.filter(state, pod, table, ALL)
    judged = ((name, int(codes[row])) for name, row in table.rows.items())
    return {name: plugin.rejection(state, code) for name, code in judged if code}


def _told(plugin: Any, pod: podinfo.PodInfo, table: NodeTable) -> dict[str, str]:
    return {name: status.message for name, status in _judge(plugin, pod, table).items()}


_LOCAL = {"storageClassName": "local"}
_CAPACITY = {
    "metadata": {"namespace": "ns", "name": "c"},
    "storageClassName": "local",
    "capacity": "2Gi",
    "nodeTopology": {"matchLabels": {"host": "a"}},
}
_TRACKED = {"metadata": {"name": _DRIVER}, "spec": {"storageCapacity": True}}
_ONLY_A = [{"matchLabelExpressions": [{"key": "host", "values": ["a"]}]}]


@pytest.mark.parametrize(
    ("objects", "told"),
    [
        pytest.param({}, {"": 'persistentvolumeclaim "data" not found'}, id="no claim"),
        pytest.param({"claims": [_claim("data")]},
                     {"": volumebinding.UNBOUND_IMMEDIATE}, id="unbound"),
        pytest.param({"claims": [_claim("data", deletionTimestamp="2026-01-01T00:00:00Z")]},
                     {"": 'persistentvolumeclaim "data" is being deleted'}, id="going"),
        pytest.param({"claims": [_claim("data", volumeName="v", **_LOCAL)], "classes": [_class()]},
                     {"": volumebinding.UNBOUND_IMMEDIATE}, id="half bound"),
        pytest.param({"claims": [_bound("data", "v")], "volumes": [_volume("v")]}, {},
                     id="bound, reachable from everywhere"),
        pytest.param({"claims": [_bound("data", "v")],
                      "volumes": [_volume("v", nodeAffinity=_on("a"))]},
                     {"b": volumebinding.NODE_CONFLICT}, id="bound, reachable from one"),
        pytest.param({"claims": [_bound("data", "v")]},
                     {"a": volumebinding.VOLUME_MISSING, "b": volumebinding.VOLUME_MISSING},
                     id="bound, volume gone"),
        pytest.param({"claims": [_claim("data", **_LOCAL)],
                      "classes": [_class(provisioner=volumes.NO_PROVISIONER)],
                      "volumes": [_volume("v", nodeAffinity=_on("a"), **_LOCAL)]},
                     {"b": volumebinding.BIND_CONFLICT}, id="waiting, a volume on one"),
        pytest.param({"claims": [_claim("data", **_LOCAL)], "classes": [_class()]}, {},
                     id="waiting, to be made anywhere"),
        pytest.param({"claims": [_claim("data", **_LOCAL)],
                      "classes": [_class(allowedTopologies=_ONLY_A)]},
                     {"b": volumebinding.BIND_CONFLICT}, id="waiting, to be made on one"),
        pytest.param({"claims": [_claim("data", annotations={volumes.SELECTED_NODE: "b"},
                                        **_LOCAL)], "classes": [_class()]},
                     {"a": volumebinding.BIND_CONFLICT}, id="being made for the other"),
        pytest.param({"claims": [_claim("data", "2Gi", **_LOCAL)], "classes": [_class()],
                      "csi_drivers": [_TRACKED], "capacities": [_CAPACITY]},
                     {"b": volumebinding.NOT_ENOUGH_SPACE}, id="room on one"),
        pytest.param({"claims": [_claim("data", "3Gi", **_LOCAL)], "classes": [_class()],
                      "csi_drivers": [_TRACKED], "capacities": [_CAPACITY]},
                     {"a": volumebinding.NOT_ENOUGH_SPACE, "b": volumebinding.NOT_ENOUGH_SPACE},
                     id="no room"),
        pytest.param({"claims": [_claim("data", "2Gi", **_LOCAL)], "classes": [_class()],
                      "csi_drivers": [_TRACKED],
                      "capacities": [{**_CAPACITY, "maximumVolumeSize": "1Gi"}]},
                     {"a": volumebinding.NOT_ENOUGH_SPACE, "b": volumebinding.NOT_ENOUGH_SPACE},
                     id="room, not in one piece"),
    ],
)  # fmt: skip
async def test_volume_binding(objects: dict[str, list[Object]], told: dict[str, str]) -> None:
    """What VolumeBinding has against a pod with one claim, on two nodes."""
    table = _table("a", "b")
    plugin = volumebinding.VolumeBinding(_storage(**objects), table)
    assert _told(plugin, _pod("data"), table) == told


def _room(node: str, size: str) -> Object:
    metadata = {"namespace": "ns", "name": f"c-{node}"}
    topology = {"matchLabels": {"host": node}}
    return {**_CAPACITY, "metadata": metadata, "capacity": size, "nodeTopology": topology}


@pytest.mark.parametrize(
    ("shape", "objects", "scores"),
    [
        pytest.param(((0, 0), (100, 10)),
                     {"claims": [_claim("data", **_LOCAL)],
                      "classes": [_class(provisioner=volumes.NO_PROVISIONER)],
                      "volumes": [_volume("v", "2Gi", nodeAffinity=_on("a"), **_LOCAL),
                                  _volume("w", "1Gi", nodeAffinity=_on("b"), **_LOCAL)]},
                     {"a": 50, "b": 100}, id="volumes that are there"),
        pytest.param(((0, 10), (100, 0)),
                     {"claims": [_claim("data", **_LOCAL)], "classes": [_class()],
                      "csi_drivers": [_TRACKED],
                      "capacities": [_room("a", "2Gi"), _room("b", "4Gi")]},
                     {"a": 50, "b": 75}, id="room for more"),
        pytest.param(((0, 0), (100, 10)),
                     {"claims": [_claim("data", **_LOCAL)], "classes": [_class()]},
                     {"a": 0, "b": 0}, id="room that nobody knows"),
        pytest.param(((0, 0), (100, 10)),
                     {"claims": [_bound("data", "v")], "volumes": [_volume("v")]},
                     None, id="nothing to choose"),
        pytest.param((), {"claims": [_claim("data", **_LOCAL)], "classes": [_class()]},
                     None, id="no shape"),
    ],
)  # fmt: skip
async def test_volume_scores(
    shape: Any, objects: dict[str, list[Object]], scores: dict[str, int] | None
) -> None:
    """With a shape, nodes are scored by how full the volumes or the room would be."""
    table, pod, state = _table("a", "b"), _pod("data"), {}
    plugin = volumebinding.VolumeBinding(_storage(**objects), table, shape=shape)
    assert plugin.pre_filter(state, pod, table).is_success
    if plugin.pre_score(state, pod, table).code is Code.SKIP:
        assert scores is None
        return
    found = plugin.score(state, pod, table, ALL)
    assert {name: int(found[row]) for name, row in table.rows.items()} == scores


async def test_two_volumes_of_one_room() -> None:
    """What a node has room for is counted once, whatever is to be made in it."""
    claims = [_claim("one", **_LOCAL), _claim("two", **_LOCAL)]
    storage = _storage(claims=claims, classes=[_class()], csi_drivers=[_TRACKED],
                       capacities=[_room("a", "4Gi")])  # fmt: skip
    table, pod, state = _table("a"), _pod("one", "two"), {}
    plugin = volumebinding.VolumeBinding(storage, table, shape=((0, 0), (100, 10)))
    plugin.pre_filter(state, pod, table)
    assert int(plugin.score(state, pod, table, ALL)[table.rows["a"]]) == 50


async def test_two_claims_of_a_pod_need_two_volumes() -> None:
    """The one volume that fits both is counted once; the larger claim gets the larger one."""
    local = _class(provisioner=volumes.NO_PROVISIONER)
    claims = [_claim("large", "3Gi", **_LOCAL), _claim("small", **_LOCAL)]
    table = _table("a")
    storage = _storage(claims=claims, classes=[local], volumes=[_volume("v", "3Gi", **_LOCAL)])
    plugin = volumebinding.VolumeBinding(storage, table)
    pod = _pod("large", "small")
    assert _told(plugin, pod, table) == {"a": volumebinding.BIND_CONFLICT}
    more = _volume("w", "2Gi", **_LOCAL)
    storage.indexers[resources.PERSISTENT_VOLUMES].put(("", "w"), more)
    assert _told(plugin, pod, table) == {}


async def test_what_is_reserved_is_nobody_elses_until_it_is_given_back() -> None:
    """A volume that a pod on its way has chosen is no other pod's choice."""
    local = _class(provisioner=volumes.NO_PROVISIONER)
    claims = [_claim("one", **_LOCAL), _claim("two", **_LOCAL)]
    table = _table("a")
    storage = _storage(claims=claims, classes=[local], volumes=[_volume("v", **_LOCAL)])
    plugin = volumebinding.VolumeBinding(storage, table)
    first, second = _pod("one"), _pod("two", name="q")
    state: Object = {}
    assert plugin.pre_filter(state, first, table).is_success
    assert plugin.reserve(state, first, "a").is_success
    assert _told(plugin, second, table) == {"a": volumebinding.BIND_CONFLICT}
    for _ in range(2):
        plugin.unreserve(state, first, "a")
    assert _told(plugin, second, table) == {}


@pytest.mark.parametrize(
    ("volume", "told"),
    [
        pytest.param(_volume("v", labels={_ZONE: "z1"}), {}, id="here"),
        pytest.param(_volume("v", labels={_ZONE: "z2"}), {"a": volumerules.ZONE_CONFLICT},
                     id="elsewhere"),
        pytest.param(_volume("v"), {}, id="nowhere"),
        pytest.param(None, {"": 'persistentvolume "v" not found'}, id="gone"),
    ],
)  # fmt: skip
async def test_volume_zone(volume: Object | None, told: dict[str, str]) -> None:
    """A node in zone z1 and a pod with one bound claim."""
    storage = _storage(claims=[_bound("data", "v")], volumes=[volume] if volume else [])
    table = _table("a", zone="z1")
    assert _told(volumelimits.VolumeZone(storage), _pod("data"), table) == told


async def test_volume_restrictions() -> None:
    """A disk is one pod's on a node; a claim for one pod is one pod's on all nodes."""
    once = _bound("data", "v", accessModes=["ReadWriteOncePod"])
    plugin = volumelimits.VolumeRestrictions(_storage(claims=[once]))
    table = _table("a", "b")
    disk = {"gcePersistentDisk": {"pdName": "d"}}
    assert _told(plugin, _pod("data"), table) == {}
    table.add_pod(_pod("data", name="other"), "a")
    table.add_pod(_pod(name="more", **disk), "b")
    both = dict.fromkeys(("a", "b"), volumerules.ONCE_POD_CONFLICT)
    assert _told(plugin, _pod("data"), table) == both
    assert _told(plugin, _pod(**disk), table) == {"b": volumerules.DISK_CONFLICT}
    found = _judge(plugin, _pod(**disk), table)
    assert found["b"].code is Code.UNSCHEDULABLE, "preempting the other pod would help"


async def test_node_volume_limits() -> None:
    """Each volume of a driver counts once, bound or still to be made, against the node's limit."""
    csi = {"driver": _DRIVER, "volumeHandle": "h1"}
    shared, made = _bound("shared", "v"), _claim("made", **_LOCAL)
    limit = {"name": _DRIVER, "nodeID": "a", "allocatable": {"count": 1}}
    csi_node = {"metadata": {"name": "a"}, "spec": {"drivers": [limit]}}
    storage = _storage(
        claims=[shared, made],
        volumes=[_volume("v", csi=csi)],
        classes=[_class()],
        csi_nodes=[csi_node],
    )
    plugin = volumelimits.NodeVolumeLimits(storage)
    table = _table("a", "b")
    assert _told(plugin, _pod("shared"), table) == {}
    assert _told(plugin, _pod("shared", "made"), table) == {"a": volumelimits.TOO_MANY}
    table.add_pod(_pod("shared", name="other"), "a")
    assert _told(plugin, _pod("shared"), table) == {}, "it is attached already"
    assert _told(plugin, _pod("made"), table) == {"a": volumelimits.TOO_MANY}
