# SPDX-License-Identifier: Apache-2.0
"""The parts of a simulated container's log."""

from __future__ import annotations

import pytest

from pyk8s.node import logs
from pyk8s.node.runtime import Container
from pyk8s.node.shell import Printed

STARTED = 1000.0


def _container(finished_at: float | None = None) -> Container:
    printed = (Printed(0, "a\nb\n"), Printed(5, "c\n"), Printed(9, "d"))
    return Container(
        id="1", name="c", image="", image_id="", attempt=0, started_at=STARTED, printed=printed,
        finished_at=finished_at,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("query", "now", "finished_at", "texts"),
    [
        pytest.param({}, 1000, None, ["a\n", "b\n"], id="so far"),
        pytest.param({}, 1006, None, ["a\n", "b\n", "c\n"], id="later"),
        pytest.param({}, 2000, 1007.0, ["a\n", "b\n", "c\n"], id="stopped before its end"),
        pytest.param({"tailLines": "1"}, 1006, None, ["c\n"], id="tail"),
        pytest.param({"tailLines": "0"}, 1006, None, [], id="no tail"),
        pytest.param({"sinceSeconds": "2"}, 1006, None, ["c\n"], id="since"),
        pytest.param({"sinceTime": "1970-01-01T00:16:49Z"}, 1010, None, ["d"], id="since a time"),
    ],
)
def test_parts(
    query: dict[str, str], now: float, finished_at: float | None, texts: list[str]
) -> None:
    """The lines that are over, as far as they are asked for."""
    run = _container(finished_at)
    lines = [line for line in logs.lines_of(run) if logs.is_over(line, run, now)]
    chosen = lines[logs.first_of(lines, logs.query_of(query, now)) :]
    assert [line.text for line in chosen if logs.MARK not in line.text] == texts


def test_timestamps() -> None:
    """Moments to the nanosecond, in UTC."""
    line = logs.Line(1.5, "text\n")
    shown = logs.shown(line, logs.LogQuery(timestamps=True))
    assert shown == b"1970-01-01T00:00:01.500000000Z text\n"


def test_bad_query() -> None:
    """What is no number is refused."""
    with pytest.raises(logs.BadLogQuery, match="tailLines"):
        logs.query_of({"tailLines": "x"}, 0)


def test_bound() -> None:
    """Of a run no more is kept than the bound."""
    run = _container()
    run.printed = (Printed(0, "x" * 1000 + "\n"),) * (logs.LOG_BYTES_MAX // 1000)
    assert sum(len(line.text) for line in logs.lines_of(run)) < logs.LOG_BYTES_MAX + 100
