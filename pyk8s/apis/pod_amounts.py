# SPDX-License-Identifier: Apache-2.0
"""Resource amounts of a whole Pod: what its containers ask for together, and its QoS class.

Mirrors `component-helpers/resource` and `pkg/apis/core/helper/qos`. Init containers run one after
another before the regular ones, so the larger of the two counts; sidecars among them stay.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping
from decimal import Decimal
from fractions import Fraction
from typing import Any

from pyk8s.apimachinery import quantity
from pyk8s.apis import pods

Spec = Mapping[str, Any]
Amounts = dict[str, Fraction]

_QOS_RESOURCES = ("cpu", "memory")


@functools.lru_cache(maxsize=4096)
def amount(text: str) -> Fraction:
    """The exact number a quantity stands for; raises ValueError for what is none."""
    return Fraction(quantity.parse(str(text)).amount)


def shown(value: Fraction, like: str) -> str:
    """A sum printed canonically, in the suffix family of one of its parts."""
    exact = Decimal(value.numerator) / Decimal(value.denominator)
    return str(quantity.Quantity(exact, quantity.parse(like).format))


def container_requests(spec: Spec) -> Amounts:
    """What the containers request together, by resource."""
    return _aggregate(spec, "requests")


def container_limits(spec: Spec) -> Amounts:
    return _aggregate(spec, "limits")


def aggregate_quantities(spec: Spec, kind: str) -> dict[str, str]:
    """`kind` (requests or limits) of the containers together, printed as quantities."""
    examples = {
        name: text
        for group in ("initContainers", "containers")
        for container in spec.get(group, ())
        for name, text in reversed((container.get("resources") or {}).get(kind, {}).items())
    }
    return {
        name: shown(value, str(examples[name])) for name, value in _aggregate(spec, kind).items()
    }


def _aggregate(spec: Spec, kind: str) -> Amounts:
    together: Amounts = {}
    for container in spec.get("containers", ()):
        _add(together, _amounts(container, kind))
    sidecars: Amounts = {}
    starting: Amounts = {}
    for container in spec.get("initContainers", ()):
        own = _amounts(container, kind)
        if pods.is_restartable(container):
            _add(together, own)
            _add(sidecars, own)
            _raise(starting, sidecars)
        else:
            _add(own, sidecars)
            _raise(starting, own)
    _raise(together, starting)
    return together


def _amounts(container: Mapping[str, Any], kind: str) -> Amounts:
    quantities = (container.get("resources") or {}).get(kind, {})
    return {name: amount(text) for name, text in quantities.items()}


def _add(total: Amounts, more: Mapping[str, Fraction]) -> None:
    for name, value in more.items():
        total[name] = total.get(name, Fraction(0)) + value


def _raise(total: Amounts, other: Mapping[str, Fraction]) -> None:
    for name, value in other.items():
        if value > total.get(name, -1):
            total[name] = value


def qos_class(spec: Spec) -> str:
    """Guaranteed, Burstable or BestEffort."""
    requests: Amounts = {}
    limits: Amounts = {}
    guaranteed = True
    for resources in _deciding_resources(spec):
        _add_positive(requests, resources.get("requests", {}))
        found = _add_positive(limits, resources.get("limits", {}))
        guaranteed = guaranteed and found == len(_QOS_RESOURCES)
    if not requests and not limits:
        return "BestEffort"
    return "Guaranteed" if guaranteed and requests == limits else "Burstable"


def _deciding_resources(spec: Spec) -> Iterator[Mapping[str, Any]]:
    if spec.get("resources"):
        yield spec["resources"]
        return
    for kind in ("containers", "initContainers"):
        for container in spec.get(kind, ()):
            yield container.get("resources") or {}


def _add_positive(total: Amounts, quantities: Mapping[str, str]) -> int:
    found = 0
    for name in _QOS_RESOURCES:
        if name in quantities:
            value = amount(quantities[name])
            if value > 0:
                total[name] = total.get(name, Fraction(0)) + value
                found += 1
    return found
