# SPDX-License-Identifier: Apache-2.0
"""What a simulated volume is made from, and when one is made or goes."""

from __future__ import annotations

from typing import Any

import pytest

from pyk8s.componenthelpers import volumes
from pyk8s.node import provisioner

Object = dict[str, Any]

_ASKED = {volumes.STORAGE_PROVISIONER: provisioner.PROVISIONER}


def _claim(annotations: dict[str, str] | None = None, **spec: Any) -> Object:
    given = {
        "accessModes": ["ReadWriteOnce"],
        "resources": {"requests": {"storage": "2Gi"}},
        "storageClassName": "simulated",
        **spec,
    }
    metadata = {"namespace": "shop", "name": "data", "uid": "u1", "annotations": annotations or {}}
    return {"metadata": metadata, "spec": given}


def _volume(phase: str, policy: str = "Delete", by: str = provisioner.PROVISIONER) -> Object:
    metadata = {"name": "pvc-u1", "annotations": {volumes.PROVISIONED_BY: by}}
    spec = {"persistentVolumeReclaimPolicy": policy}
    return {"metadata": metadata, "spec": spec, "status": {"phase": phase}}


@pytest.mark.parametrize(
    ("claim", "wants"),
    [
        pytest.param(_claim(_ASKED), True, id="asked for"),
        pytest.param(_claim(), False, id="not asked for yet"),
        pytest.param(_claim({volumes.STORAGE_PROVISIONER: "x"}), False, id="another's"),
        pytest.param(_claim(_ASKED, volumeName="v"), False, id="has one"),
    ],
)
def test_a_claim_wants_a_volume_once_it_is_asked_for(claim: Object, wants: bool) -> None:
    """It is the binder that asks, by an annotation."""
    assert provisioner.wants_volume(claim) is wants


@pytest.mark.parametrize(
    ("volume", "goes"),
    [
        pytest.param(_volume("Released"), True, id="released"),
        pytest.param(_volume("Bound"), False, id="in use"),
        pytest.param(_volume("Released", "Retain"), False, id="to be kept"),
        pytest.param(_volume("Released", by="x"), False, id="another's"),
    ],
)
def test_a_volume_goes_when_it_is_released(volume: Object, goes: bool) -> None:
    """Only our own, and only where the policy says so."""
    assert provisioner.is_to_go(volume) is goes


def test_a_volume_says_that_it_is_simulated() -> None:
    """Driver and annotations say so, and it is the claim's from the start."""
    made = provisioner.new_volume(_claim(_ASKED), provisioner.simulated_class())
    assert made["metadata"]["name"] == "pvc-u1"
    assert made["spec"]["csi"]["driver"] == "simulated.pyk8s.io"
    assert "Simulated" in made["metadata"]["annotations"]["kubernetes.io/description"]
    assert made["spec"]["capacity"] == {"storage": "2Gi"}
    assert made["spec"]["claimRef"]["uid"] == "u1"


def test_data_cannot_come_from_elsewhere() -> None:
    """A simulated volume is never passed off as a copy."""
    source = {"kind": "PersistentVolumeClaim", "name": "other"}
    assert "hold no data" in provisioner.refusal(_claim(dataSourceRef=source))
