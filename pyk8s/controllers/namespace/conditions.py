# SPDX-License-Identifier: Apache-2.0
"""What a Namespace says about its own deletion: five conditions, false when all is well.

Types, reasons and messages are upstream's (`namespace/deletion/status_condition_utils.go`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pyk8s.apimachinery import times
from pyk8s.apimachinery.gvk import GroupResource

DISCOVERY_FAILURE = "NamespaceDeletionDiscoveryFailure"
GROUP_VERSION_FAILURE = "NamespaceDeletionGroupVersionParsingFailure"
CONTENT_FAILURE = "NamespaceDeletionContentFailure"
CONTENT_REMAINING = "NamespaceContentRemaining"
FINALIZERS_REMAINING = "NamespaceFinalizersRemaining"

_WELL = {
    DISCOVERY_FAILURE: ("ResourcesDiscovered", "All resources successfully discovered"),
    GROUP_VERSION_FAILURE: ("ParsedGroupVersions", "All legacy kube types successfully parsed"),
    CONTENT_FAILURE: (
        "ContentDeleted",
        "All content successfully deleted, may be waiting on finalization",
    ),
    CONTENT_REMAINING: ("ContentRemoved", "All content successfully removed"),
    FINALIZERS_REMAINING: ("ContentRemoved", "All content successfully removed"),
}


@dataclass(slots=True)
class Progress:
    """How far one round of deletion came."""

    discovery_failures: Mapping[str, str] = field(default_factory=dict)
    errors: list[str] = field(default_factory=list)
    remaining: dict[GroupResource, int] = field(default_factory=dict)
    finalizers: dict[str, int] = field(default_factory=dict)

    @property
    def is_complete(self) -> bool:
        return not (self.discovery_failures or self.errors or self.remaining)


def conditions(before: list[dict[str, Any]], progress: Progress) -> list[dict[str, Any]]:
    """The conditions after this round; equal to `before` where nothing is new."""
    wrong = _wrong(progress)
    after = [dict(condition) for condition in before]
    for type, (reason, message) in _WELL.items():
        status = "True" if type in wrong else "False"
        reason, message = wrong.get(type, (reason, message))
        found = next((c for c in after if c.get("type") == type), None)
        if found is None:
            found = {"type": type, "status": ""}
            after.append(found)
        if found["status"] != status:
            found["lastTransitionTime"] = times.now()
        found.update(status=status, reason=reason, message=message)
    return after


def _wrong(progress: Progress) -> dict[str, tuple[str, str]]:
    found = {}
    if failures := progress.discovery_failures:
        what = ", ".join(f"{version}: {why}" for version, why in sorted(failures.items()))
        message = (
            f"Discovery failed for some groups, {len(failures)} failing: unable to retrieve the "
            f"complete list of server APIs: {what}"
        )
        found[DISCOVERY_FAILURE] = ("DiscoveryFailed", message)
    if progress.errors:
        message = (
            f"Failed to delete all resource types, {len(progress.errors)} remaining: "
            f"{', '.join(sorted(progress.errors))}"
        )
        found[CONTENT_FAILURE] = ("ContentDeletionFailed", message)
    if progress.remaining:
        kinds = sorted(
            f"{resource.resource}.{resource.group} has {count} resource instances"
            for resource, count in progress.remaining.items()
        )
        message = f"Some resources are remaining: {', '.join(kinds)}"
        found[CONTENT_REMAINING] = ("SomeResourcesRemain", message)
    if progress.finalizers:
        kinds = sorted(
            f"{name} in {count} resource instances" for name, count in progress.finalizers.items()
        )
        message = f"Some finalizers are remaining: {', '.join(kinds)}"
        found[FINALIZERS_REMAINING] = ("SomeFinalizerRemain", message)
    return found
