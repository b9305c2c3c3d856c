# SPDX-License-Identifier: Apache-2.0
"""ObjectMeta: short reads of an object's metadata, for objects that may lack any of it.

An absent field reads as its zero value, as it does upstream; nothing here changes an object
except where the docstring says so.
"""

import os
from collections.abc import Mapping, Sequence
from typing import Any

from pyk8s.apimachinery.gvk import Object

_NO_MAP: Mapping[str, str] = {}


def of(obj: Object) -> dict[str, Any]:
    """The metadata; an empty dict, not part of the object, when it has none."""
    return obj.get("metadata") or {}


def name(obj: Object) -> str:
    return of(obj).get("name") or ""


def namespace(obj: Object) -> str:
    """Empty for an object that is in none."""
    return of(obj).get("namespace") or ""


def namespaced_name(obj: Object) -> tuple[str, str]:
    """The namespace and the name: who the object is among those of its resource."""
    metadata = of(obj)
    return metadata.get("namespace") or "", metadata.get("name") or ""


def uid(obj: Object) -> str:
    return of(obj).get("uid") or ""


def resource_version(obj: Object) -> str:
    return of(obj).get("resourceVersion") or ""


def generation(obj: Object) -> int:
    return of(obj).get("generation") or 0


def labels(obj: Object) -> Mapping[str, str]:
    """Not to be changed: objects without labels share one empty mapping."""
    return of(obj).get("labels") or _NO_MAP


def annotations(obj: Object) -> Mapping[str, str]:
    """Not to be changed: objects without annotations share one empty mapping."""
    return of(obj).get("annotations") or _NO_MAP


def finalizers(obj: Object) -> Sequence[str]:
    return of(obj).get("finalizers") or ()


def has_finalizer(obj: Object, finalizer: str) -> bool:
    return finalizer in finalizers(obj)


def owner_references(obj: Object) -> Sequence[dict[str, Any]]:
    return of(obj).get("ownerReferences") or ()


def controller_of(obj: Object) -> dict[str, Any] | None:
    """The owner reference of the controller that manages the object; there is at most one."""
    for reference in owner_references(obj):
        if reference.get("controller"):
            return reference
    return None


def is_controlled_by(obj: Object, owner: Object) -> bool:
    """Whether `owner`, by uid, is the object's controller."""
    reference = controller_of(obj)
    return reference is not None and reference.get("uid") == uid(owner)


def controller_reference(owner: Object) -> dict[str, Any]:
    """The owner reference with which `owner` takes charge of what it makes."""
    metadata = of(owner)
    return {
        "apiVersion": owner["apiVersion"],
        "kind": owner["kind"],
        "name": metadata["name"],
        "uid": metadata["uid"],
        "controller": True,
        "blockOwnerDeletion": True,
    }


def is_being_deleted(obj: Object) -> bool:
    """Deletion was asked for, and finalizers or a grace period keep the object."""
    return bool(of(obj).get("deletionTimestamp"))


def new_uid() -> str:
    """A random UUID (version 4) in its canonical text."""
    return _uids.next()


class _UIDs:
    """UUIDs from random bytes that are fetched for many at a time, and made as text at once:
    every request has one, and the library's way takes ten times as long."""

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        self._random = ""
        self._at = 0

    def next(self) -> str:
        at = self._at
        if at == len(self._random):
            self._random = os.urandom(16 * _UIDS_AHEAD).hex()
            at = 0
        self._at = at + 32
        h = self._random[at : at + 32]
        variant = _VARIANT[h[16]]
        return f"{h[:8]}-{h[8:12]}-4{h[13:16]}-{variant}{h[17:20]}-{h[20:]}"


_UIDS_AHEAD = 256
# Two bits of this digit say which kind of UUID it is.
_VARIANT = {digit: "89ab"[int(digit, 16) & 3] for digit in "0123456789abcdef"}
_uids = _UIDs()
# Parent and child must not give out the same ones.
os.register_at_fork(after_in_child=_uids.forget)


def mutable(obj: Object) -> dict[str, Any]:
    """The object's metadata for writing; gives the object an empty one if it has none."""
    metadata: dict[str, Any] | None = obj.get("metadata")
    if metadata is None:
        metadata = obj["metadata"] = {}
    return metadata
