# SPDX-License-Identifier: Apache-2.0
"""A scheduler by name: which plugins it runs at which extension point, in what order."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pyk8s.scheduler.framework import interface
from pyk8s.scheduler.framework.podinfo import PodInfo


@dataclass(frozen=True, kw_only=True)
class Profile:
    """`points` names the plugins of each extension point (`interface.POINTS`), `weights` what the
    scores of a plugin count, 1 where it says nothing. `foreign` are those that were not written
    for this scheduler: what they look at is not known, unless they can sign a pod."""

    name: str
    points: Mapping[str, Sequence[Any]]
    weights: Mapping[str, int] = field(default_factory=dict)
    foreign: Sequence[Any] = ()

    def __post_init__(self) -> None:
        # To ask a protocol whether a plugin is of it costs more than most plugins.
        having = {
            protocol: [each for each in self.points.get(point, ()) if isinstance(each, protocol)]
            for point, protocols in interface.POINTS.items()
            for protocol in protocols
        }
        object.__setattr__(self, "_having", having)

    @property
    def plugins(self) -> list[Any]:
        """Each once."""
        return [*{id(each): each for of in self.points.values() for each in of}.values()]

    def at(self, point: str) -> Sequence[Any]:
        return self.points.get(point, ())

    def having(self, extension_point: type[Any]) -> list[Any]:
        """In the order in which they are to be run."""
        found: dict[type[Any], list[Any]] = self.__dict__["_having"]
        return found[extension_point]

    def signature(self, pod: PodInfo) -> Hashable | None:
        """Pods of equal signature can be placed alike; None: this pod is like no other."""
        if not self.foreign:
            return pod.signature
        if not all(isinstance(each, interface.SignPlugin) for each in self.foreign):
            return None
        return (pod.signature, *(each.sign_pod(pod) for each in self.foreign))
