# SPDX-License-Identifier: Apache-2.0
"""The directory a control plane lives in, held by one process at a time.

lock  kubeconfig  pki/  etcd/  apiserver-0.log
"""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from pathlib import Path


class DataDirError(Exception):
    """It cannot be made, used or locked; one line for the operator."""


class DataDir:
    """Locked from the start to `close`, or the end of the process. An ephemeral one is fresh,
    and removed by `close`."""

    def __init__(self, path: Path, *, ephemeral: bool = False) -> None:
        self.path = path
        self._ephemeral = ephemeral
        self._lock = _lock(path)

    def close(self) -> None:
        if self._ephemeral:
            shutil.rmtree(self.path, ignore_errors=True)
        os.close(self._lock)


def open_data_dir(path: str) -> DataDir:
    """Made if missing; "" is the default one. Raises DataDirError."""
    directory = Path(path).absolute() if path else default_path()
    try:
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        return DataDir(directory)
    except OSError as error:
        raise DataDirError(
            f"cannot use the data directory {directory}: {error.strerror}"
        ) from error


def open_ephemeral() -> DataDir:
    return DataDir(Path(tempfile.mkdtemp(prefix="pyk8s-")), ephemeral=True)


def default_path() -> Path:
    """As the XDG base directory specification has it; a relative value counts as none."""
    data_home = os.environ.get("XDG_DATA_HOME", "")
    base = Path(data_home) if os.path.isabs(data_home) else Path.home() / ".local" / "share"
    return base / "pyk8s"


def _lock(directory: Path) -> int:
    """The open lock file. The kernel gives the lock back whatever way the process ends."""
    descriptor = os.open(directory / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        holder = os.read(descriptor, 32).decode(errors="replace").strip()
        os.close(descriptor)
        raise DataDirError(
            f"{directory} is in use by another pyk8s (process {holder or 'unknown'}): "
            "stop that one, or choose another --data-dir"
        ) from None
    os.ftruncate(descriptor, 0)
    os.write(descriptor, f"{os.getpid()}\n".encode())
    return descriptor
