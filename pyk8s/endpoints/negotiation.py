# SPDX-License-Identifier: Apache-2.0
"""Which representation a client wants: Accept headers parsed, never compared as text.

Mirrors apiserver's `handlers/negotiation`: clauses in order of q, the first that can be served
wins; parameters `as`, `g`, `v` ask for a transformation (Table, PartialObjectMetadata).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from pyk8s.apimachinery import errors
from pyk8s.apimachinery.gvk import GroupVersionKind
from pyk8s.apis import protobuf

JSON = "application/json"
YAML = "application/yaml"
PROTOBUF = "application/vnd.kubernetes.protobuf"

SERVED = (JSON, YAML, PROTOBUF)
# What has no protobuf form: custom resources, and Tables of anything.
TEXTUAL = (JSON, YAML)

# Header lines beyond this come from nobody's client; the parse is cached, so it stays bounded.
_ACCEPT_BYTES_MAX = 4096

_META_VERSIONS = frozenset({"v1", "v1beta1"})


@dataclass(frozen=True, slots=True)
class MediaType:
    type: str
    parameters: tuple[tuple[str, str], ...] = ()
    quality: float = 1.0

    def get(self, name: str) -> str:
        for key, value in self.parameters:
            if key == name:
                return value
        return ""


@dataclass(frozen=True, slots=True)
class Negotiated:
    """`target` is "", "Table", "PartialObjectMetadata" or "PartialObjectMetadataList"; and
    `target_version` the meta.k8s.io version it is wanted in."""

    media_type: str = JSON
    target: str = ""
    target_version: str = ""

    @property
    def is_plain_json(self) -> bool:
        return self.media_type == JSON and not self.target

    @property
    def is_plain_protobuf(self) -> bool:
        return self.media_type == PROTOBUF and not self.target


_PLAIN_JSON = Negotiated()


def parse_media_type(text: str) -> MediaType:
    """Names in lower case, quotes taken off; an unreadable q counts as 0."""
    name, *rest = text.split(";")
    parameters = []
    quality = 1.0
    for part in rest:
        key, _, value = part.strip().partition("=")
        key, value = key.strip().lower(), value.strip().strip('"')
        if key == "q":
            try:
                quality = float(value)
            except ValueError:
                quality = 0.0
        elif key:
            parameters.append((key, value))
    return MediaType(name.strip().lower(), tuple(parameters), quality)


@lru_cache(maxsize=512)
def parse_accept(header: str) -> tuple[MediaType, ...]:
    """The clauses, best first; equal q keeps the client's order. q=0 is dropped."""
    clauses = [parse_media_type(text) for text in header.split(",") if text.strip()]
    clauses.sort(key=lambda clause: -clause.quality)
    return tuple(clause for clause in clauses if clause.quality > 0)


def media_types_of(kind: GroupVersionKind) -> tuple[str, ...]:
    """What objects of that kind can be sent and received as."""
    return SERVED if protobuf.has_protobuf(kind) else TEXTUAL


def negotiate(
    header: str,
    *,
    transforms: bool = True,
    served: tuple[str, ...] = SERVED,
    plain: tuple[str, ...] = SERVED,
) -> Negotiated:
    """Raises 406 when nothing the client accepts is served. No Accept means JSON.

    `transforms` says whether Table and PartialObjectMetadata can be made of the answer, `plain`
    which of the media types can hold what is not transformed.
    """
    if not header or header == JSON or header == "*/*":
        return _PLAIN_JSON
    if len(header) > _ACCEPT_BYTES_MAX:
        raise errors.bad_request("the Accept header is too long")
    return _negotiate(header, transforms, served, plain)


@lru_cache(maxsize=512)
def _negotiate(
    header: str, transforms: bool, served: tuple[str, ...], plain: tuple[str, ...]
) -> Negotiated:
    for clause in parse_accept(header):
        media_type = _served_as(clause.type, served)
        if media_type is None:
            continue
        target = clause.get("as")
        if not target:
            if media_type in plain:
                return Negotiated(media_type)
        elif transforms and _is_transform(clause, target, media_type):
            return Negotiated(media_type, target, clause.get("v"))
    raise errors.not_acceptable(served)


def _is_transform(clause: MediaType, target: str, media_type: str) -> bool:
    return (
        target in ("Table", "PartialObjectMetadata", "PartialObjectMetadataList")
        and (target != "Table" or media_type in TEXTUAL)
        and clause.get("g") == "meta.k8s.io"
        and clause.get("v") in _META_VERSIONS
    )


def _served_as(wanted: str, served: tuple[str, ...]) -> str | None:
    if wanted in served:
        return wanted
    if wanted == "*/*":
        return served[0]
    if wanted.endswith("/*"):
        prefix = wanted[:-1]
        return next((name for name in served if name.startswith(prefix)), None)
    return None


def body_media_type(content_type: str, accepted: tuple[str, ...] = SERVED) -> str:
    """What a request body is; no Content-Type means the first that is accepted. Raises 415."""
    if not content_type:
        return accepted[0]
    name = content_type if content_type == JSON else parse_media_type(content_type).type
    if name not in accepted:
        raise errors.unsupported_media_type(accepted)
    return name
