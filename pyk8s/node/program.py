# SPDX-License-Identifier: Apache-2.0
"""How long a simulated container runs and how it ends, read from its command: no I/O.

Understood are `sleep`, `exit`, `true`, `false`, `echo` and `:`, alone or as a script of `sh -c`
joined by `;`, newlines, `&&` and `||`. Whatever else is in a command is taken for a server, which
runs until it is stopped.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from typing import Any, NamedTuple

from pyk8s.apimachinery import durations, meta
from pyk8s.apimachinery.gvk import Object

EXIT_CODE = "simulation.pyk8s.io/exit-code"
DURATION = "simulation.pyk8s.io/duration"

_SHELLS = ("sh", "bash", "ash", "dash", "busybox")
_UNITS = {"": 1.0, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_SLEEP = re.compile(r"(\d+(?:\.\d*)?|\.\d+)([smhd]?)", re.ASCII)
_OPERATORS = (";", "&&", "||")


class Program(NamedTuple):
    """`seconds` is None for one that runs until it is stopped, with `stop_code` then."""

    seconds: float | None
    exit_code: int = 0
    stop_code: int = 0


_SERVER = Program(None)
_NOTHING_MORE_KNOWN = None


def of(pod: Object, container: Object) -> Program:
    """What the annotations say, else what the command does."""
    code = annotation(pod, container, EXIT_CODE)
    duration = annotation(pod, container, DURATION)
    if code is None and duration is None:
        return of_command([*(container.get("command") or ()), *(container.get("args") or ())])
    return Program(_seconds(duration), _code(code))


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


def of_command(words: Sequence[str]) -> Program:
    if not words:
        return _SERVER
    program, arguments = words[0].rsplit("/", 1)[-1], list(words[1:])
    if program == "busybox" and arguments:
        program, arguments = arguments[0], arguments[1:]
    if program in _SHELLS:
        if len(arguments) < 2 or arguments[0] not in ("-c", "-ec", "-xc", "-ce"):
            return _SERVER
        return _script(arguments[1])
    return _run([[*(program, *arguments)]])


def _script(text: str) -> Program:
    lexer = shlex.shlex(text.replace("\n", ";"), posix=True, punctuation_chars=";&|<>()")
    lexer.whitespace_split = True
    try:
        tokens = list(lexer)
    except ValueError:
        return _SERVER
    steps: list[list[str]] = [[]]
    for token in tokens:
        if token in _OPERATORS:
            steps += [[token], []]
        elif token[0] in ";&|<>()":
            return _SERVER
        else:
            steps[-1].append(token)
    return _run(steps)


def _run(steps: Sequence[Sequence[str]]) -> Program:
    """Simple commands with operators between them."""
    seconds, code, operator = 0.0, 0, ";"
    for step in steps:
        if step and step[0] in _OPERATORS:
            operator = step[0]
        elif step and not ((operator == "&&" and code) or (operator == "||" and not code)):
            done = _command(step[0], step[1:])
            if done is None:
                return _SERVER
            taken, code = done
            seconds += taken
            if step[0] == "exit":
                break
    return Program(seconds, code, 143)


def _command(name: str, arguments: Sequence[str]) -> tuple[float, int] | None:
    """Seconds and exit code; None for what is not understood."""
    first: Any = arguments[0] if arguments else ""
    if name in ("true", ":", "echo"):
        return 0.0, 0
    if name == "false":
        return 0.0, 1
    if name == "exit" and (not first or first.isdigit()):
        return 0.0, int(first or 0) & 255
    if name == "sleep" and (found := _SLEEP.fullmatch(first)):
        return float(found[1]) * _UNITS[found[2]], 0
    return _NOTHING_MORE_KNOWN
