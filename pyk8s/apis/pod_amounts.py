# SPDX-License-Identifier: Apache-2.0
"""Resource amounts as exact numbers, and printed: single ones, and those of a spec together."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from decimal import Decimal
from fractions import Fraction
from typing import Any

from pyk8s.apimachinery import quantity
from pyk8s.componenthelpers import podrequests

Spec = Mapping[str, Any]


@functools.lru_cache(maxsize=4096)
def amount(text: str) -> Fraction:
    """The exact number a quantity stands for; raises ValueError for what is none."""
    return Fraction(quantity.parse(str(text)).amount)


def shown(value: Fraction, like: str) -> str:
    """A sum printed canonically, in the suffix family of one of its parts."""
    exact = Decimal(value.numerator) / Decimal(value.denominator)
    return str(quantity.Quantity(exact, quantity.parse(like).format))


def aggregate_quantities(spec: Spec, kind: str) -> dict[str, str]:
    """`kind` (requests or limits) of the containers together, printed as quantities."""
    examples = {
        name: text
        for group in ("initContainers", "containers")
        for container in spec.get(group, ())
        for name, text in reversed((container.get("resources") or {}).get(kind, {}).items())
    }
    return {
        name: shown(Fraction(amount, podrequests.PER_UNIT), str(examples[name]))
        for name, amount in podrequests.aggregate(spec, kind).items()
    }
