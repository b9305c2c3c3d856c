# SPDX-License-Identifier: Apache-2.0
"""Between an object as it is stored and as it is shown: they differ by resourceVersion.

    stored  {"kind":"Pod","apiVersion":"v1","metadata":{"name":…
    shown   {"kind":"Pod","apiVersion":"v1","metadata":{"resourceVersion":"7","name":…

The stored form is what kube-apiserver writes as JSON, so either reads the other's objects. Most
of the time the step between the two is one splice of bytes: nothing is decoded to read an object.
What kube-apiserver wrote as protobuf, its default for built-in kinds, becomes JSON when it is read.
"""

from __future__ import annotations

import re
from typing import Any

from pyk8s.apimachinery import codec
from pyk8s.apimachinery.gvk import Object
from pyk8s.apis import protobuf
from pyk8s.storage import errors

# The head of an object down to the inside of its metadata. kube-apiserver writes kind first for
# built-in resources and sorts the keys of custom ones.
_head = re.compile(
    rb'\{(?:"kind":"[^"\\]*","apiVersion":"[^"\\]*"|"apiVersion":"[^"\\]*","kind":"[^"\\]*")'
    rb',"metadata":\{'
).match
_shown_head = re.compile(
    rb'(\{"(?:kind|apiVersion)":"[^"\\]*","(?:kind|apiVersion)":"[^"\\]*","metadata":\{'
    rb'"resourceVersion":")\d+'
).match
_RESOURCE_VERSION = b'"resourceVersion"'

# Set by the server on the way out, never part of what is stored.
_NOT_STORED = frozenset(("resourceVersion", "selfLink"))


def encode(obj: Object) -> bytes:
    """The stored form: kind, apiVersion and metadata first, no resourceVersion."""
    metadata = {key: obj["metadata"][key] for key in obj["metadata"] if key not in _NOT_STORED}
    stored = {"kind": obj.get("kind", ""), "apiVersion": obj.get("apiVersion", ""), "metadata": {}}
    stored.update(obj)
    stored["metadata"] = metadata
    return codec.encode_json(stored)


def show(stored: bytes, revision: int) -> bytes:
    """The shown form of what `encode` made."""
    head = _head(stored)
    if head is None:
        return _show_slowly(stored, revision)
    end = head.end()
    comma = b"" if stored.startswith(b"}", end) else b","
    return b'%b"resourceVersion":"%d"%b%b' % (stored[:end], revision, comma, stored[end:])


def show_foreign(key: str, stored: bytes, revision: int) -> bytes:
    """The shown form of a value that anyone may have written, as JSON or, a built-in kind, as
    protobuf. Raises Corrupt."""
    if stored.startswith(protobuf.PREFIX):
        try:
            return show(encode(protobuf.decode(stored)), revision)
        except (codec.DecodeError, KeyError) as error:
            raise _corrupt(key, error) from error
    if _RESOURCE_VERSION in stored or _head(stored) is None:
        try:
            return _show_slowly(stored, revision)
        except (codec.DecodeError, AttributeError, KeyError, TypeError) as error:
            raise _corrupt(key, error) from error
    return show(stored, revision)


def restamp(shown: bytes, revision: int) -> bytes:
    """The shown form with another revision: a deleted object carries that of its deletion."""
    head = _shown_head(shown)
    assert head is not None, "every shown form begins with kind, apiVersion, resourceVersion"
    return b"%b%d%b" % (head.group(1), revision, shown[head.end() :])


def same_object(shown: bytes, revision: int, stored: bytes) -> bool:
    """Whether a write of `stored` would change nothing: both are the same JSON value, whatever
    the order of keys and the spelling of strings."""
    again = show(stored, revision)
    if again == shown:
        return True
    # Another order of keys keeps the length; escapes are how Go spells <, > and &.
    if len(again) != len(shown) and b"\\u" not in shown:
        return False
    return same_json(codec.decode_json(again), codec.decode_json(shown))


def same_json(one: Any, other: Any) -> bool:
    """Equality as JSON has it, where `1`, `1.0` and `true` are three values."""
    if type(one) is not type(other):
        return False
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same_json(one[key], other[key]) for key in one)
    if isinstance(one, list):
        return len(one) == len(other) and all(map(same_json, one, other))
    return bool(one == other)


def _show_slowly(stored: bytes, revision: int) -> bytes:
    return show(encode(codec.decode_json(stored)), revision)


def _corrupt(key: str, error: Exception) -> errors.Corrupt:
    return errors.Corrupt(f"object at {key} cannot be read: {error}", key)
