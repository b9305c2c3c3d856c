# SPDX-License-Identifier: Apache-2.0
"""metadata.managedFields: who manages which fields, read and written.

    entries (a list, as stored)  --decode-->  Managed (by manager)  --encode-->  entries

An entry belongs to a manager's name, operation and subresource, and for updates to a version.
Sets are in the form they are stored in, so decoding copies nothing and an entry that did not
change is written back as the very dict it was read from. Mirrors apimachinery's
`util/managedfields/internal` (managedfields.go, capmanagers.go, stripmeta.go, scalehandler.go).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from pyk8s.apimachinery import fieldset, gojson
from pyk8s.apimachinery.fieldset import FieldSet
from pyk8s.apimachinery.gvk import Object

RawEntry = dict[str, Any]

APPLY = "Apply"
UPDATE = "Update"
FIELDS_V1 = "FieldsV1"

UPDATE_MANAGERS_MAX = 10
BEFORE_FIRST_APPLY = "before-first-apply"
_ANCIENT_CHANGES = "ancient-changes"
_UNKNOWN_MANAGER = "unknown"
_MANAGER_NAME_BYTES_MAX = 128

# Of the server, not of any manager (stripmeta.go); the structs themselves have no owner.
_STRIPPED = fieldset.from_paths(
    [
        fieldset.named("apiVersion"),
        fieldset.named("kind"),
        fieldset.named("metadata"),
        *(
            fieldset.named("metadata", name)
            for name in (
                "clusterName",
                "creationTimestamp",
                "generation",
                "managedFields",
                "name",
                "namespace",
                "resourceVersion",
                "selfLink",
                "uid",
            )
        ),
    ]
)


class MalformedEntries(ValueError):
    """managedFields that upstream's decoder refuses."""


class Manager(NamedTuple):
    """Who; `api_version` is empty for appliers, who keep one entry across versions."""

    name: str
    operation: str
    api_version: str = ""
    subresource: str = ""

    @property
    def identifier(self) -> str:
        """Upstream's key of a manager, by which it breaks ties and orders conflicts."""
        parts = (
            ("manager", self.name),
            ("operation", self.operation),
            ("apiVersion", self.api_version),
            ("subresource", self.subresource),
        )
        pairs = (f'"{key}":{gojson.encoded(text)}' for key, text in parts if text)
        return "{" + ",".join(pairs) + "}"

    def __str__(self) -> str:
        """As conflicts name it: `"kubectl" with subresource "scale" using apps/v1`."""
        text = gojson.quoted_string(self.name)
        if self.subresource:
            text += f" with subresource {gojson.quoted_string(self.subresource)}"
        return f"{text} using {self.api_version}" if self.operation == UPDATE else text


@dataclass(frozen=True, slots=True)
class Entry:
    """What a manager manages, in which version, since when (empty: not said)."""

    fields: FieldSet
    api_version: str
    time: str = ""
    # What the entry was read from, while it is unchanged.
    raw: RawEntry | None = None

    def with_fields(self, fields: FieldSet) -> Entry:
        return self if fields is self.fields else Entry(fields, self.api_version, self.time)


Managed = dict[Manager, Entry]


def manager_name(field_manager: str, user_agent: str) -> str:
    """The request's fieldManager, or what of the user agent stands before the first slash.

    Only printable characters, at most 128 bytes of them; empty when there are none, which
    managedFields show as `unknown`.
    """
    if field_manager:
        return field_manager
    name, size = "", 0
    for character in user_agent.partition("/")[0]:
        if not character.isprintable():
            continue
        size += len(character.encode())
        if size > _MANAGER_NAME_BYTES_MAX:
            break
        name += character
    return name


def identity(name: str, operation: str, api_version: str, subresource: str) -> Manager:
    version = "" if operation == APPLY else api_version
    return Manager(name or _UNKNOWN_MANAGER, operation, version, subresource)


def of(obj: Object) -> list[RawEntry] | None:
    """As they stand in the object; [] is not None."""
    entries: list[RawEntry] | None = (obj.get("metadata") or {}).get("managedFields")
    return entries


def without(obj: Object) -> Object:
    """The object without managedFields; itself when it has none."""
    if of(obj) is None:
        return obj
    metadata = {key: item for key, item in obj["metadata"].items() if key != "managedFields"}
    return {**obj, "metadata": metadata}


def put(obj: Object, entries: list[RawEntry] | None) -> Object:
    """The object with these managedFields; None takes them away."""
    bare = without(obj)
    if entries is None:
        return bare
    return {**bare, "metadata": {**(bare.get("metadata") or {}), "managedFields": entries}}


def is_reset(entries: Any) -> bool:
    """Whether a client asks for managedFields to be cleared: `[]`, or one empty entry."""
    return isinstance(entries, list) and (not entries or (len(entries) == 1 and not entries[0]))


def decode(entries: Sequence[RawEntry] | None, stored: bool = True) -> Managed:
    """Raises MalformedEntries. `stored` entries are this server's own, whose sets are canonical."""
    managed: Managed = {}
    for index, raw in enumerate(entries or ()):
        operation = raw.get("operation", "")
        api_version = raw.get("apiVersion", "")
        _check(raw, index, operation, api_version)
        manager = Manager(
            raw.get("manager", ""),
            operation,
            "" if operation == APPLY else api_version,
            raw.get("subresource", ""),
        )
        time = raw.get("time") or ""
        if stored:
            managed[manager] = Entry(raw.get("fieldsV1") or {}, api_version, time, raw)
            continue
        try:
            fields = fieldset.parse(raw.get("fieldsV1"))
        except fieldset.MalformedFields as error:
            raise MalformedEntries(f"error decoding set: {error}") from error
        managed[manager] = Entry(fields, api_version, time)
    return managed


