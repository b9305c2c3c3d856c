# SPDX-License-Identifier: Apache-2.0
"""RuntimeClass: a Pod that names one gets its overhead, and goes to nodes that have it.

Mirrors `plugin/pkg/admission/runtimeclass`. spec.overhead is only ever what the class says.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pyk8s.admission import interface
from pyk8s.admission.objects import Objects
from pyk8s.apimachinery import quantity
from pyk8s.apimachinery.gojson import quoted_string
from pyk8s.apimachinery.gvk import GroupResource, Object

RUNTIME_CLASSES = GroupResource("node.k8s.io", "runtimeclasses")

_MISMATCH = "pod rejected: Pod's Overhead doesn't match RuntimeClass's defined Overhead"
_UNFOUNDED = "pod rejected: Pod Overhead set without corresponding RuntimeClass defined Overhead"


class RuntimeClass(interface.Plugin):
    operations = frozenset({interface.CREATE})
    resources = frozenset({interface.PODS})

    def __init__(self, classes: Objects) -> None:
        self._classes = classes

    async def admit(self, attributes: interface.Attributes) -> None:
        if attributes.subresource:
            return
        spec = attributes.object["spec"]
        found = await self._class_of(attributes, spec)
        if found is None:
            return
        overhead = _overhead(found)
        if overhead is not None:
            if spec.get("overhead") is not None and not _equal(overhead, spec["overhead"]):
                raise attributes.forbidden(_MISMATCH)
            spec["overhead"] = dict(overhead)
        if found.get("scheduling"):
            _put_scheduling(attributes, spec, found["scheduling"])

    async def validate(self, attributes: interface.Attributes) -> None:
        if attributes.subresource:
            return
        spec = attributes.object["spec"]
        found = await self._class_of(attributes, spec)
        overhead = _overhead(found) if found is not None else None
        if overhead is None:
            if spec.get("overhead"):
                raise attributes.forbidden(_UNFOUNDED)
        elif not _equal(overhead, spec.get("overhead") or {}):
            raise attributes.forbidden(_MISMATCH)

    async def _class_of(self, attributes: interface.Attributes, spec: Object) -> Object | None:
        name = spec.get("runtimeClassName")
        if name is None:
            return None
        found = await self._classes.get("", name)
        if found is None:
            # It may have been made a moment ago, through another server.
            found = await self._classes.get("", name, fresh=True)
        if found is None:
            raise attributes.forbidden(
                f"pod rejected: RuntimeClass {quoted_string(name)} not found"
            )
        return found


def _overhead(runtime_class: Object) -> Mapping[str, str] | None:
    overhead = runtime_class.get("overhead")
    return None if overhead is None else overhead.get("podFixed") or {}


def _equal(first: Mapping[str, str], second: Mapping[str, str]) -> bool:
    return first.keys() == second.keys() and all(
        quantity.parse(str(text)) == quantity.parse(str(second[name]))
        for name, text in first.items()
    )


def _put_scheduling(attributes: interface.Attributes, spec: Object, scheduling: Object) -> None:
    selector = spec.get("nodeSelector") or {}
    for key, value in (scheduling.get("nodeSelector") or {}).items():
        if selector.get(key, value) != value:
            raise attributes.forbidden(
                f"conflict: runtimeClass.scheduling.nodeSelector[{key}] = {value}; "
                f"pod.spec.nodeSelector[{key}] = {selector[key]}"
            )
        selector[key] = value
    if selector:
        spec["nodeSelector"] = selector
    merged = merge_tolerations(spec.get("tolerations") or (), scheduling.get("tolerations") or ())
    if merged:
        spec["tolerations"] = merged


def merge_tolerations(
    own: Sequence[Mapping[str, Any]], added: Sequence[Mapping[str, Any]]
) -> list[dict[str, Any]]:
    """`added` and those of `own` that nothing added is a superset of, and no two alike.
    Upstream's MergeTolerations."""
    merged: list[dict[str, Any]] = []
    everything = [dict(toleration) for toleration in (*own, *added)]
    for index, toleration in enumerate(everything):
        if any(_covers(kept, toleration) for kept in merged):
            continue
        later = everything[index + 1 :]
        if any(_covers(other, toleration) and other != toleration for other in later):
            continue
        merged.append(toleration)
    return merged


def _covers(wide: Mapping[str, Any], narrow: Mapping[str, Any]) -> bool:
    """Whether `wide` tolerates all that `narrow` does. Upstream's isSuperset."""
    if wide == narrow:
        return True
    operator = wide.get("operator") or "Equal"
    if wide.get("key", "") != narrow.get("key", "") and (wide.get("key") or operator != "Exists"):
        return False
    if wide.get("effect") and wide["effect"] != narrow.get("effect"):
        return False
    if wide.get("effect") == "NoExecute" and "tolerationSeconds" in wide:
        if "tolerationSeconds" not in narrow:
            return False
        if wide["tolerationSeconds"] < narrow["tolerationSeconds"]:
            return False
    if operator == "Exists":
        return True
    # As upstream, which does not take an absent operator of the narrow one for Equal.
    return narrow.get("operator") == "Equal" and wide.get("value", "") == narrow.get("value", "")
