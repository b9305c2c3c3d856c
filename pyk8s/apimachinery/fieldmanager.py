# SPDX-License-Identifier: Apache-2.0
"""Server-side apply: field ownership across writes, and merging of applied configurations.

    create, update, patch   FieldManager.update(live, updated, writer) -> managedFields
    apply                   FieldManager.apply(live, applied, writer)  -> the merged object

An update owns what it changed and takes it from whoever had it. An apply owns what it says, is
refused where that changes somebody else's fields (unless forced), and removes what its manager
applied before, says no more, and nobody else owns. Mirrors structured-merge-diff's
`merge.Updater` below apimachinery's chain of field managers (`NewDefaultFieldManager`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from pyk8s.apimachinery import (
    errors,
    fieldset,
    lastapplied,
    managedfields,
    meta,
    typedcompare,
    typedvalidation,
    typedvalue,
)
from pyk8s.apimachinery.fieldset import FieldSet, Filter
from pyk8s.apimachinery.gvk import GroupVersionKind, Object, parse_group_version
from pyk8s.apimachinery.managedfields import Entry, Managed, Manager, RawEntry
from pyk8s.apimachinery.typedcompare import Comparison
from pyk8s.apimachinery.typedschema import KeyFault, Type

_KUBECTL = "kubectl"


@dataclass(frozen=True, slots=True)
class Writer:
    """Whose request this is: the manager's name, the time (as metav1.Time prints it), and
    whether an apply may take fields from others."""

    manager: str
    now: str
    force: bool = False


@dataclass(frozen=True, slots=True)
class Version:
    """Another version of the kind: its type, and how objects get there and back."""

    schema: Type
    convert: Callable[[Object], Object]
    convert_back: Callable[[Object], Object]


class _Conflict(NamedTuple):
    manager: Manager
    path: fieldset.Path


class _Conflicts(Exception):
    def __init__(self, conflicts: list[_Conflict]) -> None:
        super().__init__(f"{len(conflicts)} conflicts")
        self.conflicts = conflicts


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldManager:
    """The field manager of a kind in one version, on its main resource or a subresource.

    Objects go in and come out in that version. `zero` is the object with nothing said, as the
    server's decoder makes it of an empty body (for custom resources apiVersion and kind alone):
    structs that are always there have no owner. `reset` takes from a set what a write through
    this endpoint cannot change (status on the main resource, spec on /status), by apiVersion.
    `version` gives another version by its apiVersion, None when there is none, whose managers
    are then forgotten.

    It holds no state and may be kept and shared.
    """

    gvk: GroupVersionKind
    schema: Type
    zero: Object
    subresource: str = ""
    reset: Mapping[str, Filter] = field(default_factory=dict)
    version: Callable[[str], Version | None] = lambda api_version: None
    api_version: str = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "api_version", str(self.gvk.group_version))

    def update(self, live: Object | None, updated: Object, writer: Writer) -> list[RawEntry] | None:
        """The managedFields of an object that was written whole: created, replaced or patched.

        `live` is None for a create; `updated` is decoded and defaulted, before admission, with
        the managedFields the client sent (also `[]`, which decoding leaves away). Never refuses:
        where ownership cannot be told, the live managedFields stay. The live list itself comes
        back when nothing changed; None when the object is not tracked, and then it shall have
        none.
        """
        before = self.zero if live is None else live
        stored = managedfields.of(before)
        sent = stored if self.subresource else managedfields.of(updated)
        managed = _managed(stored, sent)
        if not managed and meta.uid(before):
            # What was never tracked stays so until somebody applies.
            return None
        try:
            tracked = self._track(before, updated, managed, writer)
        except KeyFault:
            return stored
        if tracked is managed and (sent is stored or sent == stored or not sent):
            return stored
        return managedfields.encode(tracked)

    def apply(self, live: Object | None, applied: Object, writer: Writer) -> Object:
        """The live object merged with an applied configuration, and its managedFields.

        `live` is None when the object is to be created; `applied` is the body as it was parsed,
        neither decoded nor defaulted, and what comes back needs both; it shares parts with the
        two, so whoever decodes in place copies it first. The live object itself comes back when
        nothing changed. Raises StatusError: 409 with one cause per manager and
        field, 400 for a body of another kind or with managedFields, 500 for one that is not of
        its type, as upstream answers.
        """
        gvk = _claimed_kind(applied)
        if gvk != self.gvk:
            raise errors.bad_request(f"invalid object type: {_kind_text(gvk)}")
        before = self.zero if live is None else live
        try:
            managed = managedfields.decode(managedfields.of(before))
        except managedfields.MalformedEntries as error:
            raise _failure(f"failed to decode managed fields: {error}") from error
        try:
            merged = self._apply_upgrading(before, applied, managed, writer)
        except _Conflicts as found:
            raise _conflict_error(found.conflicts) from None
        if writer.manager == _KUBECTL:
            return lastapplied.refresh(merged, applied)
        return merged

    def _apply_upgrading(
        self, live: Object, applied: Object, managed: Managed, writer: Writer
    ) -> Object:
        """Apply, where kubectl may take over what it managed by client-side apply."""
        tracked = managed
        if not managed:
            first = Writer(managedfields.BEFORE_FIRST_APPLY, writer.now)
            try:
                tracked = self._track(self.zero, live, managed, first)
            except KeyFault as fault:
                raise _failure(f"failed to create manager for existing fields: {fault}") from fault
        try:
            return self._apply(live, applied, tracked, writer)
        except _Conflicts as found:
            if writer.manager != _KUBECTL:
                raise
            allowed = lastapplied.allowed(
                self.schema, managedfields.without(live), self.api_version
            )
            if allowed is None:
                raise
            left = [one for one in found.conflicts if not fieldset.has(allowed, one.path)]
            if left:
                raise _Conflicts(left) from None
        return self._apply(live, applied, tracked, Writer(writer.manager, writer.now, force=True))

    def _apply(self, live: Object, applied: Object, managed: Managed, writer: Writer) -> Object:
        self._check(applied)
        bare = managedfields.without(live)
        manager = managedfields.identity(
            writer.manager, managedfields.APPLY, self.api_version, self.subresource
        )
        before = self._reconciled(managed)
        last = before.get(manager)
        fields = self._kept(typedvalue.to_field_set(self.schema, applied), self.api_version)
        after = {**before, manager: Entry(fields, self.api_version)}
        try:
            merged = typedvalue.merge(self.schema, bare, applied)
            merged = self._prune(merged, after, manager, last)
            after = self._settle(bare, merged, after, _Settling(manager, writer.force))
        except KeyFault as fault:
            raise _failure(f"failed to merge config: {fault}") from fault
        changed = not typedvalue.same(self.schema, bare, merged)
        time = writer.now if changed else (last.time if last else "")
        self._enter(after, manager, Entry(fields, self.api_version, time), last)
        entries = managedfields.encode(after)
        if not changed and entries == managedfields.of(live):
            return live
        return managedfields.put(merged if changed else bare, entries)

    def _check(self, applied: Object) -> None:
        metadata = applied.get("metadata")
        if not isinstance(metadata, dict):
            metadata = {}
        if isinstance(metadata.get("managedFields"), list):
            raise errors.bad_request("metadata.managedFields must be nil")
        faults = typedvalidation.faults(self.schema, applied)
        if faults:
            namespace, name = (_text(metadata.get(key)) for key in ("namespace", "name"))
            where = f"{namespace}/{name}; {_kind_text(self.gvk)}"
            why = typedvalidation.message(faults)
            raise _failure(f"failed to create typed patch object ({where}): {why}")

    def _enter(self, managed: Managed, manager: Manager, entry: Entry, last: Entry | None) -> None:
        """Put the applier's own entry in, as the one it had when it is the same."""
        fields = managedfields.strip(entry.fields)
        if not fields:
            managed.pop(manager, None)
        elif last is not None and last.fields == fields and last.api_version == entry.api_version:
            same_time = last.time == entry.time
            managed[manager] = (
                last if same_time else Entry(last.fields, last.api_version, entry.time)
            )
        else:
            managed[manager] = entry.with_fields(fields)

    def _track(self, old: Object, new: Object, managed: Managed, writer: Writer) -> Managed:
        """Ownership after a write that was not an apply; `managed` itself when it is the same."""
        before = self._reconciled(managed)
        old, new = managedfields.without(old), managedfields.without(new)
        changes = _Changes(self, old, new)
        after = self._disowned(before, changes, None)
        mine = managedfields.strip(changes.own.changed)
        if mine:
            manager = managedfields.identity(
                writer.manager, managedfields.UPDATE, self.api_version, self.subresource
            )
            previous = after.get(manager)
            if previous is not None:
                mine = fieldset.union(mine, previous.fields)
            after = {**after, manager: Entry(mine, self.api_version, writer.now)}
        return managedfields.cap_updates(after)

    def _settle(self, old: Object, new: Object, managed: Managed, how: _Settling) -> Managed:
        """Ownership of everybody but the applier after its apply; raises _Conflicts."""
        changes = _Changes(self, old, new)
        conflicts = [] if how.force else _conflicts(managed, changes, how.manager)
        if conflicts:
            raise _Conflicts(conflicts)
        return self._disowned(managed, changes, how.manager)

    def _disowned(self, managed: Managed, changes: _Changes, writer: Manager | None) -> Managed:
        """Without what others lost to the change, and without those of versions there are not."""
        out = managed
        for manager, entry in managed.items():
            left: Entry | None = entry
            if manager != writer:
                change = changes.at(entry.api_version)
                fields = fieldset.difference(entry.fields, change.touched) if change else {}
                left = entry.with_fields(fields) if fields else None
            elif not entry.fields:
                left = None
            if left is entry:
                continue
            if out is managed:
                out = dict(managed)
            if left is None:
                del out[manager]
            else:
                out[manager] = left
        return out

    def _kept(self, fields: FieldSet, api_version: str) -> FieldSet:
        keep = self.reset.get(api_version)
        return fields if keep is None else keep(fields)

    def _at(self, api_version: str) -> Version | None:
        if api_version == self.api_version:
            return Version(self.schema, _unchanged, _unchanged)
        return self.version(api_version)

    def _reconciled(self, managed: Managed) -> Managed:
        """Sets as they read under today's schemas; managers of unknown versions are left out."""
        out = managed
        for manager, entry in managed.items():
            if entry.api_version == self.api_version:
                schema: Type | None = self.schema
            else:
                version = self.version(entry.api_version)
                schema = version.schema if version else None
            if schema is not None:
                kept = entry.with_fields(typedvalue.reconcile(schema, entry.fields))
                if kept is entry:
                    continue
            if out is managed:
                out = dict(managed)
            if schema is None:
                del out[manager]
            else:
                out[manager] = kept
        return out

    def _prune(
        self, merged: Object, managed: Managed, manager: Manager, last: Entry | None
    ) -> Object:
        """Without what the applier owned, gave up, and nobody else owns."""
        if last is None or not last.fields:
            return merged
        own = managed[manager]
        if last.api_version == own.api_version and _still_owns(own.fields, last.fields):
            return merged
        version = self._at(last.api_version)
        if version is None:
            return merged
        schema = version.schema
        whole = version.convert(merged)
        given_up = typedvalue.with_named_fields(schema, last.fields)
        pruned = typedvalue.remove_items(schema, whole, given_up) or {}
        pruned = self._add_back_owned(whole, pruned, last.api_version, managed)
        # Only what the applier had may go: the rest came along with a parent.
        if pruned is whole:
            return merged
        gone = fieldset.difference(_all_fields(schema, whole), _all_fields(schema, pruned))
        gone = fieldset.intersection(gone, given_up)
        kept: Object = typedvalue.remove_items(schema, whole, gone) or {}
        return version.convert_back(kept)

    def _add_back_owned(self, whole: Object, pruned: Object, at: str, managed: Managed) -> Object:
        """What was pruned though somebody owns it, in the version of each owner."""
        owned: dict[str, FieldSet] = {at: {}}
        for entry in managed.values():
            known = owned.get(entry.api_version, {})
            owned[entry.api_version] = fieldset.union(known, entry.fields)
        # The pruned version goes first: what conversion needs may have been pruned.
        others = sorted(api_version for api_version in owned if api_version != at)
        start = self._at(at)
        assert start is not None
        pruned = _added_back(start.schema, whole, pruned, owned[at])
        for api_version in others:
            version = self._at(api_version)
            if version is not None:
                there, back = _between(start, version)
                kept = _added_back(version.schema, there(whole), there(pruned), owned[api_version])
                pruned = back(kept)
        return pruned


