# SPDX-License-Identifier: Apache-2.0
"""When the change happened that made a Service's endpoints be written: what the annotation
endpoints.kubernetes.io/last-change-trigger-time says, from which latency is measured.

Mirrors upstream's `endpointslice/util/trigger_time_tracker.go`, limits included: of several
changes of one object between two looks only the last is known.
"""

from __future__ import annotations

from collections.abc import Iterable

from pyk8s.apimachinery import meta
from pyk8s.apimachinery.gvk import Object
from pyk8s.client.store import Key

ANNOTATION = "endpoints.kubernetes.io/last-change-trigger-time"


class TriggerTimes:
    """Remembers, per Service, the times it has seen. Times are as objects have them: RFC 3339
    in UTC and whole seconds, so they compare as text."""

    def __init__(self) -> None:
        self._seen: dict[Key, dict[str, str]] = {}

    def look(self, service: Object, behind: Iterable[Object]) -> str:
        """The earliest change since the last look at this Service; "" for none. To be called
        at each look, whether something is written then or not."""
        key = meta.namespaced_name(service)
        created: str = service["metadata"].get("creationTimestamp") or ""
        before = self._seen.get(key)
        now = {meta.name(pod): at for pod in behind if (at := _ready_since(pod))}
        # No pod has an empty name.
        self._seen[key] = {**now, "": created}
        if before is None:
            return created
        changed = (at for name, at in self._seen[key].items() if at > before.get(name, ""))
        return min(changed, default="")

    def forget(self, key: Key) -> None:
        self._seen.pop(key, None)


def annotate(annotations: dict[str, str], trigger_time: str) -> dict[str, str]:
    """With the new time, or without the old one."""
    kept = {key: text for key, text in annotations.items() if key != ANNOTATION}
    return {**kept, ANNOTATION: trigger_time} if trigger_time else kept


def _ready_since(pod: Object) -> str:
    for condition in (pod.get("status") or {}).get("conditions") or ():
        if condition.get("type") == "Ready":
            return condition.get("lastTransitionTime") or ""
    return ""
