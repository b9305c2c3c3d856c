# SPDX-License-Identifier: Apache-2.0
"""DefaultTolerationSeconds: how long a Pod stays on a node that is not ready or out of reach.

Mirrors `plugin/pkg/admission/defaulttolerationseconds`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pyk8s.admission import interface

DEFAULT_SECONDS = 300

_NOT_READY = "node.kubernetes.io/not-ready"
_UNREACHABLE = "node.kubernetes.io/unreachable"


class DefaultTolerationSeconds(interface.Plugin):
    operations = frozenset({interface.CREATE, interface.UPDATE})
    resources = frozenset({interface.PODS})

    def __init__(self, not_ready_seconds: int, unreachable_seconds: int) -> None:
        self._seconds = {_NOT_READY: not_ready_seconds, _UNREACHABLE: unreachable_seconds}

    async def admit(self, attributes: interface.Attributes) -> None:
        if attributes.subresource:
            return
        spec = attributes.object["spec"]
        own = spec.get("tolerations") or []
        added = [
            {
                "key": key,
                "operator": "Exists",
                "effect": "NoExecute",
                "tolerationSeconds": seconds,
            }
            for key, seconds in self._seconds.items()
            if not any(_says_something_of(toleration, key) for toleration in own)
        ]
        if added:
            spec["tolerations"] = [*own, *added]


def _says_something_of(toleration: Mapping[str, Any], key: str) -> bool:
    named = toleration.get("key")
    return (not named or named == key) and toleration.get("effect") in (None, "", "NoExecute")
