# SPDX-License-Identifier: Apache-2.0
"""What is used follows from two samples, and a sample from what a kubelet says."""

from __future__ import annotations

import pytest

from pyk8s.metricsserver.samples import NANO, Batch, Point, Samples, Usage, decode

POD = ("n", "p")
TEXT = """\
# HELP node_cpu_usage_seconds_total Cumulative cpu time consumed by the node in core-seconds
# TYPE node_cpu_usage_seconds_total counter
node_cpu_usage_seconds_total 12.5 1700000000123
node_memory_working_set_bytes 1.048576e+06 1700000000123
container_cpu_usage_seconds_total{container="a",namespace="n",pod="p"} 1 1700000000100
container_cpu_usage_seconds_total{container="b",namespace="n",pod="p"} 2.25
container_memory_working_set_bytes{container="a",namespace="n",pod="p"} 10 1700000000100
container_memory_working_set_bytes{container="b",namespace="n",pod="p"} 20
container_start_time_seconds{container="a",namespace="n",pod="p"} 1.6999e+09 1700000000100
pod_cpu_usage_seconds_total{namespace="n",pod="p"} 3.25 1700000000100
scrape_error 0
"""


def test_decode() -> None:
    """Nodes and containers; samples without a time were taken when they were asked for."""
    found = decode(TEXT, "node", 7)
    assert found.nodes == {"node": Point(1700000000123 * 10**6, 0, 12_500_000_000, 1 << 20)}
    assert found.pods == {
        POD: {
            "a": Point(1700000000100 * 10**6, 1_699_900_000 * NANO, NANO, 10),
            "b": Point(7, 0, 2_250_000_000, 20),
        }
    }


@pytest.mark.parametrize(
    ("gone", "nodes", "pods"),
    [
        pytest.param("node_cpu_usage_seconds_total 12.5", 0, 1, id="node without cpu"),
        pytest.param("node_memory_working_set_bytes", 0, 1, id="node without memory"),
        pytest.param(
            'container_memory_working_set_bytes{container="b"', 1, 0, id="one container of a pod"
        ),
    ],
)
def test_incomplete(gone: str, nodes: int, pods: int) -> None:
    """A node or a pod of which not all is told is left out."""
    text = "\n".join(line for line in TEXT.splitlines() if not line.startswith(gone))
    found = decode(text, "node", 7)
    assert (len(found.nodes), len(found.pods)) == (nodes, pods)


@pytest.mark.parametrize("text", ["node_cpu_usage_seconds_total", "{}", "<html>", "a b c"])
def test_no_metrics(text: str) -> None:
    """What is not of the format is refused as a whole."""
    with pytest.raises(ValueError, match="failed parsing metrics"):
        decode(text, "node", 7)


def point(at: float, cpu: float, started: float = 0.0, memory: int = 5) -> Point:
    """In seconds."""
    return Point(int(at * NANO), int(started * NANO), int(cpu * NANO), memory)


def batch(node: Point | None = None, **containers: Point) -> Batch:
    return Batch({"a": node} if node else {}, {POD: containers} if containers else {})


def test_two_samples() -> None:
    """The average of a core over the time between them, and memory as it is."""
    samples = Samples(15)
    samples.store(batch(point(100, 10), c=point(100, 4)))
    assert not samples.is_ready
    assert samples.of_node("a") is None
    assert samples.of_pod(POD) is None
    samples.store(batch(point(110, 15, memory=7), c=point(110, 6)))
    assert samples.is_ready
    assert samples.of_node("a") == Usage(110 * NANO, 10 * NANO, NANO // 2, 7)
    assert samples.of_pod(POD) == {"c": Usage(110 * NANO, 10 * NANO, NANO // 5, 5)}


def test_same_sample_again() -> None:
    """A kubelet that has measured nothing new changes nothing."""
    samples = Samples(15)
    for at, cpu in ((100, 10), (110, 15), (110, 15)):
        samples.store(batch(point(at, cpu), c=point(at, cpu)))
    assert samples.of_node("a") == Usage(110 * NANO, 10 * NANO, NANO // 2, 5)
    assert samples.of_pod(POD) == {"c": Usage(110 * NANO, 10 * NANO, NANO // 2, 5)}


def test_missed_once() -> None:
    """Who was not seen by a scrape needs two more."""
    samples = Samples(15)
    samples.store(batch(point(100, 10), c=point(100, 4)))
    samples.store(batch())
    samples.store(batch(point(120, 10), c=point(120, 4)))
    assert (samples.of_node("a"), samples.of_pod(POD)) == (None, None)


@pytest.mark.parametrize(
    ("started", "at", "known"),
    [
        pytest.param(105, 106, False, id="too young"),
        pytest.param(105, 115, True, id="used nothing before it began"),
        pytest.param(105, 125, False, id="older than a resolution"),
    ],
)
def test_started_anew(started: float, at: float, known: bool) -> None:
    """The samples of a run say nothing of the next; what began lately began with nothing."""
    samples = Samples(15)
    samples.store(batch(c=point(100, 50, started=1)))
    samples.store(batch(c=point(at, 2, started=started)))
    usage = Usage(int(at * NANO), int((at - started) * NANO), NANO // 5, 5)
    assert samples.of_pod(POD) == ({"c": usage} if known else None)


def test_all_containers_or_none() -> None:
    """A pod is told of once all of its containers are known."""
    samples = Samples(15)
    samples.store(batch(c=point(100, 4)))
    samples.store(batch(c=point(110, 5), d=point(110, 1)))
    assert samples.of_pod(POD) is None
    samples.store(batch(c=point(120, 6), d=point(120, 2)))
    assert samples.of_pod(POD) == {
        "c": Usage(120 * NANO, 10 * NANO, NANO // 10, 5),
        "d": Usage(120 * NANO, 10 * NANO, NANO // 10, 5),
    }


def test_less_than_before() -> None:
    """A counter that went back says nothing."""
    samples = Samples(15)
    samples.store(batch(point(100, 10)))
    samples.store(batch(point(110, 9)))
    assert samples.of_node("a") is None
