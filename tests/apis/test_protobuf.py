# SPDX-License-Identifier: Apache-2.0
"""Objects as protobuf: round trips, the judge's word, bytes worked out by hand, hostile bytes."""

from __future__ import annotations

import copy
import random

import protobuf_mutations as mutations
import protobuf_objects
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from protobuf_oracle import Oracle, tree

from pyk8s.apimachinery.codec import DecodeError
from pyk8s.apimachinery.gvk import GroupVersionKind
from pyk8s.apis import decode, protobuf, protobuf_decoding, protobuf_encoding
from pyk8s.apis import protobuf_types as types
from pyk8s.apis import protobuf_wire as wire

KINDS = protobuf_objects.kinds()
CRD = GroupVersionKind("apiextensions.k8s.io", "v1", "CustomResourceDefinition")

seeds = st.tuples(st.integers(0, len(KINDS) - 1), st.integers(0, 1 << 30))
# Kinds are compiled on first use.
unhurried = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])


@pytest.fixture(scope="module")
def oracle():
    made = Oracle()
    made.describe(KINDS)
    return made


def test_every_kind_has_a_form():
    """No kind of the OpenAPI documents is left out."""
    assert len(KINDS) > 150


@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_a_full_object_survives(kind, oracle):
    """With nearly every field set, each kind reads back equal, here and by google.protobuf."""
    obj = protobuf_objects.make(kind, seed=1, density=0.9)
    check(kind, obj, oracle)


@settings(unhurried, max_examples=300)
@given(made=seeds)
def test_any_object_survives(made, oracle):
    """JSON to protobuf to JSON changes nothing, nor does protobuf to JSON to protobuf."""
    kind = KINDS[made[0]]
    check(kind, protobuf_objects.make(kind, made[1]), oracle)


def check(kind, obj, oracle):
    before = copy.deepcopy(obj)
    data = protobuf.encode(obj, kind)
    assert obj == before
    read = protobuf.decode(data)
    assert read == obj
    assert protobuf.encode(read, kind) == data
    walked, unknown = decode.to_internal(copy.deepcopy(read), kind)
    assert (walked, unknown) == (read, [])
    raw = protobuf.encode_raw(obj, kind)
    parsed = oracle.parse(raw, kind)
    assert parsed.SerializeToString(deterministic=True) == raw
    judged = tree(parsed, types.definition_of(kind))
    judged |= {"kind": kind.kind, "apiVersion": str(kind.group_version)}
    assert decode.to_internal(judged, kind)[0] == obj


# --- bytes worked out by hand


def head(api_version: str, kind: str) -> bytes:
    names = b"\x0a%c%b\x12%c%b" % (
        len(api_version), api_version.encode(), len(kind), kind.encode()
    )  # fmt: skip
    return b"k8s\x00\x0a%c%b" % (len(names), names)


def test_envelope():
    """Kind and apiVersion stand in the envelope; empty encoding and content type are written."""
    kind = GroupVersionKind("", "v1", "DeleteOptions")
    data = protobuf.encode({"gracePeriodSeconds": 0, "propagationPolicy": "Orphan"}, kind)
    raw = b"\x08\x00\x22\x06Orphan"
    assert data == head("v1", "DeleteOptions") + b"\x12\x0a" + raw + b"\x1a\x00\x22\x00"
    assert protobuf.decode(data) == {
        "kind": "DeleteOptions",
        "apiVersion": "v1",
        "gracePeriodSeconds": 0,
        "propagationPolicy": "Orphan",
    }


META = b"\x0a\x00\x12\x00\x1a\x00\x22\x00\x2a\x00\x32\x00\x38\x00\x42\x00"


def raw(kind: str, value: dict, group: str = "", version: str = "v1") -> bytes:
    return protobuf.encode_raw(value, GroupVersionKind(group, version, kind))


