# SPDX-License-Identifier: Apache-2.0
"""What a plugin says of a pod, or of a pod on a node. Mirrors kube-scheduler's framework Status."""

from __future__ import annotations

import enum
from dataclasses import dataclass


class Code(enum.Enum):
    """As upstream's: UNRESOLVABLE means that no preemption would help, SKIP that the plugin has
    nothing to say of this pod, WAIT (Permit only) that the pod is to be held."""

    SUCCESS = "Success"
    ERROR = "Error"
    UNSCHEDULABLE = "Unschedulable"
    UNRESOLVABLE = "UnschedulableAndUnresolvable"
    WAIT = "Wait"
    SKIP = "Skip"
    PENDING = "Pending"


@dataclass(frozen=True, slots=True)
class Status:
    """`reasons` is what users read, `plugin` who said it."""

    code: Code = Code.SUCCESS
    reasons: tuple[str, ...] = ()
    plugin: str = ""

    @property
    def is_success(self) -> bool:
        return self.code is Code.SUCCESS

    @property
    def is_rejected(self) -> bool:
        return self.code in (Code.UNSCHEDULABLE, Code.UNRESOLVABLE, Code.PENDING)

    @property
    def message(self) -> str:
        return ", ".join(self.reasons)


class PluginError(Exception):
    """A plugin could not do what it was asked: the attempt fails, and is made again later."""

    def __init__(self, plugin: str, point: str, message: str) -> None:
        super().__init__(f'running {point} plugin "{plugin}": {message}')
        self.plugin = plugin


SUCCESS = Status()
SKIP = Status(Code.SKIP)


def unschedulable(*reasons: str) -> Status:
    return Status(Code.UNSCHEDULABLE, reasons)


def unresolvable(*reasons: str) -> Status:
    return Status(Code.UNRESOLVABLE, reasons)
