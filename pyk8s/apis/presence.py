# SPDX-License-Identifier: Apache-2.0
"""Which zero values an API type writes out, and which it leaves away.

A Go struct has no absent fields, so what a client left out and what it set to zero differ only
where the field is a pointer, or where its JSON tag says to write zeros. The OpenAPI schema does
not tell the two apart; the fact table `protobuf_fields.txt` does, with one flag per field:

    POINTER  a scalar behind a pointer: written when it was given, zero or not
    STRUCT   a struct by value: always written, `{}` or null when nothing is in it
    KEPT     zero is written although the field is optional
    PLAIN    written when it is required or not zero
"""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping
from importlib import resources

PLAIN = ""
POINTER = "*"
STRUCT = "!"
KEPT = "~"

_FIELD = re.compile(r"([^=*!~>]+)(?:=\d+)?([*!~]?)(?:>(\w+))?")

# `omitzero` in its tag: the one struct by value that is left away when it is zero.
_OMITTED_WHEN_ZERO = {"io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta": ("creationTimestamp",)}


def of(definition: str) -> Mapping[str, str] | None:
    """Flag by field name of an OpenAPI definition; None for a type the table does not have."""
    return _table().get(definition)


@functools.cache
def _table() -> dict[str, dict[str, str]]:
    table: dict[str, dict[str, str]] = {}
    packages = {
        package: {line.split()[0]: line.split()[1:] for line in lines}
        for package, lines in _packages()
    }
    for package, rows in packages.items():
        # A beta version inlines types of its group's stable one.
        stable = packages.get(package.rpartition(".")[0] + ".v1", {})
        for message in rows:
            table[f"{package}.{message}"] = _flags(stable | rows, message)
    for definition, fields in _OMITTED_WHEN_ZERO.items():
        for field in fields:
            table[definition][field] = PLAIN
    return table


def _packages() -> list[tuple[str, list[str]]]:
    text = resources.files(__package__).joinpath("protobuf_fields.txt").read_text("utf-8")
    blocks = text.split("@")[1:]
    return [(name, rest.splitlines()) for name, _, rest in (b.partition("\n") for b in blocks)]


def _flags(rows: Mapping[str, list[str]], message: str) -> dict[str, str]:
    flags: dict[str, str] = {}
    for word in rows.get(message, ()):
        found = _FIELD.fullmatch(word)
        if found is None:  # "-": the type is written as plain JSON
            continue
        name, flag, inlined = found.groups()
        if inlined:
            flags |= _flags(rows, inlined)
        else:
            flags[name] = flag
    return flags
