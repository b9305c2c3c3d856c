# SPDX-License-Identifier: Apache-2.0
"""Tables: objects as rows of meta.k8s.io, which kubectl prints without knowing their kinds.

A Table is `{columnDefinitions, rows}`; a row is `{cells, conditions?, object}`, where `object` is
by default only the object's metadata, so that labels can be shown and rows be told apart.

Cells hold ages, which change by the second, so a row is made for each answer and is nobody's to
keep. What does not change with time is a row's object: `row_bytes` takes it encoded, so that one
encoding serves every row made of that object. Mirrors `asTable` and its siblings in apiserver's
pkg/endpoints/handlers/response.go.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from pyk8s.apimachinery import codec, errors, field
from pyk8s.apimachinery.gvk import Object
from pyk8s.apis.columns.definition import Columns

METADATA, OBJECT, NONE = "Metadata", "Object", "None"
# (object) -> what its row holds of it
_Included = Callable[[Object], Object | None]

_INCLUDE_OBJECT = ("", METADATA, OBJECT, NONE)


def check_include_object(value: str) -> None:
    """Raises the 400 for an `includeObject` that is none of upstream's."""
    if value not in _INCLUDE_OBJECT:
        detail = "must be 'Metadata', 'Object', 'None', or empty"
        fault = field.invalid(field.Path("includeObject"), value, detail)
        raise errors.bad_request(f"Unable to convert to Table as requested: {fault.message}")


def table_for(
    objects: Sequence[Object],
    columns: Columns,
    *,
    include_object: str = METADATA,
    list_metadata: Object,
    now: float,
    version: str = "v1",
) -> Object:
    """The Table of a list; `version` is that of meta.k8s.io, v1 or v1beta1.

    `now` is in seconds since the epoch. Rows stand in the order of the objects, but for kinds
    that have an order of their own. The Table shares parts with the objects and with other
    Tables: encode it, do not change it.
    """
    cells = columns.cells
    if columns.in_list is not None:
        objects, cells = columns.in_list(objects)
    included = _included(include_object, version)
    rows = [_row(obj, columns, cells(obj, now), included) for obj in objects]
    return _table(columns, rows, list_metadata, version)


def table_for_object(
    obj: Object,
    columns: Columns,
    *,
    include_object: str = METADATA,
    now: float,
    version: str = "v1",
) -> Object:
    """The Table of one object, got by name or watched, which is not marked as a list marks it."""
    row = _row(obj, columns, columns.cells(obj, now), _included(include_object, version))
    metadata = {"resourceVersion": obj["metadata"].get("resourceVersion", "")}
    return _table(columns, [row], metadata, version)


def without_headers(table: Object) -> Object:
    """The Table as a watch sends it after the first event: with null for the definitions."""
    return {**table, "columnDefinitions": None}


def partial_object_metadata(obj: Object, version: str = "v1") -> Object:
    """The object's metadata as an object of its own; shares it."""
    return {
        "kind": "PartialObjectMetadata",
        "apiVersion": f"meta.k8s.io/{version}",
        "metadata": obj["metadata"],
    }


def partial_object_metadata_list(
    objects: Sequence[Object], list_metadata: Object, version: str = "v1"
) -> Object:
    """The metadata of each, in order; every item says its kind, as upstream's do."""
    return {
        "kind": "PartialObjectMetadataList",
        "apiVersion": f"meta.k8s.io/{version}",
        "metadata": list_metadata,
        "items": [partial_object_metadata(obj, version) for obj in objects],
    }


def row_bytes(cells: Sequence[Any], conditions: Sequence[Object], encoded_object: bytes) -> bytes:
    """One row as JSON around an object that is encoded already (`null` for none)."""
    encoded_cells = codec.encode_json(cells)
    if not conditions:
        return b'{"cells":%b,"object":%b}' % (encoded_cells, encoded_object)
    encoded_conditions = codec.encode_json(conditions)
    return b'{"cells":%b,"conditions":%b,"object":%b}' % (
        encoded_cells,
        encoded_conditions,
        encoded_object,
    )


def _included(include_object: str, version: str) -> _Included:
    if include_object == OBJECT:
        return lambda obj: obj
    if include_object == NONE:
        return lambda obj: None
    return lambda obj: partial_object_metadata(obj, version)


def _row(obj: Object, columns: Columns, cells: list[Any], included: _Included) -> Object:
    row: Object = {"cells": cells}
    if columns.conditions is not None and (conditions := columns.conditions(obj)):
        row["conditions"] = conditions
    row["object"] = included(obj)
    return row


def _table(columns: Columns, rows: list[Object], metadata: Object, version: str) -> Object:
    return {
        "kind": "Table",
        "apiVersion": f"meta.k8s.io/{version}",
        "metadata": metadata,
        "columnDefinitions": columns.definitions,
        "rows": rows,
    }
