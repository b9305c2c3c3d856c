# SPDX-License-Identifier: Apache-2.0
"""JSON Merge Patch (RFC 7386): objects merge, null deletes, everything else replaces."""

from __future__ import annotations

from typing import Any

from pyk8s.apimachinery import patcherrors
from pyk8s.apimachinery.jsonpatch import equal

_ABSENT = object()


def apply(original: dict[str, Any], patch: Any) -> dict[str, Any]:
    """The object with the patch merged in; raises MalformedPatchError when it is no object.

    Arguments stay as they were; the result shares with both what is the same. As upstream does,
    nulls inside values that are new are dropped, in lists of objects too.
    """
    if patch is None:
        raise patcherrors.MalformedPatchError("Invalid JSON Patch")
    try:
        fields = patcherrors.require_object(patch)
    except patcherrors.MalformedPatchError as error:
        raise patcherrors.MalformedPatchError(f"error decoding patch: {error}") from None
    return _merge(original, fields)


def create(original: dict[str, Any], modified: dict[str, Any]) -> dict[str, Any]:
    """The smallest patch that turns `original` into `modified`, neither of which holds nulls."""
    patch: dict[str, Any] = {key: None for key in original if key not in modified}
    for key, value in modified.items():
        before = original.get(key, _ABSENT)
        if isinstance(value, dict) and isinstance(before, dict):
            inner = create(before, value)
            if inner:
                patch[key] = inner
        elif before is _ABSENT or not equal(before, value):
            patch[key] = value
    return patch


def _merge(original: dict[str, Any], patch: dict[str, Any]) -> dict[str, Any]:
    if not patch:
        return original
    merged = original.copy()
    for key, value in patch.items():
        if value is None:
            merged.pop(key, None)
            continue
        if isinstance(value, dict):
            before = merged.get(key)
            merged[key] = _merge(before, value) if isinstance(before, dict) else _pruned(value)
        elif isinstance(value, list):
            merged[key] = [_pruned(item) for item in value]
        else:
            merged[key] = value
    return merged


def _pruned(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _pruned(inner) for key, inner in value.items() if inner is not None}
    if isinstance(value, list):
        return [_pruned(item) for item in value]
    return value
