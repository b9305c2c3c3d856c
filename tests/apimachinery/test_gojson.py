# SPDX-License-Identifier: Apache-2.0
"""JSON as Go's encoder writes it."""

from __future__ import annotations

from typing import Any

import pytest

from pyk8s.apimachinery import gojson


@pytest.mark.parametrize(
    ("value", "text"),
    [
        pytest.param(
            {"b": 1, "a": {"d": None, "c": [True]}},
            '{"a":{"c":[true],"d":null},"b":1}',
            id="keys sorted",
        ),
        pytest.param("<a>&b\u2028", '"\\u003ca\\u003e\\u0026b\\u2028"', id="escaped for HTML"),
        pytest.param('é"\n', '"é\\"\\n"', id="text"),
        pytest.param(1.0, "1", id="whole float"),
        pytest.param(1e20, "100000000000000000000", id="large"),
        pytest.param(1e21, "1e+21", id="larger"),
        pytest.param(1.5e-7, "1.5e-7", id="small"),
        pytest.param(1e-12, "1e-12", id="smaller"),
        pytest.param(0.000001, "0.000001", id="not so small"),
        pytest.param(-2.5, "-2.5", id="negative"),
        pytest.param(0.0, "0", id="zero"),
    ],
)
def test_encoded(value: Any, text: str) -> None:
    """Keys in order, HTML characters escaped, floats with an exponent only at the ends."""
    assert gojson.encoded(value) == text