@pytest.mark.parametrize(
    ("encoded", "expected"),
    [
        pytest.param(
            lambda: raw("ConfigMap", {"metadata": {}}),
            b"\x0a\x10" + META,
            id="metadata-zeros",
        ),
        pytest.param(
            lambda: raw("ConfigMap", {"metadata": {}, "data": {"b": "2", "a": ""}}),
            b"\x0a\x10" + META + b"\x12\x05\x0a\x01a\x12\x00" + b"\x12\x06\x0a\x01b\x12\x012",
            id="map-sorted-empty-value-written",
        ),
        pytest.param(
            lambda: raw("ConfigMap", {"metadata": {}, "binaryData": {"a": "AP8="}}),
            b"\x0a\x10" + META + b"\x1a\x07\x0a\x01a\x12\x02\x00\xff",
            id="bytes-in-a-map",
        ),
        pytest.param(
            lambda: raw("ConfigMap", {"metadata": {}, "immutable": False}),
            b"\x0a\x10" + META + b"\x20\x00",
            id="pointer-to-false",
        ),
        pytest.param(
            lambda: raw("Secret", {"metadata": {}, "type": "Opaque", "data": {"k": "aGk="}}),
            b"\x0a\x10" + META + b"\x12\x07\x0a\x01k\x12\x02hi" + b"\x1a\x06Opaque",
            id="secret",
        ),
        pytest.param(
            lambda: raw("ConfigMap", {"metadata": {"creationTimestamp": "1970-01-01T00:01:40Z"}}),
            b"\x0a\x14" + META[:-1] + b"\x04\x08\x64\x10\x00",
            id="time",
        ),
        pytest.param(
            lambda: raw("ConfigMap", {"metadata": {"creationTimestamp": "1969-12-31T23:59:59Z"}}),
            b"\x0a\x1d" + META[:-1] + b"\x0d\x08" + b"\xff" * 9 + b"\x01\x10\x00",
            id="time-before-1970",
        ),
        pytest.param(
            lambda: raw(
                "Lease",
                {"metadata": {}, "spec": {"renewTime": "1970-01-01T00:00:01.000002Z"}},
                "coordination.k8s.io",
            ),
            b"\x0a\x10" + META + b"\x12\x07\x22\x05\x08\x01\x10\xd0\x0f",
            id="micro-time",
        ),
        pytest.param(
            lambda: raw("ControllerRevision", {"metadata": {}, "data": {"a": 1}}, "apps"),
            b"\x0a\x10" + META + b"\x12\x09\x0a\x07" + b'{"a":1}' + b"\x18\x00",
            id="raw-extension",
        ),
        pytest.param(
            lambda: raw("ControllerRevision", {"metadata": {}, "data": None}, "apps"),
            b"\x0a\x10" + META + b"\x12\x00\x18\x00",
            id="raw-extension-null",
        ),
        pytest.param(
            lambda: raw(
                "PartialObjectMetadata",
                {"metadata": {"managedFields": [{"fieldsV1": {"f:a": {}}}]}},
                "meta.k8s.io",
            ),
            b"\x0a\x2b" + META + b"\x8a\x01\x18" + b"\x0a\x00\x12\x00\x1a\x00\x32\x00"
            b"\x3a\x0c\x0a\x0a" + b'{"f:a":{}}' + b"\x42\x00",
            id="fields-v1",
        ),
        pytest.param(
            lambda: raw(
                "LimitRange", {"metadata": {}, "spec": {"limits": [{"max": {"cpu": "2"}}]}}
            ),
            b"\x0a\x10" + META + b"\x12\x10\x0a\x0e\x0a\x00\x12\x0a" + b"\x0a\x03cpu"
            b"\x12\x03\x0a\x012",
            id="quantity-in-a-map",
        ),
        pytest.param(
            lambda: raw(
                "PodDisruptionBudget",
                {"metadata": {}, "spec": {"minAvailable": 80, "maxUnavailable": "5%"}},
                "policy",
            )[18:],
            b"\x12\x12\x0a\x06\x08\x00\x10\x50\x1a\x00" + b"\x1a\x08\x08\x01\x10\x00\x1a\x025%"
            b"\x1a\x0a\x08\x00\x18\x00\x20\x00\x28\x00\x30\x00",
            id="int-or-string",
        ),
        pytest.param(
            lambda: raw(
                "SelfSubjectReview",
                {"metadata": {}, "status": {"userInfo": {"extra": {"a": ["b", ""]}}}},
                "authentication.k8s.io",
            )[18:],
            b"\x12\x12\x0a\x10\x0a\x00\x12\x00\x22\x0a" + b"\x0a\x01a\x12\x05\x0a\x01b\x0a\x00",
            id="extra-value",
        ),
        pytest.param(
            lambda: raw("Status", {"metadata": {}, "code": -1}),
            b"\x0a\x06\x0a\x00\x12\x00\x1a\x00\x12\x00\x1a\x00\x22\x00\x30" + b"\xff" * 9 + b"\x01",
            id="negative-int32",
        ),
    ],
)
def test_bytes(encoded, expected):
    """What Go writes for one thing at a time."""
    assert encoded().hex(" ") == expected.hex(" ")


