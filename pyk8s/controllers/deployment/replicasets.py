# SPDX-License-Identifier: Apache-2.0
"""The ReplicaSets of a Deployment: which one is new, what revision each is, what they carry.

Mirrors upstream's `deployment/util/deployment_util.go`. The hash in a name only has to differ
where templates do: which ReplicaSet is the new one is told by comparing templates.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from pyk8s.apimachinery import codec, meta
from pyk8s.apimachinery.gvk import Object

HASH_LABEL = "pod-template-hash"

REVISION = "deployment.kubernetes.io/revision"
REVISION_HISTORY = "deployment.kubernetes.io/revision-history"
DESIRED_REPLICAS = "deployment.kubernetes.io/desired-replicas"
MAX_REPLICAS = "deployment.kubernetes.io/max-replicas"

# The Deployment's own affairs, which its ReplicaSets do not inherit.
_NOT_COPIED = frozenset(
    (
        "kubectl.kubernetes.io/last-applied-configuration",
        REVISION,
        REVISION_HISTORY,
        DESIRED_REPLICAS,
        MAX_REPLICAS,
        "deprecated.deployment.rollback.to",
    )
)

_HISTORY_CHARACTERS_MAX = 2000
_SAFE = "bcdfghjklmnpqrstvwxz2456789"


def replicas(obj: Object) -> int:
    """What the spec asks for."""
    wanted = obj["spec"].get("replicas")
    return 1 if wanted is None else int(wanted)


def counted(replica_set: Object, key: str) -> int:
    """A number of the status."""
    return int((replica_set.get("status") or {}).get(key) or 0)


def total(replica_sets: Iterable[Object]) -> int:
    return sum(map(replicas, replica_sets))


def active(replica_sets: Iterable[Object]) -> list[Object]:
    return [replica_set for replica_set in replica_sets if replicas(replica_set) > 0]


def by_age(replica_sets: Iterable[Object]) -> list[Object]:
    """Oldest first; of one second, by name."""
    return sorted(
        replica_sets, key=lambda rs: (meta.of(rs).get("creationTimestamp") or "", meta.name(rs))
    )


def find_new(deployment: Object, replica_sets: Sequence[Object]) -> Object | None:
    """The one whose template is the Deployment's; the oldest if there are several."""
    wanted = _comparable(deployment["spec"]["template"])
    for replica_set in by_age(replica_sets):
        if _comparable(replica_set["spec"]["template"]) == wanted:
            return replica_set
    return None


def _comparable(template: Object) -> Object:
    """Without what the controller itself puts in, and without what says nothing."""
    metadata = {**(template.get("metadata") or {})}
    labels = {k: v for k, v in (metadata.get("labels") or {}).items() if k != HASH_LABEL}
    metadata["labels"] = labels
    metadata.pop("creationTimestamp", None)
    made: Object = _without_nulls({**template, "metadata": metadata})
    return made


def _without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_nulls(inner) for key, inner in value.items() if inner is not None}
    if isinstance(value, list):
        return [_without_nulls(inner) for inner in value]
    return value


def template_hash(template: Object, collision_count: int) -> str:
    """FNV-1a of the template and of how often its hash has collided, in letters that spell no
    word."""
    text = codec.encode_json(_sorted(_without_nulls(template))) + str(collision_count).encode()
    number = 2166136261
    for byte in text:
        number = (number ^ byte) * 16777619 & 0xFFFFFFFF
    return "".join(_SAFE[ord(digit) % len(_SAFE)] for digit in str(number))


def _sorted(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _sorted(value[key]) for key in sorted(value)}
    if isinstance(value, list):
        return [_sorted(inner) for inner in value]
    return value


# --- annotations


def revision(obj: Object) -> int:
    """0 for one without."""
    text = meta.annotations(obj).get(REVISION, "")
    return int(text) if text.isascii() and text.isdigit() else 0


def max_revision(replica_sets: Iterable[Object]) -> int:
    return max(map(revision, replica_sets), default=0)


def annotation_number(replica_set: Object, key: str) -> int | None:
    text = meta.annotations(replica_set).get(key, "")
    return int(text) if text.isascii() and text.isdigit() else None


def annotations_of_new(
    deployment: Object, existing: Object | None, revision_number: int
) -> dict[str, str]:
    """What the new ReplicaSet carries: the Deployment's annotations, its revision, and the
    revisions it had before, for a rollback makes an old one new again."""
    made = dict(meta.annotations(existing)) if existing is not None else {}
    for key, value in meta.annotations(deployment).items():
        if key not in _NOT_COPIED:
            made[key] = value
    before = revision(existing) if existing is not None else 0
    if before < revision_number:
        if before:
            made[REVISION_HISTORY] = _history(made.get(REVISION_HISTORY, ""), before)
        made[REVISION] = str(revision_number)
    return made


def _history(text: str, number: int) -> str:
    numbers = [*text.split(","), str(number)] if text else [str(number)]
    while len(",".join(numbers)) > _HISTORY_CHARACTERS_MAX:
        numbers.pop(0)
    return ",".join(numbers)


def size_annotations(deployment_replicas: int, max_surge: int) -> dict[str, str]:
    """What a later scaling compares itself with."""
    return {
        DESIRED_REPLICAS: str(deployment_replicas),
        MAX_REPLICAS: str(deployment_replicas + max_surge),
    }
