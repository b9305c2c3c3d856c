# SPDX-License-Identifier: Apache-2.0
"""Endpoint: one served resource in one version, with all a handler needs at hand.

Made once, when the resource is installed; looked up by GroupVersionResource for each request.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass

from pyk8s.apimachinery import patchschema
from pyk8s.apimachinery.fieldmanager import Writer
from pyk8s.apimachinery.gvk import GroupVersionKind, Object
from pyk8s.apis import columns, scheme
from pyk8s.endpoints import ownership
from pyk8s.endpoints.options import ConvertField
from pyk8s.endpoints.ownership import FieldManagers
from pyk8s.endpoints.request import Request
from pyk8s.registry.store import Store

# (object, field validation, duplicate fields) -> (object, warnings): brings a decoded document
# into its typed form, pruned and normalised; may change its argument. Raises StatusError 400.
Decode = Callable[[Object, str, Sequence[str]], tuple[Object, list[str]]]

Convert = Callable[[Object], Object]

# Answers one request; everything but success is raised as StatusError.
Handler = Callable[[Request], Awaitable[None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """What is behind one resource: a handler per verb, and per subresource and verb. Verbs are
    RequestInfo's. A subresource that upstream has and this server has not answers 501."""

    resource: scheme.Resource
    handlers: Mapping[str, Handler]
    subresources: Mapping[str, Mapping[str, Handler]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """A stored kind in one served version. `to_storage` and `from_storage` are None where that
    is the stored version, `patch_schema` is None for kinds that take no strategic merge patch."""

    resource: scheme.Resource
    store: Store
    decode: Decode
    convert_field: ConvertField
    columns: columns.Columns
    patch_schema: Callable[[], patchschema.PatchSchema] | None = None
    to_storage: Convert | None = None
    from_storage: Convert | None = None
    field_managers: FieldManagers

    @property
    def gvk(self) -> GroupVersionKind:
        return self.resource.gvk

    def stored(self, obj: Object) -> Object:
        """The object in the storage version."""
        return self.to_storage(obj) if self.to_storage else obj

    def served(self, obj: Object) -> Object:
        """The object in this endpoint's version."""
        return self.from_storage(obj) if self.from_storage else obj

    def defaulted(self, obj: Object) -> Object:
        """A decoded object of this endpoint's version, in the storage version, with defaults."""
        obj = self.stored(obj)
        self.store.strategy.default(obj)
        return obj

    def track(self, live: Object | None, obj: Object, by: Writer, subresource: str = "") -> None:
        """Set the managedFields of `obj` in place; both are in the storage version."""
        before = self.served(live) if live is not None else None
        after = self.served(obj)
        ownership.track(self.field_managers(subresource), before, after, by)
        obj["metadata"] = after["metadata"]
