# SPDX-License-Identifier: Apache-2.0
"""Strategy: what one kind does differently on its way into storage.

    create:  default -> (mutating admission) -> prepare_for_create -> validate
             -> (validating admission) -> canonicalize -> storage
    update:  default -> (mutating admission) -> prepare_for_update -> validate_update
             -> (validating admission) -> canonicalize -> storage
    status:  the same with prepare_for_status_update, validate_status_update

The base class is the rule for a kind without rules of its own. Subclasses call plain functions
in `apis.defaults` and `apis.validation`; they hold no state and do no I/O. Metadata that is
treated alike for every kind (uid, creationTimestamp, names, labels) is the Store's business.
Mirrors apiserver's `rest.RESTCreateStrategy` and its siblings.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from pyk8s.apimachinery import field
from pyk8s.apimachinery.gvk import Object
from pyk8s.apis import decode, scheme
from pyk8s.registry.context import RequestContext


class UpdateRule(NamedTuple):
    """How one way of updating an object treats it: `prepare(context, updated, existing)` takes
    back what that way may not touch, `validate` says what is wrong with the rest."""

    prepare: Callable[[RequestContext, Object, Object], None]
    validate: Callable[[RequestContext, Object, Object], list[field.Error]]


class Strategy:
    """One per resource and version family; objects arrive in the storage version and may be
    changed in place by `default`, `prepare_*` and `canonicalize`, and by nothing else."""

    # PUT and apply may create the object (nodes, leases, events and a few more upstream).
    allow_create_on_update = False
    # PUT without resourceVersion overwrites; where False it is a 422.
    allow_unconditional_update = True
    # Without a word of the client, dependents of a deleted object stay; and what he is then told.
    orphans_dependents = False
    orphans_warning = ""
    # metadata.generation starts at 1 and moves when the spec does.
    tracks_generation = False

    def __init__(self, resource: scheme.Resource) -> None:
        self.resource = resource
        self.has_status = "status" in resource.subresources

    def default(self, obj: Object) -> None:
        """Fill in what the client left out, as decoding does upstream."""

    def prepare_for_create(self, context: RequestContext, obj: Object) -> None:
        if self.has_status:
            _put(obj, "status", decode.empty_status(self.resource.storage_version))
        if self.tracks_generation:
            obj["metadata"]["generation"] = 1

    def validate(self, context: RequestContext, obj: Object) -> list[field.Error]:
        return []

    def warnings_on_create(self, context: RequestContext, obj: Object) -> list[str]:
        return []

    def canonicalize(self, obj: Object) -> None:
        """Bring a valid object into its stored form."""

    def prepare_for_update(
        self, context: RequestContext, updated: Object, existing: Object
    ) -> None:
        if self.has_status:
            _take(updated, existing, "status")
        if self.tracks_generation and self.spec_changed(updated, existing):
            generation = existing["metadata"].get("generation", 0)
            updated["metadata"]["generation"] = generation + 1

    def spec_changed(self, updated: Object, existing: Object) -> bool:
        return updated.get("spec") != existing.get("spec")

    def validate_update(
        self, context: RequestContext, updated: Object, existing: Object
    ) -> list[field.Error]:
        return []

    def warnings_on_update(
        self, context: RequestContext, updated: Object, existing: Object
    ) -> list[str]:
        return []

    def prepare_for_status_update(
        self, context: RequestContext, updated: Object, existing: Object
    ) -> None:
        """Everything but status, and of metadata labels, stays as it is stored."""
        for key in [key for key in updated if key not in ("status", "metadata")]:
            _take(updated, existing, key)
        for key in existing:
            if key not in ("status", "metadata"):
                updated[key] = existing[key]
        _take(updated["metadata"], existing["metadata"], "labels")

    def validate_status_update(
        self, context: RequestContext, updated: Object, existing: Object
    ) -> list[field.Error]:
        return []

    def update_rule(self, subresource: str) -> UpdateRule:
        """The rule for updates through that subresource, "" being the object itself. Kinds with
        subresources of their own extend this; raises KeyError for one that is not written."""
        if not subresource:
            return UpdateRule(self.prepare_for_update, self.validate_update)
        if subresource == "status" and self.has_status:
            return UpdateRule(self.prepare_for_status_update, self.validate_status_update)
        raise KeyError(subresource)

    def grace_period_seconds(self, existing: Object, requested: int | None) -> int | None:
        """How long the object stays, marked, after a DELETE; 0 removes it at once. None for a
        kind that is never deleted gracefully (all but pods)."""
        return None


def _take(target: Object, source: Object, key: str) -> None:
    _put(target, key, source.get(key))


def _put(target: Object, key: str, value: object) -> None:
    if value is None:
        target.pop(key, None)
    else:
        target[key] = value
