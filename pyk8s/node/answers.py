# SPDX-License-Identifier: Apache-2.0
"""What probes and lifecycle hooks of simulated containers come to: no I/O.

    annotations of the pod  -> as they say
    exec                    -> as the command does, where the simulated shell knows it
    httpGet, tcpSocket, grpc -> as the container's program does: one that is understood listens on
                               nothing, what `images` knows of answers as it would
    what is not known       -> succeeds

Messages are those of upstream's `pkg/probe`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from pyk8s.apimachinery.gojson import quoted_string
from pyk8s.apimachinery.gvk import Object
from pyk8s.node import environment, images, program, shell
from pyk8s.node.files import Files
from pyk8s.node.runtime import Ask, Container, Hook, Outcome

_SUCCEEDS = "simulation.pyk8s.io/{}-succeeds-after"
_FAILS = "simulation.pyk8s.io/{}-fails-after"


class _Asked(NamedTuple):
    """`age` is that of the run in seconds."""

    pod: Object
    spec: Object
    container: Container
    age: float
    seconds_max: float


def of_probe(pod: Object, spec: Object, container: Container, ask: Ask) -> Outcome:
    age = max(0.0, ask.at - container.started_at)
    seconds_max = float(ask.probe.get("timeoutSeconds") or 1)
    asked = _Asked(pod, spec, container, age, seconds_max)
    declared = _declared(asked, ask.kind, ask.probe)
    found = declared if declared is not None else _handled(asked, ask.probe)
    if found.until is None:
        return found
    return found._replace(until=container.started_at + found.until)


def of_hook(pod: Object, spec: Object, container: Container, hook: Hook) -> Outcome:
    """A hook that is understood does to the container's files what it says."""
    if "sleep" in hook.handler:
        return Outcome(seconds=float(hook.handler["sleep"].get("seconds") or 0))
    asked = _Asked(pod, spec, container, max(0.0, hook.at - container.started_at), float("inf"))
    if "exec" in hook.handler:
        return _exec(asked, hook.handler["exec"], container.files)
    return _handled(asked, hook.handler)._replace(until=None)


# --- by annotation


def _declared(asked: _Asked, kind: str, probe: Object) -> Outcome | None:
    """None where no annotation speaks of this kind of probe. `until` is in the run's seconds."""
    moments = [
        (program.duration(program.annotation(asked.pod, asked.spec, name.format(kind))), succeeds)
        for name, succeeds in ((_SUCCEEDS, True), (_FAILS, False))
    ]
    known = sorted((at, succeeds) for at, succeeds in moments if at is not None)
    if not known:
        return None
    # Before the first change it is the other way round.
    succeeds = not known[0][1]
    for at, becomes in known:
        if at > asked.age:
            return _as_declared(asked, probe, succeeds, at)
        succeeds = becomes
    return _as_declared(asked, probe, succeeds, None)


def _as_declared(asked: _Asked, probe: Object, succeeds: bool, until: float | None) -> Outcome:
    if succeeds:
        return Outcome(until=until)
    if "httpGet" in probe:
        text = "HTTP probe failed with statuscode: 500"
    elif "tcpSocket" in probe:
        port = _port(probe["tcpSocket"], asked.spec)
        text = _refused(asked, port or 0)
    elif "grpc" in probe:
        text = 'service unhealthy (responded with "NOT_SERVING")'
    else:
        text = ""
    return Outcome(False, text, until=until)


# --- by what is known of the container


def _handled(asked: _Asked, handler: Object) -> Outcome:
    if "exec" in handler:
        # A probe is asked about beforehand: what it would do to the files, it does not do yet.
        return _exec(asked, handler["exec"], asked.container.files.copy())
    for name, answer in _NETWORK.items():
        if name in handler:
            port = _port(handler[name], asked.spec)
            if port is None:
                named = quoted_string(str(handler[name]["port"]))
                return Outcome(False, error=f"strconv.Atoi: parsing {named}: invalid syntax")
            return answer(asked, handler[name], port)
    return Outcome()


