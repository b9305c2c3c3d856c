# SPDX-License-Identifier: Apache-2.0
"""The files that commands of simulated containers leave behind."""

from __future__ import annotations

import pytest

from pyk8s.node import program, shell
from pyk8s.node.files import Files

HEALTH = "echo ok >/tmp/health; sleep 10; rm -rf /tmp/health; sleep 600"


def _files(script: str) -> Files:
    found = program.of_command(["sh", "-c", script])
    return Files(found.changes, knows_all=True)


def test_over_time() -> None:
    """A file is there from when it is written until it is removed."""
    files = _files(HEALTH)
    assert [files.read(at, "/tmp/health") for at in (0, 9.9, 10)] == ["ok\n", "ok\n", None]
    assert files.next_change(0) == 10
    assert files.next_change(10) is None


@pytest.mark.parametrize(
    ("script", "content"),
    [
        pytest.param("echo a > /tmp/f; echo b >> /tmp/f", "a\nb\n", id="append"),
        pytest.param("echo a > /tmp/f; echo b > /tmp/f", "b\n", id="overwrite"),
        pytest.param("touch /tmp/f", "", id="touch"),
        pytest.param("echo a >/tmp/f; touch /tmp/f", "a\n", id="touch keeps"),
        pytest.param("echo a >/tmp/g; mv /tmp/g /tmp/f", "a\n", id="move"),
        pytest.param("echo a >/tmp/f; rm -rf /tmp", None, id="with its directory"),
        pytest.param("cat /tmp/no 2>/tmp/f || :", "cat: /tmp/no: No such file or directory\n",
                     id="errors"),
        pytest.param("cat /tmp/no >/tmp/f 2>&1 || :", "cat: /tmp/no: No such file or directory\n",
                     id="both"),
        pytest.param("[ -f /tmp/no ] || echo none >/tmp/f", "none\n", id="test"),
        pytest.param("test ! -e /tmp/no && echo none >/tmp/f", "none\n", id="test not"),
        pytest.param("mkdir -p /tmp/d && [ -d /tmp/d ] && [ ! -f /tmp/d ] && echo d >/tmp/f",
                     "d\n", id="directory"),
        pytest.param("echo a >/dev/null; echo 2>/tmp/f", "", id="nowhere"),
    ],
)  # fmt: skip
def test_commands(script: str, content: str | None) -> None:
    """What a shell would leave in the file."""
    assert _files(f"{script}; sleep 1").read(1, "/tmp/f") == content


def test_what_an_image_has_is_not_known() -> None:
    """Only of /tmp it is known that it is empty, and only where nothing unknown runs."""
    assert _files("sleep 1").read(0, "/tmp/x") is None
    for files, path in ((_files("sleep 1"), "/etc/passwd"), (Files(), "/tmp/x")):
        with pytest.raises(shell.NotUnderstood):
            files.read(0, path)
