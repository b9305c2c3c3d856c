# SPDX-License-Identifier: Apache-2.0
"""What of an object's metadata a subresource leaves alone (`metav1.ResetObjectMetaForStatus`)."""

from __future__ import annotations

from pyk8s.apimachinery.gvk import Object

_KEPT = (
    "deletionTimestamp",
    "generation",
    "labels",
    "annotations",
    "finalizers",
    "ownerReferences",
)


def reset(updated: Object, existing: Object) -> None:
    """Put back what an update through a subresource may not change of the metadata, in place."""
    metadata, stored = updated["metadata"], existing["metadata"]
    for key in _KEPT:
        if key in stored:
            metadata[key] = stored[key]
        else:
            metadata.pop(key, None)
