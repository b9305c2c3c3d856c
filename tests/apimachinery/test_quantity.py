# SPDX-License-Identifier: Apache-2.0
"""Quantities."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyk8s.apimachinery import quantity


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("0", "0"),
        ("0Ki", "0"),
        ("0.0", "0"),
        ("-0", "0"),
        ("1", "1"),
        ("100m", "100m"),
        ("1000m", "1"),
        ("1.5", "1500m"),
        ("0.5", "500m"),
        (".5", "500m"),
        ("1.", "1."),
        ("1.5Gi", "1536Mi"),
        ("1Gi", "1Gi"),
        ("1024Mi", "1Gi"),
        ("1000Mi", "1000Mi"),
        ("1024", "1024"),
        ("1Ki", "1Ki"),
        ("0.5Ki", "512"),
        ("0.1Mi", "104857600m"),
        (".001Ki", "1024m"),
        ("1.1Mi", "1153433600m"),
        ("0.0001Ki", "102400u"),
        ("1000k", "1M"),
        ("1500M", "1500M"),
        ("1000", "1k"),
        ("100000", "100k"),
        ("123456789", "123456789"),
        ("1e3", "1e3"),
        ("1E3", "1E3"),
        ("1e4", "10e3"),
        ("12e6", "12e6"),
        ("1.5e3", "1500"),
        ("1e-3", "1e-3"),
        ("1e-1", "100e-3"),
        ("0.1m", "100u"),
        ("0.1n", "1n"),
        ("-0.1n", "-1n"),
        ("1.0000000001", "1000000001n"),
        ("1n", "1n"),
        ("1u", "1u"),
        ("-1.5", "-1500m"),
        ("-1.5Gi", "-1536Mi"),
        ("1E", "1E"),
        ("1000E", "1000E"),
        ("8Ei", "9223372036854775807"),
        ("-8Ei", "-9223372036854775807"),
        ("9999999999999999999999Ki", "9223372036854775807"),
        ("1e1000000000", "10e999999999"),
        ("1e-1000000000", "1e-9"),
        (" 5 ", "5"),
        ("1.123", "1.123"),
        ("1.250", "1.250"),
        ("0.250", "250m"),
        ("1.1000", "1100m"),
        ("+5", "+5"),
        ("+1.5", "1500m"),
    ],
)
def test_canonical(text: str, canonical: str) -> None:
    """A quantity prints in the form the server answers, and that form is stable."""
    assert quantity.canonical(text) == canonical
    assert quantity.canonical(canonical) == canonical
    assert quantity.parse(canonical) == quantity.parse(quantity.canonical(text))


@pytest.mark.parametrize(
    ("value", "canonical"), [(1, "1"), (1000, "1k"), (0.5, "500m"), (1e-07, "100e-9"), (0, "0")]
)
def test_numbers(value: float, canonical: str) -> None:
    """A quantity may be a number in a document."""
    assert quantity.canonical(value) == canonical


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", quantity.FORMAT_FAULT),
        ("aoeu", quantity.FORMAT_FAULT),
        ("1.1.M", quantity.FORMAT_FAULT),
        ("1+1.0M", quantity.FORMAT_FAULT),
        ("1 Gi", quantity.FORMAT_FAULT),
        ("--1", quantity.SUFFIX_FAULT),
        ("1e3.5", quantity.FORMAT_FAULT),
        ("0.1mi", quantity.SUFFIX_FAULT),
        ("1i", quantity.SUFFIX_FAULT),
        ("1K", quantity.SUFFIX_FAULT),
        ("1ki", quantity.SUFFIX_FAULT),
        ("1e", quantity.SUFFIX_FAULT),
        ("-3.01e-", quantity.SUFFIX_FAULT),
        ("1e9999999999", quantity.SUFFIX_FAULT),
        ("1" * 1000, quantity.NUMERIC_FAULT),
    ],
)
def test_errors(text: str, message: str) -> None:
    """A text that is no quantity is refused with upstream's words."""
    with pytest.raises(quantity.QuantityError) as error:
        quantity.canonical(text)
    assert str(error.value) == message


def test_messages() -> None:
    """The words are upstream's."""
    assert quantity.FORMAT_FAULT == (
        "quantities must match the regular expression "
        "'^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"
    )


def test_order_and_equality() -> None:
    """Quantities compare by amount, whatever their suffix and size."""
    parse = quantity.parse
    assert parse("1Gi") > parse("1G")
    assert parse("1000m") == parse("1")
    assert hash(parse("1000m")) == hash(parse("1"))
    assert parse("1e1000000000") > parse("1E")
    assert max(parse("1500m"), parse("1")) == parse("1.5")
    assert not parse("0Ki")


def test_arithmetic() -> None:
    """Sums keep the format of the first that is not zero."""
    parse = quantity.parse
    assert str(parse("1Gi") + parse("512Mi")) == "1536Mi"
    assert str(parse("100m") + parse("0.9")) == "1"
    assert str(parse("0") + parse("1024Ki")) == "1Mi"
    assert str(parse("1Gi") - parse("1Gi")) == "0"
    assert str(parse("1") - parse("1500m")) == "-500m"
    assert str(parse("100m") * 3) == "300m"
    assert str(-parse("1Ki")) == "-1Ki"


@pytest.mark.parametrize(
    ("text", "value", "milli"),
    [
        ("100m", 1, 100),
        ("1.1", 2, 1100),
        ("-1.1", -2, -1100),
        ("1Ki", 1024, 1024000),
        ("1n", 1, 1),
        ("0", 0, 0),
        ("1e1000000000", 2**63 - 1, 2**63 - 1),
    ],
)
def test_integer_values(text: str, value: int, milli: int) -> None:
    """Integer values round away from zero and stay within 64 bits."""
    assert quantity.parse(text).value == value
    assert quantity.parse(text).milli_value == milli


numbers = st.decimals(-(10**15), 10**15, places=3) | st.integers(-(2**60), 2**60).map(Decimal)
formats = st.sampled_from([quantity.DECIMAL_SI, quantity.BINARY_SI, quantity.DECIMAL_EXPONENT])


@given(numbers, formats)
def test_round_trip(number: Decimal, form: str) -> None:
    """What prints parses back to the same amount and prints the same again.

    Without a binary suffix the family is lost, as upstream: 5000 in BinarySI reads as 5k.
    """
    written = str(quantity.Quantity(number, form))
    assert quantity.parse(written).amount == number
    if form != quantity.BINARY_SI or written.endswith("i"):
        assert quantity.canonical(written) == written


@given(st.text("0123456789.+-eEinumkKMGTP", max_size=12))
def test_any_text(text: str) -> None:
    """Every text is either refused or has a stable canonical form of the same amount."""
    try:
        canonical = quantity.canonical(text)
    except quantity.QuantityError:
        return
    assert quantity.parse(canonical).amount == quantity.parse(text).amount
