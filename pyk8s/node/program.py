# SPDX-License-Identifier: Apache-2.0
"""How long a simulated container runs, what it prints and how it ends, read from its command: no
I/O.

Understood are `sleep`, `exit`, `true`, `false`, `echo` and `:`, alone or as a script of `sh -c`
(see `shell`), and commands on files (see `files`). Whatever else is in a command is taken for a
server, which prints nothing and runs until it is stopped.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from pyk8s.apimachinery import durations, meta
from pyk8s.apimachinery.gvk import Object
from pyk8s.node import environment, shell
from pyk8s.node.files import Change, Files
from pyk8s.node.shell import Printed

EXIT_CODE = "simulation.pyk8s.io/exit-code"
DURATION = "simulation.pyk8s.io/duration"


class Program(NamedTuple):
    """`seconds` is None for one that runs until it is stopped, with `stop_code` then. What one
    does that `is_server` is not known beyond that; any other listens on no port."""

    seconds: float | None
    exit_code: int = 0
    stop_code: int = 0
    printed: tuple[Printed, ...] = ()
    changes: tuple[Change, ...] = ()
    is_server: bool = True


_SERVER = Program(None)


def of(pod: Object, container: Object) -> Program:
    """What the annotations say, else what the command does. Variables from ConfigMaps and Secrets
    are empty in it."""
    variables = environment.environment(pod, container, {})
    found = of_command(command_of(container, variables), variables)
    code = annotation(pod, container, EXIT_CODE)
    lasts = annotation(pod, container, DURATION)
    if code is None and lasts is None:
        return found
    seconds = _seconds(lasts)
    printed = tuple(each for each in found.printed if each.at <= seconds)
    return found._replace(seconds=seconds, exit_code=_code(code), stop_code=0, printed=printed)


def command_of(container: Object, variables: Mapping[str, str]) -> list[str]:
    """What runs in it, with the variables in place; empty when its image would say that."""
    words = [*(container.get("command") or ()), *(container.get("args") or ())]
    return [environment.expand(word, variables) for word in words]


def annotation(pod: Object, container: Object, name: str) -> str | None:
    """What steers the simulation of this container; its own before the pod's."""
    annotations = meta.annotations(pod)
    return annotations.get(f"{container['name']}.{name}", annotations.get(name))


def _seconds(text: str | None) -> float:
    return duration(text) or 0.0


def duration(text: str | None) -> float | None:
    """Seconds of what an annotation says, as 1m30s; None where it says nothing that is one."""
    try:
        return max(0.0, durations.parse(text) / 1e9) if text else None
    except ValueError:
        return None


def _code(text: str | None) -> int:
    return int(text) & 255 if text and text.isascii() and text.isdigit() else 0


def of_command(words: Sequence[str], variables: Mapping[str, str] | None = None) -> Program:
    if not words:
        return _SERVER
    files = Files(knows_all=True)
    try:
        ran = shell.run(words, shell.builtin, variables or {}, files)
    except shell.NotUnderstood:
        return _SERVER
    printed = tuple(ran.printed)
    return Program(ran.seconds, ran.exit_code, 143, printed, files.changes, is_server=False)