# A schema in which nothing is said: its texts and booleans, before and behind the rest.
EARLY = b"\x0a\x00\x12\x00\x22\x00\x2a\x00\x32\x00\x3a\x00"
MIDDLE = b"\x50\x00\x60\x00\x7a\x00\x90\x01\x00"
LATE = b"\xa8\x02\x00\xb8\x02\x00\xc0\x02\x00"
SCHEMA = b"\x1e" + EARLY + MIDDLE + LATE


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        pytest.param({}, EARLY + MIDDLE + LATE, id="empty"),
        pytest.param({"default": 5}, EARLY + b"\x42\x03\x0a\x015" + MIDDLE + LATE, id="default"),
        pytest.param(
            {"maximum": 1.5},
            EARLY + b"\x49" + b"\x00" * 6 + b"\xf8\x3f" + MIDDLE + LATE,
            id="double",
        ),
        pytest.param(
            {"enum": ["a", 1]},
            EARLY + MIDDLE + b"\xa2\x01\x05\x0a\x03" + b'"a"' + b"\xa2\x01\x03\x0a\x011" + LATE,
            id="enum",
        ),
        pytest.param(
            {"items": {}}, EARLY + MIDDLE + b"\xc2\x01\x20\x0a" + SCHEMA + LATE, id="items"
        ),
        pytest.param(
            {"items": [{}]},
            EARLY + MIDDLE + b"\xc2\x01\x20\x12" + SCHEMA + LATE,
            id="items-list",
        ),
        pytest.param(
            {"additionalProperties": True},
            EARLY + MIDDLE + b"\xf2\x01\x02\x08\x01" + LATE,
            id="true",
        ),
        pytest.param(
            {"additionalProperties": False},
            EARLY + MIDDLE + b"\xf2\x01\x02\x08\x00" + LATE,
            id="false",
        ),
        pytest.param(
            {"additionalProperties": {}},
            EARLY + MIDDLE + b"\xf2\x01\x22\x08\x01\x12" + SCHEMA + LATE,
            id="schema-for-the-rest",
        ),
        pytest.param(
            {"dependencies": {"a": ["b"]}},
            EARLY + MIDDLE + b"\x82\x02\x08\x0a\x01a\x12\x03\x12\x01b" + LATE,
            id="dependencies",
        ),
    ],
)
def test_schema_bytes(schema, expected):
    """JSONSchemaProps and its fields that are one of two things."""
    write = protobuf_encoding.Compiler().writer(types.JSON_SCHEMA)
    read = protobuf_decoding.Compiler().reader(types.JSON_SCHEMA)
    assert write(schema).hex(" ") == expected.hex(" ")
    assert read(expected, 0, len(expected), {}) == schema


def test_watch_event():
    """A frame is four bytes of length and an event around an object in its envelope."""
    assert protobuf.encode_watch_event("ADDED", b"k8s\x00...") == (
        b"\x00\x00\x00\x12\x0a\x05ADDED\x12\x09\x0a\x07k8s\x00..."
    )


def test_list_of_encoded_items():
    """A list joined of encoded items is the list encoded as a whole."""
    kind = GroupVersionKind("", "v1", "ConfigMapList")
    items = [protobuf_objects.make(kind._replace(kind="ConfigMap"), seed) for seed in range(3)]
    raws = [protobuf.encode_raw(item, kind._replace(kind="ConfigMap")) for item in items]
    metadata = {"resourceVersion": "5", "remainingItemCount": 0}
    whole = {"metadata": metadata, "items": items}
    assert protobuf.encode_list(metadata, raws, kind) == protobuf.encode(whole, kind)
    assert protobuf.decode(protobuf.encode_list({}, [], kind))["items"] == []


