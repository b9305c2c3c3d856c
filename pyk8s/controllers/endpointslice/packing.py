# SPDX-License-Identifier: Apache-2.0
"""Endpoints of the same ports into slices: those that are there are kept, and few are touched.

Mirrors upstream's reconcileByPortMapping in `endpointslice/reconciler.go`. In one thing it does
more: slices with more endpoints than they may have any longer are cut down.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pyk8s.apimachinery import meta
from pyk8s.apimachinery.gvk import Object
from pyk8s.controllers.endpointslice.changes import Changes


class Packing:
    """`template` is an empty slice as it is to be made, `most` how many endpoints one holds."""

    def __init__(self, template: Object, most: int) -> None:
        self._template = template
        self._labels = meta.labels(template)
        self._most = most

    def arrange(
        self, wanted: Mapping[str, Object], existing: Sequence[Object], made: Changes
    ) -> None:
        """Every slice keeps what is still wanted of its own. What is new goes first into slices
        that are written anyway, the fullest before others; then, if it all fits into one that is
        not, into the one it fills best; else into new ones."""
        missing = dict(wanted)
        changed, unchanged = [], []
        for each in existing:
            kept = self._keep(each, missing)
            if not self._differs(each, kept):
                unchanged.append((each, kept))
            elif kept or not each.get("endpoints"):
                changed.append(self._with(each, kept))
            else:
                made.delete.append(each)
        rest = list(missing.values())
        changed.sort(key=lambda each: -len(each["endpoints"]))
        for each in changed:
            rest = self._fill(each, rest)
        while rest:
            rest = self._fill(self._next(len(rest), unchanged, changed, made), rest)
        made.update += changed
        made.unchanged += [each for each, _ in unchanged]

    def _keep(self, each: Object, missing: dict[str, Object]) -> list[Object]:
        """As they are to be; taken out of `missing`."""
        uids = [_uid(endpoint) for endpoint in each.get("endpoints") or ()]
        mine = [uid for uid in dict.fromkeys(uids) if uid in missing][: self._most]
        return [missing.pop(uid) for uid in mine]

    def _differs(self, each: Object, kept: Sequence[Object]) -> bool:
        if meta.labels(each) != self._labels:
            return True
        return [_without_hints(endpoint) for endpoint in each.get("endpoints") or ()] != kept

    def _with(self, each: Object, endpoints: list[Object]) -> Object:
        metadata = {**each["metadata"], "labels": dict(self._labels)}
        return {**each, "metadata": metadata, "endpoints": endpoints}

    def _fill(self, each: Object, rest: list[Object]) -> list[Object]:
        """What does not go in."""
        room = max(0, self._most - len(each["endpoints"]))
        each["endpoints"] += rest[:room]
        return rest[room:]

    def _next(
        self,
        count: int,
        unchanged: list[tuple[Object, list[Object]]],
        changed: list[Object],
        made: Changes,
    ) -> Object:
        fitting = [pair for pair in unchanged if len(pair[1]) + count <= self._most]
        if fitting and count < self._most:
            fullest = max(fitting, key=lambda pair: len(pair[1]))
            unchanged.remove(fullest)
            changed.append(self._with(*fullest))
            return changed[-1]
        made.create.append({**self._template, "endpoints": []})
        return made.create[-1]


def _uid(endpoint: Object) -> str:
    return (endpoint.get("targetRef") or {}).get("uid") or ""


def _without_hints(endpoint: Object) -> Object:
    if "hints" not in endpoint:
        return endpoint
    return {key: value for key, value in endpoint.items() if key != "hints"}
