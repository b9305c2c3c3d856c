# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import roads

from pyk8s.apimachinery import yamlcodec

TABLES = sorted((Path(__file__).parent / "testdata").glob("rejected-*.yaml"))
REASONS = {
    "Required value": "FieldValueRequired",
    "Duplicate value": "FieldValueDuplicate",
    "Invalid value": "FieldValueInvalid",
    "Unsupported value": "FieldValueNotSupported",
    "Forbidden": "FieldValueForbidden",
    "Too long": "FieldValueTooLong",
    "Too many": "FieldValueTooMany",
}


def _rows() -> Iterator[Any]:
    for table in TABLES:
        for row in yamlcodec.decode_yaml(table.read_text()):
            yield pytest.param(row, id=f"{row['kind']}: {row['name']}")


@pytest.mark.parametrize("row", list(_rows()))
def test_rejected_on_create_with_upstreams_words(row: dict[str, Any]) -> None:
    """A manifest with one thing wrong is refused with these sentences, and no others."""
    changes = {**row.get("set", {}), **dict.fromkeys(row.get("remove", ()), roads.GONE)}
    _, faults = roads.created(roads.manifest(row["kind"], changes))
    assert roads.messages(faults) == row["faults"]
    for fault in faults:
        words = fault.message.removeprefix(f"{fault.field}: ").split(":")[0]
        assert fault.reason == REASONS[words]
