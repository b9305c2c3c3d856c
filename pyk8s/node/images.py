# SPDX-License-Identifier: Apache-2.0
"""What listens in simulated containers whose image is known: no I/O.

Known are upstream's `test/images/agnhost`, the image that documentation and tests probe, and the
official `httpd` with the one page it comes with. Of any other it is taken for granted that it
listens on whatever port it is asked, and answers well.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

HTTP = "http"
GRPC = "grpc"

# The answer to a path, by the age of the container in seconds: status code, and until which age.
_Http = Callable[[str, float], tuple[int, float | None]]


def _always(path: str, age: float) -> tuple[int, float | None]:
    return 200, None


class Listener(NamedTuple):
    """`protocol` is empty where any is answered; gRPC's health is lost after `fails_after`. One
    with a `root` serves the files below it, and `http` says nothing."""

    protocol: str = ""
    http: _Http = _always
    fails_after: float | None = None
    root: str = ""


ANY = Listener()
_LIVENESS_SECONDS = 10.0


_HTTPD_ROOT = "/usr/local/apache2/htdocs"
_HTTPD = ("httpd", "docker.io/library/httpd", "registry.k8s.io/e2e-test-images/httpd")


def files(image: str, command: Sequence[str]) -> Mapping[str, str]:
    """What is known of the files that the container begins with."""
    if command or _repository(image) not in _HTTPD:
        return {}
    return {f"{_HTTPD_ROOT}/index.html": "<html><body><h1>It works!</h1></body></html>\n"}


def listener(image: str, command: Sequence[str], port: int) -> Listener | None:
    """Who answers on the port of a container with this command; None for nobody."""
    words = list(command)
    if words and words[0].rsplit("/", 1)[-1] == "agnhost":
        words.pop(0)
    elif not words and _repository(image) in _HTTPD:
        return Listener(HTTP, root=_HTTPD_ROOT) if port == 80 else None
    elif _base_name(image) != "agnhost":
        return ANY
    serve = _AGNHOST.get(words[0] if words else "pause")
    return ANY if serve is None else serve(_flags(words[1:])).get(port)


def _repository(image: str) -> str:
    """Without tag and digest."""
    directory, slash, name = image.rpartition("/")
    return directory + slash + name.partition("@")[0].partition(":")[0]


def _base_name(image: str) -> str:
    return _repository(image).rsplit("/", 1)[-1]


def _flags(words: Sequence[str]) -> dict[str, str]:
    """`--name value` and `--name=value`."""
    found: dict[str, str] = {}
    for position, word in enumerate(words):
        if word.startswith("--"):
            name, given, value = word[2:].partition("=")
            following = words[position + 1] if position + 1 < len(words) else ""
            found[name] = value if given else following
    return found


def _number(flags: Mapping[str, str], name: str, otherwise: int) -> int:
    text = flags.get(name, "")
    return int(text) if text.lstrip("-").isdigit() else otherwise


_Ports = dict[int, Listener]


def _liveness(flags: Mapping[str, str]) -> _Ports:
    def answer(path: str, age: float) -> tuple[int, float | None]:
        route = path.partition("?")[0]
        if route == "/healthz":
            return (500, None) if age > _LIVENESS_SECONDS else (200, _LIVENESS_SECONDS)
        if route == "/redirect" and "loc=%2Fhealthz" in path:
            return answer("/healthz", age)
        return (200 if route in ("/started", "/redirect") else 404), None

    return {8080: Listener(HTTP, answer)}


def _test_webserver(flags: Mapping[str, str]) -> _Ports:
    def answer(path: str, age: float) -> tuple[int, float | None]:
        return (200 if path in ("/", "/agnhost") else 404), None

    return {_number(flags, "port", 80): Listener(HTTP, answer)}


def _netexec(flags: Mapping[str, str]) -> _Ports:
    return {_number(flags, "http-port", 8080): Listener(HTTP)}


def _serve_hostname(flags: Mapping[str, str]) -> _Ports:
    return {_number(flags, "port", 9376): Listener(HTTP)}


def _grpc_health(flags: Mapping[str, str]) -> _Ports:
    delay = _number(flags, "delay-unhealthy-sec", -1)
    return {
        _number(flags, "port", 5000): Listener(GRPC, fails_after=delay if delay >= 0 else None),
        _number(flags, "http-port", 8080): Listener(HTTP),
    }


def _nothing(flags: Mapping[str, str]) -> _Ports:
    return {}


_AGNHOST: Mapping[str, Callable[[Mapping[str, str]], _Ports]] = {
    "grpc-health-checking": _grpc_health,
    "liveness": _liveness,
    "netexec": _netexec,
    "pause": _nothing,
    "serve-hostname": _serve_hostname,
    "test-webserver": _test_webserver,
}
