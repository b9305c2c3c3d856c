# SPDX-License-Identifier: Apache-2.0
"""The shell of simulated containers, without a cluster."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from pyk8s.admission import serviceaccount
from pyk8s.apimachinery import meta
from pyk8s.apimachinery.gvk import Object
from pyk8s.componenthelpers import tokenvolume
from pyk8s.node import environment, shell, streams
from pyk8s.node.environment import Reference

VARIABLES = {"A": "one two", "B": "b", "EMPTY": ""}


def _output(script: str) -> str:
    ran = shell.run_script(script, shell.builtin, VARIABLES)
    return "".join(printed.text for printed in ran.printed)


@pytest.mark.parametrize(
    ("script", "output"),
    [
        pytest.param("echo a  b", "a b\n", id="words"),
        pytest.param("echo 'a  b'", "a  b\n", id="single quotes"),
        pytest.param('echo "a  $A"', "a  one two\n", id="double quotes"),
        pytest.param("echo '$B'", "$B\n", id="no variables in single quotes"),
        pytest.param(r'echo "\$B \"x\""', '$B "x"\n', id="escapes"),
        pytest.param("echo x$A", "xone two\n", id="unquoted"),
        pytest.param("echo ${B}c$NONE", "bc\n", id="braces and nothing"),
        pytest.param("echo a $EMPTY b", "a b\n", id="an empty word vanishes"),
        pytest.param('echo a "$EMPTY" b', "a  b\n", id="a quoted one stays"),
        pytest.param("echo -n a; echo b # c", "ab\n", id="no newline, a comment"),
        pytest.param("false && echo a || echo b", "b\n", id="operators"),
        pytest.param("echo '&&' \\; a", "&& ; a\n", id="quoted operators"),
    ],
)
def test_understood(script: str, output: str) -> None:
    """What is understood is what a shell does."""
    assert _output(script) == output


@pytest.mark.parametrize(
    "script",
    ["a | b", "echo a > b", "echo $(date)", "echo `date`", "X=1", "echo *", "if true; then :; fi",
     'echo "$(date)"', "(echo a)", "sleep 1 &", "exit $NONE x", "echo 'open"],
)  # fmt: skip
def test_not_understood(script: str) -> None:
    """All else is refused."""
    with pytest.raises(shell.NotUnderstood):
        _output(script)


def test_moments() -> None:
    """Each output has its moment."""
    ran = shell.run_script("echo a; sleep 2; echo b", shell.builtin, {})
    assert [(printed.at, printed.text) for printed in ran.printed] == [(0, "a\n"), (2, "b\n")]


def _pod(**spec: object) -> dict[str, object]:
    return {"metadata": {"name": "p", "namespace": "n", "labels": {"l": "v"}}, "spec": spec}


def test_environment() -> None:
    """Values, references to earlier ones, the pod's fields, ConfigMaps and Secrets."""
    container = {
        "envFrom": [{"prefix": "P_", "configMapRef": {"name": "cm"}}],
        "env": [
            {"name": "A", "value": "a"},
            {"name": "B", "value": "$(A)-$(P_k)-$(NONE)-$$(A)"},
            {"name": "L", "valueFrom": {"fieldRef": {"fieldPath": "metadata.labels['l']"}}},
            {"name": "S", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}},
            {"name": "N", "valueFrom": {"secretKeyRef": {"name": "none", "key": "k"}}},
        ],
    }
    sources = {Reference("ConfigMap", "cm"): {"k": b"1"}, Reference("Secret", "s"): {"k": b"2"}}
    assert environment.references(container) == {*sources, Reference("Secret", "none")}
    assert environment.environment(_pod(), container, sources) == {
        "P_k": "1", "A": "a", "B": "a-1-$(NONE)-$(A)", "L": "v", "S": "2",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("path", "found"),
    [
        pytest.param("/cm/k", (Reference("ConfigMap", "cm"), "k"), id="a ConfigMap"),
        pytest.param("/cm/../cm/k", (Reference("ConfigMap", "cm"), "k"), id="another way there"),
        pytest.param("/one", (Reference("ConfigMap", "cm"), "k"), id="a subPath"),
        pytest.param("/all/deep/k", (Reference("Secret", "s"), "k"), id="projected"),
        pytest.param("/cmx/k", None, id="beside a mount"),
        pytest.param("/bin/sh", None, id="the image's own"),
    ],
)
def test_files(path: str, found: tuple[Reference, str] | None) -> None:
    """Which key of which object a path leads to."""
    item = {"key": "k", "path": "deep/k"}
    pod = _pod(
        volumes=[
            {"name": "cm", "configMap": {"name": "cm"}},
            {"name": "all", "projected": {"sources": [{"secret": {"name": "s", "items": [item]}}]}},
        ]
    )
    mounts = [
        {"name": "cm", "mountPath": "/cm"},
        {"name": "cm", "mountPath": "/one", "subPath": "k"},
        {"name": "all", "mountPath": "/all"},
    ]
    file = environment.file_at(pod, {"volumeMounts": mounts}, path)
    assert (file and (file.reference, file.key)) == found


def test_files_of_a_token_volume() -> None:
    """What admission mounts: a token of the right length, the CA, the namespace."""
    spec: Object = {"containers": [{"name": "c"}]}
    serviceaccount.mount_token(spec)
    pod = _pod(**spec)
    (container,) = spec["containers"]
    at = f"{tokenvolume.MOUNT_PATH}/"
    token = environment.file_at(pod, container, at + "token")
    assert token == environment.File(environment.Token("", 3607), environment.TOKEN)
    ca = environment.file_at(pod, container, at + "ca.crt")
    assert ca == environment.File(Reference("ConfigMap", "kube-root-ca.crt"), "ca.crt")
    namespace = environment.file_at(pod, container, at + "namespace")
    assert namespace == environment.File(content=meta.namespace(pod).encode())
    assert environment.file_at(pod, container, at + "other") is None
    needed = {Reference("ConfigMap", "kube-root-ca.crt"), environment.Token("", 3607)}
    assert environment.volume_references(pod) == needed


async def test_terminal() -> None:
    """With a tty, what is typed is shown, corrected and run line by line."""
    shown = bytearray()

    async def send(channel: int, data: bytes) -> None:
        assert channel == streams.STDOUT
        shown.extend(data)

    async def typed() -> AsyncIterator[bytes]:
        for key in ("ecx", "\x7f", "ho hi\r", "never\x03", "exit 3\r", "echo no\r"):
            yield key.encode()

    terminal = streams.Terminal(send=send, received=typed(), stdin=True, tty=True)
    place = streams.Place(_pod(), {"name": "c"}, {})
    assert await streams.execute(["sh"], place, terminal) == 3
    expected = "# ecx\b \bho hi\r\nhi\r\n# never^C\r\n# exit 3\r\n"
    assert shown.decode() == expected
