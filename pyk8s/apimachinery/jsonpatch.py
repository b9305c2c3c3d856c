# SPDX-License-Identifier: Apache-2.0
"""JSON Patch (RFC 6902) with the extensions and limits kube-apiserver has.

Beside the RFC, array indices may be negative (counted from the end), a test for null passes
where there is no value, and the whole document cannot be an operation's target. Failing
operations word their errors as evanphx/json-patch does.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from pyk8s.apimachinery import codec
from pyk8s.apimachinery.patcherrors import (
    MalformedPatchError,
    OversizedPatchError,
    UnprocessablePatchError,
)

OPERATIONS_MAX = 10_000
# Together, the values that copy operations may add to the document: the body limit of a request.
COPIED_BYTES_MAX = 3 * 1024 * 1024

Operation = dict[str, Any]

_MISSING = object()


def check(patch: Any) -> Sequence[Operation]:
    """The patch as operations; raises PatchError for another document or for too many."""
    if not isinstance(patch, list):
        raise MalformedPatchError(
            "json: cannot unmarshal object into Go value of type []jsonPatchOp"
        )
    for operation in patch:
        if not isinstance(operation, dict):
            raise MalformedPatchError("json: cannot unmarshal into Go value of type jsonPatchOp")
    if len(patch) > OPERATIONS_MAX:
        raise OversizedPatchError(
            f"The allowed maximum operations in a JSON patch is {OPERATIONS_MAX}, got {len(patch)}"
        )
    return patch


def apply(original: Any, patch: Any) -> Any:
    """The document with every operation applied in order, or PatchError with none applied.

    Arguments stay as they were; the result shares with both what no operation changed.
    """
    document = _Document(original)
    for operation in check(patch):
        kind = operation.get("op")
        handler = _HANDLERS.get(kind) if isinstance(kind, str) else None
        if handler is None:
            shown = kind if isinstance(kind, str) else "unknown"
            raise UnprocessablePatchError(f"Unexpected kind: {shown}")
        handler(document, operation)
    return document.root


class _Document:
    """The document in work: a container is copied before its first change, and only once."""

    def __init__(self, root: Any) -> None:
        self.root = root
        # By identity, with the container itself so that its identity is not reused.
        self._owned: dict[int, Any] = {}
        self.copied_bytes = 0

    def find(self, path: str, missing: str) -> tuple[Any, str]:
        """The container of the path's last token, for reading, and that token."""
        tokens = _tokens(path)
        container = self.root
        for token in tokens[:-1]:
            container = _child(container, token)
        if not tokens or not isinstance(container, dict | list):
            raise UnprocessablePatchError(f"{missing}: missing value")
        return container, tokens[-1]

    def own(self, path: str) -> Any:
        """The container of the path's last token, for writing; the path must exist."""
        self.root = container = self._own(self.root)
        for token in _tokens(path)[:-1]:
            key = token if isinstance(container, dict) else _index(token, len(container))
            container[key] = self._own(container[key])
            container = container[key]
        return container

    def _own(self, container: Any) -> Any:
        if id(container) in self._owned:
            return container
        copy = container.copy()
        self._owned[id(copy)] = copy
        return copy


def _tokens(path: str) -> list[str]:
    """The reference tokens of a JSON pointer; none for one that names the whole document."""
    steps = path.split("/")[1:]
    if "~" not in path:
        return steps
    return [step.replace("~1", "/").replace("~0", "~") for step in steps]


_is_index = re.compile(r"[+-]?[0-9]{1,18}").fullmatch


def _parse_index(token: str) -> int:
    """As Go's Atoi, whose error text is upstream's."""
    if not _is_index(token):
        raise UnprocessablePatchError(f'strconv.Atoi: parsing "{token}": invalid syntax')
    return int(token)


def _index(token: str, length: int) -> int:
    index = _parse_index(token)
    if not -length <= index < length:
        raise UnprocessablePatchError(
            f"Unable to access invalid index: {index}: invalid index referenced"
        )
    return index


def _child(container: Any, token: str) -> Any:
    """One step down for reading; None where there is nothing to step into."""
    if isinstance(container, dict):
        return container.get(token)
    if isinstance(container, list) and _is_index(token):
        index = int(token)
        return container[index] if -len(container) <= index < len(container) else None
    return None


def _get(container: Any, token: str) -> Any:
    """The value at the token; _MISSING for an absent key, an error for an absent index."""
    if isinstance(container, dict):
        return container.get(token, _MISSING)
    return container[_index(token, len(container))]


def _text(operation: Operation, name: str) -> str:
    value = operation.get(name)
    if not isinstance(value, str):
        kind = operation["op"]
        raise UnprocessablePatchError(f"{kind} operation failed to decode {name}: missing value")
    return value


