# SPDX-License-Identifier: Apache-2.0
"""What of an object's metadata a subresource leaves alone (`metav1.ResetObjectMetaForStatus`)."""

from __future__ import annotations

from collections.abc import Iterable

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
    put_back(updated["metadata"], existing["metadata"], _KEPT)


def put_back(updated: Object, existing: Object, keys: Iterable[str]) -> None:
    """Make `updated` what `existing` is at these keys: the same values, or absent, in place."""
    for key in keys:
        if key in existing:
            updated[key] = existing[key]
        else:
            updated.pop(key, None)
