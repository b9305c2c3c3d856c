# SPDX-License-Identifier: Apache-2.0
"""IntOrString."""

import pytest

from pyk8s.apimachinery import intorstring


@pytest.mark.parametrize(
    ("value", "total", "up", "down"),
    [(5, 10, 5, 5), ("25%", 10, 3, 2), ("0%", 7, 0, 0), ("100%", 7, 7, 7), ("150%", 3, 5, 4),
     ("1%", 1000, 10, 10)],
)  # fmt: skip
def test_scaled_value(value: int | str, total: int, up: int, down: int) -> None:
    """A percentage is of the total, rounded as asked; a number is itself."""
    assert intorstring.scaled_value(value, total, True) == up
    assert intorstring.scaled_value(value, total, False) == down
    assert intorstring.is_percent(value) is isinstance(value, str)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (None, "nil value for IntOrString"),
        ("5", "invalid value for IntOrString: invalid type: string is not a percentage"),
        (
            "a%",
            'invalid value for IntOrString: invalid value "a%": strconv.Atoi: parsing "a": '
            "invalid syntax",
        ),
    ],
)
def test_errors(value: str | None, message: str) -> None:
    """Another text is refused with upstream's words."""
    with pytest.raises(ValueError) as error:  # noqa: PT011
        intorstring.scaled_value(value, 1, True)
    assert str(error.value) == message
