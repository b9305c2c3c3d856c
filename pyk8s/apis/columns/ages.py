# SPDX-License-Identifier: Apache-2.0
"""Points in time as the ages that people read: `5m`, `3h12m`, `<unknown>`."""

from __future__ import annotations

from datetime import datetime

from pyk8s.apimachinery import durations
from pyk8s.apimachinery.gvk import Object


def seconds_of(timestamp: str) -> float:
    """Seconds since the epoch of an RFC 3339 time; raises ValueError for anything else."""
    return datetime.fromisoformat(timestamp).timestamp()


def since(timestamp: str | None, now: float) -> str:
    """How long ago, as `translateTimestampSince` in upstream's printers; times and micro times."""
    if not timestamp:
        return "<unknown>"
    return durations.human(now - seconds_of(timestamp))


def age(obj: Object, now: float) -> str:
    return since(obj["metadata"].get("creationTimestamp"), now)
