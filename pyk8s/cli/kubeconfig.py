# SPDX-License-Identifier: Apache-2.0
"""The kubeconfig of a cluster admin, certificates embedded, so that the one file is enough."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from pathlib import Path

from pyk8s.server.files import write_atomically

# What tells a file of ours, which may be replaced, from somebody's own.
_MARK = "# Written by pyk8s up.\n"


class KubeconfigError(Exception):
    """The file cannot or must not be written; one line for the operator."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Admin:
    """Who connects where: PEM file contents, and the server's URL."""

    server: str
    ca: bytes
    certificate: bytes
    key: bytes


def write(path: Path, admin: Admin) -> None:
    """Mode 0600. A file that is not ours is left alone. Raises KubeconfigError."""
    check_writable(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        write_atomically(path, render(admin).encode(), 0o600)
    except OSError as error:
        raise KubeconfigError(f"cannot write {path}: {error.strerror}") from error


def check_writable(path: Path) -> None:
    """Raises KubeconfigError for a file that holds somebody's other clusters."""
    try:
        content = path.read_text(errors="replace")
    except FileNotFoundError:
        return
    except OSError as error:
        raise KubeconfigError(f"cannot read {path}: {error.strerror}") from error
    if content.strip() and not content.startswith(_MARK):
        raise KubeconfigError(
            f"{path} was not written by pyk8s and is left alone: choose another --kubeconfig"
        )


def render(admin: Admin) -> str:
    return f"""\
{_MARK}apiVersion: v1
kind: Config
clusters:
- name: pyk8s
  cluster:
    server: {admin.server}
    certificate-authority-data: {_base64(admin.ca)}
users:
- name: pyk8s-admin
  user:
    client-certificate-data: {_base64(admin.certificate)}
    client-key-data: {_base64(admin.key)}
contexts:
- name: pyk8s
  context:
    cluster: pyk8s
    user: pyk8s-admin
current-context: pyk8s
preferences: {{}}
"""


def _base64(content: bytes) -> str:
    return base64.b64encode(content).decode("ascii")
