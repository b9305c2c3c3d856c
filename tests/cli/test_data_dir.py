# SPDX-License-Identifier: Apache-2.0
"""The data directory and the kubeconfig in it."""

from __future__ import annotations

import base64
import os
import stat
from pathlib import Path

import pytest
import yaml

from pyk8s.cli import data_dir, kubeconfig

ADMIN = kubeconfig.Admin(server="https://127.0.0.1:1", ca=b"ca", certificate=b"cert", key=b"key")


def test_one_process_at_a_time(tmp_path: Path) -> None:
    """A second one is told who is there; after the end the next may come."""
    first = data_dir.open_data_dir(str(tmp_path / "data"))
    with pytest.raises(data_dir.DataDirError, match=rf"in use by another.*\(process {os.getpid()}"):
        data_dir.open_data_dir(str(tmp_path / "data"))
    first.close()
    data_dir.open_data_dir(str(tmp_path / "data")).close()


def test_unusable_directory_is_named(tmp_path: Path) -> None:
    """A file in its place is no directory."""
    (tmp_path / "file").write_text("")
    with pytest.raises(data_dir.DataDirError, match="cannot use the data directory"):
        data_dir.open_data_dir(str(tmp_path / "file"))


def test_ephemeral_directory_is_removed() -> None:
    """Nothing of it stays."""
    directory = data_dir.open_ephemeral()
    (directory.path / "file").write_text("")
    directory.close()
    assert not directory.path.exists()


@pytest.mark.parametrize(
    ("data_home", "path"),
    [
        pytest.param("/x/data", "/x/data/pyk8s", id="XDG_DATA_HOME"),
        pytest.param("", "/home/me/.local/share/pyk8s", id="unset"),
        pytest.param("relative", "/home/me/.local/share/pyk8s", id="relative"),
    ],
)
def test_default_path(data_home: str, path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """As the XDG base directory specification says."""
    monkeypatch.setenv("HOME", "/home/me")
    monkeypatch.setenv("XDG_DATA_HOME", data_home)
    assert data_dir.default_path() == Path(path)


def test_kubeconfig(tmp_path: Path) -> None:
    """One file is enough for a client, and is for its owner alone."""
    path = tmp_path / "sub" / "config"
    kubeconfig.write(path, ADMIN)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    config = yaml.safe_load(path.read_text())
    assert config["current-context"] == "pyk8s"
    assert config["contexts"][0]["context"] == {"cluster": "pyk8s", "user": "pyk8s-admin"}
    cluster, user = config["clusters"][0]["cluster"], config["users"][0]["user"]
    assert cluster["server"] == "https://127.0.0.1:1"
    assert base64.b64decode(cluster["certificate-authority-data"]) == b"ca"
    assert base64.b64decode(user["client-certificate-data"]) == b"cert"
    assert base64.b64decode(user["client-key-data"]) == b"key"


def test_own_kubeconfig_is_replaced(tmp_path: Path) -> None:
    """The next start may write over what the last one wrote."""
    path = tmp_path / "config"
    kubeconfig.write(path, ADMIN)
    kubeconfig.write(path, ADMIN)


def test_foreign_kubeconfig_is_left_alone(tmp_path: Path) -> None:
    """Somebody's clusters are not written over."""
    path = tmp_path / "config"
    path.write_text("kind: Config\n")
    with pytest.raises(kubeconfig.KubeconfigError, match="was not written by pyk8s"):
        kubeconfig.write(path, ADMIN)
    assert path.read_text() == "kind: Config\n"
