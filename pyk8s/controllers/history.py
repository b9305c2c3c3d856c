# SPDX-License-Identifier: Apache-2.0
"""The past templates of a StatefulSet or DaemonSet, each kept in a ControllerRevision.

    template -> patch that brings it back -> ControllerRevision, named by the patch's hash

A template that comes back takes the number of the newest: the same revision under a new number.
Mirrors upstream's `pkg/controller/history/controller_history.go`.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Sequence
from typing import Any

from pyk8s.apimachinery import codec, errors, labels, meta
from pyk8s.apimachinery.gvk import GroupVersionResource, Object
from pyk8s.client import resources
from pyk8s.client.client import Client, DeleteOptions
from pyk8s.client.informer import SharedInformer
from pyk8s.client.worker import Irreconcilable
from pyk8s.controllers import pods
from pyk8s.controllers.adoption import Claimer, candidates

HASH_LABEL = "controller.kubernetes.io/hash"

# A Pod tells with this label which revision made it.
REVISION_LABEL = "controller-revision-hash"

# So that name, dash and hash stay within the 253 characters of a name.
_PREFIX_MAX = 223
_SAFE = b"bcdfghjklmnpqrstvwxz2456789"


class NoTemplate(Irreconcilable):
    """A ControllerRevision that does not hold a Pod template: not of our making."""


# --- what a revision holds


def template_patch(owner: Object) -> Object:
    """The strategic merge patch that gives an object the owner's Pod template, keys in order."""
    template = {**_plain(owner["spec"]["template"]), "$patch": "replace"}
    made: Object = _plain({"spec": {"template": template}})
    return made


def template_of(revision: Object) -> Object:
    """The Pod template that a revision brings back. Raises NoTemplate."""
    template = ((revision.get("data") or {}).get("spec") or {}).get("template")
    if not isinstance(template, dict) or template.get("$patch") != "replace":
        raise NoTemplate(f"ControllerRevision {meta.name(revision)!r} replaces no Pod template")
    return {key: value for key, value in template.items() if key != "$patch"}


def with_template(owner: Object, revision: Object) -> Object:
    """The owner as it was at the revision: its template of then, all else of now. Raises
    NoTemplate."""
    return {**owner, "spec": {**owner["spec"], "template": template_of(revision)}}


def _plain(value: Any) -> Any:
    """With keys in order and without nulls, which say nothing."""
    if isinstance(value, dict):
        return {key: _plain(value[key]) for key in sorted(value) if value[key] is not None}
    if isinstance(value, list):
        return [_plain(inner) for inner in value]
    return value


def are_equal(one: Object, other: Object) -> bool:
    """Whether two revisions hold the same data."""
    return bool(_plain(one.get("data")) == _plain(other.get("data")))


def hash_of(data: Object, collisions: int) -> str:
    """Of the data, and of how often names have collided."""
    return safe_hash(codec.encode_json(data) + str(collisions).encode())


def safe_hash(content: bytes) -> str:
    """FNV-1 in letters that spell no word."""
    number = 2166136261
    for byte in content:
        number = (number * 16777619 & 0xFFFFFFFF) ^ byte
    return bytes(_SAFE[ord(digit) % len(_SAFE)] for digit in str(number)).decode()


# --- among other revisions


def number_of(revision: Object) -> int:
    return int(revision.get("revision") or 0)


def by_number(revisions: Iterable[Object]) -> list[Object]:
    """Oldest first; of one number, by age and name."""

    def key(revision: Object) -> tuple[int, str, str]:
        created = meta.of(revision).get("creationTimestamp") or ""
        return number_of(revision), created, meta.name(revision)

    return sorted(revisions, key=key)


def max_number(revisions: Iterable[Object]) -> int:
    return max(map(number_of, revisions), default=0)


def new(owner: Object, number: int, collisions: int) -> Object:
    """A ControllerRevision of the owner's template now, not created yet."""
    data = template_patch(owner)
    digest = hash_of(data, collisions)
    template = owner["spec"]["template"]
    return {
        "apiVersion": "apps/v1",
        "kind": "ControllerRevision",
        "metadata": {
            "name": f"{meta.name(owner)[:_PREFIX_MAX]}-{digest}",
            "labels": {**meta.labels(template), HASH_LABEL: digest},
            "annotations": dict(meta.annotations(owner)),
            "ownerReferences": [meta.controller_reference(owner)],
        },
        "data": data,
        "revision": number,
    }


def surplus(revisions: Iterable[Object], live: Container[str], limit: int) -> list[Object]:
    """The oldest of those not named in `live`, as many as are beyond the limit; none for a
    negative limit."""
    idle = [revision for revision in by_number(revisions) if meta.name(revision) not in live]
    return idle[: max(0, len(idle) - limit)] if limit >= 0 else []


class History:
    """Reads and writes the revisions of the objects of one resource."""

    def __init__(
        self, client: Client, informer: SharedInformer, owner_resource: GroupVersionResource
    ) -> None:
        self._client = client
        self._informer = informer
        self._owner_resource = owner_resource
        informer.indexer.add_index(pods.CONTROLLER_INDEX, pods.by_controller)

    async def claim(self, owner: Object, selector: labels.Selector) -> list[Object]:
        """The owner's revisions, those it adopts among them, oldest first. Raises as
        Claimer.claim."""
        claimer = Claimer(
            client=self._client,
            owner=owner,
            owner_resource=self._owner_resource,
            resource=resources.CONTROLLER_REVISIONS,
            selector=selector,
        )
        return by_number(await claimer.claim(candidates(self._informer.indexer, owner)))

    async def create(self, owner: Object, revision: Object, collisions: int) -> tuple[Object, int]:
        """The revision as stored, and how often names have collided by now: a name that is taken
        by other data, or belongs to somebody else, counts one collision and gives another name.
        Raises StatusError."""
        while True:
            name = f"{meta.name(owner)[:_PREFIX_MAX]}-{hash_of(revision['data'], collisions)}"
            named = {**revision, "metadata": {**revision["metadata"], "name": name}}
            namespace = meta.namespace(owner)
            try:
                created = await self._client.create(
                    resources.CONTROLLER_REVISIONS, named, namespace
                )
            except errors.StatusError as error:
                if error.reason != errors.ALREADY_EXISTS:
                    raise
                taken = await self._client.get(resources.CONTROLLER_REVISIONS, name, namespace)
                if are_equal(taken, revision) and _is_free_for(owner, taken):
                    return taken, collisions
                collisions += 1
            else:
                return created, collisions

    async def renumber(self, revision: Object, number: int) -> Object:
        """The revision with this number. Raises StatusError, Conflict when our cache is behind."""
        if number_of(revision) == number:
            return revision
        return await self.update({**revision, "revision": number})

    async def update(self, revision: Object) -> Object:
        return await self._client.update(resources.CONTROLLER_REVISIONS, revision)

    async def delete(self, revisions: Sequence[Object]) -> None:
        """Those that are there still. Raises StatusError."""
        for revision in revisions:
            options = DeleteOptions(uid=meta.uid(revision))
            namespace, name = meta.namespaced_name(revision)
            try:
                await self._client.delete(resources.CONTROLLER_REVISIONS, name, namespace, options)
            except errors.StatusError as error:
                if error.reason != errors.NOT_FOUND:
                    raise


def _is_free_for(owner: Object, revision: Object) -> bool:
    reference = meta.controller_of(revision)
    return reference is None or reference["uid"] == meta.uid(owner)
