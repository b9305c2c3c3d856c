# SPDX-License-Identifier: Apache-2.0
"""What a DELETE does to an object: gone at once, or marked and kept.

Pure decisions over dicts; the Store carries them out. Mirrors apiserver's
`registry/rest/delete.go` (BeforeDelete) and the finalizer rules of `generic/registry/store.go`.

    no finalizers, no grace      -> removed
    finalizers, no grace         -> deletionTimestamp now, grace 0; removed by the update that
                                    takes the last finalizer away
    grace (pods)                 -> deletionTimestamp in the future; a later DELETE may only
                                    shorten it, and 0 marks and removes
"""

from __future__ import annotations

import enum
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
    """Raises 409 when the object is not the one the client means. Upstream names the kind here
    where it names the resource elsewhere."""
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


class GCPolicy(enum.Enum):
    """What becomes of an object's dependents when nobody says; UNSUPPORTED for resources that
    the garbage collector leaves alone (events)."""

    DELETE = "delete"
    ORPHAN = "orphan"
    UNSUPPORTED = "unsupported"


def finalizers_after(existing: Object, options: DeleteOptions, policy: GCPolicy) -> list[str]:
    """The finalizers the deletion leaves on the object: the garbage collector's two are set or
    taken off as the options say, else as the object says, else as the kind does."""
    finalizers = _finalizers(existing)
    if policy is GCPolicy.UNSUPPORTED:
        return finalizers
    wanted = _gc_finalizer(finalizers, options, policy)
    kept = [f for f in finalizers if f not in (ORPHAN_DEPENDENTS, FOREGROUND_DELETION)]
    after = [*kept, wanted] if wanted else kept
    return finalizers if set(after) == set(finalizers) else after


def _gc_finalizer(finalizers: list[str], options: DeleteOptions, policy: GCPolicy) -> str:
    if options.orphan_dependents is not None:
        return ORPHAN_DEPENDENTS if options.orphan_dependents else ""
    if options.propagation_policy:
        policies = {ORPHAN: ORPHAN_DEPENDENTS, FOREGROUND: FOREGROUND_DELETION}
        return policies.get(options.propagation_policy, "")
    for finalizer in (ORPHAN_DEPENDENTS, FOREGROUND_DELETION):
        if finalizer in finalizers:
            return finalizer
    return ORPHAN_DEPENDENTS if policy is GCPolicy.ORPHAN else ""


@dataclass(frozen=True, slots=True)
class Outcome:
    """`marked` is the object to store in place of the existing one, None for no write;
    `remove` says whether the object goes then."""

    marked: Object | None
    remove: bool


_KEEP = Outcome(None, remove=False)
_REMOVE = Outcome(None, remove=True)


def decide(
    existing: Object,
    options: DeleteOptions,
    grace_period_seconds: int | None,
    policy: GCPolicy = GCPolicy.DELETE,
) -> Outcome:
    """What to do with `existing`, which this function may change and return as `marked`.

    `grace_period_seconds` is the Strategy's answer: None for kinds without graceful deletion.
    """
    graceful = grace_period_seconds is not None
    if graceful and "deletionTimestamp" in existing["metadata"]:
        pending = existing["metadata"].get("deletionGracePeriodSeconds")
        if not pending:
            # The first attempt got no further than the mark.
            graceful = False
        elif options.grace_period_seconds is None or options.grace_period_seconds >= pending:
            return _KEEP
        else:
            _shorten(existing["metadata"], pending, options.grace_period_seconds)
            return _marked(existing, options, policy)
    if not graceful:
        return _decide_ungraceful(existing, options, policy)
    assert grace_period_seconds is not None  # else it is not graceful
    _begin(existing["metadata"], grace_period_seconds)
    return _marked(existing, options, policy)


def _begin(metadata: Object, seconds: int) -> None:
    due = datetime.now(UTC) + timedelta(seconds=seconds)
    metadata["deletionTimestamp"] = times.format(due)
    metadata["deletionGracePeriodSeconds"] = seconds
    if metadata.get("generation", 0) > 0:
        metadata["generation"] += 1


def _shorten(metadata: Object, pending: int, requested: int) -> None:
    """A graceful deletion that is under way can only end sooner."""
    due = times.parse(metadata["deletionTimestamp"]) - timedelta(seconds=pending - requested)
    metadata["deletionTimestamp"] = times.format(due)
    metadata["deletionGracePeriodSeconds"] = requested


def _marked(existing: Object, options: DeleteOptions, policy: GCPolicy) -> Outcome:
    metadata = existing["metadata"]
    finalizers = finalizers_after(existing, options, policy)
    _set_finalizers(metadata, finalizers)
    return Outcome(existing, remove=not finalizers and not metadata["deletionGracePeriodSeconds"])


def _decide_ungraceful(existing: Object, options: DeleteOptions, policy: GCPolicy) -> Outcome:
    finalizers = finalizers_after(existing, options, policy)
    metadata = existing["metadata"]
    if not finalizers:
        return _REMOVE
    _set_finalizers(metadata, finalizers)
    mark_as_deleting(existing)
    return Outcome(existing, remove=False)


def mark_as_deleting(existing: Object) -> None:
    """Set deletionTimestamp and a zero grace period, in place; a mark that lies in the past
    stays."""
    metadata = existing["metadata"]
    now = times.now()
    if metadata.get("generation", 0) > 0 and "deletionTimestamp" not in metadata:
        metadata["generation"] += 1
    # Both are in one form, in which the later one sorts last.
    metadata["deletionTimestamp"] = min(metadata.get("deletionTimestamp") or now, now)
    metadata["deletionGracePeriodSeconds"] = 0


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
