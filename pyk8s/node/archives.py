# SPDX-License-Identifier: Apache-2.0
"""`tar` in simulated containers, as far as `kubectl cp` needs it: no I/O.

tar cf - PATH...         an archive of files that are known
tar -xmf - [-C DIRECTORY] the files of an archive are there from then on
"""

from __future__ import annotations

import io
import posixpath
import tarfile
from collections.abc import Sequence
from typing import NamedTuple

from pyk8s.node.files import ENCODING, Files
from pyk8s.node.shell import NotUnderstood

_IGNORED = ("--no-same-permissions", "--no-same-owner")


class Extraction(NamedTuple):
    """Where an archive on stdin is to be unpacked."""

    directory: str


class Creation(NamedTuple):
    """What an archive is to be made of."""

    paths: tuple[str, ...]


def parse(arguments: Sequence[str]) -> Extraction | Creation:
    """Raises NotUnderstood."""
    words = [word for word in arguments if word not in _IGNORED]
    if len(words) > 2 and words[0] == "cf" and words[1] == "-":
        return Creation(tuple(words[2:]))
    if words[:2] in (["-xmf", "-"], ["xmf", "-"], ["-xf", "-"], ["xf", "-"]):
        if len(words) == 2:
            return Extraction("/")
        if len(words) == 4 and words[2] == "-C":
            return Extraction(words[3])
    raise NotUnderstood(" ".join(("tar", *arguments)))


def create(creation: Creation, files: Files, at: float) -> bytes:
    """Raises NotUnderstood for what is not known, FileNotFoundError for what is not there."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for wanted in creation.paths:
            within = files.within(at, wanted)
            if not within and files.read(at, wanted) is None:
                raise FileNotFoundError(wanted)
            for path in within or [wanted]:
                content = (files.read(at, path) or "").encode(*ENCODING)
                entry = tarfile.TarInfo(path.lstrip("/"))
                entry.size = len(content)
                archive.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()


def extract(extraction: Extraction, archive: bytes, files: Files, at: float) -> None:
    """Raises tarfile.TarError for what is no archive."""
    with tarfile.open(fileobj=io.BytesIO(archive)) as found:
        for entry in found:
            path = posixpath.join(extraction.directory, entry.name)
            if entry.isdir():
                files.make_directory(at, path)
            elif entry.isfile() and (content := found.extractfile(entry)) is not None:
                files.write(at, path, content.read().decode(*ENCODING))
