# SPDX-License-Identifier: Apache-2.0
"""Status, when a client asks for the answer of an operation as a Table."""

from __future__ import annotations

from typing import Any

from pyk8s.apimachinery.gvk import Object
from pyk8s.apis.columns.definition import META, Column, Columns


def _cells(status: Object, now: float) -> list[Any]:
    return [status.get("status", ""), status.get("reason", ""), status.get("message", "")]


STATUS = Columns(
    columns=(
        Column("Status", doc=META + "Status.status"),
        Column("Reason", doc=META + "Status.reason"),
        # Upstream looks this description up under a name that does not exist.
        Column("Message"),
    ),
    cells=_cells,
)
