# SPDX-License-Identifier: Apache-2.0
"""What can be wrong with a patch, as the answer it becomes.

The patch functions know nothing of HTTP; the class of the error says which status upstream gives
(apiserver's `endpoints/handlers/patch.go`), its text is upstream's.
"""

from __future__ import annotations

from typing import Any


class PatchError(ValueError):
    """A patch that cannot be applied. `code` is the HTTP status of the answer."""

    code = 400


class MalformedPatchError(PatchError):
    """The document is no patch of its kind: 400 BadRequest with this text."""

    code = 400


class UnprocessablePatchError(PatchError):
    """A patch that does not apply to this object: 422.

    Upstream keeps the text to itself: a JSON patch that fails answers reason Invalid and message
    `the server rejected our request due to an error in our request`.
    """

    code = 422


class OversizedPatchError(PatchError):
    """A patch with too many operations: 413 RequestEntityTooLarge with this text."""

    code = 413


class UnclassifiedPatchError(PatchError):
    """A fault upstream passes on as a bare error: 500 without a reason, with this text."""

    code = 500


def require_object(patch: Any) -> dict[str, Any]:
    """The patch, when it is a JSON object; what Go's decoder says of another raises."""
    if isinstance(patch, dict):
        return patch
    raise MalformedPatchError(
        f"json: cannot unmarshal {_json_type(patch)} into Go value of type "
        "map[string]interface {}"
    )


def _json_type(value: Any) -> str:
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, str):
        return "string"
    if isinstance(value, list):
        return "array"
    return "number" if isinstance(value, int | float) else "null"
