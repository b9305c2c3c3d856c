# SPDX-License-Identifier: Apache-2.0
"""What `kubectl get` and `kubectl get -o wide` print, per resource.

golden/RESOURCE.yaml holds objects, golden/RESOURCE.txt what they print, narrow and then wide.
After an intended change run this file as a script, then read the difference.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from pyk8s.apimachinery.gvk import GroupResource
from pyk8s.apis import columns, scheme
from pyk8s.apis.columns import table

GOLDEN = Path(__file__).with_name("golden")
NOW = 1781524800.0  # 2026-06-15T12:00:00Z
NAMES = sorted(path.stem for path in GOLDEN.glob("*.yaml"))


def render(whole: dict[str, Any], *, wide: bool = False) -> str:
    """A Table as kubectl prints it: headers in upper case, every column padded to its widest cell
    and three spaces, at least six wide; of a text only its first line; no trailing spaces."""
    definitions = whole["columnDefinitions"]
    shown = [i for i, column in enumerate(definitions) if wide or not column["priority"]]
    lines = [[definitions[i]["name"].upper() for i in shown]]
    lines += [[_text(row["cells"][i]) for i in shown] for row in whole["rows"]]
    widths = [max(6, max(map(len, column)) + 3) for column in zip(*lines, strict=True)]
    return "".join(
        "".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() + "\n"
        for line in lines
    )


def _text(cell: Any) -> str:
    if cell is None:
        return ""
    if isinstance(cell, bool):
        return "true" if cell else "false"
    lines = str(cell).splitlines()
    return "" if not lines else lines[0] if len(lines) == 1 else lines[0] + "..."


def printed(name: str) -> str:
    resource, _, group = name.partition(".")
    objects = list(yaml.safe_load_all((GOLDEN / f"{name}.yaml").read_text()))
    whole = table.table_for(
        objects,
        columns.columns_for(GroupResource(group, resource)),
        list_metadata={"resourceVersion": "7"},
        now=NOW,
    )
    return render(whole) + "\n" + render(whole, wide=True)


@pytest.mark.parametrize("name", NAMES)
def test_prints_as_kubectl_shows_it(name: str) -> None:
    """The columns, their order and every derived text are upstream's."""
    assert printed(name) == (GOLDEN / f"{name}.txt").read_text()


def test_every_served_resource_has_a_golden_text() -> None:
    """No resource that can be read is left out."""
    served = {
        str(resource.group_resource)
        for resource in scheme.builtin().resources
        if "get" in resource.verbs
    }
    assert served == set(NAMES)


if __name__ == "__main__":
    for golden in NAMES:
        (GOLDEN / f"{golden}.txt").write_text(printed(golden))