def _exec(asked: _Asked, action: Mapping[str, Any], files: Files) -> Outcome:
    words: Sequence[str] = action.get("command") or ()
    if not words:
        return Outcome()
    variables = environment.environment(asked.pod, asked.spec, {})
    try:
        ran = shell.run(words, shell.builtin, variables, files.since(asked.age))
    except shell.NotUnderstood:
        return Outcome()
    until = files.next_change(asked.age)
    if ran.seconds > asked.seconds_max:
        line = quoted_string(" ".join(words))
        text = f"command timed out: {line} timed out after {asked.seconds_max:g}s"
        return Outcome(False, text, asked.seconds_max, until=until)
    output = "".join(printed.text for printed in ran.printed)
    return Outcome(not ran.exit_code, output, ran.seconds, until=until)


def _port(action: Mapping[str, Any], spec: Object) -> int | None:
    """None for a name that none of the container's ports has."""
    port = action["port"]
    if isinstance(port, int):
        return port
    for each in spec.get("ports") or ():
        if each.get("name") == port:
            return int(each["containerPort"])
    return int(port) if port.isascii() and port.isdigit() else None


def _listener(asked: _Asked, port: int) -> images.Listener | None:
    """Who answers there; None where nobody listens."""
    variables = environment.environment(asked.pod, asked.spec, {})
    words = program.command_of(asked.spec, variables)
    if not program.of_command(words, variables).is_server:
        return None
    return images.listener(asked.spec.get("image") or "", words, port)


def _address(asked: _Asked, port: int, host: str = "") -> str:
    status = asked.pod.get("status") or {}
    address = host or status.get("podIP") or "127.0.0.1"
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


def _refused(asked: _Asked, port: int, host: str = "") -> str:
    return f"dial tcp {_address(asked, port, host)}: connect: connection refused"


def _http(asked: _Asked, action: Mapping[str, Any], port: int) -> Outcome:
    host = action.get("host") or ""
    path = action.get("path") or "/"
    # What runs elsewhere is not known.
    listener = images.ANY if host else _listener(asked, port)
    if listener is None or listener.protocol == images.GRPC:
        scheme = (action.get("scheme") or "HTTP").lower()
        url = f"{scheme}://{_address(asked, port, host)}{path if path[:1] == '/' else '/' + path}"
        return Outcome(False, f'Get "{url}": {_refused(asked, port, host)}')
    if listener.root:
        code, until = _served(asked, listener.root, path)
    else:
        code, until = listener.http(path, asked.age)
    if 200 <= code < 400:
        return Outcome(until=until)
    return Outcome(False, f"HTTP probe failed with statuscode: {code}", until=until)


def _served(asked: _Asked, root: str, path: str) -> tuple[int, float | None]:
    """A file below the root; there is nothing beside those that are known, unless something is
    mounted there."""
    mounts = [mount["mountPath"] for mount in asked.spec.get("volumeMounts") or ()]
    if any(mount.startswith(root) or root.startswith(mount) for mount in mounts):
        return 200, None
    found, files = path.partition("?")[0], asked.container.files
    wanted = f"{found}index.html" if found.endswith("/") else found
    try:
        content = files.read(asked.age, root + wanted)
    except shell.NotUnderstood:
        content = None
    return (404 if content is None else 200), files.next_change(asked.age)


def _tcp(asked: _Asked, action: Mapping[str, Any], port: int) -> Outcome:
    host = action.get("host") or ""
    if host or _listener(asked, port) is not None:
        return Outcome()
    return Outcome(False, _refused(asked, port))


def _grpc(asked: _Asked, action: Mapping[str, Any], port: int) -> Outcome:
    listener = _listener(asked, port)
    if listener is None or listener.protocol == images.HTTP:
        text = (
            f'timeout: failed to connect service "{_address(asked, port)}" within '
            f"{asked.seconds_max:g}s: context deadline exceeded"
        )
        return Outcome(False, text, asked.seconds_max)
    if listener.fails_after is not None and asked.age >= listener.fails_after:
        return Outcome(False, 'service unhealthy (responded with "NOT_SERVING")')
    return Outcome(until=listener.fails_after)


_NETWORK: dict[str, Callable[[_Asked, Mapping[str, Any], int], Outcome]] = {
    "httpGet": _http,
    "tcpSocket": _tcp,
    "grpc": _grpc,
}
