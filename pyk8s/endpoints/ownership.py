# SPDX-License-Identifier: Apache-2.0
"""Who owns which field: managedFields of every write, for the kinds behind an Endpoint.

The field managers themselves are pure (`apimachinery.fieldmanager`); here they are given the
schemas, the other versions and the fields each way of writing cannot touch. Made on first use
and kept: compiling a kind's schema takes a few milliseconds.
"""

from __future__ import annotations

import functools
from collections.abc import Callable

from pyk8s.apimachinery import fieldset, managedfields, times
from pyk8s.apimachinery.fieldmanager import FieldManager, Version, Writer
from pyk8s.apimachinery.gvk import GroupVersionKind, Object, parse_group_version
from pyk8s.apimachinery.typedschema import Compiler, Type
from pyk8s.apis import conversion, decode, schemas, scheme
from pyk8s.endpoints import options
from pyk8s.endpoints.request import Request

# (subresource) -> the field manager of a kind for writes through it.
FieldManagers = Callable[[str], FieldManager]

_compiler = Compiler(schemas.resolve)

# What a write through the main resource, and one through /status, cannot change; the same for
# all kinds but for labels, which some kinds' status updates keep and some do not.
_STATUS = fieldset.named("status")
_SPEC = fieldset.named("spec")
_LABELS = fieldset.named("metadata", "labels")
_RESET = {
    "": fieldset.excluding(_STATUS),
    "status": fieldset.excluding(_SPEC, _LABELS),
}


@functools.cache
def schema_of(gvk: GroupVersionKind) -> Type:
    return _compiler.definition(schemas.REF_PREFIX + schemas.definition_of(gvk))


@functools.cache
def field_manager(gvk: GroupVersionKind, has_status: bool, subresource: str) -> FieldManager:
    """The field manager of a built-in kind."""
    api_version = str(gvk.group_version)
    reset = _RESET.get(subresource) if has_status else None
    versions = [api_version, *_other_versions(gvk)]
    return FieldManager(
        gvk=gvk,
        schema=schema_of(gvk),
        zero=decode.walker(gvk)({"kind": gvk.kind, "apiVersion": api_version}).obj,
        subresource=subresource,
        reset=dict.fromkeys(versions, reset) if reset else {},
        version=functools.partial(_version, gvk),
    )


def _other_versions(gvk: GroupVersionKind) -> list[str]:
    """The apiVersions the same stored object is served in as well."""
    return [
        str(other.group_version)
        for other in scheme.builtin().by_kind
        if other != gvk and conversion.has_conversion(gvk, other)
    ]


@functools.cache
def _version(gvk: GroupVersionKind, api_version: str) -> Version | None:
    group, version = parse_group_version(api_version)
    other = GroupVersionKind(group, version, gvk.kind)
    if other == gvk or not conversion.has_conversion(gvk, other):
        return None
    return Version(
        schema_of(other),
        lambda obj: conversion.convert(obj, gvk, other),
        lambda obj: conversion.convert(obj, other, gvk),
    )


def writer(request: Request, write: options.WriteOptions) -> Writer:
    """Whose write this is: --field-manager, or the client by its user agent."""
    name = managedfields.manager_name(write.field_manager, request.headers.get("user-agent", ""))
    return Writer(name, times.now(), force=bool(write.force))


def track(manager: FieldManager, live: Object | None, updated: Object, by: Writer) -> None:
    """Set the managedFields of an object that is about to be written, in place. Both objects
    are in the manager's version, or (`updated`) share their metadata with one that is."""
    entries = manager.update(live, updated, by)
    if entries is None:
        updated["metadata"].pop("managedFields", None)
    else:
        updated["metadata"]["managedFields"] = entries