@dataclass(frozen=True, slots=True)
class _Settling:
    manager: Manager
    force: bool


class _Change:
    """What a write changed, as one version sees it."""

    __slots__ = ("changed", "touched")

    def __init__(self, found: Comparison) -> None:
        # Set to something; and these with what was removed.
        self.changed = found.changed
        self.touched = fieldset.union(self.changed, found.removed)


class _Changes:
    """What a write changed, as each version sees it; computed once per version."""

    __slots__ = ("_found", "_manager", "_new", "_old", "own")

    def __init__(self, manager: FieldManager, old: Object, new: Object) -> None:
        self._manager, self._old, self._new = manager, old, new
        self.own = self._change(manager.api_version, manager.schema, old, new)
        self._found: dict[str, _Change | None] = {manager.api_version: self.own}

    def at(self, api_version: str) -> _Change | None:
        """None for a version there is not."""
        if api_version not in self._found:
            version = self._manager.version(api_version)
            found = None
            if version is not None:
                old, new = version.convert(self._old), version.convert(self._new)
                found = self._change(api_version, version.schema, old, new)
            self._found[api_version] = found
        return self._found[api_version]

    def _change(self, api_version: str, schema: Type, old: Object, new: Object) -> _Change:
        found = typedcompare.compare(schema, old, new)
        keep = self._manager.reset.get(api_version)
        return _Change(found if keep is None else found.filtered(keep))


