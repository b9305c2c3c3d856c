# SPDX-License-Identifier: Apache-2.0
"""The Store of Namespaces, whose objects hold others."""

from __future__ import annotations

from pyk8s.apimachinery.gvk import Object
from pyk8s.registry import deletion
from pyk8s.registry.store import Store


class NamespaceStore(Store):
    """Namespaces leave in two steps: a DELETE marks them Terminating, and they go once
    spec.finalizers is empty, which the namespace controller sees to."""

    def decide_deletion(
        self, existing: Object, options: deletion.DeleteOptions
    ) -> deletion.Outcome:
        if not (existing.get("spec") or {}).get("finalizers"):
            return super().decide_deletion(existing, options)
        metadata = existing["metadata"]
        if "deletionTimestamp" in metadata:
            return deletion.Outcome(None, remove=False)
        deletion.mark_as_deleting(existing)
        metadata.pop("deletionGracePeriodSeconds", None)
        finalizers = deletion.finalizers_after(existing, options, collected=self.collected)
        if finalizers:
            metadata["finalizers"] = finalizers
        existing.setdefault("status", {})["phase"] = "Terminating"
        return deletion.Outcome(existing, remove=False)
