# SPDX-License-Identifier: Apache-2.0
"""The part of a shell that simulated containers have: simple commands between `;`, newlines, `&&`
and `||`, quotes, `$NAME`, and output into files (`>`, `>>`, `2>`, `2>&1`) where there are some.
No I/O: what a command does is the caller's `Commands`.

Whatever else a shell knows (pipes, input from files, substitutions, loops) raises NotUnderstood,
so that nothing is answered that a real shell would answer otherwise.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

SHELLS = ("sh", "bash", "ash", "dash")
_SCRIPT_FLAGS = ("-c", "-ec", "-xc", "-ce")
_OPERATORS = (";", "&&", "||")
_TO_OUTPUT = "2>&1"
_TO_ERROR = (">&2", "1>&2")
_KEYWORDS = frozenset(
    ("if", "then", "else", "elif", "fi", "for", "while", "until", "do", "done", "case", "esac",
     "in", "function", "{", "}", "!", "[[", "time")
)  # fmt: skip
_SLEEP = re.compile(r"(\d+(?:\.\d*)?|\.\d+)([smhd]?)", re.ASCII)
_UNITS = {"": 1.0, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_ASSIGNMENT = re.compile(r"[A-Za-z_]\w*=", re.ASCII)
_TOKEN = re.compile(
    r"""(?P<space>[ \t]+|\\\n)
      | (?P<comment>(?<![^\s;&|])\#[^\n]*)
      | (?P<operator>&&|\|\||;|\n)
      | (?P<redirection>2>&1|1?>&2|(?:(?<![^\s;&|])[12])?>>?)
      | '(?P<literal>[^']*)'
      | "(?P<double>(?:[^"\\]|\\.)*)"
      | \\(?P<escaped>.)
      | \$(?:\{(?P<braced>\w+)\}|(?P<name>[A-Za-z_]\w*))
      | (?P<plain>[^\s;&|<>()$`'"\\*?]+)""",
    re.VERBOSE | re.DOTALL | re.ASCII,
)
_VARIABLE = re.compile(r"\\([$`\"\\\n])|\$(?:\{(\w+)\}|([A-Za-z_]\w*))|(`|\$\(|\$\{)", re.ASCII)


class NotUnderstood(Exception):
    """The text asks for more than is simulated; the text of the error is the part that does, and
    `ran` what had run before it."""

    ran: Ran | None = None


class Done(NamedTuple):
    """What a command has done, and how long it took."""

    exit_code: int = 0
    output: str = ""
    error: str = ""
    seconds: float = 0.0


class Printed(NamedTuple):
    """Something printed, this many seconds after the start."""

    at: float
    text: str
    is_error: bool = False


@dataclass(slots=True)
class Ran:
    """A script that has come to its end."""

    exit_code: int = 0
    seconds: float = 0.0
    printed: list[Printed] = field(default_factory=list)


# Name and arguments of a command; None for one that is not simulated.
Commands = Callable[[str, Sequence[str]], Done | None]


class Filesystem(Protocol):
    """Where commands read and write; moments are those of `run`. Both may raise NotUnderstood."""

    def command(self, name: str, arguments: Sequence[str], at: float) -> Done | None: ...

    def redirect(self, path: str, text: str, at: float, *, appends: bool) -> None: ...


class _Redirection(str):
    """A word that is none: `>` and the like."""


def builtin(name: str, arguments: Sequence[str]) -> Done | None:
    """Commands that need to know nothing of where they run; `exit` is the shell's own."""
    if name in ("true", ":"):
        return Done()
    if name == "false":
        return Done(1)
    if name == "echo":
        return _echo(arguments)
    if name == "sleep" and arguments and (found := _SLEEP.fullmatch(arguments[0])):
        return Done(seconds=float(found[1]) * _UNITS[found[2]])
    return None


def _echo(arguments: Sequence[str]) -> Done:
    words, end = list(arguments), "\n"
    if words[:1] == ["-n"]:
        words, end = words[1:], ""
    return Done(output=" ".join(words) + end)


def script_of(words: Sequence[str]) -> str | None:
    """The script that `sh -c SCRIPT` is given, None for other commands."""
    name, arguments = base_name(words[0]), list(words[1:])
    if name == "busybox" and arguments:
        name, arguments = arguments[0], arguments[1:]
    # Traces go to where errors go, which nobody reads here.
    if name in SHELLS and len(arguments) >= 3 and arguments[0] == "-x":
        del arguments[0]
    if name in SHELLS and len(arguments) >= 2 and arguments[0] in _SCRIPT_FLAGS:
        return arguments[1]
    return None


def base_name(command: str) -> str:
    return command.rsplit("/", 1)[-1]


def run(
    words: Sequence[str],
    commands: Commands,
    environment: Mapping[str, str],
    files: Filesystem | None = None,
) -> Ran:
    """Run a command line, itself or as the script within. Raises NotUnderstood."""
    script = script_of(words)
    if script is None:
        return _run([list(words)], commands, files)
    return run_script(script, commands, environment, files)


def run_script(
    text: str,
    commands: Commands,
    environment: Mapping[str, str],
    files: Filesystem | None = None,
) -> Ran:
    """Raises NotUnderstood, before anything has run where the text itself is the reason."""
    return _run(parse(text, environment), commands, files)


def _run(steps: Sequence[Sequence[str]], commands: Commands, files: Filesystem | None) -> Ran:
    ran = Ran()
    try:
        _run_steps(ran, steps, commands, files)
    except NotUnderstood as error:
        error.ran = ran
        raise
    return ran


def _run_steps(
    ran: Ran, steps: Sequence[Sequence[str]], commands: Commands, files: Filesystem | None
) -> None:
    operator = ";"
    for step in steps:
        if step and step[0] in _OPERATORS:
            operator = step[0]
            continue
        skipped = (operator == "&&" and ran.exit_code) or (operator == "||" and not ran.exit_code)
        if not step or skipped:
            continue
        words, redirections = _split(step)
        name, arguments = base_name(words[0]) if words else ":", words[1:]
        if name == "exit":
            ran.exit_code = _exit_code(arguments, ran.exit_code)
            break
        done = commands(name, arguments)
        if done is None and files is not None:
            try:
                done = files.command(name, arguments, ran.seconds)
            except NotUnderstood:
                raise NotUnderstood(" ".join(words)) from None
        if done is None:
            raise NotUnderstood(step[0])
        ran.seconds += done.seconds
        ran.exit_code = done.exit_code
        done = _redirected(done, redirections, files, ran.seconds)
        for text, is_error in ((done.output, False), (done.error, True)):
            if text:
                ran.printed.append(Printed(ran.seconds, text, is_error))


def _split(step: Sequence[str]) -> tuple[list[str], list[tuple[str, str]]]:
    """The words of a command, and its redirections with their targets."""
    words: list[str] = []
    redirections: list[tuple[str, str]] = []
    rest = iter(step)
    for word in rest:
        if not isinstance(word, _Redirection):
            words.append(word)
        elif word in (_TO_OUTPUT, *_TO_ERROR):
            redirections.append((word, ""))
        else:
            target = next(rest, None)
            if target is None or isinstance(target, _Redirection):
                raise NotUnderstood(word)
            redirections.append((word, target))
    return words, redirections


def _redirected(
    done: Done, redirections: Sequence[tuple[str, str]], files: Filesystem | None, at: float
) -> Done:
    """What is left to be printed."""
    if not redirections:
        return done
    if files is None:
        raise NotUnderstood(redirections[0][0])
    # Where each of the two goes: 1 and 2 are what is printed, else a file.
    goes: dict[str, int | str] = {"output": 1, "error": 2}
    for kind, path in redirections:
        if kind == _TO_OUTPUT:
            goes["error"] = goes["output"]
        elif kind in _TO_ERROR:
            goes["output"] = goes["error"]
        else:
            goes["error" if kind.startswith("2") else "output"] = path
            if not kind.endswith(">>"):
                files.redirect(path, "", at, appends=False)
    printed = {1: "", 2: ""}
    for name, text in (("output", done.output), ("error", done.error)):
        target = goes[name]
        if isinstance(target, int):
            printed[target] += text
        elif text:
            files.redirect(target, text, at, appends=True)
    return done._replace(output=printed[1], error=printed[2])


def _exit_code(arguments: Sequence[str], last: int) -> int:
    if not arguments:
        return last
    if not (arguments[0].isascii() and arguments[0].isdigit()):
        raise NotUnderstood(f"exit {arguments[0]}")
    return int(arguments[0]) & 255


def parse(text: str, environment: Mapping[str, str]) -> list[list[str]]:
    """Commands, each a list of words, with operators between them as lists of one."""
    steps: list[list[str]] = [[]]
    word: str | None = None
    position = 0
    while position < len(text):
        found = _TOKEN.match(text, position)
        if found is None:
            raise NotUnderstood(text[position : position + 20].split("\n")[0])
        position = found.end()
        kind = found.lastgroup or ""
        if kind in ("space", "comment", "operator", "redirection"):
            if word is not None:
                steps[-1].append(word)
                word = None
            if kind == "redirection":
                steps[-1].append(_Redirection(found[0]))
            if kind == "operator":
                steps += [[found[0].replace("\n", ";")], []]
        elif kind in ("braced", "name"):
            # Unquoted, a value of several words becomes several words; one of none, none.
            word = _joined(steps[-1], word, environment.get(found[kind], ""))
        else:
            part = found[kind]
            word = (word or "") + (_expanded(part, environment) if kind == "double" else part)
    if word is not None:
        steps[-1].append(word)
    for step in steps:
        if step and (step[0] in _KEYWORDS or _ASSIGNMENT.match(step[0])):
            raise NotUnderstood(step[0])
    return steps


def _joined(words: list[str], word: str | None, value: str) -> str | None:
    parts = value.split()
    if not parts:
        return word
    for part in parts[:-1]:
        words.append((word or "") + part)
        word = None
    return (word or "") + parts[-1]


def _expanded(text: str, environment: Mapping[str, str]) -> str:
    """The inside of double quotes."""

    def value(found: re.Match[str]) -> str:
        escaped, braced, name, other = found.groups()
        if other:
            raise NotUnderstood(other)
        if escaped:
            return "" if escaped == "\n" else str(escaped)
        return environment.get(braced or name, "")

    return _VARIABLE.sub(value, text)