@pytest.mark.parametrize(
    ("group", "kind", "obj"),
    [
        pytest.param("meta.k8s.io", "PartialObjectMetadata", {"metadata": {"name": "a"}}, id="one"),
        pytest.param(
            "meta.k8s.io",
            "PartialObjectMetadataList",
            {"metadata": {"resourceVersion": "1"}, "items": [{"metadata": {"name": "a"}}]},
            id="list",
        ),
        pytest.param("", "CreateOptions", {"dryRun": ["All"], "fieldManager": "m"}, id="create"),
        pytest.param("", "UpdateOptions", {"fieldManager": "m"}, id="update"),
        pytest.param("", "PatchOptions", {"force": False, "fieldManager": "m"}, id="patch"),
        pytest.param("", "GetOptions", {"resourceVersion": "0"}, id="get"),
        pytest.param("", "ListOptions", {"limit": 5, "timeoutSeconds": 0}, id="list-options"),
    ],
)
def test_unpublished_kinds(group, kind, obj):
    """Kinds that the OpenAPI documents leave out have a form too."""
    gvk = GroupVersionKind(group, "v1", kind)
    read = protobuf.decode(protobuf.encode(obj, gvk))
    assert read == {"kind": kind, "apiVersion": str(gvk.group_version)} | obj


@pytest.mark.parametrize("kind", ["Table", "Widget"])
def test_kinds_without_a_form(kind):
    """Tables and custom resources are never protobuf."""
    assert not protobuf.has_protobuf(GroupVersionKind("meta.k8s.io", "v1", kind))


# --- bytes that others send


def enveloped(raw: bytes) -> bytes:
    return protobuf.wrap(raw, GroupVersionKind("", "v1", "ConfigMap"))


@pytest.mark.parametrize(
    "raw",
    [
        pytest.param(b"\xa0\x06\x01", id="varint"),
        pytest.param(b"\xa1\x06" + b"\x01" * 8, id="fixed64"),
        pytest.param(b"\xa2\x06\x03abc", id="bytes"),
        pytest.param(b"\xa5\x06" + b"\x01" * 4, id="fixed32"),
        pytest.param(b"\xa3\x06\x08\x01\x13\x14\xa4\x06", id="group"),
        pytest.param(b"\x80\x80\x04\x01", id="three-byte-tag"),
    ],
)
def test_unknown_fields_are_skipped(raw):
    """A field newer than this server is passed over, whatever its wire type."""
    known = b"\x12\x05\x0a\x01a\x12\x00"
    obj = protobuf.decode(enveloped(raw + known + raw))
    assert obj["data"] == {"a": ""}


def test_what_may_be_written_otherwise():
    """Absent zeros, fields in another order or in parts, and packed numbers are read alike."""
    scattered = b"\x20\x01" + b"\x0a\x03\x0a\x01a" + b"\x0a\x03\x1a\x01b" + b"\x20\x00"
    assert protobuf.decode(enveloped(scattered)) == {
        "kind": "ConfigMap",
        "apiVersion": "v1",
        "metadata": {"name": "a", "namespace": "b"},
        "immutable": False,
    }
    context = protobuf_decoding.Compiler().reader("io.k8s.api.core.v1.PodSecurityContext")
    for raw in (b"\x22\x03\x01\xac\x02", b"\x20\x01\x20\xac\x02"):
        assert context(raw, 0, len(raw), {}) == {"supplementalGroups": [1, 300]}


