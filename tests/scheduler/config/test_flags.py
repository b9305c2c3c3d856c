# SPDX-License-Identifier: Apache-2.0
"""Flags and configuration files beside each other, as kube-scheduler hears them."""

from __future__ import annotations

from pathlib import Path

import pytest

from pyk8s.cli import scheduler, up_options
from pyk8s.cli.flags import UsageError
from pyk8s.scheduler.config.decoding import ConfigError
from pyk8s.scheduler.server import configuration, lease_options

HEAD = "apiVersion: kubescheduler.config.k8s.io/v1\nkind: KubeSchedulerConfiguration\n"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "scheduler.yaml"
    path.write_text(
        HEAD + "clientConnection: {kubeconfig: mine, qps: 7}\nleaderElection: {resourceName: x}\n"
    )
    return path


def test_flags_alone() -> None:
    """Without a file every flag counts, and what is not given has its default."""
    config = configuration(
        scheduler.parse(["--kubeconfig=k", "--kube-api-qps=9", "--leader-elect=false"])
    )
    assert config["clientConnection"]["kubeconfig"] == "k"
    assert (config["clientConnection"]["qps"], config["clientConnection"]["burst"]) == (9, 100)
    assert config["leaderElection"]["leaderElect"] is False


def test_file_beside_flags(file: Path) -> None:
    """Beside a file only the flags of leader election count, and they win."""
    flags = ["--kubeconfig=k", "--kube-api-qps=9", "--leader-elect-lease-duration=1m"]
    config = configuration(scheduler.parse([f"--config={file}", *flags]))
    assert config["clientConnection"]["kubeconfig"] == "mine"
    assert config["clientConnection"]["qps"] == 7
    assert config["leaderElection"]["leaderElect"] is True
    lease = lease_options(config["leaderElection"])
    assert (lease.namespace, lease.name) == ("kube-system", "x")
    assert (lease.lease_duration_seconds, lease.renew_deadline_seconds) == (60, 10.0)


def test_flags_are_validated_with_the_file(file: Path) -> None:
    """A flag that makes no sense of the file is refused as the file would be."""
    options = scheduler.parse([f"--config={file}", "--leader-elect-renew-deadline=20s"])
    with pytest.raises(ConfigError, match=r"leaderElection.leaseDuration: Invalid value"):
        configuration(options)


def test_periods_that_never_renew(file: Path) -> None:
    """Two could lead at once if a leader does not try often enough to stay it."""
    options = scheduler.parse([f"--config={file}", "--leader-elect-retry-period=9s"])
    with pytest.raises(ConfigError, match="renewDeadline must be greater than retryPeriod"):
        lease_options(configuration(options)["leaderElection"])


def test_write_config_to(file: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """The whole configuration is written, and nothing is started; a plugin that nobody has is
    told in one line."""
    written = tmp_path / "out.yaml"
    assert scheduler.main([f"--config={file}", f"--write-config-to={written}"]) == 0
    assert "kubeconfig: mine\n  qps: 7\n" in written.read_text()
    file.write_text(HEAD + "profiles: [{plugins: {score: {enabled: [{name: Nobody}]}}}]\n")
    assert scheduler.main([f"--config={file}", f"--write-config-to={written}"]) == 1
    said = capfd.readouterr().err.splitlines()[-1]
    assert said == (
        "pyk8s scheduler: initializing profiles: creating profile for scheduler name "
        'default-scheduler: plugin "Nobody" does not exist'
    )


def test_up(file: Path) -> None:
    """`pyk8s up` refuses a bad configuration before it starts anything."""
    assert up_options.parse([f"--scheduler-config={file}"]).scheduler_config == str(file)
    file.write_text(HEAD + "parallelism: -1\n")
    with pytest.raises(UsageError, match=r"--scheduler-config: parallelism: Invalid value: -1"):
        up_options.parse([f"--scheduler-config={file}"])
