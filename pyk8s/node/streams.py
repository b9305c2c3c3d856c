# SPDX-License-Identifier: Apache-2.0
"""exec and attach: a command of the simulated shell at one end, a WebSocket at the other.

    channel 0 in, 1 out, 2 errors, 3 why it failed             channel.k8s.io
    channel 3 has a Status at the end                          v4.channel.k8s.io
    255 with a channel after it: that channel is closed        v5.channel.k8s.io

Mirrors `kubelet/pkg/cri/streaming/remotecommand`.
"""

from __future__ import annotations

import asyncio
import functools
import tarfile
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pyk8s.apimachinery import codec, times
from pyk8s.apimachinery.gvk import Object
from pyk8s.node import archives, environment, shell
from pyk8s.node.environment import Sources
from pyk8s.node.files import ENCODING, Files
from pyk8s.node.shell import Done

# Of the first there was, errors are plain text and there is none on success.
FIRST_PROTOCOL = "channel.k8s.io"
PROTOCOLS = ("v5.channel.k8s.io", "v4.channel.k8s.io", FIRST_PROTOCOL)
STDIN, STDOUT, STDERR, ERROR, CLOSE = 0, 1, 2, 3, 255

NOT_FOUND_CODE = 127
_PROMPT = "# "
_END_OF_FILE, _INTERRUPT, _RETURNS, _ERASES = "\x04", "\x03", "\r\n", "\x08\x7f"
_INPUT_BYTES_MAX = 1024 * 1024
_ARCHIVE_BYTES_MAX = 16 * 1024 * 1024
_TAR_FAILED_CODE = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Terminal:
    """The client's end. `send` takes a channel and bytes; `received` are the bytes of stdin until
    their end, nothing where stdin was not asked for."""

    send: Callable[[int, bytes], Awaitable[None]]
    received: AsyncIterator[bytes]
    stdin: bool = False
    tty: bool = False

    async def write(self, text: str, is_error: bool = False) -> None:
        if self.tty:
            text, is_error = text.replace("\n", "\r\n"), False
        if text:
            await self.send(STDERR if is_error else STDOUT, text.encode(*ENCODING))


@dataclass(frozen=True, slots=True)
class Place:
    """The container in which commands run, the ConfigMaps and Secrets of its pod, and the files of
    its run, of which `age` gives the seconds."""

    pod: Object
    container: Object
    sources: Sources
    files: Files = field(default_factory=Files)
    age: Callable[[], float] = lambda: 0.0

    def variables(self) -> dict[str, str]:
        own = environment.environment(self.pod, self.container, self.sources)
        fixed = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
                 "HOSTNAME": environment.hostname(self.pod), "HOME": "/root"}  # fmt: skip
        return fixed | own

    def command(self, name: str, arguments: Sequence[str]) -> Done | None:
        """A shell.Commands."""
        if name == "env" and not arguments:
            text = "".join(f"{k}={v}\n" for k, v in self.variables().items())
            return Done(output=text)
        if name == "hostname" and not arguments:
            return Done(output=f"{environment.hostname(self.pod)}\n")
        if name == "date" and not arguments:
            return Done(output=f"{times.now()}\n")
        if name == "cat" and arguments and not any(a.startswith("-") for a in arguments):
            return self._cat(arguments)
        return shell.builtin(name, arguments)

    def _cat(self, paths: Sequence[str]) -> Done | None:
        output, error = "", ""
        for path in paths:
            found = environment.file_at(self.pod, self.container, path)
            if found is None:
                # What the image has there is not known.
                return None
            content: bytes | None = found.content
            if found.reference is not None:
                content = self.sources.get(found.reference, {}).get(found.key)
            if content is None:
                error += f"cat: {path}: No such file or directory\n"
            else:
                output += content.decode("utf-8", "replace")
        return Done(1 if error else 0, output, error)


async def execute(words: Sequence[str], place: Place, terminal: Terminal) -> int:
    """Run a command line; its exit code."""
    name = shell.base_name(words[0])
    if name in shell.SHELLS and set(words[1:]) <= {"-i", "-l"} and terminal.stdin:
        return await interact(place, terminal)
    if name == "cat" and len(words) == 1 and terminal.stdin:
        async for data in terminal.received:
            await terminal.send(STDOUT, data)
        return 0
    if name == "tar":
        return await _tar(words[1:], place, terminal)

    def command(variables: Mapping[str, str]) -> shell.Ran:
        return shell.run(words, place.command, variables, place.files.since(place.age()))

    return await _run(command, place, terminal)


