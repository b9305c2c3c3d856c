# SPDX-License-Identifier: Apache-2.0
"""What an admission plugin sees, and the chain that asks all of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from pyk8s.apimachinery.gvk import GroupVersionKind, GroupVersionResource, Object
from pyk8s.auth.user import UserInfo

CREATE = "CREATE"
UPDATE = "UPDATE"
DELETE = "DELETE"
CONNECT = "CONNECT"


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


class Plugin:
    """A plugin overrides what it needs; both methods raise StatusError to refuse."""

    operations: frozenset[str] = frozenset({CREATE, UPDATE, DELETE, CONNECT})

    async def admit(self, attributes: Attributes) -> None:
        """May change `attributes.obj`."""

    async def validate(self, attributes: Attributes) -> None:
        """May only refuse."""


class Chain:
    """All plugins in order. The plugins that have something to do are picked once per
    operation, so that an operation nobody cares about costs nothing."""

    def __init__(self, plugins: Sequence[Plugin]) -> None:
        operations = (CREATE, UPDATE, DELETE, CONNECT)
        self._admit = {
            operation: [
                plugin.admit
                for plugin in plugins
                if operation in plugin.operations and type(plugin).admit is not Plugin.admit
            ]
            for operation in operations
        }
        self._validate = {
            operation: [
                plugin.validate
                for plugin in plugins
                if operation in plugin.operations and type(plugin).validate is not Plugin.validate
            ]
            for operation in operations
        }

    async def admit(self, attributes: Attributes) -> None:
        for admit in self._admit[attributes.operation]:
            await admit(attributes)

    async def validate(self, attributes: Attributes) -> None:
        for validate in self._validate[attributes.operation]:
            await validate(attributes)
