# SPDX-License-Identifier: Apache-2.0
"""The log of one run of a container, and the part of it that is asked for: no I/O.

A simulated container's log is known from its start; a line belongs to it once its moment is over.
Mirrors `pkg/kubelet/kuberuntime/logs`.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from pyk8s.apimachinery import times
from pyk8s.node.runtime import Container

# Each log begins with it, so that nobody takes what follows for the output of a process.
MARK = "[pyk8s] simulated container: no process runs here"
# As much as is kept of one run; upstream rotates at --container-log-max-size.
LOG_BYTES_MAX = 10 * 1024 * 1024


class BadLogQuery(ValueError):
    """A parameter that is none; its text is the answer."""


class Line(NamedTuple):
    """`text` ends with a newline, except where the last output has none."""

    at: float
    text: str
    is_error: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class LogQuery:
    """PodLogOptions as a kubelet gets them; `since` is in seconds since the epoch."""

    follow: bool = False
    previous: bool = False
    timestamps: bool = False
    tail_lines: int | None = None
    limit_bytes: int | None = None
    since: float | None = None


def query_of(parameters: Mapping[str, str], now: float) -> LogQuery:
    """Raises BadLogQuery."""
    seconds = _number(parameters, "sinceSeconds")
    since = None if seconds is None else now - seconds
    if text := parameters.get("sinceTime"):
        try:
            since = times.parse(text).timestamp()
        except ValueError as error:
            raise BadLogQuery(f"invalid sinceTime: {error}") from None
    return LogQuery(
        follow=parameters.get("follow") == "true",
        previous=parameters.get("previous") == "true",
        timestamps=parameters.get("timestamps") == "true",
        tail_lines=_number(parameters, "tailLines"),
        limit_bytes=_number(parameters, "limitBytes"),
        since=since,
    )


def _number(parameters: Mapping[str, str], name: str) -> int | None:
    text = parameters.get(name)
    if not text:
        return None
    if not (text.isascii() and text.isdigit()):
        raise BadLogQuery(f"invalid {name}: {text}")
    return int(text)


def lines_of(run: Container) -> list[Line]:
    """Everything the run prints until its end, the future included."""
    found = [Line(run.started_at, f"{MARK}\n")]
    kept = LOG_BYTES_MAX
    for printed in run.printed:
        for text in printed.text.splitlines(keepends=True):
            kept -= len(text)
            if kept < 0:
                return found
            found.append(Line(run.started_at + printed.at, text, printed.is_error))
    return found


def is_over(line: Line, run: Container, now: float) -> bool:
    """Whether the line has been printed by now."""
    return line.at <= (now if run.finished_at is None else run.finished_at)


def will_be(line: Line, run: Container) -> bool:
    """Whether it is still to come, or was printed: not so once the run was stopped before it."""
    return run.finished_at is None or line.at <= run.finished_at


def first_of(lines: list[Line], query: LogQuery) -> int:
    """The index of the first line that is asked for among those printed so far."""
    start = 0
    if query.since is not None:
        while start < len(lines) and lines[start].at < query.since:
            start += 1
    if query.tail_lines is not None:
        start = max(start, len(lines) - query.tail_lines)
    return start


def shown(line: Line, query: LogQuery) -> bytes:
    if not query.timestamps:
        return line.text.encode()
    seconds, fraction = divmod(round(line.at * 1e9), 1_000_000_000)
    moment = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds))
    return f"{moment}.{fraction:09d}Z {line.text}".encode()