async def _tar(arguments: Sequence[str], place: Place, terminal: Terminal) -> int:
    try:
        wanted = archives.parse(arguments)
        if isinstance(wanted, archives.Creation):
            try:
                archive = archives.create(wanted, place.files, place.age())
            except shell.NotUnderstood:
                raise shell.NotUnderstood(" ".join(("tar", *arguments))) from None
            await terminal.send(STDOUT, archive)
            return 0
        received = bytearray()
        async for data in terminal.received:
            received += data
            if len(received) > _ARCHIVE_BYTES_MAX:
                raise shell.NotUnderstood(f"an archive of more than {_ARCHIVE_BYTES_MAX} bytes")
        archives.extract(wanted, bytes(received), place.files, place.age())
    except shell.NotUnderstood as error:
        await terminal.write(f"simulated container: {error} is not simulated\n", is_error=True)
        return NOT_FOUND_CODE
    except FileNotFoundError as error:
        text = f"tar: {error}: Cannot stat: No such file or directory\n"
        await terminal.write(text, is_error=True)
        return _TAR_FAILED_CODE
    except tarfile.TarError:
        await terminal.write("tar: This does not look like a tar archive\n", is_error=True)
        return _TAR_FAILED_CODE
    return 0


def is_interactive(place: Place) -> bool:
    """Whether the container is one that takes commands from its stdin."""
    words = [*(place.container.get("command") or ()), *(place.container.get("args") or ())]
    is_shell = not words or (shell.base_name(words[0]) in shell.SHELLS and len(words) == 1)
    return bool(place.container.get("stdin")) and is_shell


async def _run(
    script: Callable[[Mapping[str, str]], shell.Ran], place: Place, terminal: Terminal
) -> int:
    try:
        ran = script(place.variables())
    except shell.NotUnderstood as error:
        ran = error.ran or shell.Ran()
        text = f"simulated container: {error} is not simulated\n"
        ran.printed.append(shell.Printed(ran.seconds, text, is_error=True))
        ran.exit_code = NOT_FOUND_CODE
    now = 0.0
    for printed in ran.printed:
        await asyncio.sleep(printed.at - now)
        now = printed.at
        await terminal.write(printed.text, printed.is_error)
    await asyncio.sleep(ran.seconds - now)
    return ran.exit_code


async def interact(place: Place, terminal: Terminal) -> int:
    """Lines of stdin, each run as a script, until `exit` or the end of the input."""
    code = 0
    async for line in _lines(terminal):
        words = line.split()
        if words[:1] == ["exit"]:
            return int(words[1]) & 255 if len(words) > 1 and words[1].isdecimal() else code
        code = await _run(functools.partial(_script, line, place), place, terminal)
    return code


def _script(text: str, place: Place, variables: Mapping[str, str]) -> shell.Ran:
    return shell.run_script(text, place.command, variables, place.files.since(place.age()))


async def _lines(terminal: Terminal) -> AsyncIterator[str]:
    """With a tty, what is typed is shown, as the line discipline of a terminal does."""
    line = ""
    if terminal.tty:
        await terminal.write(_PROMPT)
    async for data in terminal.received:
        shown = ""
        for character in data.decode("utf-8", "replace"):
            if character in _RETURNS:
                if terminal.tty:
                    await terminal.write(f"{shown}\n")
                    shown = ""
                yield line
                line = ""
                if terminal.tty:
                    await terminal.write(_PROMPT)
            elif terminal.tty and character == _END_OF_FILE:
                if not line:
                    await terminal.write("\n")
                    return
            elif terminal.tty and character == _INTERRUPT:
                line, shown = "", f"{shown}^C\n{_PROMPT}"
            elif terminal.tty and character in _ERASES:
                shown += "\b \b" if line else ""
                line = line[:-1]
            elif len(line) < _INPUT_BYTES_MAX:
                line += character
                shown += character
        if terminal.tty:
            await terminal.write(shown)
    if line:
        yield line


def status_of(exit_code: int, protocol: str | None) -> bytes:
    """What the channel of errors says at the end."""
    message = f"command terminated with non-zero exit code: exit status {exit_code}"
    if protocol == FIRST_PROTOCOL:
        return message.encode() if exit_code else b""
    status: dict[str, Any] = {"metadata": {}, "status": "Success"}
    if exit_code:
        cause = {"reason": "ExitCode", "message": str(exit_code)}
        status |= {
            "status": "Failure",
            "message": message,
            "reason": "NonZeroExitCode",
            "details": {"causes": [cause]},
        }
    return codec.encode_json(status)
