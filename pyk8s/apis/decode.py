# SPDX-License-Identifier: Apache-2.0
"""From a parsed request body to an object its kind's rules can work on.

`to_internal` is what decoding a body into a Go struct does upstream, with `fieldValidation`'s
three answers to unknown and duplicate fields; the sentences are upstream's, because users search
for them.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Sequence
from typing import Any

from pyk8s.apimachinery import codec, errors
from pyk8s.apimachinery.gojson import quoted_string
from pyk8s.apimachinery.gvk import GroupVersionKind, Object, parse_group_version
from pyk8s.apis import schemas, structural
from pyk8s.apis.structural_errors import (
    STRICT_ERRORS_MAX,
    DecodeFault,
    TypeFault,
    mismatch,
    unknown_field,
)

STRICT = "Strict"
WARN = "Warn"
IGNORE = "Ignore"

_META_TYPE = (
    r'struct { APIVersion string "json:\"apiVersion,omitempty\""; '
    r'Kind string "json:\"kind,omitempty\"" }'
)

_compiler = structural.Compiler(schemas.resolve)


@functools.cache
def walker(gvk: GroupVersionKind) -> structural.Walker:
    """The walker of a built-in kind, compiled on first use; raises KeyError for any other."""
    return _compiler.compile_kind(schemas.definition_of(gvk))


def reader(definition: str) -> structural.Reader:
    """The reader of one built-in type by its definition's name, for parts of an object."""
    return _compiler.reader(definition)


def empty_status(gvk: GroupVersionKind) -> Any:
    """What Go writes for a status that nobody has set: None where it writes nothing, which is
    the answer for every kind that is not built in. The value belongs to the caller."""
    encoded = _empty_status(gvk)
    return None if encoded is None else codec.decode_json(encoded)


@functools.cache
def _empty_status(gvk: GroupVersionKind) -> bytes | None:
    if not schemas.has_definition(gvk):
        return None
    status = walker(gvk)({"metadata": {}}).obj.get("status")
    return None if status is None else codec.encode_json(status)


class Duplicates(list[str]):
    """The sentences for what is twice in a JSON document, and `paths`: each of its fields in the
    order of the document, so that all that is wrong with it can be told in that order."""

    def __init__(self, repeated: Iterable[str], paths: Sequence[str]) -> None:
        super().__init__(map(_duplicate_field, repeated))
        self.paths = paths


def _duplicate_field(path: str) -> str:
    return f"duplicate field {quoted_string(path)}"


def to_internal(
    obj: Any,
    gvk: GroupVersionKind,
    field_validation: str = "",
    duplicates: Sequence[str] = (),
) -> tuple[Object, list[str]]:
    """Decode a parsed document as that kind: the object, and the texts of `Warning` headers.

    The document is changed in place and must not be used after an error. `duplicates` are the
    parser's sentences for keys that occur twice (`duplicate field "spec.replicas"`); they and
    unknown fields are an error under Strict, warnings under Warn (the default), nothing under
    Ignore. Raises StatusError 400 as `transformDecodeError` upstream words it, and KeyError when
    the kind is not built in.
    """
    try:
        report = walker(gvk)(obj)
    except DecodeFault as fault:
        raise cannot_be_handled(gvk, fault.message) from None
    if field_validation == IGNORE or not (report.unknown or duplicates):
        return report.obj, []
    faults = _together(duplicates, report.unknown)[:STRICT_ERRORS_MAX]
    if field_validation == STRICT:
        raise cannot_be_handled(gvk, strict_message(faults))
    return report.obj, faults


def _together(duplicates: Sequence[str], unknown: Sequence[str]) -> list[str]:
    """As Go's decoder meets them. It passes over what is inside an unknown field."""
    if not (unknown and isinstance(duplicates, Duplicates)):
        return [*duplicates, *unknown]
    wanted, seen = set(unknown), set[str]()
    faults: dict[str, None] = {}
    skipped = ""
    for path in duplicates.paths:
        if skipped and path.startswith((f"{skipped}.", f"{skipped}[")):
            continue
        if unknown_field(path) in wanted:
            skipped = path
            faults[unknown_field(path)] = None
        elif path in seen:
            faults[_duplicate_field(path)] = None
        seen.add(path)
    return list(faults)


def strict_message(faults: Sequence[str]) -> str:
    """The one sentence of several strict decoding faults."""
    return "strict decoding error: " + ", ".join(faults)


class Unfit(errors.StatusError):
    """400: a document is not of the kind it should be of, and `why`."""

    def __init__(self, message: str, why: str) -> None:
        super().__init__(400, errors.BAD_REQUEST, message)
        self.why = why


def cannot_be_handled(gvk: GroupVersionKind, why: str) -> Unfit:
    message = (
        f"{gvk.kind} in version {quoted_string(gvk.version)} cannot be handled as a "
        f"{gvk.kind}: {why}"
    )
    return Unfit(message, why)


def interpret(document: Any) -> GroupVersionKind:
    """The kind a document claims, absent parts empty; raises ValueError in the words of
    `SimpleMetaFactory.Interpret` when it is no object or claims it with other than text."""
    if not isinstance(document, dict):
        raise _no_kind(mismatch(document, _META_TYPE))
    for name in ("apiVersion", "kind"):
        value = document.get(name)
        if value is not None and not isinstance(value, str):
            fault: TypeFault = mismatch(value, "string")
            fault.inside("", name)
            raise _no_kind(fault)
    group, version = parse_group_version(document.get("apiVersion") or "")
    return GroupVersionKind(group, version, document.get("kind") or "")


def _no_kind(fault: TypeFault) -> ValueError:
    return ValueError(f"couldn't get version/kind; json parse error: {fault.message}")
