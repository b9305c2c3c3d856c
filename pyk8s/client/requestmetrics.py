# SPDX-License-Identifier: Apache-2.0
"""What the clients over one pool of connections count: rest_client_*, as component-base's
`metrics/prometheus/restclient`."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain

from pyk8s.componentbase.metrics import Counter, Family, Histogram

_SECONDS = (0.005, 0.025, 0.1, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 15.0, 30.0, 60.0)

# Method and host.
Labels = tuple[str, str]

# The code of a request that got no answer.
NO_ANSWER = "<error>"


class RequestMetrics:
    """`requests` counts what was sent, retries too; `duration` is of a whole request with its
    retries and waits, and of no stream; `limiter` is the wait for the client's own budget."""

    def __init__(self) -> None:
        self._requests = Counter(
            "rest_client_requests_total",
            "Number of HTTP requests, partitioned by status code, method, and host.",
            ("code", "method", "host"),
        )
        self._retries = Counter(
            "rest_client_request_retries_total",
            "Number of request retries, partitioned by status code, verb, and host.",
            ("code", "verb", "host"),
        )
        self._duration = Histogram(
            "rest_client_request_duration_seconds",
            "Request latency in seconds. Broken down by verb, and host.",
            _SECONDS,
            ("verb", "host"),
        )
        self._limiter = Histogram(
            "rest_client_rate_limiter_duration_seconds",
            "Client side rate limiter latency in seconds. Broken down by verb, and host.",
            _SECONDS,
            ("verb", "host"),
        )

    def sent(self, code: int | None, labels: Labels) -> None:
        """Without a code there was no answer."""
        self._requests.inc(_text(code), *labels)

    def retried(self, code: int | None, labels: Labels) -> None:
        self._retries.inc(_text(code), *labels)

    def took(self, labels: Labels, seconds: float) -> None:
        self._duration.observe(seconds, *labels)

    def waited(self, labels: Labels, seconds: float) -> None:
        self._limiter.observe(seconds, *labels)

    def collect(self) -> Iterator[Family]:
        kept = (self._requests, self._retries, self._duration, self._limiter)
        return chain.from_iterable(metric.collect() for metric in kept)


def _text(code: int | None) -> str:
    return NO_ANSWER if code is None else str(code)
