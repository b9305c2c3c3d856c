# SPDX-License-Identifier: Apache-2.0
"""A component's metrics as Prometheus reads them, with what is true of every process.

Loaded by `serving.OnDemand` when somebody asks, for prometheus_client costs 15 ms and 2 MB.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import accumulate

import prometheus_client
from prometheus_client import core
from prometheus_client.exposition import choose_encoder
from prometheus_client.utils import floatToGoString

from pyk8s.componentbase import version
from pyk8s.componentbase.metrics import Collector, Distribution, Family, Sample

_BUILD_INFO = (
    "A metric with a constant '1' value labeled by major, minor, git version, git commit, git tree"
    " state, build date, Go version, and compiler from which Kubernetes was built, and platform on"
    " which it is running."
)
# Label and field of the version's info.
_BUILD_LABELS = {
    "major": "major", "minor": "minor", "git_version": "gitVersion", "git_commit": "gitCommit",
    "git_tree_state": "gitTreeState", "build_date": "buildDate", "go_version": "goVersion",
    "compiler": "compiler", "platform": "platform",
}  # fmt: skip


class Registry:
    """Everything that one process tells: what its collectors do, kubernetes_build_info, process_*
    and python_gc_*. Families of one name, whoever tells them, are told as one."""

    def __init__(self, *collectors: Collector) -> None:
        self._collectors = [build_info, *collectors]
        self._registry = prometheus_client.CollectorRegistry(auto_describe=False)
        prometheus_client.ProcessCollector(registry=self._registry)
        prometheus_client.GCCollector(registry=self._registry)
        self._registry.register(_Bridge(self._collectors))

    def register(self, collector: Collector) -> None:
        self._collectors.append(collector)

    def page(self, accept: str = "") -> tuple[bytes, str]:
        """The text and its content type: OpenMetrics for who asks for it in an Accept header."""
        encode, content_type = choose_encoder(accept)
        return encode(self._registry), content_type


class _Bridge:
    def __init__(self, collectors: list[Collector]) -> None:
        self._collectors = collectors

    def collect(self) -> Iterator[core.Metric]:
        families: dict[str, Family] = {}
        for collector in self._collectors:
            for family in collector():
                known = families.setdefault(family.name, family._replace(samples=[]))
                known.samples.extend(family.samples)
        return map(_metric, families.values())


def _metric(family: Family) -> core.Metric:
    name, text, labels = family.name, family.help, family.labels
    if family.kind == "histogram":
        histogram = core.HistogramMetricFamily(name, text, labels=labels)
        for values, distribution in family.samples:
            assert isinstance(distribution, Distribution)
            histogram.add_metric(values, _buckets(distribution), distribution.sum)
        return histogram
    kind = core.CounterMetricFamily if family.kind == "counter" else core.GaugeMetricFamily
    metric = kind(name, text, labels=labels)
    for values, value in family.samples:
        assert not isinstance(value, Distribution)
        metric.add_metric(values, value)
    return metric


def _buckets(distribution: Distribution) -> list[tuple[str, float]]:
    bounds = [*map(floatToGoString, distribution.bounds), "+Inf"]
    return [*zip(bounds, accumulate(distribution.counts), strict=True)]


def build_info() -> Iterable[Family]:
    info = version.info()
    sample = Sample(tuple(info[field] for field in _BUILD_LABELS.values()), 1.0)
    yield Family("kubernetes_build_info", "gauge", _BUILD_INFO, tuple(_BUILD_LABELS), [sample])
