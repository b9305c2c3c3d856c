# SPDX-License-Identifier: Apache-2.0
"""How simulated containers run and end, by their commands and annotations."""

from __future__ import annotations

import pytest

from pyk8s.node import program

FOREVER = None


@pytest.mark.parametrize(
    ("command", "seconds", "exit_code"),
    [
        pytest.param([], FOREVER, 0, id="none"),
        pytest.param(["/pause"], FOREVER, 0, id="a server"),
        pytest.param(["/bin/true"], 0, 0, id="true"),
        pytest.param(["/bin/false"], 0, 1, id="false"),
        pytest.param(["sleep", "1m"], 60, 0, id="sleep"),
        pytest.param(["/bin/sh", "-c", "exit 3"], 0, 3, id="exit"),
        pytest.param(["sh", "-c", "sleep 1; sleep 2 && exit 4"], 3, 4, id="a sequence"),
        pytest.param(["sh", "-c", "false || sleep 5"], 5, 0, id="or"),
        pytest.param(["sh", "-c", "false && sleep 5"], 0, 1, id="and"),
        pytest.param(["sh", "-c", "exit 1; sleep 5"], 0, 1, id="exit ends it"),
        pytest.param(["bash", "-c", "echo 'a; b'\nsleep 2"], 2, 0, id="lines and quotes"),
        pytest.param(["sh", "-c", "while true; do sleep 1; done"], FOREVER, 0, id="a loop"),
        pytest.param(["busybox", "sh", "-c", "exit 7"], 0, 7, id="busybox"),
    ],
)
def test_command(command: list[str], seconds: float | None, exit_code: int) -> None:
    """A command that is understood ends as it would; any other runs until it is stopped."""
    found = program.of_command(command)
    assert (found.seconds, found.exit_code) == (seconds, exit_code)


@pytest.mark.parametrize(
    ("annotations", "seconds", "exit_code"),
    [
        pytest.param({"simulation.pyk8s.io/exit-code": "2"}, 0, 2, id="code"),
        pytest.param({"simulation.pyk8s.io/duration": "1m30s"}, 90, 0, id="duration"),
        pytest.param({"c.simulation.pyk8s.io/exit-code": "5"}, 0, 5, id="of this container"),
        pytest.param({"d.simulation.pyk8s.io/exit-code": "5"}, FOREVER, 0, id="of another"),
    ],
)
def test_annotations(annotations: dict[str, str], seconds: float | None, exit_code: int) -> None:
    """An annotation has the say over the command."""
    found = program.of({"metadata": {"annotations": annotations}}, {"name": "c"})
    assert (found.seconds, found.exit_code) == (seconds, exit_code)
