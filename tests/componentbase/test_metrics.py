# SPDX-License-Identifier: Apache-2.0
"""What is counted, and how Prometheus reads it; its own parser is the judge."""

from __future__ import annotations

import pytest
from prometheus_client.parser import text_string_to_metric_families

import pyk8s
from pyk8s.componentbase.exposition import Registry
from pyk8s.componentbase.metrics import Counter, Distribution, Gauge, Histogram, exponential


def samples(registry: Registry) -> dict[tuple[str, ...], float]:
    """By name and the values of the labels, in the order of their names."""
    text = registry.page()[0].decode()
    return {
        (sample.name, *(value for _, value in sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


@pytest.mark.parametrize(
    ("value", "bucket"),
    [
        pytest.param(0.5, 0, id="below the first bound"),
        pytest.param(1.0, 0, id="a bound belongs to its bucket"),
        pytest.param(1.5, 1, id="between"),
        pytest.param(10.5, 2, id="above all"),
    ],
)
def test_distribution(value: float, bucket: int) -> None:
    """Each observation falls into one bucket, whose bound it does not exceed."""
    distribution = Distribution((1.0, 10.0))
    distribution.observe(value)
    assert distribution.counts == [int(place == bucket) for place in range(3)]
    assert (distribution.count, distribution.sum) == (1, value)


def test_exposition() -> None:
    """Totals, what stands, cumulative buckets up to +Inf, with sum and count."""
    counter = Counter("things_total", "Things.", ("kind",))
    counter.inc("a")
    counter.inc("a", by=2)
    counter.inc('quo"te')
    gauge = Gauge("level", "Level.")
    gauge.set(7)
    histogram = Histogram("took_seconds", "Time.", (0.1, 1.0), ("verb",))
    for seconds in (0.05, 0.1, 0.5, 3):
        histogram.observe(seconds, "GET")
    found = samples(Registry(counter.collect, gauge.collect, histogram.collect))
    assert found["things_total", "a"] == 3
    assert found["things_total", 'quo"te'] == 1
    assert found["level",] == 7
    assert [found["took_seconds_bucket", le, "GET"] for le in ("0.1", "1.0", "+Inf")] == [2, 3, 4]
    assert found["took_seconds_count", "GET"] == 4
    assert found["took_seconds_sum", "GET"] == pytest.approx(3.65)
    assert not [name for name, *_ in found if name.endswith("_created")]


def test_same_family_from_two_places_is_told_once() -> None:
    """Prometheus refuses a page that tells a family twice."""
    counters = [Counter("things_total", "Things.", ("kind",)) for _ in range(2)]
    for number, counter in enumerate(counters):
        counter.inc(str(number))
    text = Registry(*(counter.collect for counter in counters)).page()[0].decode()
    assert text.count("# TYPE things_total counter") == 1
    assert 'things_total{kind="0"} 1.0' in text
    assert 'things_total{kind="1"} 1.0' in text


def test_every_process_tells_what_it_is() -> None:
    """The build under upstream's labels, and the process itself."""
    registry = Registry()
    text = registry.page()[0].decode()
    (build,) = (
        sample
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name == "kubernetes_build_info"
    )
    assert (build.value, build.labels["git_version"]) == (1, pyk8s.GIT_VERSION)
    assert {*build.labels} == {
        "major", "minor", "git_version", "git_commit", "git_tree_state", "build_date",
        "go_version", "compiler", "platform",
    }  # fmt: skip
    found = samples(registry)
    for name in ("cpu_seconds_total", "resident_memory_bytes", "open_fds", "start_time_seconds"):
        assert found[f"process_{name}",] > 0


def test_open_metrics_for_who_asks() -> None:
    """By the Accept header, as Prometheus sends it."""
    body, content_type = Registry().page("application/openmetrics-text; version=1.0.0")
    assert content_type.startswith("application/openmetrics-text")
    assert body.endswith(b"# EOF\n")
    assert Registry().page()[1].startswith("text/plain")


def test_bounds_read_as_in_go() -> None:
    """The workqueue's buckets, to the digit."""
    histogram = Histogram("h", "h", exponential(1e-6, 10, 10))
    text = Registry(histogram.collect).page()[0].decode()
    bounds = [line.split('"')[1] for line in text.splitlines() if line.startswith("h_bucket")]
    assert [float(bound) for bound in bounds[:-1]] == pytest.approx(
        [10.0**power for power in range(-6, 4)]
    )
    assert bounds[-1] == "+Inf"
