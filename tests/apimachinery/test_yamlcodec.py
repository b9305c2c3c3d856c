# SPDX-License-Identifier: Apache-2.0
# ruff: noqa: E501
"""The YAML codec."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyk8s.apimachinery import codec, yamlcodec


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("", None),
        ("# nothing", None),
        ("a: yes\nb: Off\nc: y\nd: True", {"a": True, "b": False, "c": True, "d": True}),
        ("a: ~\nb:\nc: null", {"a": None, "b": None, "c": None}),
        ("a: 017\nb: 0o17\nc: 0x1F\nd: 0b11\ne: -0x1\nf: +5", {"a": 15, "b": 15, "c": 31, "d": 3, "e": -1, "f": 5}),
        ("a: 08\nb: 1_000\nc: 0", {"a": 8, "b": 1000, "c": 0}),
        ("a: 1.5\nb: 1.0\nc: 1e3\nd: .5\ne: 1.", {"a": 1.5, "b": 1, "c": 1000, "d": 0.5, "e": 1}),
        ("a: 9223372036854775807\nb: 18446744073709551615", {"a": 2**63 - 1, "b": 2**64 - 1}),
        ("a: 2001-01-01\nb: 2001-01-01T01:01:01Z", {"a": "2001-01-01", "b": "2001-01-01T01:01:01Z"}),
        ("a: 1:30\nb: 1.2.3\nc: --\nd: 0xg", {"a": "1:30", "b": "1.2.3", "c": "--", "d": "0xg"}),
        ("a: 'yes'\nb: \"1\"\nc: !!str 1\nd: !!int \"5\"\ne: !!float 2", {"a": "yes", "b": "1", "c": "1", "d": 5, "e": 2}),
        ("a: !!binary aGk=\nb: !custom x", {"a": "hi", "b": "x"}),
        ("on: 1\n5: 2\n1.5: 3\nno: 4", {"true": 1, "5": 2, "1.5": 3, "false": 4}),
        ("a: |\n  x\n  y\nb: >-\n  x\n  y", {"a": "x\ny\n", "b": "x y"}),
        ("a: &x {b: [1]}\nc: *x", {"a": {"b": [1]}, "c": {"b": [1]}}),
        ("a: &x {k: 1, l: 2}\nb: {<<: *x, l: 3}", {"a": {"k": 1, "l": 2}, "b": {"k": 1, "l": 3}}),
        ("a: &x {k: 1}\nb: &y {k: 2, l: 3}\nc: {<<: [*x, *y]}", {"a": {"k": 1}, "b": {"k": 2, "l": 3}, "c": {"k": 1, "l": 3}}),
        ("a: &x 1\nb: *x", {"a": 1, "b": 1}),
        ("- a\n- [b, {c: d}]", ["a", ["b", {"c": "d"}]]),
        ('{"a": [1, "x", null, true]}', {"a": [1, "x", None, True]}),
        ('{"a": 1.0, "b": [1e3, -2.0], "c": 1.5}', {"a": 1, "b": [1000, -2], "c": 1.5}),
        ('{"a": "1.0", "b": 9223372036854775807}', {"a": "1.0", "b": 2**63 - 1}),
        ("{a: b, c: [d]}", {"a": "b", "c": ["d"]}),
        ("a: 1\n---\na: 2", {"a": 1}),
    ],
)  # fmt: skip
def test_decode(text: str, value: Any) -> None:
    """Scalars, keys, anchors and merges read as upstream reads them."""
    result = yamlcodec.decode_yaml(text.encode())
    assert result == value
    assert codec.encode_json(result) == codec.encode_json(value)


def test_aliases_are_copies() -> None:
    """A change at one place of an alias does not show at the other."""
    value = yamlcodec.decode_yaml(b"a: &x {b: [1]}\nc: *x")
    value["a"]["b"].append(2)
    assert value["c"] == {"b": [1]}


PREFIX = "error converting YAML to JSON: "


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"a: b: c", "yaml: mapping values are not allowed in this context"),
        (b"a: 1\nb: c: d", "yaml: line 2: mapping values are not allowed in this context"),
        (b"a: *b", "yaml: unknown anchor 'b' referenced"),
        (b"a: &a [*a]", "yaml: anchor 'a' value contains itself"),
        (b"{~: 1}", "unsupported map key of type: %!s(<nil>), key: <nil>"),
        (b"? [a]\n: b", "yaml: invalid map key: a map or a list"),
        (b"a: .inf", "json: unsupported value: .inf"),
        (b"a: !!int x", "yaml: cannot decode !!str `x` as a !!int"),
        (b"a: !!binary '*'", "yaml: !!binary value contains invalid base64 data"),
        (b"a: {<<: 1}", "yaml: map merge requires map or sequence of maps as the value"),
        (b"[" * 5000, f"yaml: exceeded max depth of {codec.NESTING_MAX}"),
        (b"a: \x01", "yaml: control characters are not allowed"),
    ],
)
def test_bad_documents(text: bytes, message: str) -> None:
    """What cannot be read as JSON is refused with upstream's words."""
    with pytest.raises(codec.DecodeError) as error:
        yamlcodec.decode_yaml(text)
    assert str(error.value) == PREFIX + message


