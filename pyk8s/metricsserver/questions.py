# SPDX-License-Identifier: Apache-2.0
"""What a request asks for: its selectors, and the form of the answer. No I/O."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from pyk8s.apimachinery import errors, fields, labels, meta
from pyk8s.apimachinery.gvk import Object
from pyk8s.metricsserver.api import API_VERSION, Served

JSON = "application/json"
_ANYTHING = ("*/*", "application/*", JSON)
_META_VERSIONS = ("v1", "v1beta1")
_DISCOVERY_VERSIONS = ("v2", "v2beta1")
_INCLUDE_OBJECT = ("", "Metadata", "Object", "None")


class Form(NamedTuple):
    """`kind` is empty for plain JSON; `version` is that of the kind's group."""

    kind: str = ""
    version: str = ""


def form_of(accept: str, *, wanted: str) -> Form:
    """The first form in an Accept header that there is: plain JSON, or what `wanted` names, a
    Table or an APIGroupDiscoveryList. Raises StatusError 406."""
    versions = _META_VERSIONS if wanted == "Table" else _DISCOVERY_VERSIONS
    for clause in (accept or JSON).split(","):
        media_type, *rest = (part.strip() for part in clause.split(";"))
        if media_type not in _ANYTHING:
            continue
        parameters = dict(each.partition("=")[::2] for each in rest)
        kind, version = parameters.get("as", ""), parameters.get("v", "")
        if not kind:
            return Form()
        if kind == wanted and version in versions:
            return Form(kind, version)
    raise errors.not_acceptable([JSON])


def include_object(query: Mapping[str, str]) -> str:
    """What the rows of a Table hold. Raises StatusError 400."""
    value = query.get("includeObject", "")
    if value not in _INCLUDE_OBJECT:
        raise errors.bad_request(
            f"Unable to convert to Table as requested: includeObject: Invalid value: "
            f"\"{value}\": must be 'Metadata', 'Object', 'None', or empty"
        )
    return value or "Metadata"


class Selectors(NamedTuple):
    labels: labels.Selector
    fields: fields.Selector

    def match(self, obj: Object) -> bool:
        if not self.labels.matches(meta.labels(obj)):
            return False
        if self.fields.is_everything:
            return True
        named = {"metadata.name": meta.name(obj), "metadata.namespace": meta.namespace(obj)}
        return self.fields.matches(named)


def selectors_of(query: Mapping[str, str], served: Served) -> Selectors:
    """Raises StatusError 400."""
    label_text, field_text = query.get("labelSelector", ""), query.get("fieldSelector", "")
    try:
        by_fields = fields.parse(field_text)
        for requirement in by_fields.requirements:
            if requirement.field not in ("metadata.name", "metadata.namespace"):
                raise ValueError(f"field label not supported: {requirement.field}")
        return Selectors(labels.parse(label_text), by_fields)
    except ValueError as error:
        raise errors.bad_request(
            f'Unable to find "{API_VERSION}, Resource={served.resource}" that match label '
            f'selector "{label_text}", field selector "{field_text}": {error}'
        ) from error
