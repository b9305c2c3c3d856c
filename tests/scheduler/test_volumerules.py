# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest

from pyk8s.scheduler.plugins import volumerules

ZONE, BETA = "topology.kubernetes.io/zone", "failure-domain.beta.kubernetes.io/zone"


def pod(**volume: object) -> dict:
    metadata = {"name": "p", "namespace": "ns"}
    return {"metadata": metadata, "spec": {"volumes": [{"name": "v", **volume}]}}


def rbd(image: str = "i", monitors: tuple[str, ...] = ("m",), **more: object) -> dict:
    return {"rbd": {"image": image, "monitors": list(monitors), **more}}


@pytest.mark.parametrize(
    ("mine", "theirs", "expected"),
    [
        pytest.param(
            {"gcePersistentDisk": {"pdName": "d"}},
            {"gcePersistentDisk": {"pdName": "d", "readOnly": True}},
            True,
            id="one writes",
        ),
        pytest.param(
            {"gcePersistentDisk": {"pdName": "d", "readOnly": True}},
            {"gcePersistentDisk": {"pdName": "d", "readOnly": True}},
            False,
            id="both read",
        ),
        pytest.param(
            {"awsElasticBlockStore": {"volumeID": "d", "readOnly": True}},
            {"awsElasticBlockStore": {"volumeID": "d", "readOnly": True}},
            True,
            id="aws shares nothing",
        ),
        pytest.param({"iscsi": {"iqn": "a"}}, {"iscsi": {"iqn": "b"}}, False, id="other iscsi"),
        pytest.param(rbd(monitors=("m", "n")), rbd(), True, id="rbd of a common monitor"),
        pytest.param(rbd(monitors=("n",)), rbd(), False, id="rbd of other monitors"),
        pytest.param(rbd("j"), rbd(), False, id="other image"),
        pytest.param(rbd(pool="x"), rbd(), False, id="other pool"),
        pytest.param({"emptyDir": {}}, {"emptyDir": {}}, False, id="no disk"),
    ],
)
def test_disk_conflict(mine: dict, theirs: dict, expected: bool) -> None:
    """A disk is not attached twice unless everyone only reads it."""
    assert volumerules.has_disk_conflict(pod(**mine), [pod(**theirs)]) is expected


def test_claims() -> None:
    """A pod's claims are named by it, or made for its ephemeral volumes; some are for one pod."""
    assert volumerules.claim_names(pod(ephemeral={"x": 1})) == {("ns", "p-v")}
    assert volumerules.claim_names(pod(persistentVolumeClaim={"claimName": "c"})) == {("ns", "c")}
    claims = [
        {"metadata": {"name": mode, "namespace": "ns"}, "spec": {"accessModes": [mode]}}
        for mode in ("ReadWriteOncePod", "ReadWriteOnce")
    ]
    assert volumerules.once_pod_claims(claims) == {("ns", "ReadWriteOncePod")}


@pytest.mark.parametrize(
    ("node", "volume", "expected"),
    [
        pytest.param({}, {ZONE: "a"}, True, id="a node without a place"),
        pytest.param({ZONE: "a"}, {}, True, id="a volume without a place"),
        pytest.param({ZONE: "a"}, {ZONE: "a"}, True, id="same"),
        pytest.param({ZONE: "a"}, {ZONE: "b__a"}, True, id="one of several"),
        pytest.param({ZONE: "a"}, {ZONE: "b"}, False, id="other"),
        pytest.param({ZONE: "a"}, {BETA: "a"}, True, id="old key on the volume"),
        pytest.param(
            {ZONE: "a"}, {"topology.kubernetes.io/region": "r"}, False, id="region not known"
        ),
    ],
)
def test_zone(node: dict, volume: dict, expected: bool) -> None:
    """A volume that says where it is can be reached from there alone."""
    assert volumerules.is_in_zone(node, {"metadata": {"labels": volume}}) is expected
