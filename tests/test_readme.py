# SPDX-License-Identifier: Apache-2.0
"""The programs in the README, as a reader would run them."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from cluster import ControlPlane, Http, wait_until

README = Path(__file__).parents[1] / "README.md"
NAMESPACE = "/api/v1/namespaces/readme"
CONFIG_MAP = f"{NAMESPACE}/configmaps/team"


@pytest.fixture
def http(cluster: ControlPlane) -> Iterator[Http]:
    connection = Http(cluster.access)
    yield connection
    connection.close()


@pytest.fixture
def controller(cluster: ControlPlane, tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    (program,) = re.findall(r"^```python\n(.*?)^```$", README.read_text(), re.DOTALL | re.MULTILINE)
    file = tmp_path / "teams.py"
    file.write_text(program)
    environment = {**os.environ, "KUBECONFIG": str(cluster.kubeconfig)}
    process = subprocess.Popen([sys.executable, file], env=environment)
    yield process
    process.kill()
    process.wait()


def test_controller(http: Http, controller: subprocess.Popen[bytes]) -> None:
    """The team's ConfigMap is made, follows the label, and comes back as it was."""

    def names(team: str) -> bool:
        assert controller.poll() is None
        answer = http.get(CONFIG_MAP)
        return answer.status == 200 and answer.json().get("data") == {"name": team}

    http.create("/api/v1/namespaces", {"metadata": {"name": "readme", "labels": {"team": "blue"}}})
    wait_until(lambda: names("blue"), "the ConfigMap of team blue")
    http.patch(NAMESPACE, {"metadata": {"labels": {"team": "red"}}})
    wait_until(lambda: names("red"), "the ConfigMap of team red")
    http.patch(CONFIG_MAP, {"data": {"name": "green"}})
    wait_until(lambda: names("red"), "the ConfigMap as it was")
    http("DELETE", CONFIG_MAP)
    wait_until(lambda: names("red"), "the ConfigMap again")
    http("DELETE", NAMESPACE)