@pytest.mark.parametrize("text", [b"a: \xff", b"\xff\xfe\xff", b"a: {", b"a: 'x", b"\t- a"])
def test_broken_documents(text: bytes) -> None:
    """Broken syntax and encoding end in a DecodeError."""
    with pytest.raises(codec.DecodeError):
        yamlcodec.decode_yaml(text)


def test_alias_bomb() -> None:
    """A document whose aliases multiply is refused before it fills the memory."""
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]" for i in range(1, 10)]
    with pytest.raises(codec.DecodeError, match="document contains excessive aliasing"):
        yamlcodec.decode_yaml("\n".join(lines).encode())


def test_duplicates() -> None:
    """Repeated keys are reported by line; the last value counts."""
    text = b"a: 1\nb:\n  c: 1\n  c: 2\na: 2\nyes: 1\ntrue: 2\n"
    value, messages = yamlcodec.decode_yaml_strict(text)
    assert value == {"a": 2, "b": {"c": 2}, "true": 2}
    assert messages == [
        'line 4: key "c" already set in map',
        'line 5: key "a" already set in map',
        'line 7: key "true" already set in map',
    ]
    assert yamlcodec.strict_error(messages[:1]) == (
        PREFIX + 'yaml: unmarshal errors:\n  line 4: key "c" already set in map'
    )


def test_duplicates_in_json() -> None:
    """JSON read as YAML reports its repeated keys as YAML does."""
    value, messages = yamlcodec.decode_yaml_strict(b'{"a": 1,\n"a": 2}')
    assert value == {"a": 2}
    assert messages == ['line 2: key "a" already set in map']


def test_encode() -> None:
    """Block style, sorted keys, no indent for lists, quotes only where they are needed."""
    value = {
        "kind": "X",
        "apiVersion": "v1",
        "items": [{"name": "a", "ports": [80, 443]}, "x"],
        "empty": {"list": [], "map": {}, "text": "", "none": None},
        "quoted": [
            "yes",
            "1",
            "1.5",
            "null",
            "0x1",
            "1:30",
            "2001-01-01",
            "~",
            "a: b",
            "- x",
            " a",
        ],
        "plain": ["a", "a-b", "a b", "1.2.3", "v1", "a#b", "é", "/x"],
        "lines": "a\nb\n",
        "numbers": [1, -1, 0.5, 1e21, 1e-7, 1234567.5, 3.0, True],
        "a10": 1,
        "a9": 2,
    }
    assert yamlcodec.encode_yaml(value).decode() == (
        """\
a9: 2
a10: 1
apiVersion: v1
empty:
  list: []
  map: {}
  none: null
  text: ""
items:
- name: a
  ports:
  - 80
  - 443
- x
kind: X
lines: |
  a
  b
numbers:
- 1
- -1
- 0.5
- 1e+21
- 1e-07
- 1.2345675e+06
- 3
- true
plain:
- a
- a-b
- a b
- 1.2.3
- v1
- a#b
- é
- /x
quoted:
- "yes"
- "1"
- "1.5"
- "null"
- "0x1"
- "1:30"
- "2001-01-01"
- "~"
- 'a: b'
- '- x'
- ' a'
"""
    )


texts = st.text() | st.sampled_from(
    ["yes", "no", "1", "0x1", "1e3", ".5", "1_0", "null", "~", "<<", "=", "2001-01-01", "1:30", "-"]
)
leaves = st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | texts
values = st.recursive(
    leaves | st.floats(allow_nan=False, allow_infinity=False).filter(lambda f: f % 1 != 0),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=20,
)


@given(values)
def test_round_trip(value: Any) -> None:
    """What is written reads back as the same value with the same types."""
    result, duplicates = yamlcodec.decode_yaml_strict(yamlcodec.encode_yaml(value))
    assert duplicates == []
    assert result == value
    assert codec.encode_json(result) == codec.encode_json(_sorted(value))


def _sorted(value: Any) -> Any:
    """The value with its fields in the order the text has them."""
    if isinstance(value, dict):
        return {key: _sorted(value[key]) for key in sorted(value, key=yamlcodec._natural)}
    return [_sorted(item) for item in value] if isinstance(value, list) else value
