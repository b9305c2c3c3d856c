# SPDX-License-Identifier: Apache-2.0
"""Documents as Go prints them in messages."""

from __future__ import annotations

from typing import Any

import pytest

from pyk8s.apimachinery import gojson


@pytest.mark.parametrize(
    ("value", "text"),
    [
        pytest.param({"b": 1, "a": "x y"}, "map[a:x y b:1]", id="map"),
        pytest.param(
            {"a": [{"b": None}, True, 1.5]}, "map[a:[map[b:<nil>] true 1.5]]", id="nested"
        ),
        pytest.param({}, "map[]", id="empty map"),
        pytest.param([], "[]", id="empty list"),
    ],
)  # fmt: skip
def test_printed(value: Any, text: str) -> None:
    """%+v of a decoded document: keys in order, strings bare."""
    assert gojson.printed(value) == text
