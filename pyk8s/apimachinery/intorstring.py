# SPDX-License-Identifier: Apache-2.0
"""IntOrString: a number or a text such as `25%`; in documents simply an int or a str."""

from __future__ import annotations

import re

from pyk8s.apimachinery.gojson import quoted_string

_is_integer = re.compile(r"[+-]?[0-9]{1,18}").fullmatch


def is_percent(value: int | str) -> bool:
    return isinstance(value, str) and value.endswith("%")


def scaled_value(value: int | str | None, total: int, round_up: bool) -> int:
    """An int as it is, a percentage of `total` rounded up or down; raises ValueError.

    Follows apimachinery's GetScaledValueFromIntOrPercent.
    """
    if value is None:
        raise ValueError("nil value for IntOrString")
    if isinstance(value, int):
        return value
    part = _percentage(value) * total
    return -(-part // 100) if round_up else part // 100


def _percentage(text: str) -> int:
    if not text.endswith("%"):
        raise ValueError("invalid value for IntOrString: invalid type: string is not a percentage")
    number = text[:-1]
    if not _is_integer(number):
        raise ValueError(
            f"invalid value for IntOrString: invalid value {quoted_string(text)}: "
            f"strconv.Atoi: parsing {quoted_string(number)}: invalid syntax"
        )
    return int(number)
