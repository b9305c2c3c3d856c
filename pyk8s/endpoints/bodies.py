# SPDX-License-Identifier: Apache-2.0
"""Request bodies become objects: parsed, typed, checked against the URL.

Every way a body can be wrong is a 400 (or 413, 415) with upstream's words, from apiserver's
`handlers/{create,update,rest}.go` and apimachinery's serializers.
"""

from __future__ import annotations

from typing import Any, Protocol

from pyk8s.apimachinery import codec, errors, gvk, managedfields, yamlcodec
from pyk8s.apimachinery.gvk import GroupVersionKind, Object
from pyk8s.apis import decode, protobuf
from pyk8s.endpoints import negotiation, options
from pyk8s.endpoints.endpoint import Decode
from pyk8s.endpoints.request import Request

# How much of an unrecognised body an error shows.
_SUMMARY_BYTES_MAX = 30

DELETE_OPTIONS = GroupVersionKind("", "v1", "DeleteOptions")


class Typed(Protocol):
    """As much of an Endpoint as reading a body needs."""

    @property
    def gvk(self) -> GroupVersionKind: ...

    @property
    def decode(self) -> Decode: ...


async def read_object(request: Request, endpoint: Typed, write: options.WriteOptions) -> Object:
    """The body as an object of the endpoint's kind, in its served version."""
    media_type = negotiation.body_media_type(
        request.headers.get("content-type", ""), negotiation.media_types_of(endpoint.gvk)
    )
    document, duplicates = parse(
        await request.body(), media_type, write.field_validation, endpoint.gvk
    )
    return to_typed(request, endpoint, write, document, duplicates)


def to_typed(
    request: Request,
    endpoint: Typed,
    write: options.WriteOptions,
    document: Object,
    duplicates: list[str],
) -> Object:
    check_kind(document, endpoint.gvk)
    clears = _clears_managed_fields(document)
    obj, warnings = endpoint.decode(document, write.field_validation, duplicates)
    request.warnings += warnings
    if not isinstance(obj.get("metadata"), dict):
        obj["metadata"] = {}
    if clears:
        obj["metadata"]["managedFields"] = []
    return obj


def _clears_managed_fields(document: Object) -> bool:
    """An empty list is a wish here, though decoding drops it as it drops any."""
    metadata = document.get("metadata")
    return isinstance(metadata, dict) and managedfields.is_reset(metadata.get("managedFields"))


def parse(
    body: bytes, media_type: str, field_validation: str, expected: GroupVersionKind
) -> tuple[Object, list[str]]:
    """The document, and a sentence for what is in it twice (looked for only where it matters)."""
    duplicates: list[str] = []
    if media_type == negotiation.PROTOBUF:
        return _message(body, expected), duplicates
    try:
        if media_type == negotiation.YAML:
            document, messages = yamlcodec.decode_yaml_strict(body)
            duplicates = [yamlcodec.strict_error(messages)] if messages else []
        elif field_validation == options.IGNORE:
            document = codec.decode_json(body)
        else:
            document, paths = codec.decode_json_strict(body)
            if paths:
                duplicates = decode.Duplicates(paths, codec.field_paths(body))
    except codec.DecodeError as error:
        why = f"couldn't get version/kind; json parse error: {error}"
        raise _unrecognised(body, expected, why) from None
    try:
        decode.interpret(document)
    except ValueError as error:
        raise _unrecognised(body, expected, str(error)) from None
    return document, duplicates


def _message(body: bytes, expected: GroupVersionKind) -> Object:
    """A protobuf body; its kind is looked at first, for a message does not tell what it is."""
    try:
        type_meta, raw = protobuf.unwrap(body)
    except codec.DecodeError as error:
        raise _unrecognised(body, expected, str(error)) from None
    if expected != DELETE_OPTIONS:
        check_kind(type_meta, expected)
    try:
        return protobuf.decode_raw(raw, expected)
    except codec.DecodeError as error:
        raise decode.cannot_be_handled(expected, str(error)) from None


def _unrecognised(body: bytes, expected: GroupVersionKind, why: str) -> errors.StatusError:
    message = (
        f"the object provided is unrecognized (must be of type {expected.kind}): "
        f"{why} ({_summary(body)})"
    )
    return errors.bad_request(message)


def _summary(body: bytes) -> str:
    if not body:
        return "<empty>"
    shown = body[:_SUMMARY_BYTES_MAX]
    text = shown.decode("utf-8", "replace") if body[:1] == b"{" else shown.hex()
    return f"{text} ..." if len(body) > len(shown) else text


def check_kind(document: Object, expected: GroupVersionKind) -> None:
    """Kind and apiVersion may be left out; what is there must be what the URL serves. Fills
    both in."""
    kind = document.get("kind") or expected.kind
    api_version = document.get("apiVersion") or str(expected.group_version)
    if not isinstance(kind, str) or not isinstance(api_version, str):
        raise errors.bad_request(
            "couldn't get version/kind; json parse error: kind and apiVersion must be strings"
        )
    document["kind"], document["apiVersion"] = kind, api_version
    try:
        claimed = gvk.parse_group_version(api_version)
    except ValueError as error:
        raise errors.bad_request(str(error)) from None
    if claimed != expected.group_version:
        message = (
            f"the API version in the data ({claimed}) does not match the expected API version "
            f"({expected.group_version})"
        )
        raise errors.bad_request(message)
    if kind != expected.kind:
        version = expected.version
        message = (
            f'{kind} in version "{version}" cannot be handled as a {expected.kind}: '
            f"converting ({version}.{kind}) to ({_package(expected.group)}.{expected.kind}): "
            "unknown conversion"
        )
        raise errors.bad_request(message)


def _package(group: str) -> str:
    """The Go package of the group's internal types, which upstream's words name."""
    return group.partition(".")[0] or "core"


def check_namespace(obj: Object, namespace: str) -> None:
    """A create: the URL decides, an object that names another namespace is refused."""
    metadata = obj["metadata"]
    claimed = metadata.get("namespace") or ""
    if not namespace:
        metadata.pop("namespace", None)
    elif not claimed:
        metadata["namespace"] = namespace
    elif claimed != namespace:
        message = (
            "the namespace of the provided object does not match the namespace sent on the request"
        )
        raise errors.bad_request(message)


def check_name(obj: Object, name: str, namespace: str) -> None:
    """An update: the object must be the one the URL names."""
    metadata = obj["metadata"]
    claimed = metadata.get("name") or ""
    if not claimed:
        message = (
            f"the name of the object ({name} based on URL) was undeterminable: "
            "name must be provided"
        )
        raise errors.bad_request(message)
    if claimed != name:
        message = f"the name of the object ({claimed}) does not match the name on the URL ({name})"
        raise errors.bad_request(message)
    claimed_namespace = metadata.get("namespace") or ""
    if namespace and claimed_namespace and claimed_namespace != namespace:
        message = (
            f"the namespace of the object ({claimed_namespace}) does not match the namespace "
            f"on the request ({namespace})"
        )
        raise errors.bad_request(message)
    if namespace:
        metadata["namespace"] = namespace
    else:
        metadata.pop("namespace", None)


async def read_options(request: Request) -> dict[str, Any] | None:
    """A DeleteOptions body; None without one. Its kind is not looked at: clients send meta/v1,
    the group's own, or none."""
    body = await request.body()
    if not body:
        return None
    media_type = negotiation.body_media_type(request.headers.get("content-type", ""))
    document, _ = parse(body, media_type, options.IGNORE, DELETE_OPTIONS)
    return document
