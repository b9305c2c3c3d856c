# SPDX-License-Identifier: Apache-2.0
"""Counters, gauges and histograms: plain numbers in dicts, read when somebody asks.

    hot path -> inc, set, observe            scrape -> collect() -> Family -> exposition

An observation costs about 0.2 µs, where prometheus_client with its locks takes 3 to 6: nothing
here is shared between threads. Names, labels, help and bucket bounds are upstream's where upstream
has the metric.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import ClassVar, Literal, NamedTuple

Labels = tuple[str, ...]
Kind = Literal["counter", "gauge", "histogram"]


class Distribution:
    """How many observations fell where: `counts[i]` of those above bounds[i - 1] and up to
    bounds[i], the last one of those above all bounds."""

    __slots__ = ("bounds", "counts", "sum")

    def __init__(self, bounds: Sequence[float]) -> None:
        self.bounds = tuple(bounds)
        self.counts = [0] * (len(self.bounds) + 1)
        self.sum = 0.0

    def observe(self, value: float) -> None:
        self.counts[bisect_left(self.bounds, value)] += 1
        self.sum += value

    @property
    def count(self) -> int:
        return sum(self.counts)


class Sample(NamedTuple):
    """A number, or a Distribution in a family of histograms; `labels` are values, in the order
    of the family's names."""

    labels: Labels
    value: float | Distribution


class Family(NamedTuple):
    """A metric with all its samples at one moment."""

    name: str
    kind: Kind
    help: str
    labels: Labels
    samples: list[Sample]


# Whatever tells metrics when it is asked.
Collector = Callable[[], Iterable[Family]]


class _Numbers:
    """One number per combination of labels, whose values are given in the order of their names."""

    _kind: ClassVar[Kind]

    def __init__(self, name: str, help: str, labels: Sequence[str] = ()) -> None:
        self.name, self.help, self.labels = name, help, tuple(labels)
        # One without labels is there from the start, as Prometheus' clients have it.
        self._values: dict[Labels, float] = {} if labels else {(): 0.0}

    def inc(self, *labels: str, by: float = 1.0) -> None:
        self._values[labels] = self._values.get(labels, 0.0) + by

    def value(self, *labels: str) -> float:
        return self._values.get(labels, 0.0)

    def collect(self) -> Iterator[Family]:
        samples = [Sample(*item) for item in self._values.items()]
        yield Family(self.name, self._kind, self.help, self.labels, samples)


class Counter(_Numbers):
    """Only ever grows."""

    _kind = "counter"


class Gauge(_Numbers):
    """What stands at a moment. For what can be looked up when asked, write a Collector."""

    _kind = "gauge"

    def set(self, value: float, *labels: str) -> None:
        self._values[labels] = value


class Histogram:
    """A Distribution per combination of labels."""

    def __init__(
        self, name: str, help: str, bounds: Sequence[float], labels: Sequence[str] = ()
    ) -> None:
        self.name, self.help, self.labels = name, help, tuple(labels)
        self._bounds = tuple(bounds)
        self._distributions: dict[Labels, Distribution] = {}
        if not labels:
            self.of()

    def of(self, *labels: str) -> Distribution:
        """To be kept by whoever observes often with the same labels."""
        found = self._distributions.get(labels)
        if found is None:
            found = self._distributions[labels] = Distribution(self._bounds)
        return found

    def observe(self, value: float, *labels: str) -> None:
        self.of(*labels).observe(value)

    def collect(self) -> Iterator[Family]:
        samples = [Sample(*item) for item in self._distributions.items()]
        yield Family(self.name, "histogram", self.help, self.labels, samples)


def exponential(start: float, factor: float, count: int) -> tuple[float, ...]:
    """Bucket bounds as Go's ExponentialBuckets: multiplied step by step, so that they read alike
    to the last digit."""
    bounds = []
    for _ in range(count):
        bounds.append(start)
        start *= factor
    return tuple(bounds)
