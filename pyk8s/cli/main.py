# SPDX-License-Identifier: Apache-2.0
"""`pyk8s`: finds the command and hands it the rest of the line.

Each command is a module that is imported only when it is asked for.
"""

from __future__ import annotations

import importlib
import sys

_COMMANDS = {
    "up": "pyk8s.cli.up",
    "apiserver": "pyk8s.cli.apiserver",
    "controller-manager": "pyk8s.cli.controller_manager",
    "scheduler": "pyk8s.cli.scheduler",
    "node": "pyk8s.cli.node",
    "metrics-server": "pyk8s.cli.metrics_server",
}

_HELP = """\
usage: pyk8s COMMAND [flags]

A Kubernetes control plane in Python.

  up                  start everything; prints how to point kubectl at it
  apiserver           run the API server alone, with kube-apiserver's flag names
  controller-manager  run the controllers alone, against any API server
  scheduler           run the scheduler alone, against any API server
  node                run simulated nodes, against any API server
  metrics-server      tell what nodes and pods use, for kubectl top and autoscalers

`pyk8s COMMAND --help` tells a command's flags, `pyk8s --version` the version.
"""


def main(arguments: list[str] | None = None) -> int:
    """The exit status."""
    arguments = sys.argv[1:] if arguments is None else arguments
    command, *rest = arguments or ["--help"]
    if command in _COMMANDS:
        status: int = importlib.import_module(_COMMANDS[command]).main(rest)
        return status
    if command in ("-h", "--help", "help"):
        print(_HELP, end="")
        return 0
    if command == "--version":
        import pyk8s

        print(f"pyk8s {pyk8s.__version__} (Kubernetes {pyk8s.KUBERNETES_VERSION})")
        return 0
    print(f"pyk8s: there is no command {command!r}: see pyk8s --help", file=sys.stderr)
    return 1