def _insert(container: Any, token: str, value: Any) -> None:
    if isinstance(container, dict):
        container[token] = value
        return
    if token == "-":
        container.append(value)
        return
    index = _parse_index(token)
    # The place after the last element counts too, so -1 appends.
    size = len(container) + 1
    if not -size <= index < size:
        raise UnprocessablePatchError(
            f"Unable to access invalid index: {index}: invalid index referenced"
        )
    container.insert(index if index >= 0 else index + size, value)


def _add(document: _Document, operation: Operation) -> None:
    path = _text(operation, "path")
    _, token = document.find(path, f'add operation does not apply: doc is missing path: "{path}"')
    with _Context(f"error in add for path: '{path}'"):
        _insert(document.own(path), token, operation.get("value"))


def _remove(document: _Document, operation: Operation) -> None:
    path = _text(operation, "path")
    container, token = document.find(
        path, f'remove operation does not apply: doc is missing path: "{path}"'
    )
    with _Context(f"error in remove for path: '{path}'"):
        _take(document, container, path, token)


def _take(document: _Document, container: Any, path: str, token: str) -> Any:
    if _get(container, token) is _MISSING:
        raise UnprocessablePatchError(f"unable to remove nonexistent key: {token}: missing value")
    owned = document.own(path)
    return owned.pop(token if isinstance(owned, dict) else _index(token, len(owned)))


def _replace(document: _Document, operation: Operation) -> None:
    path = _text(operation, "path")
    container, token = document.find(
        path, f"replace operation does not apply: doc is missing path: {path}"
    )
    try:
        present = _get(container, token) is not _MISSING
    except UnprocessablePatchError:
        present = False
    if not present:
        raise UnprocessablePatchError(
            f"replace operation does not apply: doc is missing key: {path}: missing value"
        )
    owned = document.own(path)
    owned[token if isinstance(owned, dict) else _index(token, len(owned))] = operation.get("value")


def _move(document: _Document, operation: Operation) -> None:
    source = _text(operation, "from")
    path = _text(operation, "path")
    container, token = document.find(
        source, f"move operation does not apply: doc is missing from path: {source}"
    )
    with _Context(f"error in move for path: '{token}'"):
        value = _take(document, container, source, token)
    _, token = document.find(
        path, f"move operation does not apply: doc is missing destination path: {path}"
    )
    with _Context(f"error in move for path: '{path}'"):
        _insert(document.own(path), token, value)


def _copy(document: _Document, operation: Operation) -> None:
    source = _text(operation, "from")
    path = _text(operation, "path")
    container, token = document.find(
        source, f"copy operation does not apply: doc is missing from path: {source}"
    )
    with _Context(f"error in copy for from: '{source}'"):
        value = _get(container, token)
        if value is _MISSING:
            raise UnprocessablePatchError(f"unable to get nonexistent key: {token}: missing value")
    _, token = document.find(
        path, f"copy operation does not apply: doc is missing destination path: {path}"
    )
    encoded = codec.encode_json(value)
    document.copied_bytes += len(encoded)
    if document.copied_bytes > COPIED_BYTES_MAX:
        raise UnprocessablePatchError(
            "Unable to complete the copy, the accumulated size increase of copy is "
            f"{document.copied_bytes}, exceeding the limit {COPIED_BYTES_MAX}"
        )
    # A true copy: a later operation on one of the two places must not show at the other.
    with _Context("error while adding value during copy"):
        _insert(document.own(path), token, codec.decode_json(encoded))


def _test(document: _Document, operation: Operation) -> None:
    path = _text(operation, "path")
    container, token = document.find(
        path, f"test operation does not apply: is missing path: {path}"
    )
    with _Context(f"error in test for path: '{path}'"):
        value = _get(container, token)
    expected = operation.get("value")
    if value is _MISSING:
        value = None
    if not equal(value, expected):
        raise UnprocessablePatchError(f"testing value {path} failed: test failed")


def equal(left: Any, right: Any) -> bool:
    """Equality of JSON, which unlike Python's tells 1 from true and from 1.0."""
    if type(left) is not type(right):
        return False
    if isinstance(left, dict):
        return left.keys() == right.keys() and all(equal(left[key], right[key]) for key in left)
    if isinstance(left, list):
        return len(left) == len(right) and all(map(equal, left, right))
    return bool(left == right)


class _Context:
    """Puts where it happened before what happened."""

    __slots__ = ("_place",)

    def __init__(self, place: str) -> None:
        self._place = place

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, UnprocessablePatchError):
            raise UnprocessablePatchError(f"{self._place}: {error}") from None


_HANDLERS = {
    "add": _add,
    "remove": _remove,
    "replace": _replace,
    "move": _move,
    "copy": _copy,
    "test": _test,
}
