# SPDX-License-Identifier: Apache-2.0
"""Go's sentences for what is no JSON."""

from __future__ import annotations

import pytest

from pyk8s.apimachinery import codec, jsonsyntax

FAULTS = [
    ("", "unexpected end of JSON input"),
    ('{"metadata":', "unexpected end of JSON input"),
    ('{"a":"b', "unexpected end of JSON input"),
    ("[1,", "unexpected end of JSON input"),
    ("-", "unexpected end of JSON input"),
    ("not json", "invalid character 'o' in literal null (expecting 'u')"),
    ("hello", "invalid character 'h' looking for beginning of value"),
    ("[1,]", "invalid character ']' looking for beginning of value"),
    ("{a:1}", "invalid character 'a' looking for beginning of object key string"),
    ('{"a":1,}', "invalid character '}' looking for beginning of object key string"),
    ('{"a" 1}', "invalid character '1' after object key"),
    ('{"a":1 "b"}', "invalid character '\"' after object key:value pair"),
    ('["a" "b"]', "invalid character '\"' after array element"),
    ("{} x", "invalid character 'x' after top-level value"),
    ("01", "invalid character '1' after top-level value"),
    ('"a\tb"', "invalid character '\\t' in string literal"),
    ('"\\x"', "invalid character 'x' in string escape code"),
    ('"\\u00g0"', "invalid character 'g' in \\u hexadecimal character escape"),
    ("-x", "invalid character 'x' in numeric literal"),
    ("1.x", "invalid character 'x' after decimal point in numeric literal"),
    ("1ex", "invalid character 'x' in exponent of numeric literal"),
    ("tru\u00fc", "invalid character '\u00c3' in literal true (expecting 'e')"),
    ("'", "invalid character '\\'' looking for beginning of value"),
]


@pytest.mark.parametrize(("text", "sentence"), FAULTS, ids=[text for text, _ in FAULTS])
def test_faults(text: str, sentence: str) -> None:
    """Each kind of fault has its words, which the decoder raises."""
    assert jsonsyntax.fault(text.encode()) == sentence
    with pytest.raises(codec.DecodeError) as raised:
        codec.decode_json(text.encode())
    assert str(raised.value) == sentence


@pytest.mark.parametrize(
    "text",
    [
        "{}",
        " [ ] ",
        '{"a":[1,-2.5e+3,0,true,false,null,{"b":{}}],"c":"\\u00e4\\n"}',
        '"\u00fc"',
    ],
)
def test_no_fault(text: str) -> None:
    """Nothing is wrong with what the decoder takes."""
    codec.decode_json(text)
    assert jsonsyntax.fault(text.encode()) == ""
