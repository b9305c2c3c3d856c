# SPDX-License-Identifier: Apache-2.0
"""Points in time as the ages that people read: `5m`, `3h12m`, `<unknown>`."""

from __future__ import annotations

from datetime import datetime

from pyk8s.apimachinery.gvk import Object


def human_duration(seconds: float) -> str:
    whole = int(seconds)
    if whole < -1:
        return "<invalid>"
    if whole < 0:
        return "0s"
    if whole < 120:
        return f"{whole}s"
    minutes = whole // 60
    if minutes < 10:
        return f"{minutes}m{whole % 60}s" if whole % 60 else f"{minutes}m"
    if minutes < 180:
        return f"{minutes}m"
    hours = minutes // 60
    if hours < 8:
        return f"{hours}h{minutes % 60}m" if minutes % 60 else f"{hours}h"
    if hours < 48:
        return f"{hours}h"
    days = hours // 24
    if days < 8:
        return f"{days}d{hours % 24}h" if hours % 24 else f"{days}d"
    if days < 730:
        return f"{days}d"
    years = days // 365
    if years < 8:
        return f"{years}y{days % 365}d" if days % 365 else f"{years}y"
    return f"{years}y"


def seconds_of(timestamp: str) -> float:
    """Seconds since the epoch of an RFC 3339 time; raises ValueError for anything else."""
    return datetime.fromisoformat(timestamp).timestamp()


def since(timestamp: str | None, now: float) -> str:
    """How long ago, as `translateTimestampSince` in upstream's printers; times and micro times."""
    if not timestamp:
        return "<unknown>"
    return human_duration(now - seconds_of(timestamp))


def age(obj: Object, now: float) -> str:
    return since(obj["metadata"].get("creationTimestamp"), now)
