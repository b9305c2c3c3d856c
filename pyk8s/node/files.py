# SPDX-License-Identifier: Apache-2.0
"""The files of one run of a simulated container, as far as its commands say: no I/O.

Known are the files that commands have written or removed. What else there is, is not: whatever
depends on it raises shell.NotUnderstood.
"""

from __future__ import annotations

import posixpath
from collections.abc import Sequence
from typing import NamedTuple

from pyk8s.node.shell import Done, NotUnderstood

_EMPTY_DIRECTORIES = ("/tmp", "/var/tmp")
_TESTS = frozenset(("-e", "-f", "-s", "-r", "-d"))
_FLAGS = {"rm": "rRf", "mkdir": "p", "mv": "fv", "ls": "l", "touch": "", "cat": ""}
# As many changes are remembered of one run; the oldest go first.
_CHANGES_MAX = 1000
NULL = "/dev/null"
# How bytes stand in text here: what is no UTF-8 comes out as it went in.
ENCODING = ("utf-8", "surrogateescape")
# What stands in place of the content of a directory.
_DIRECTORY = "\0directory"


class Change(NamedTuple):
    """What a file holds from a moment on; None where it is gone."""

    at: float
    path: str
    content: str | None


class Files:
    """Moments are seconds since the start of the run; what is to come may be known already. Where
    everything that the container does is known, so is that its /tmp began empty."""

    def __init__(self, changes: Sequence[Change] = (), *, knows_all: bool = False) -> None:
        self._changes = sorted(changes, key=lambda change: change.at)
        self._knows_all = knows_all

    @property
    def changes(self) -> tuple[Change, ...]:
        return tuple(self._changes)

    def write(self, at: float, path: str, content: str | None) -> None:
        self._changes.append(Change(at, _normal(path), content))
        self._changes.sort(key=lambda change: change.at)
        del self._changes[:-_CHANGES_MAX]

    def read(self, at: float, path: str) -> str | None:
        """None for a file that is not there. Raises NotUnderstood where that is not known."""
        path = _normal(path)
        if path == NULL:
            return ""
        found: Change | None = None
        for change in self._changes:
            if change.at > at:
                break
            if change.path == path or (change.content is None and _is_in(path, change.path)):
                found = change
        if found is not None:
            return found.content
        if self._knows_all and any(_is_in(path, each) for each in _EMPTY_DIRECTORIES):
            return None
        raise NotUnderstood(path)

    def copy(self) -> Files:
        return Files(self._changes, knows_all=self._knows_all)

    def since(self, at: float) -> _Since:
        """For a script that begins at this moment."""
        return _Since(self, at)

    def command(self, name: str, arguments: Sequence[str], at: float) -> Done | None:
        """A shell.Filesystem's."""
        return command(name, arguments, self, at)

    def redirect(self, path: str, text: str, at: float, *, appends: bool) -> None:
        """A shell.Filesystem's."""
        if _normal(path) == NULL:
            return
        before = _read_or(self, at, path, "") if appends else ""
        self.write(at, path, (before or "") + text)

    def make_directory(self, at: float, path: str) -> None:
        self.write(at, path, _DIRECTORY)

    def is_directory(self, at: float, path: str) -> bool:
        """Raises NotUnderstood where that is not known."""
        if _normal(path) in _EMPTY_DIRECTORIES or self.within(at, path):
            return True
        return self.read(at, path) == _DIRECTORY

    def within(self, at: float, directory: str) -> list[str]:
        """The files in it and below that are known."""
        paths = {change.path for change in self._changes if change.at <= at}
        inside = sorted(path for path in paths if _is_in(path, _normal(directory)))
        return [path for path in inside if self.read(at, path) not in (None, _DIRECTORY)]

    def next_change(self, at: float) -> float | None:
        """When something will be another than at this moment, by what is known by now."""
        return next((change.at for change in self._changes if change.at > at), None)


