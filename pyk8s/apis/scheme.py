# SPDX-License-Identifier: Apache-2.0
"""The scheme: what each served resource is, looked up by resource or by kind."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pyk8s.apimachinery.gvk import (
    GroupKind,
    GroupResource,
    GroupVersion,
    GroupVersionKind,
    GroupVersionResource,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Subresource:
    """`kind` is what travels: Scale for deployments/scale, the parent's kind for status."""

    name: str
    kind: GroupVersionKind
    verbs: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Resource:
    """One served resource in one version. `verbs` are discovery's words, sorted
    (`create delete deletecollection get list patch update watch`)."""

    group: str
    version: str
    resource: str
    kind: str
    singular: str
    namespaced: bool
    verbs: tuple[str, ...]
    short_names: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    subresources: Mapping[str, Subresource]
    # Where and as what the objects are stored; several versions share one store.
    storage_version: GroupVersionKind
    storage_prefix: str

    @property
    def group_version(self) -> GroupVersion:
        return GroupVersion(self.group, self.version)

    @property
    def group_resource(self) -> GroupResource:
        return GroupResource(self.group, self.resource)

    @property
    def group_kind(self) -> GroupKind:
        return GroupKind(self.group, self.kind)

    @property
    def gvk(self) -> GroupVersionKind:
        return GroupVersionKind(self.group, self.version, self.kind)

    @property
    def gvr(self) -> GroupVersionResource:
        return GroupVersionResource(self.group, self.version, self.resource)

    @property
    def list_kind(self) -> str:
        return self.kind + "List"
