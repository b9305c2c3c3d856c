# SPDX-License-Identifier: Apache-2.0
"""The Store of Namespaces, whose objects hold others.

Mirrors `pkg/registry/core/namespace/storage`.
"""

from __future__ import annotations

from pyk8s.apimachinery import errors, times
from pyk8s.apimachinery.gvk import Object
from pyk8s.registry import deletion
from pyk8s.registry.store import Store


class NamespaceStore(Store):
    """Namespaces leave in steps: a first DELETE marks them Terminating, and once spec.finalizers
    is empty, which the namespace controller sees to, they go."""

    def check_preconditions(self, existing: Object, options: deletion.DeleteOptions) -> None:
        metadata = existing["metadata"]
        demands = (
            ("UID", options.uid, metadata.get("uid")),
            ("ResourceVersion", options.resource_version, metadata["resourceVersion"]),
        )
        for shown, claimed, actual in demands:
            if claimed and claimed != actual:
                why = (
                    f"Precondition failed: {shown} in precondition: {claimed}, "
                    f"{shown} in object meta: {actual}"
                )
                raise errors.conflict(self.resource.group_resource, metadata["name"], why)

    def decide_deletion(
        self, existing: Object, options: deletion.DeleteOptions
    ) -> deletion.Outcome:
        metadata = existing["metadata"]
        if "deletionTimestamp" in metadata:
            if (existing.get("spec") or {}).get("finalizers"):
                return deletion.Outcome(None, remove=False)
            return super().decide_deletion(existing, options)
        metadata["deletionTimestamp"] = times.now()
        finalizers = deletion.finalizers_after(existing, options, self.gc_policy)
        if finalizers:
            metadata["finalizers"] = finalizers
        else:
            metadata.pop("finalizers", None)
        existing.setdefault("status", {})["phase"] = "Terminating"
        return deletion.Outcome(existing, remove=False)

    def removed_by_update(self, updated: Object, existing: Object) -> bool:
        if (updated.get("spec") or {}).get("finalizers"):
            return False
        return super().removed_by_update(updated, existing)
