# SPDX-License-Identifier: Apache-2.0
"""Field selectors."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyk8s.apimachinery import fields

FIELDS = {"metadata.name": "a", "status.phase": "Running", "odd": r"x,y=z\w"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", True),
        (",", True),
        ("metadata.name=a", True),
        ("metadata.name==a", True),
        ("metadata.name=b", False),
        ("metadata.name!=b", True),
        ("metadata.name!=a", False),
        ("metadata.name=a,status.phase!=Failed", True),
        ("metadata.name=a,status.phase!=Running", False),
        ("missing=", True),
        ("missing!=", False),
        ("missing!=x", True),
        (r"odd=x\,y\=z\\w", True),
        ("metadata.name= a", False),
    ],
)
def test_matches(text: str, expected: bool) -> None:
    """A parsed selector accepts exactly the field sets its text describes."""
    assert fields.parse(text).matches(FIELDS) is expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a", "invalid selector: 'a'; can't understand 'a'"),
        ("a=b,c", "invalid selector: 'a=b,c'; can't understand 'c'"),
        ("a=b=c", "invalid field selector: unescaped character in value: 61"),
        (r"a=\x", r"invalid field selector: invalid escape sequence: \x"),
        ("a=\\", "invalid field selector: invalid escape sequence: \\"),
        ("a===b", "invalid field selector: unescaped character in value: 61"),
    ],
)
def test_syntax_errors(text: str, message: str) -> None:
    """A text that is no selector is refused with upstream's words."""
    with pytest.raises(ValueError) as error:  # noqa: PT011
        fields.parse(text)
    assert str(error.value) == message


@given(st.text(), st.booleans())
def test_any_value_survives(value: str, negate: bool) -> None:
    """An escaped value parses back to itself, whatever it holds."""
    operator = fields.NOT_EQUALS if negate else fields.EQUALS
    requirement = fields.Requirement("f", operator, value)
    assert fields.parse(str(requirement)).requirements == (requirement,)


def test_require_exact() -> None:
    """The value a selector pins a field to is known without matching."""
    selector = fields.parse("a=1,b!=2")
    assert [fields.require_exact(selector, field) for field in "abc"] == ["1", None, None]


def test_transform() -> None:
    """Fields are renamed, and those that become empty are dropped."""

    def convert(field: str, value: str) -> tuple[str, str]:
        return ("", "") if field == "b" else (field.upper(), value)

    selector = fields.transform(fields.parse("a=1,b=2,c!=3"), convert)
    assert str(selector) == "A=1,C!=3"
    assert fields.transform(fields.parse("b=2"), convert).is_everything


def test_transform_refuses() -> None:
    """A field that is not selectable ends the conversion."""

    def refuse(field: str, value: str) -> tuple[str, str]:
        raise ValueError(f"field label not supported: {field}")

    with pytest.raises(ValueError, match="field label not supported: a"):
        fields.transform(fields.parse("a=1"), refuse)
