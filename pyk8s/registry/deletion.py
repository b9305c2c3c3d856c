# SPDX-License-Identifier: Apache-2.0
"""What a DELETE does to an object: gone at once, or marked and kept.

Pure decisions over dicts; the Store carries them out. Mirrors apiserver's
`registry/rest/delete.go` (BeforeDelete) and the finalizer rules of `generic/registry/store.go`.

    no finalizers, no grace      -> removed
    finalizers, no grace         -> deletionTimestamp now, grace 0; removed by the update that
                                    takes the last finalizer away
    grace > 0 (pods)             -> deletionTimestamp in the future; a later DELETE may only
                                    shorten it, and 0 removes
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from pyk8s.apimachinery import errors, times
from pyk8s.apimachinery.gvk import GroupResource, Object

ORPHAN_DEPENDENTS = "orphan"
FOREGROUND_DELETION = "foregroundDeletion"

BACKGROUND = "Background"
FOREGROUND = "Foreground"
ORPHAN = "Orphan"


@dataclass(frozen=True, slots=True, kw_only=True)
class DeleteOptions:
    """metav1.DeleteOptions; None and "" where the client said nothing."""

    grace_period_seconds: int | None = None
    uid: str = ""
    resource_version: str = ""
    propagation_policy: str = ""
    orphan_dependents: bool | None = None
    dry_run: bool = False

    @property
    def orphans(self) -> bool:
        return self.propagation_policy == ORPHAN or self.orphan_dependents is True


def check_preconditions(existing: Object, options: DeleteOptions, resource: GroupResource) -> None:
    """Raises 409 when the object is not the one the client means."""
    metadata = existing["metadata"]
    name = metadata["name"]
    if options.uid and options.uid != metadata.get("uid"):
        why = (
            f"the UID in the precondition ({options.uid}) does not match the UID in record "
            f"({metadata.get('uid')}). The object might have been deleted and then recreated"
        )
        raise errors.conflict(resource, name, why)
    if options.resource_version and options.resource_version != metadata["resourceVersion"]:
        why = (
            f"the ResourceVersion in the precondition ({options.resource_version}) does not "
            f"match the ResourceVersion in record ({metadata['resourceVersion']}). The object "
            "might have been modified"
        )
        raise errors.conflict(resource, name, why)


def finalizers_after(existing: Object, options: DeleteOptions, *, collected: bool) -> list[str]:
    """The finalizers the deletion leaves on the object: the garbage collector's two are set or
    taken off as the policy says. `collected` is False for resources it leaves alone (events)."""
    finalizers = _finalizers(existing)
    if not collected:
        return finalizers
    wanted = _gc_finalizer(finalizers, options)
    kept = [f for f in finalizers if f not in (ORPHAN_DEPENDENTS, FOREGROUND_DELETION)]
    if wanted and wanted in finalizers:
        return [f for f in finalizers if f in kept or f == wanted]
    return [*kept, wanted] if wanted else kept


def _gc_finalizer(finalizers: list[str], options: DeleteOptions) -> str:
    if options.orphan_dependents is not None:
        return ORPHAN_DEPENDENTS if options.orphan_dependents else ""
    if options.propagation_policy:
        policies = {ORPHAN: ORPHAN_DEPENDENTS, FOREGROUND: FOREGROUND_DELETION}
        return policies.get(options.propagation_policy, "")
    for finalizer in (ORPHAN_DEPENDENTS, FOREGROUND_DELETION):
        if finalizer in finalizers:
            return finalizer
    return ""


@dataclass(frozen=True, slots=True)
class Outcome:
    """`marked` is the object to store in place of the existing one, None for no write;
    `remove` says whether the object goes now."""

    marked: Object | None
    remove: bool


def decide(
    existing: Object, options: DeleteOptions, grace_period_seconds: int | None, *, collected: bool
) -> Outcome:
    """What to do with `existing`, which this function may change and return as `marked`.

    `grace_period_seconds` is the Strategy's answer: None for kinds without graceful deletion.
    """
    metadata = existing["metadata"]
    if grace_period_seconds is None:
        return _decide_ungraceful(existing, options, collected=collected)
    if "deletionTimestamp" in metadata:
        return _decide_again(existing, options)
    finalizers = finalizers_after(existing, options, collected=collected)
    _set_finalizers(metadata, finalizers)
    if grace_period_seconds == 0 and not finalizers:
        return Outcome(None, remove=True)
    due = datetime.now(UTC) + timedelta(seconds=grace_period_seconds)
    metadata["deletionTimestamp"] = times.format(due)
    metadata["deletionGracePeriodSeconds"] = grace_period_seconds
    if metadata.get("generation", 0) > 0:
        metadata["generation"] += 1
    return Outcome(existing, remove=False)


def _decide_ungraceful(existing: Object, options: DeleteOptions, *, collected: bool) -> Outcome:
    finalizers = finalizers_after(existing, options, collected=collected)
    metadata = existing["metadata"]
    if not finalizers:
        return Outcome(None, remove=True)
    _set_finalizers(metadata, finalizers)
    mark_as_deleting(existing)
    return Outcome(existing, remove=False)


def mark_as_deleting(existing: Object) -> None:
    """Set deletionTimestamp and a zero grace period, in place; the first mark stays."""
    metadata = existing["metadata"]
    if metadata.get("generation", 0) > 0 and "deletionTimestamp" not in metadata:
        metadata["generation"] += 1
    metadata.setdefault("deletionTimestamp", times.now())
    metadata["deletionGracePeriodSeconds"] = 0


def _decide_again(existing: Object, options: DeleteOptions) -> Outcome:
    """A graceful deletion is under way; it can only be shortened."""
    metadata = existing["metadata"]
    pending = metadata.get("deletionGracePeriodSeconds")
    if pending is None:
        return Outcome(None, remove=not _finalizers(existing))
    requested = options.grace_period_seconds
    if requested is None or requested >= pending:
        return Outcome(None, remove=False)
    due = times.parse(metadata["deletionTimestamp"]) - timedelta(seconds=pending - requested)
    metadata["deletionTimestamp"] = times.format(due)
    metadata["deletionGracePeriodSeconds"] = requested
    if requested == 0 and not _finalizers(existing):
        return Outcome(None, remove=True)
    return Outcome(existing, remove=False)


def _finalizers(obj: Object) -> list[str]:
    return obj["metadata"].get("finalizers") or []


def _set_finalizers(metadata: Object, finalizers: list[str]) -> None:
    if finalizers:
        metadata["finalizers"] = finalizers
    else:
        metadata.pop("finalizers", None)


def removed_by_update(updated: Object, existing: Object) -> bool:
    """Whether storing `updated` would leave an object that nothing holds back any more.

    True when it is marked, the last finalizer is gone, and its grace period is over.
    """
    metadata = updated["metadata"]
    if _finalizers(updated) or "deletionTimestamp" not in existing["metadata"]:
        return False
    return not metadata.get("deletionGracePeriodSeconds")