def _managed(stored: Any, sent: Any) -> Managed:
    """The managers to start from: those the client sent, if they can be read, or the stored."""
    if sent is not stored and sent != stored:
        if managedfields.is_reset(sent):
            return {}
        try:
            managed = managedfields.decode(sent, stored=False)
        except managedfields.MalformedEntries:
            managed = {}
        if managed:
            return managed
    try:
        return managedfields.decode(stored)
    except managedfields.MalformedEntries:
        return {}


def _conflicts(managed: Managed, changes: _Changes, writer: Manager) -> list[_Conflict]:
    """What others own of the change, by manager; upstream has them in no order."""
    found: list[tuple[Manager, FieldSet]] = []
    for manager, entry in managed.items():
        change = None if manager == writer else changes.at(entry.api_version)
        if change is not None:
            common = fieldset.intersection(change.changed, entry.fields)
            if common:
                found.append((manager, common))
    found.sort(key=lambda item: item[0].identifier)
    return [
        _Conflict(manager, path) for manager, common in found for path in fieldset.paths(common)
    ]


def _conflict_error(conflicts: list[_Conflict]) -> errors.StatusError:
    causes = [
        {
            "reason": "FieldManagerConflict",
            "message": f"conflict with {one.manager}",
            "field": fieldset.path_text(one.path),
        }
        for one in conflicts
    ]
    if len(conflicts) == 1:
        why = f"Apply failed with 1 conflict: {causes[0]['message']}: {causes[0]['field']}"
        return errors.apply_conflict(causes, why)
    lines: list[str] = []
    named: Manager | None = None
    for one in conflicts:
        if one.manager != named:
            named = one.manager
            lines.append(f"conflicts with {named}:")
        lines.append(f"- {fieldset.path_text(one.path)}")
    why = f"Apply failed with {len(conflicts)} conflicts: " + "\n".join(lines)
    return errors.apply_conflict(causes, why)


