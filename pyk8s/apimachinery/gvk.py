# SPDX-License-Identifier: Apache-2.0
"""The names of API types: group, version, kind, resource."""

from __future__ import annotations

from typing import Any, NamedTuple

# A decoded API object: JSON as it travels, keys in camelCase.
Object = dict[str, Any]


class GroupVersion(NamedTuple):
    group: str
    version: str

    def __str__(self) -> str:
        """As in an object's apiVersion: `v1`, `apps/v1`."""
        return f"{self.group}/{self.version}" if self.group else self.version


class GroupResource(NamedTuple):
    group: str
    resource: str

    def __str__(self) -> str:
        """As in error messages: `pods`, `deployments.apps`."""
        return f"{self.resource}.{self.group}" if self.group else self.resource


class GroupKind(NamedTuple):
    group: str
    kind: str

    def __str__(self) -> str:
        """As in error messages: `Pod`, `Deployment.apps`."""
        return f"{self.kind}.{self.group}" if self.group else self.kind


class GroupVersionKind(NamedTuple):
    group: str
    version: str
    kind: str

    @property
    def group_version(self) -> GroupVersion:
        return GroupVersion(self.group, self.version)

    @property
    def group_kind(self) -> GroupKind:
        return GroupKind(self.group, self.kind)

    def __str__(self) -> str:
        """As upstream prints it: `apps/v1, Kind=Deployment`."""
        return f"{self.group_version}, Kind={self.kind}"


class GroupVersionResource(NamedTuple):
    group: str
    version: str
    resource: str

    @property
    def group_version(self) -> GroupVersion:
        return GroupVersion(self.group, self.version)

    @property
    def group_resource(self) -> GroupResource:
        return GroupResource(self.group, self.resource)

    def __str__(self) -> str:
        """As upstream prints it: `apps/v1, Resource=deployments`."""
        return f"{self.group_version}, Resource={self.resource}"


def parse_group_version(api_version: str) -> GroupVersion:
    """Read an apiVersion; raises ValueError when it has more than one slash."""
    if api_version.count("/") > 1:
        raise ValueError(f"unexpected GroupVersion string: {api_version}")
    group, _, version = api_version.rpartition("/")
    return GroupVersion(group, version)


def kind_of(obj: Object) -> GroupVersionKind:
    """The group, version and kind an object claims; absent parts are empty strings."""
    group, version = parse_group_version(obj.get("apiVersion") or "")
    return GroupVersionKind(group, version, obj.get("kind") or "")
