# SPDX-License-Identifier: Apache-2.0
"""What is to become of the slices of one Service and one address family."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from pyk8s.apimachinery.gvk import Object


@dataclass(slots=True)
class Changes:
    """Slices in `create` and `update`, and their endpoints, belong to whoever has the Changes;
    those in `delete` and `unchanged` are the cache's."""

    create: list[Object] = field(default_factory=list)
    update: list[Object] = field(default_factory=list)
    delete: list[Object] = field(default_factory=list)
    unchanged: list[Object] = field(default_factory=list)

    def written(self) -> Iterator[Object]:
        yield from self.create
        yield from self.update

    def to_write(self, each: Object) -> Object:
        """Move a slice from `unchanged` to `update`, as a copy that may be changed."""
        self.unchanged.remove(each)
        copied = {**each, "endpoints": [{**endpoint} for endpoint in each.get("endpoints") or ()]}
        self.update.append(copied)
        return copied