@pytest.mark.parametrize(
    ("data", "message"),
    [
        pytest.param(b"", "empty data", id="nothing"),
        pytest.param(b"{}", "expected prefix [107 56 115 0]", id="json"),
        pytest.param(b"k8s\x00", "empty body", id="prefix-alone"),
        pytest.param(b"k8s\x00\x12\x00", "'Kind' is missing", id="no-kind"),
        pytest.param(head("v1", "Nothing") + b"\x12\x00", 'no kind "Nothing"', id="unknown-kind"),
        pytest.param(head("a/b/c", "Pod") + b"\x12\x00", "unexpected GroupVersion", id="version"),
        pytest.param(enveloped(b"")[:-7], "unexpected EOF", id="cut-envelope"),
        pytest.param(enveloped(b"\x0a"), "unexpected EOF", id="cut-tag"),
        pytest.param(enveloped(b"\x0a\x05\x0a"), "unexpected EOF", id="cut-message"),
        pytest.param(enveloped(b"\x0a\x03\x0a\x05a"), "unexpected EOF", id="beyond-its-message"),
        pytest.param(enveloped(b"\x0a" + b"\xff" * 9 + b"\x01"), "negative length", id="negative"),
        pytest.param(
            enveloped(b"\x0a\xff\xff\xff\xff\xff\xff\xff\x7f"), "unexpected EOF", id="huge-length"
        ),
        pytest.param(enveloped(b"\x20" + b"\x80" * 11 + b"\x01"), "overflow", id="overlong-varint"),
        pytest.param(enveloped(b"\xff" * 11), "overflow", id="overlong-tag"),
        pytest.param(enveloped(b"\x0a\x03\x0a\x01\xff"), "invalid UTF-8", id="utf-8"),
        pytest.param(enveloped(b"\x08\x01"), "wrong wireType = 0 for field metadata", id="type"),
        pytest.param(enveloped(b"\x00\x01"), "illegal tag 0", id="tag-0"),
        pytest.param(enveloped(b"\x0e\x00"), "wrong wireType = 6", id="wire-type-6"),
        pytest.param(enveloped(b"\xa6\x06\x00"), "illegal wireType 6", id="wire-type-6-unknown"),
        pytest.param(enveloped(b"\xa4\x06\x00"), "end group", id="end-of-no-group"),
        pytest.param(enveloped(b"\xa3\x06" * 400_000), "unexpected EOF", id="open-groups"),
    ],
)
def test_bad_bytes(data, message):
    """Each fault has its sentence."""
    with pytest.raises(DecodeError) as caught:
        protobuf.decode(data)
    assert message in str(caught.value)


def nested(depth: int) -> bytes:
    body = b""
    for _ in range(depth):
        # `not`, in a schema.
        body = wire.delimited(b"\xe2\x01", body)
    for prefix in (b"\x0a", b"\x22", b"\x3a", b"\x12"):
        body = wire.delimited(prefix, body)
    return protobuf.wrap(body, CRD)


@pytest.mark.parametrize("depth", [240, 2_000, 20_000])
def test_deep_nesting_is_refused(depth):
    """What JSON could not say either is an error, not a crash."""
    with pytest.raises(DecodeError, match="exceeded max depth"):
        protobuf.decode(nested(depth))


def test_nesting_within_bounds_is_read():
    """A schema may hold schemas as deep as JSON may be."""
    assert protobuf.decode(nested(200))["spec"]["versions"][0]["schema"]["openAPIV3Schema"]


def test_deep_json_inside_is_refused():
    """The depth of JSON inside a message counts with the message's own."""
    for depth, fits in ((200, True), (238, False), (100_000, False)):
        text = b"[" * depth + b"]" * depth
        extension = wire.delimited(b"\x12", wire.delimited(b"\x0a", text))
        kind = GroupVersionKind("apps", "v1", "ControllerRevision")
        if fits:
            protobuf.decode_raw(extension, kind)
            continue
        with pytest.raises(DecodeError):
            protobuf.decode_raw(extension, kind)


@pytest.mark.parametrize(
    ("kind", "levels"),
    [
        pytest.param(GroupVersionKind("", "v1", "ConfigMap"), 5, id="ConfigMap"),
        pytest.param(CRD, None, id="CustomResourceDefinition"),
        pytest.param(
            GroupVersionKind("scheduling.k8s.io", "v1alpha3", "WorkloadList"),
            None,
            id="WorkloadList",
        ),
    ],
)
def test_nesting_of_messages(kind, levels):
    """Levels of JSON: of a ConfigMap itself, metadata, managedFields, an entry, fieldsV1.
    None where a message can hold itself."""
    assert types.nesting(types.definition_of(kind)) == levels


@settings(unhurried, max_examples=2_000)
@given(st.data())
def test_mutated_bytes_are_read_or_refused(data):
    """Whatever is done to the bytes, the answer is an object that JSON can hold, or DecodeError."""
    corpus = mutations.corpus()
    seed = data.draw(st.integers(0, 1 << 62))
    mutations.try_one(corpus, random.Random(seed))