def _still_owns(fields: FieldSet, last: FieldSet) -> bool:
    """Whether nothing was given up; then pruning would add back all that it takes."""
    return managedfields.strip(fields) == last or fieldset.contains(fields, last)


def _failure(message: str) -> errors.StatusError:
    """What upstream does not foresee as a client's fault: 500 without a reason."""
    return errors.StatusError(500, "", message)


def _claimed_kind(applied: Object) -> GroupVersionKind:
    """The kind of a body nobody has decoded; empty parts for what does not read."""
    try:
        group, version = parse_group_version(_text(applied.get("apiVersion")))
    except ValueError:
        return GroupVersionKind("", "", "")
    return GroupVersionKind(group, version, _text(applied.get("kind")))


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _kind_text(gvk: GroupVersionKind) -> str:
    """Go's print of it, which keeps the slash after an empty group."""
    return f"{gvk.group}/{gvk.version}, Kind={gvk.kind}"


def _all_fields(schema: Type, obj: Object) -> FieldSet:
    return typedvalue.with_named_fields(schema, typedvalue.to_field_set(schema, obj))


def _added_back(schema: Type, whole: Object, pruned: Object, owned: FieldSet) -> Object:
    kept = fieldset.union(_all_fields(schema, pruned), typedvalue.with_named_fields(schema, owned))
    gone = fieldset.difference(_all_fields(schema, whole), kept)
    added: Object = typedvalue.remove_items(schema, whole, gone) or {}
    return added


def _between(
    start: Version, end: Version
) -> tuple[Callable[[Object], Object], Callable[[Object], Object]]:
    return (
        lambda obj: end.convert(start.convert_back(obj)),
        lambda obj: start.convert(end.convert_back(obj)),
    )


def _unchanged(obj: Object) -> Object:
    return obj
