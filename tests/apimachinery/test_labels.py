# SPDX-License-Identifier: Apache-2.0
"""Label selectors."""

import pytest

from pyk8s.apimachinery import labels

LABELS = {"app": "web", "tier": "front", "n": "5", "empty": "", "example.com/x": "in"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", True),
        ("app=web", True),
        ("app==web", True),
        ("app = web", True),
        ("app=api", False),
        ("missing=web", False),
        ("app!=web", False),
        ("app!=api", True),
        ("missing!=web", True),
        ("app", True),
        ("missing", False),
        ("!app", False),
        ("!missing", True),
        ("! missing", True),
        ("app in (api,web)", True),
        ("app in(web)", True),
        ("app in (api)", False),
        ("missing in (web)", False),
        ("app notin (api)", True),
        ("app notin (web)", False),
        ("missing notin (web)", True),
        ("empty=", True),
        ("empty in ()", True),
        ("empty in (,a)", True),
        ("empty in (a,,b)", True),
        ("empty in (a,)", True),
        ("app in (,)", False),
        ("example.com/x=in", True),
        ("example.com/x in (in,notin)", True),
        ("n>4", True),
        ("n>5", False),
        ("n<6", True),
        ("n < 5", False),
        ("app>1", False),
        ("missing<1", False),
        ("app=web,tier=front", True),
        ("app=web,tier=back", False),
        ("app=web,tier in (front),!missing", True),
        ("app=web,tier in (front),missing", False),
        ("app=,empty=", False),
        ("in in (a)", False),
        ("\tapp\n=\r web ", True),
    ],
)
def test_matches(text: str, expected: bool) -> None:
    """A parsed selector accepts exactly the label sets its text describes."""
    assert labels.parse(text).matches(LABELS) is expected


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("b=1,a=2", "a=2,b=1"),
        ("a in (z,y,z)", "a in (y,z)"),
        ("a  notin(b)", "a notin (b)"),
        ("a==b", "a==b"),
        ("!a , b", "!a,b"),
        ("a>1,b<2", "a>1,b<2"),
        ("a in ()", "a in ()"),
    ],
)
def test_canonical_text(text: str, canonical: str) -> None:
    """A selector prints sorted by key, and its text parses to the same selector."""
    selector = labels.parse(text)
    assert str(selector) == canonical
    assert labels.parse(canonical).requirements == selector.requirements


OPERATORS = "in, notin, =, ==, !=, gt, lt"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a b", f"unable to parse requirement: found 'b', expected: {OPERATORS}"),
        ("!a=b", "found '=', expected: ',' or 'end of string'"),
        ("a=b,", "found '', expected: identifier after ','"),
        ("a,,b", "found ',', expected: identifier after ','"),
        (",a", "found ',', expected: !, identifier, or 'end of string'"),
        ("!", "unable to parse requirement: found '', expected: identifier"),
        ("a in b", "unable to parse requirement: found 'b' expected: '('"),
        ("a in", "unable to parse requirement: found '' expected: '('"),
        ("a in (", "unable to parse requirement: found '', expected: ',', ')' or identifier"),
        ("a in (b", "unable to parse requirement: found '', expected: ',' or ')'"),
        ("a in (b c)", "unable to parse requirement: found 'c', expected: ',' or ')'"),
        ("a in (,", "unable to parse requirement: found '', expected: ',', or identifier"),
        ("a=(", "unable to parse requirement: found '(', expected: identifier"),
        ("a=b c", "found 'c', expected: ',' or 'end of string'"),
        (
            "a>x",
            "unable to parse requirement: values[0]: Invalid value: \"x\": for 'Gt', 'Lt' "
            "operators, the value must be an integer",
        ),
    ],
)
def test_syntax_errors(text: str, message: str) -> None:
    """A text that is no selector is refused with upstream's words."""
    with pytest.raises(ValueError) as error:  # noqa: PT011
        labels.parse(text)
    assert str(error.value) == message


@pytest.mark.parametrize(
    ("text", "start"),
    [
        ("a$=b", 'unable to parse requirement: <nil>: Invalid value: "a$": name part must consist'),
        ("a=b$", 'unable to parse requirement: values[0][a]: Invalid value: "b$": a valid label'),
        ("a/b/c", 'unable to parse requirement: <nil>: Invalid value: "a/b/c": a valid label key'),
    ],
)
def test_bad_keys_and_values(text: str, start: str) -> None:
    """Keys and values are checked as labels are, and the fault names the place."""
    with pytest.raises(ValueError) as error:  # noqa: PT011
        labels.parse(text)
    assert str(error.value).startswith(start)


def test_label_selector() -> None:
    """matchLabels and matchExpressions are one conjunction."""
    selector = labels.from_label_selector(
        {
            "matchLabels": {"app": "web"},
            "matchExpressions": [
                {"key": "tier", "operator": "In", "values": ["front", "back"]},
                {"key": "gone", "operator": "DoesNotExist"},
                {"key": "n", "operator": "Exists"},
                {"key": "n", "operator": "NotIn", "values": ["6"]},
            ],
        }
    )
    assert str(selector) == "app=web,!gone,n,n notin (6),tier in (back,front)"
    assert selector.matches(LABELS)
    assert not selector.matches({**LABELS, "gone": ""})


def test_label_selector_none_and_empty() -> None:
    """No label selector selects nothing, an empty one everything."""
    assert not labels.from_label_selector(None).matches({})
    assert not labels.from_label_selector(None).is_everything
    assert labels.from_label_selector({}).is_everything
    assert labels.from_label_selector({"matchLabels": {}}).matches({"a": "b"})


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        (
            {"key": "a", "operator": "Near"},
            '"Near" is not a valid label selector operator',
        ),
        (
            {"key": "a", "operator": "In"},
            "values: Invalid value: []: for 'in', 'notin' operators, values set can't be empty",
        ),
        (
            {"key": "a", "operator": "Exists", "values": ["b"]},
            'values: Invalid value: ["b"]: values set must be empty for exists and does not exist',
        ),
    ],
)
def test_bad_label_selector(expression: dict[str, object], message: str) -> None:
    """An expression that cannot be compiled says why."""
    with pytest.raises(ValueError) as error:  # noqa: PT011
        labels.from_label_selector({"matchExpressions": [expression]})
    assert str(error.value) == message


def test_require_exact() -> None:
    """The value a selector pins a key to is known without matching."""
    selector = labels.parse("a=1,b in (2),c in (3,4),d!=5")
    exact = [labels.require_exact(selector, key) for key in "abcde"]
    assert exact == ["1", "2", None, None, None]
