# SPDX-License-Identifier: Apache-2.0
"""What the parts of the client wing tell of themselves, under upstream's names.

Mirrors component-base's `metrics/prometheus/{workqueue,restclient}` and client-go's leader
election metrics. The queues, clients and electors keep the numbers; here they become metrics when
somebody asks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from pyk8s.client.workqueue import WorkQueue
from pyk8s.componentbase.metrics import Collector, Distribution, Family, Kind, Sample

_QUEUE_FAMILIES: tuple[tuple[str, Kind, str, Callable[[WorkQueue[Any]], float | Distribution]], ...]
_QUEUE_FAMILIES = (
    ("depth", "gauge", "Current depth of workqueue", lambda queue: queue.depth),
    ("adds_total", "counter", "Total number of adds handled by workqueue",
     lambda queue: queue.statistics.adds),
    ("queue_duration_seconds", "histogram",
     "How long in seconds an item stays in workqueue before being requested.",
     lambda queue: queue.statistics.queued_seconds),
    ("work_duration_seconds", "histogram",
     "How long in seconds processing an item from workqueue takes.",
     lambda queue: queue.statistics.worked_seconds),
    ("unfinished_work_seconds", "gauge",
     "How many seconds of work has done that is in progress and hasn't been observed by"
     " work_duration. Large values indicate stuck threads. One can deduce the number of stuck"
     " threads by observing the rate at which this increases.",
     lambda queue: sum(queue.running_seconds())),
    ("longest_running_processor_seconds", "gauge",
     "How many seconds has the longest running processor for workqueue been running.",
     lambda queue: max(queue.running_seconds(), default=0.0)),
    ("retries_total", "counter", "Total number of retries handled by workqueue",
     lambda queue: queue.statistics.retries),
)  # fmt: skip


def of_queues(queues: Callable[[], Iterable[WorkQueue[Any]]]) -> Collector:
    """workqueue_*, with the queue's name; a queue without one tells nothing. `queues` is asked
    each time, for queues may come and go."""

    def collect() -> Iterator[Family]:
        named = [queue for queue in queues() if queue.name]
        for name, kind, text, value in _QUEUE_FAMILIES:
            samples = [Sample((queue.name,), value(queue)) for queue in named]
            yield Family(f"workqueue_{name}", kind, text, ("name",), samples)

    return collect


def of_election(lease: str, leads: Callable[[], bool]) -> Collector:
    """leader_election_master_status of the Lease with that name."""
    text = (
        "Gauge of if the reporting system is master of the relevant lease, 0 indicates backup, 1"
        " indicates master. 'name' is the string used to identify the lease."
        " Please make sure to group by name."
    )

    def collect() -> Iterator[Family]:
        samples = [Sample((lease,), float(leads()))]
        yield Family("leader_election_master_status", "gauge", text, ("name",), samples)

    return collect
