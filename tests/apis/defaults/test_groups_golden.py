# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import copy
from pathlib import Path

import pytest

from pyk8s.apimachinery import gvk, yamlcodec
from pyk8s.apis.defaults import DEFAULTERS

TESTDATA = Path(__file__).parent / "testdata"
NAMES = sorted(path.name.removesuffix(".input.yaml") for path in TESTDATA.glob("*.input.yaml"))


@pytest.mark.parametrize("name", NAMES)
def test_defaults_are_upstreams(name: str) -> None:
    """What a client leaves out is filled in as the golden file has it, and only once."""
    obj = yamlcodec.decode_yaml((TESTDATA / f"{name}.input.yaml").read_text())
    expected = yamlcodec.decode_yaml((TESTDATA / f"{name}.output.yaml").read_text())
    default = DEFAULTERS[gvk.kind_of(obj)]
    default(obj)
    assert obj == expected
    again = copy.deepcopy(obj)
    default(again)
    assert again == obj
