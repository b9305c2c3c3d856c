# SPDX-License-Identifier: Apache-2.0
"""Kubeconfig files in their forms, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from pyk8s.apimachinery import yamlcodec
from pyk8s.client import kubeconfig
from pyk8s.client.kubeconfig import KubeconfigError


def document(user: dict, **cluster: object) -> dict:
    return {
        "clusters": [{"name": "c", "cluster": {"server": "http://h:1/", **cluster}}],
        "users": [{"name": "u", "user": user}],
        "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u", "namespace": "n"}}],
        "current-context": "x",
    }


@pytest.mark.parametrize(
    ("user", "header"),
    [
        pytest.param({}, "", id="nobody"),
        pytest.param({"token": "t"}, "Bearer t", id="token"),
        pytest.param({"username": "a", "password": "b"}, "Basic YTpi", id="password"),
        pytest.param({"username": "a", "token": "t"}, "Bearer t", id="token before password"),
    ],
)
def test_credentials(user: dict, header: str) -> None:
    """Who the client says it is."""
    config = kubeconfig.from_document(document(user))
    assert config.credentials.header() == header
    assert (config.server, config.namespace, config.tls) == ("http://h:1", "n", None)


def test_paths_are_relative_to_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From wherever it is used; the token file is read when it is needed."""
    (tmp_path / "token").write_text("secret\n")
    (tmp_path / "config").write_bytes(
        yamlcodec.encode_yaml(document({"tokenFile": "token", "token": "older"}))
    )
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "config"))
    assert kubeconfig.load().credentials.header() == "Bearer secret"


def test_several_files_are_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first to name something has the say."""
    first = document({"token": "first"})
    del first["current-context"]
    second = {**document({"token": "second"}, server="http://other:1"), "current-context": "x"}
    for name, content in (("1", first), ("2", second)):
        (tmp_path / name).write_bytes(yamlcodec.encode_yaml(content))
    monkeypatch.setenv("KUBECONFIG", f"{tmp_path / '1'}:{tmp_path / '2'}:{tmp_path / 'none'}")
    config = kubeconfig.load()
    assert (config.server, config.credentials.header()) == ("http://h:1", "Bearer first")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        pytest.param(document({"exec": {"command": "x"}}), "asks for exec", id="exec"),
        pytest.param(document({}, **{"proxy-url": "http://p"}), "asks for proxy-url", id="proxy"),
        pytest.param({**document({}), "users": []}, "has no user 'u'", id="no such user"),
        pytest.param({**document({}), "current-context": ""}, "no current-context", id="none"),
        pytest.param(
            document({}, **{"server": "https://h", "certificate-authority-data": "!"}),
            "certificate-authority-data is not base64", id="no base64",
        ),
        pytest.param(
            document({}, **{"server": "https://h", "certificate-authority-data": "aGk="}),
            "a certificate of the kubeconfig is no good", id="no certificate",
        ),
    ],
)  # fmt: skip
def test_refused(content: dict, message: str) -> None:
    """One line that says what is wrong."""
    with pytest.raises(KubeconfigError, match=message):
        kubeconfig.from_document(content)


def test_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where it looked."""
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "none"))
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    with pytest.raises(KubeconfigError, match=r"no kubeconfig at .*none"):
        kubeconfig.load()
