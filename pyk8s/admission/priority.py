# SPDX-License-Identifier: Apache-2.0
"""Priority: a Pod's priorityClassName becomes its priority and preemptionPolicy.

Mirrors `plugin/pkg/admission/priority`. A Pod without a class gets the default class, if there is
one, else priority 0. At most one class is the default.
"""

from __future__ import annotations

from pyk8s.admission import interface
from pyk8s.admission.objects import Objects
from pyk8s.apimachinery import meta
from pyk8s.apimachinery.gvk import GroupResource, Object

PRIORITY_CLASSES = GroupResource("scheduling.k8s.io", "priorityclasses")

_NO_CLASS: Object = {"value": 0, "preemptionPolicy": "PreemptLowerPriority"}


class Priority(interface.Plugin):
    operations = frozenset({interface.CREATE, interface.UPDATE})
    resources = frozenset({interface.PODS, PRIORITY_CLASSES})

    def __init__(self, classes: Objects) -> None:
        self._classes = classes

    async def admit(self, attributes: interface.Attributes) -> None:
        if attributes.subresource or attributes.resource.group_resource != interface.PODS:
            return
        if attributes.operation == interface.CREATE:
            await self._resolve(attributes)
        else:
            _keep(attributes.object["spec"], (attributes.existing or {}).get("spec") or {})

    async def validate(self, attributes: interface.Attributes) -> None:
        if attributes.subresource or attributes.resource.group_resource != PRIORITY_CLASSES:
            return
        wanted = attributes.object
        if not wanted.get("globalDefault"):
            return
        default = await self._default_class()
        if default is None:
            return
        other = meta.name(default)
        if attributes.operation == interface.CREATE or other != meta.name(wanted):
            raise attributes.forbidden(
                f"PriorityClass {other} is already marked as default. Only one default can exist"
            )

    async def _resolve(self, attributes: interface.Attributes) -> None:
        spec = attributes.object["spec"]
        name = spec.get("priorityClassName")
        if name:
            found = await self._classes.get("", name)
            if found is None:
                raise attributes.forbidden(f"no PriorityClass with name {name} was found")
        else:
            found = await self._default_class() or _NO_CLASS
            if "metadata" in found:
                spec["priorityClassName"] = meta.name(found)
        _put(attributes, spec, found)

    async def _default_class(self) -> Object | None:
        """Of several, which a race can make, the one of the lowest value."""
        marked = [c for c in await self._classes.list() if c.get("globalDefault")]
        return min(marked, key=lambda c: c.get("value", 0)) if marked else None


def _put(attributes: interface.Attributes, spec: Object, found: Object) -> None:
    value, policy = found.get("value", 0), found.get("preemptionPolicy")
    claimed = spec.get("priority")
    if claimed is not None and claimed != value:
        raise attributes.forbidden(
            f"the integer value of priority ({claimed}) must not be provided in pod spec; "
            f"priority admission controller computed {value} from the given PriorityClass name"
        )
    spec["priority"] = value
    if policy is None:
        return
    claimed = spec.get("preemptionPolicy")
    if claimed is not None and claimed != policy:
        raise attributes.forbidden(
            f"the string value of PreemptionPolicy ({claimed}) must not be provided in pod spec; "
            f"priority admission controller computed {policy} from the given PriorityClass name"
        )
    spec["preemptionPolicy"] = policy


def _keep(spec: Object, before: Object) -> None:
    """An update by a client that does not know the fields leaves them as they are."""
    for name in ("priority", "preemptionPolicy"):
        if spec.get(name) is None and before.get(name) is not None:
            spec[name] = before[name]