class _Since:
    """A shell.Filesystem whose moments are later by so much."""

    def __init__(self, files: Files, start: float) -> None:
        self._files = files
        self._start = start

    def command(self, name: str, arguments: Sequence[str], at: float) -> Done | None:
        return self._files.command(name, arguments, self._start + at)

    def redirect(self, path: str, text: str, at: float, *, appends: bool) -> None:
        self._files.redirect(path, text, self._start + at, appends=appends)


def _normal(path: str) -> str:
    return posixpath.normpath(posixpath.join("/", path))


def _is_in(path: str, directory: str) -> bool:
    return path.startswith(directory.rstrip("/") + "/")


def command(name: str, arguments: Sequence[str], files: Files, at: float) -> Done | None:
    """A command on files, done at this moment; None for one that is not simulated. Raises
    NotUnderstood."""
    if name in ("test", "["):
        return _test(name, arguments, files, at)
    if name not in _FLAGS:
        return None
    flags = "".join(word[1:] for word in arguments if word.startswith("-") and len(word) > 1)
    paths = [word for word in arguments if not word.startswith("-")]
    if not paths or not set(flags) <= set(_FLAGS[name]):
        return None
    if name == "cat":
        return _cat(paths, files, at)
    if name == "ls":
        return _ls(paths, files, at)
    if name == "rm":
        return _rm(paths, files, at, is_forced="f" in flags)
    if name == "mv":
        return _mv(paths, files, at, is_verbose="v" in flags)
    for path in paths:
        if name == "mkdir":
            files.make_directory(at, path)
        elif _read_or(files, at, path, None) is None:
            files.write(at, path, "")
    return Done()


def _read_or(files: Files, at: float, path: str, otherwise: str | None) -> str | None:
    try:
        return files.read(at, path)
    except NotUnderstood:
        return otherwise


def _missing(name: str, path: str) -> str:
    return f"{name}: {path}: No such file or directory\n"


def _cat(paths: Sequence[str], files: Files, at: float) -> Done:
    output, error = "", ""
    for path in paths:
        content = files.read(at, path)
        if content is None:
            error += _missing("cat", path)
        elif content == _DIRECTORY:
            error += f"cat: {path}: Is a directory\n"
        else:
            output += content
    return Done(1 if error else 0, output, error)


def _ls(paths: Sequence[str], files: Files, at: float) -> Done:
    output, error = "", ""
    for path in paths:
        content = files.read(at, path)
        if content is None:
            error += _missing("ls", path)
        elif content == _DIRECTORY:
            # What an image has there beside is not known.
            raise NotUnderstood(path)
        else:
            output += f"{path}\n"
    return Done(1 if error else 0, output, error)


def _rm(paths: Sequence[str], files: Files, at: float, *, is_forced: bool) -> Done:
    error = ""
    for path in paths:
        if not is_forced and files.read(at, path) is None:
            error += f"rm: cannot remove '{path}': No such file or directory\n"
        files.write(at, path, None)
    return Done(1 if error else 0, error=error)


def _mv(paths: Sequence[str], files: Files, at: float, *, is_verbose: bool) -> Done | None:
    if len(paths) != 2:
        return None
    source, target = paths
    content = files.read(at, source)
    if content is None:
        return Done(1, error=f"mv: cannot stat '{source}': No such file or directory\n")
    if target.endswith("/"):
        target += posixpath.basename(source)
    files.write(at, source, None)
    files.write(at, target, content)
    return Done(output=f"renamed '{source}' -> '{target}'\n" if is_verbose else "")


def _test(name: str, arguments: Sequence[str], files: Files, at: float) -> Done | None:
    words = list(arguments)
    if name == "[":
        if words[-1:] != ["]"]:
            return None
        words.pop()
    is_negated = words[:1] == ["!"]
    if is_negated:
        del words[0]
    if len(words) != 2 or words[0] not in _TESTS:
        return None
    if words[0] == "-d":
        holds = files.is_directory(at, words[1])
    else:
        content = files.read(at, words[1])
        holds = bool(content) if words[0] == "-s" else content is not None
        holds = holds and not (words[0] == "-f" and content == _DIRECTORY)
    return Done(0 if holds != is_negated else 1)
