# SPDX-License-Identifier: Apache-2.0
"""The release whose behaviour is shown, and what runs it."""

from __future__ import annotations

import platform

import pyk8s

# Go's names for what Python calls otherwise.
_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}


def info() -> dict[str, str]:
    """version.Info of apimachinery; there is no Go here, so its fields name the interpreter."""
    major, minor, _ = pyk8s.KUBERNETES_VERSION.removeprefix("v").split(".")
    machine = platform.machine()
    return {
        "major": major,
        "minor": minor,
        "emulationMajor": major,
        "emulationMinor": minor,
        "minCompatibilityMajor": major,
        "minCompatibilityMinor": str(int(minor) - 1),
        "gitVersion": pyk8s.GIT_VERSION,
        "gitCommit": "",
        "gitTreeState": "clean",
        "buildDate": "1970-01-01T00:00:00Z",
        "goVersion": f"python{platform.python_version()}",
        "compiler": platform.python_implementation().lower(),
        "platform": f"{platform.system().lower()}/{_ARCHITECTURES.get(machine, machine)}",
    }
