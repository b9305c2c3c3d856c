# SPDX-License-Identifier: Apache-2.0
"""Which zero values an API type writes out, and which it leaves away.

A Go struct has no absent fields, so what a client left out and what it set to zero differ only
where the field is a pointer, or where its JSON tag says to write zeros. The OpenAPI schema does
not tell the two apart; the fact table behind `protobuf_fields` does, with one flag per field:

    POINTER  a scalar behind a pointer: written when it was given, zero or not
    STRUCT   a struct by value: always written, `{}` or null when nothing is in it
    KEPT     zero is written although the field is optional
    PLAIN    written when it is required or not zero
"""

from __future__ import annotations

import functools
from collections.abc import Mapping

from pyk8s.apis import protobuf_fields
from pyk8s.apis.protobuf_fields import KEPT, PLAIN, POINTER, STRUCT

# `omitzero` in its tag: the one struct by value that is left away when it is zero.
_OMITTED_WHEN_ZERO = {
    ("io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta", "creationTimestamp"),
}


@functools.cache
def of(definition: str) -> Mapping[str, str] | None:
    """Flag by field name of an OpenAPI definition; None for a type the table does not have."""
    fields = protobuf_fields.of(definition)
    if fields is None:
        return None
    flags: dict[str, str] = {}
    for field in fields:
        if field.inlined:
            flags |= of(field.inlined) or {}
        else:
            omitted = (definition, field.name) in _OMITTED_WHEN_ZERO
            flags[field.name] = PLAIN if omitted else field.flag
    return flags


__all__ = ["KEPT", "PLAIN", "POINTER", "STRUCT", "of"]
