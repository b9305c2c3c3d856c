# SPDX-License-Identifier: Apache-2.0
"""What a scheduler tells of itself, by upstream's names (`pkg/scheduler/metrics/metrics.go`).

Not told: scheduler_goroutines, for there are none, and scheduler_plugin_evaluation_total, for one
evaluation serves many pods.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping

from pyk8s.componentbase.metrics import (
    Collector,
    Counter,
    Family,
    Histogram,
    Kind,
    Sample,
    exponential,
)

SCHEDULED, UNSCHEDULABLE, ERROR = "scheduled", "unschedulable", "error"

# Of so many attempts in a hundred it is measured how long each plugin takes.
_SAMPLED_PERCENT = 10
_FROM_MILLISECOND = exponential(0.001, 2, 15)

# By plugin and extension point, seconds.
Observe = Callable[[str, str, float], None]


class SchedulerMetrics:
    """Of one process. Labels are in upstream's order."""

    def __init__(self) -> None:
        self.attempts = Counter(
            "scheduler_schedule_attempts_total",
            "Number of attempts to schedule pods, by the result. 'unschedulable' means a pod could"
            " not be scheduled, while 'error' means an internal scheduler problem.",
            ("result", "profile"),
        )
        self.attempt_seconds = Histogram(
            "scheduler_scheduling_attempt_duration_seconds",
            "Scheduling attempt latency in seconds (scheduling algorithm + binding)",
            _FROM_MILLISECOND,
            ("result", "profile"),
        )
        self.algorithm_seconds = Histogram(
            "scheduler_scheduling_algorithm_duration_seconds",
            "Scheduling algorithm latency in seconds",
            _FROM_MILLISECOND,
        )
        self.sli_seconds = Histogram(
            "scheduler_pod_scheduling_sli_duration_seconds",
            "E2e latency for a pod being scheduled, from the time the pod enters the scheduling"
            " queue and might involve multiple scheduling attempts.",
            exponential(0.01, 2, 20),
            ("attempts",),
        )
        self.pod_attempts = Histogram(
            "scheduler_pod_scheduling_attempts",
            "Number of attempts to successfully schedule a pod.",
            exponential(1, 2, 5),
        )
        self.point_seconds = Histogram(
            "scheduler_framework_extension_point_duration_seconds",
            "Latency for running all plugins of a specific extension point.",
            exponential(0.0001, 2, 12),
            ("extension_point", "status", "profile"),
        )
        self.plugin_seconds = Histogram(
            "scheduler_plugin_execution_duration_seconds",
            "Duration for running a plugin at a specific extension point.",
            exponential(0.00001, 1.5, 20),
            ("plugin", "extension_point", "status"),
        )
        self.permit_seconds = Histogram(
            "scheduler_permit_wait_duration_seconds",
            "Duration of waiting on permit.",
            _FROM_MILLISECOND,
            ("result",),
        )
        self.incoming = Counter(
            "scheduler_queue_incoming_pods_total",
            "Number of pods added to scheduling queues by event and queue type.",
            ("queue", "event"),
        )
        self.preemptions = Counter(
            "scheduler_preemption_attempts_total",
            "Total preemption attempts in the cluster till now",
        )
        self.victims = Histogram(
            "scheduler_preemption_victims",
            "Number of selected preemption victims",
            exponential(1, 2, 7),
        )
        self._collectors: list[Collector] = [
            each.collect
            for each in (*vars(self).values(),)
            if isinstance(each, (Counter, Histogram))
        ]

    def watch(
        self, name: str, text: str, label: str, numbers: Callable[[], Mapping[str, float]]
    ) -> None:
        """A gauge that is looked up when somebody asks."""
        kind: Kind = "gauge"

        def collect() -> Iterator[Family]:
            samples = [Sample((value,), number) for value, number in numbers().items()]
            yield Family(name, kind, text, (label,), samples)

        self._collectors.append(collect)

    def register(self, collector: Collector) -> None:
        self._collectors.append(collector)

    def collect(self) -> Iterator[Family]:
        for collector in self._collectors:
            yield from collector()

    def sampled(self) -> Observe | None:
        """Whom to tell of single plugins in one attempt; mostly nobody."""
        return self._observe if random.randrange(100) < _SAMPLED_PERCENT else None

    def _observe(self, plugin: str, point: str, seconds: float) -> None:
        self.plugin_seconds.observe(seconds, plugin, point, "Success")
