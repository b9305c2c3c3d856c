# SPDX-License-Identifier: Apache-2.0
"""The rules of VolumeRestrictions and VolumeZone: which volumes keep a pod from a node.

What upstream's `plugins/volumerestrictions` and `plugins/volumezone` decide. Pure: who calls
gives the pods on the node, and the claims and volumes of the pod.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from pyk8s.apimachinery import meta
from pyk8s.apimachinery.gvk import Object
from pyk8s.componenthelpers import volumes

DISK_CONFLICT = "node(s) had no available disk"
ONCE_POD_CONFLICT = (
    "node has pod using PersistentVolumeClaim with the same name and ReadWriteOncePod access mode"
)
ZONE_CONFLICT = "node(s) had no available volume zone"

_GENERAL_KEY = {
    "failure-domain.beta.kubernetes.io/zone": "topology.kubernetes.io/zone",
    "failure-domain.beta.kubernetes.io/region": "topology.kubernetes.io/region",
}
_ZONE_KEYS = (*_GENERAL_KEY.values(), *_GENERAL_KEY)
# Between the zones of a volume that is in several.
_ZONES_SEPARATOR = "__"

Volume = Mapping[str, Any]


def volumes_of(pod: Object) -> Iterable[Volume]:
    return pod["spec"].get("volumes") or ()


def has_disk_conflict(pod: Object, on_node: Iterable[Object]) -> bool:
    """Whether a pod on the node holds a disk that the pod wants and that cannot be shared."""
    taken = [volume for other in on_node for volume in volumes_of(other)]
    return any(_conflict(volume, other) for volume in volumes_of(pod) for other in taken)


def _conflict(one: Volume, other: Volume) -> bool:
    for kind in ("gcePersistentDisk", "awsElasticBlockStore", "iscsi", "rbd"):
        mine, theirs = one.get(kind), other.get(kind)
        if mine is None or theirs is None:
            continue
        # Except for AWS, many may read what nobody writes.
        shared = mine.get("readOnly") and theirs.get("readOnly")
        if kind == "awsElasticBlockStore" or not shared:
            return _is_same_disk(kind, mine, theirs)
    return False


def _is_same_disk(kind: str, mine: Volume, theirs: Volume) -> bool:
    if kind == "rbd":
        common = set(mine.get("monitors") or ()) & set(theirs.get("monitors") or ())
        same_pool = mine.get("pool", "rbd") == theirs.get("pool", "rbd")
        return bool(common) and same_pool and mine.get("image") == theirs.get("image")
    name = {"gcePersistentDisk": "pdName", "awsElasticBlockStore": "volumeID", "iscsi": "iqn"}[kind]
    return bool(mine.get(name) == theirs.get(name))


def once_pod_claims(claims: Iterable[Object]) -> set[tuple[str, str]]:
    """Of a pod's claims those, by namespace and name, that only one pod at a time may use."""
    return {
        meta.namespaced_name(claim)
        for claim in claims
        if "ReadWriteOncePod" in (claim["spec"].get("accessModes") or ())
    }


def claim_names(pod: Object) -> set[tuple[str, str]]:
    """The claims a pod uses, generic ephemeral volumes' among them."""
    return {(meta.namespace(pod), name) for name in volumes.claim_names(pod)}


def is_in_zone(node_labels: Mapping[str, str], volume: Object) -> bool:
    """Whether a node can reach a volume whose labels name zones or regions.

    A node that says of neither where it is can reach every volume.
    """
    if not any(key in node_labels for key in _ZONE_KEYS):
        return True
    for key, value in meta.labels(volume).items():
        if key in _ZONE_KEYS:
            here = node_labels.get(key, node_labels.get(_GENERAL_KEY.get(key, key)))
            if here is None or here not in value.split(_ZONES_SEPARATOR):
                return False
    return True
