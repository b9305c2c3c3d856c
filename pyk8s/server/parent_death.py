# SPDX-License-Identifier: Apache-2.0
"""Processes that end with the one that started them, even when that one gets SIGKILL.

Linux sends the signal chosen by PR_SET_PDEATHSIG when the *thread* that started the child ends,
so children are started from the main thread or from one that lives as long as they may.
Elsewhere there is no such service, and an orphan stays.
"""

from __future__ import annotations

import os
import signal
import sys

# From linux/prctl.h.
_PR_SET_PDEATHSIG = 1

# A program that knows nothing of this is started through an interpreter that arranges it and
# then becomes that program. Not subprocess's preexec_fn: that forks, and a fork of a process
# with gRPC's threads in it may deadlock.
_LAUNCHER = """
import ctypes, os, signal, sys
if sys.platform == "linux":
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)
if os.getppid() == int(sys.argv[1]):
    os.execv(sys.argv[2], sys.argv[2:])
"""


def launch_command(command: list[str]) -> list[str]:
    """The command line that runs `command`, by absolute path, as a child that ends with us."""
    return [sys.executable, "-I", "-S", "-c", _LAUNCHER, str(os.getpid()), *command]


def end_with_parent(parent_pid: int) -> None:
    """Ask that this process be killed when its parent ends; exits at once if it already has."""
    if sys.platform == "linux":
        import ctypes

        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent_pid:
        sys.exit(1)
