# SPDX-License-Identifier: Apache-2.0
"""The JSON codec."""

import subprocess
import sys

import pytest

from pyk8s.apimachinery import codec


@pytest.mark.parametrize(
    "number", [2**53 + 1, 2**63 - 1, -(2**63), 2**64 - 1], ids=["2^53+1", "max", "min", "max64"]
)
def test_integers_are_exact(number: int) -> None:
    """An integer of 64 bits survives, as an integer."""
    value = codec.decode_json(b'{"n":%d}' % number)
    assert value == {"n": number}
    assert type(value["n"]) is int
    assert codec.encode_json(value) == b'{"n":%d}' % number


def test_larger_integers_become_floats() -> None:
    """Beyond 64 bits a number is a float, as upstream."""
    assert codec.decode_json(b"100000000000000000000") == 1e20
    assert type(codec.decode_json(b"100000000000000000000")) is float


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"{", id="truncated"),
        pytest.param(b'{"a":1,}', id="trailing comma"),
        pytest.param(b'{"a":1} x', id="trailing text"),
        pytest.param(b'{"a":NaN}', id="NaN"),
        pytest.param(b'{"a":"\xff"}', id="invalid UTF-8"),
        pytest.param(b'{"a":"\\ud800"}', id="lone surrogate"),
        pytest.param(b"[" * 100_000 + b"]" * 100_000, id="very deep"),
        pytest.param(b"[" * 260 + b"]" * 260, id="too deep to encode"),
        pytest.param(b'{"a":' * 245 + b"1" + b"}" * 245, id="too deep to wrap"),
    ],
)
def test_bad_documents(data: bytes) -> None:
    """What is no JSON, or nests too deep, is refused by both decoders."""
    with pytest.raises(codec.DecodeError):
        codec.decode_json(data)
    with pytest.raises(codec.DecodeError):
        codec.decode_json_strict(data)


def test_deep_but_allowed() -> None:
    """At the limit a document decodes, and encodes inside what wraps it."""
    data = b'{"a":' * codec.NESTING_MAX + b"1" + b"}" * codec.NESTING_MAX
    value = codec.decode_json(data)
    assert codec.encode_json({"items": [{"object": value}]})


@pytest.mark.parametrize(
    ("data", "paths"),
    [
        (b'{"a":1,"b":{"a":2}}', []),
        (b'{"a":1,"a":2}', ["a"]),
        (b'{"a":1,"a":2,"a":3}', ["a"]),
        (b'{"spec":{"replicas":1,"replicas":1}}', ["spec.replicas"]),
        (b'{"c":[{"x":1},{"name":1,"name":2}]}', ["c[1].name"]),
        (b'[{"a":1,"a":2}]', ["[0].a"]),
        (b'{"a":{"b":1,"b":2},"a":{"c":1,"c":2}}', ["a.b", "a", "a.c"]),
        (b'{"a":"{\\"x\\":1,\\"x\\":2}"}', []),
    ],
)
def test_duplicates(data: bytes, paths: list[str]) -> None:
    """Repeated fields are found with their paths; the last value counts."""
    value, found = codec.decode_json_strict(data)
    assert found == paths
    assert value == codec.decode_json(data)


def test_imports_in_any_order() -> None:
    """Each module of the floor can be the first to be imported."""
    for module in ("gojson", "codec", "yamlcodec", "labels", "field"):
        code = f"import pyk8s.apimachinery.{module}"
        subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize(
    ("text", "paths"),
    [
        pytest.param(b'{"a":"x\\":","b":1}', [], id="an escaped quote before a colon"),
        pytest.param(b'{"a" : 1, "a" : 2}', ["a"], id="a colon that stands apart"),
        pytest.param(b'{"a":1,"\\u0061":2}', ["a"], id="the same name, escaped"),
        pytest.param(b'{"a":"\\u0022:","b":1,"b":2}', ["b"], id="an escape that hides a quote"),
        pytest.param(b'{"a":{"b":"\\":"},"a":{}}', ["a"], id="a dropped string with a colon"),
    ],
)
def test_duplicates_are_found_however_the_document_is_written(
    text: bytes, paths: list[str]
) -> None:
    """The quick look at a document never hides a repeated field."""
    assert codec.decode_json_strict(text)[1] == paths