def _check(raw: RawEntry, index: int, operation: str, api_version: str) -> None:
    if operation not in (APPLY, UPDATE):
        raise MalformedEntries("operation must be `Apply` or `Update`")
    if not api_version:
        raise MalformedEntries("apiVersion must not be empty")
    fields_type = raw.get("fieldsType", "")
    if not fields_type:
        raise MalformedEntries(f"missing fieldsType in managed fields entry {index}")
    if fields_type != FIELDS_V1:
        shown = gojson.quoted_string(fields_type)
        raise MalformedEntries(f"invalid fieldsType {shown} in managed fields entry {index}")


def encode(managed: Managed) -> list[RawEntry] | None:
    """Appliers first, each kind by time, then by name, version and subresource."""
    if not managed:
        return None
    if len(managed) == 1:
        return [_encode(*item) for item in managed.items()]
    return [_encode(*item) for item in sorted(managed.items(), key=_order)]


def _order(item: tuple[Manager, Entry]) -> tuple[str, str, str, str, str]:
    manager, entry = item
    return manager.operation, entry.time, manager.name, entry.api_version, manager.subresource


def _encode(manager: Manager, entry: Entry) -> RawEntry:
    if entry.raw is not None:
        return entry.raw
    raw = {
        "manager": manager.name,
        "operation": manager.operation,
        "apiVersion": entry.api_version,
        "time": entry.time,
        "fieldsType": FIELDS_V1,
        "fieldsV1": entry.fields,
        "subresource": manager.subresource,
    }
    return {key: item for key, item in raw.items() if item != ""}


def strip(fields: FieldSet) -> FieldSet:
    """The set without what the server itself decides: name, uid, resourceVersion …"""
    return fieldset.difference(fields, _STRIPPED)


def cap_updates(managed: Managed) -> Managed:
    """At most ten entries of updates; beyond, the oldest become `ancient-changes` per version."""
    updaters = [manager for manager in managed if manager.operation == UPDATE]
    if len(updaters) <= UPDATE_MANAGERS_MAX:
        return managed
    capped = dict(managed)
    updaters.sort(key=lambda manager: (managed[manager].time, manager.identifier))
    first: dict[str, Manager] = {}
    left = len(updaters)
    for manager in updaters:
        if left <= UPDATE_MANAGERS_MAX:
            break
        entry = managed[manager]
        version = entry.api_version
        if version not in first:
            first[version] = manager
            continue
        bucket = Manager(_ANCIENT_CHANGES, UPDATE, version)
        if bucket not in capped:
            capped[bucket] = capped.pop(first[version])
        fields = fieldset.union(entry.fields, capped[bucket].fields)
        # The time of the update that joins, for it is the later one.
        capped[bucket] = Entry(fields, version, entry.time)
        if manager != bucket:
            del capped[manager]
        left -= 1
    return capped


def keep_times(live: Object, updated: Object) -> Object:
    """The updated object, with the live times when they are all that changed.

    So a write that changes nothing else is none (IgnoreManagedFieldsTimestampsTransformer); to be
    called after admission.
    """
    old, new = of(live), of(updated)
    if not new or not old or len(old) != len(new) or old is new:
        return updated
    if not all(_same_but_time(a, b) for a, b in zip(old, new, strict=True)):
        return updated
    return put(updated, old) if without(live) == without(updated) else updated


def _same_but_time(a: RawEntry, b: RawEntry) -> bool:
    keys = a.keys() | b.keys()
    return a is b or all(a.get(key) == b.get(key) for key in keys if key != "time")


SCALE_VERSION = "autoscaling/v1"
_SCALE_REPLICAS = fieldset.named("spec", "replicas")

# Where replicas stand in a resource, by its apiVersion; None for a version without scale.
ReplicasPaths = Mapping[str, fieldset.Path | None]


def to_scale(parent: Sequence[RawEntry] | None, replicas: ReplicasPaths) -> list[RawEntry] | None:
    """The entries of a resource that own its replicas, as entries of its Scale.

    Raises MalformedEntries.
    """
    managed: Managed = {}
    for manager, entry in decode(parent).items():
        path = replicas.get(entry.api_version)
        if path and fieldset.has(entry.fields, path):
            fields = fieldset.from_paths([_SCALE_REPLICAS])
            managed[manager] = Entry(fields, SCALE_VERSION, entry.time)
    return encode(managed)


def from_scale(
    parent: Sequence[RawEntry] | None,
    scale: Sequence[RawEntry] | None,
    api_version: str,
    replicas: ReplicasPaths,
) -> list[RawEntry] | None:
    """The resource's entries after a write to its Scale: replicas change hands.

    `api_version` is the version of the resource that is being written. Raises MalformedEntries.
    """
    scales, parents = decode(scale), decode(parent)
    managed: Managed = {}
    for manager, entry in parents.items():
        if entry.api_version not in replicas:
            continue
        path = replicas[entry.api_version]
        if path and fieldset.has(entry.fields, path) and scales.pop(manager, None) is None:
            fields = fieldset.difference(entry.fields, fieldset.from_paths([path]))
            entry = entry.with_fields(fields)
        if entry.fields:
            managed[manager] = entry
    path = replicas.get(api_version)
    for manager, entry in scales.items():
        if path and fieldset.has(entry.fields, _SCALE_REPLICAS):
            # Upstream gives the time of the resource's entry, which a new one does not have.
            time = parents[manager].time if manager in parents else ""
            managed[manager] = Entry(fieldset.from_paths([path]), api_version, time)
    return encode(managed)
