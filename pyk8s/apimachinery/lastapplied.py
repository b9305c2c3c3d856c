# SPDX-License-Identifier: Apache-2.0
"""The annotation of client-side apply, and how kubectl moves from it to server-side apply.

Client-side `kubectl apply` leaves what it applied in an annotation, while managedFields call it
an update. A server-side apply by the manager `kubectl` may take those fields over without force,
and keeps the annotation current, so that client-side apply can be returned to. Mirrors
apimachinery's lastappliedmanager.go and lastappliedupdater.go.
"""

from __future__ import annotations

from typing import Any

from pyk8s.apimachinery import (
    codec,
    fieldset,
    gojson,
    meta,
    typedcompare,
    typedvalidation,
    typedvalue,
)
from pyk8s.apimachinery.fieldset import FieldSet
from pyk8s.apimachinery.gvk import Object
from pyk8s.apimachinery.typedschema import KeyFault, Type

ANNOTATION = "kubectl.kubernetes.io/last-applied-configuration"

_ANNOTATIONS_BYTES_MAX = 256 * 1024


def allowed(schema: Type, live: Object, api_version: str) -> FieldSet | None:
    """What client-side apply owns of the live object: the fields it applied that are still so.

    None when there is no annotation, or none that can be read in this version.
    """
    text = meta.annotations(live).get(ANNOTATION)
    if not text:
        return None
    try:
        last = codec.decode_json(text)
    except codec.DecodeError:
        return None
    if not isinstance(last, dict) or last.get("apiVersion") != api_version:
        return None
    if typedvalidation.faults(schema, last):
        return None
    try:
        owned = typedvalue.to_field_set(schema, last)
        found = typedcompare.compare(schema, last, live)
    except KeyFault:
        return None
    return fieldset.difference(fieldset.difference(owned, found.changed), found.removed)


def refresh(obj: Object, applied: Object) -> Object:
    """The object with the annotation saying what was applied; itself when it has none.

    The annotation goes away where it would make the annotations too large.
    """
    annotations = meta.annotations(obj)
    if not annotations.get(ANNOTATION):
        return obj
    text = _text(applied)
    if annotations[ANNOTATION] == text:
        return obj
    kept = {key: item for key, item in annotations.items() if key != ANNOTATION}
    wanted = {**kept, ANNOTATION: text}
    size = sum(len(key.encode()) + len(item.encode()) for key, item in wanted.items())
    if size > _ANNOTATIONS_BYTES_MAX:
        wanted = kept
    return {**obj, "metadata": {**obj["metadata"], "annotations": wanted}}


def _text(applied: Object) -> str:
    annotations: dict[str, Any] = meta.of(applied).get("annotations") or {}
    if ANNOTATION in annotations:
        kept = {key: item for key, item in annotations.items() if key != ANNOTATION}
        applied = {**applied, "metadata": {**applied["metadata"], "annotations": kept}}
    return gojson.encoded(applied) + "\n"
