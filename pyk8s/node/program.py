# SPDX-License-Identifier: Apache-2.0
"""How long a simulated container runs, what it prints and how it ends, read from its command: no
I/O.

Understood are `sleep`, `exit`, `true`, `false`, `echo` and `:`, alone or as a script of `sh -c`
(see `shell`). Whatever else is in a command is taken for a server, which prints nothing and runs
until it is stopped.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from pyk8s.apimachinery import durations, meta
from pyk8s.apimachinery.gvk import Object
from pyk8s.node import environment, shell
from pyk8s.node.shell import Printed

EXIT_CODE = "simulation.pyk8s.io/exit-code"
DURATION = "simulation.pyk8s.io/duration"


class Program(NamedTuple):
    """`seconds` is None for one that runs until it is stopped, with `stop_code` then."""

    seconds: float | None
    exit_code: int = 0
    stop_code: int = 0
    printed: tuple[Printed, ...] = ()


_SERVER = Program(None)


def of(pod: Object, container: Object) -> Program:
    """What the annotations say, else what the command does. Variables from ConfigMaps and Secrets
    are empty in it."""
    variables = environment.environment(pod, container, {})
    found = of_command(command_of(container, variables), variables)
    code = annotation(pod, container, EXIT_CODE)
    duration = annotation(pod, container, DURATION)
    if code is None and duration is None:
        return found
    seconds = _seconds(duration)
    printed = tuple(each for each in found.printed if each.at <= seconds)
    return Program(seconds, _code(code), printed=printed)


def command_of(container: Object, variables: Mapping[str, str]) -> list[str]:
    """What runs in it, with the variables in place; empty when its image would say that."""
    words = [*(container.get("command") or ()), *(container.get("args") or ())]
    return [environment.expand(word, variables) for word in words]


def annotation(pod: Object, container: Object, name: str) -> str | None:
    """What steers the simulation of this container; its own before the pod's."""
    annotations = meta.annotations(pod)
    return annotations.get(f"{container['name']}.{name}", annotations.get(name))


def _seconds(text: str | None) -> float:
    try:
        return max(0.0, durations.parse(text) / 1e9) if text else 0.0
    except ValueError:
        return 0.0


def _code(text: str | None) -> int:
    return int(text) & 255 if text and text.isascii() and text.isdigit() else 0


def of_command(words: Sequence[str], variables: Mapping[str, str] | None = None) -> Program:
    if not words:
        return _SERVER
    try:
        ran = shell.run(words, shell.builtin, variables or {})
    except shell.NotUnderstood:
        return _SERVER
    return Program(ran.seconds, ran.exit_code, 143, tuple(ran.printed))
