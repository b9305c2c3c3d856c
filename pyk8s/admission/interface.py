# SPDX-License-Identifier: Apache-2.0
"""What an admission plugin sees, and the chain that asks all of them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

from pyk8s.apimachinery import errors, meta
from pyk8s.apimachinery.gvk import GroupResource, GroupVersionKind, GroupVersionResource, Object
from pyk8s.auth.user import UserInfo

CREATE = "CREATE"
UPDATE = "UPDATE"
DELETE = "DELETE"
CONNECT = "CONNECT"

PODS = GroupResource("", "pods")


@dataclass(slots=True, kw_only=True)
class Attributes:
    """One operation on one object. `obj` is what would be stored (None for DELETE), `existing`
    what is stored now (None for CREATE); only `obj` may be changed, and only by `admit`."""

    operation: str
    resource: GroupVersionResource
    kind: GroupVersionKind
    namespace: str
    name: str
    user: UserInfo
    subresource: str = ""
    obj: Object | None = None
    existing: Object | None = None
    dry_run: bool = False
    warnings: list[str] = field(default_factory=list)

    @property
    def object(self) -> Object:
        """What would be stored, where the operation has such a thing: all but DELETE."""
        assert self.obj is not None, self.operation
        return self.obj

    def forbidden(self, why: str) -> errors.StatusError:
        """403 in the words of upstream's admission.NewForbidden: an object that has no name yet
        goes by its generateName."""
        name = self.name
        if not name:
            metadata = meta.of(self.obj) if self.obj is not None else {}
            name = metadata.get("name") or metadata.get("generateName") or "Unknown"
        return errors.forbidden(self.resource.group_resource, name, why)


class Plugin:
    """A plugin overrides what it needs; both methods raise StatusError to refuse.

    It is asked about `operations` on `resources` alone, None being all resources; which
    subresources mean something to it, it says itself.
    """

    operations: frozenset[str] = frozenset({CREATE, UPDATE, DELETE, CONNECT})
    resources: frozenset[GroupResource] | None = None

    async def admit(self, attributes: Attributes) -> None:
        """May change `attributes.obj`."""

    async def validate(self, attributes: Attributes) -> None:
        """May only refuse."""


_Step = Callable[[Attributes], Awaitable[None]]


class Chain:
    """All plugins in order. Those that have something to do are picked once per operation and
    resource, so that an operation nobody cares about costs nothing."""

    def __init__(self, plugins: Sequence[Plugin]) -> None:
        self.plugins = tuple(plugins)
        self._picked: dict[tuple[str, str, GroupVersionResource], tuple[_Step, ...]] = {}

    async def admit(self, attributes: Attributes) -> None:
        for admit in self._steps("admit", attributes):
            await admit(attributes)

    async def validate(self, attributes: Attributes) -> None:
        for validate in self._steps("validate", attributes):
            await validate(attributes)

    def _steps(self, phase: str, attributes: Attributes) -> tuple[_Step, ...]:
        """What the plugins that have a part in the phase do in it."""
        key = phase, attributes.operation, attributes.resource
        steps = self._picked.get(key)
        if steps is None:
            steps = tuple(
                getattr(plugin, phase)
                for plugin in self._asked(attributes.operation, attributes.resource)
                if getattr(type(plugin), phase) is not getattr(Plugin, phase)
            )
            self._picked[key] = steps
        return steps

    def _asked(self, operation: str, resource: GroupVersionResource) -> list[Plugin]:
        return [
            plugin
            for plugin in self.plugins
            if operation in plugin.operations
            and (plugin.resources is None or resource.group_resource in plugin.resources)
        ]
