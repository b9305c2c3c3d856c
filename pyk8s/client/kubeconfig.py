# SPDX-License-Identifier: Apache-2.0
"""Where a server is and how to be somebody there: kubeconfig files and the in-cluster account.

Reads the fields that decide that: clusters, users (client certificate, token, password, each as
data or as a file), contexts, impersonation. What this loader cannot do (exec plugins, auth
providers, proxies) is refused by name. Mirrors client-go's `tools/clientcmd` and
`rest.InClusterConfig`; the official library would be half a second of start-up.
"""

from __future__ import annotations

import base64
import binascii
import os
import ssl
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from pyk8s.apimachinery import codec, yamlcodec

_ACCOUNT_DIRECTORY = Path("/var/run/secrets/kubernetes.io/serviceaccount")
# A token file is replaced before its token expires; client-go reads it again this often.
_TOKEN_FILE_SECONDS = 60.0


class KubeconfigError(Exception):
    """There is no usable way to a server; one line for the operator."""


class Credentials:
    """What goes into the Authorization header, read anew where it lives in a file."""

    def __init__(self, header: str = "", token_file: str = "") -> None:
        self._header = header
        self._token_file = token_file
        self._read_again_at = 0.0

    def header(self) -> str:
        """Empty for a client that says who it is by certificate, or not at all. Raises
        KubeconfigError for a token file that cannot be read."""
        if self._token_file and time.monotonic() >= self._read_again_at:
            self._header = f"Bearer {_read(self._token_file).decode().strip()}"
            self._read_again_at = time.monotonic() + _TOKEN_FILE_SECONDS
        return self._header


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientConfig:
    """One server, one identity. `tls` is None for a plain `http://` server."""

    server: str
    namespace: str = "default"
    tls: ssl.SSLContext | None = None
    tls_server_name: str = ""
    ca: bytes = b""
    certificate: bytes = b""
    key: bytes = field(default=b"", repr=False)
    credentials: Credentials = field(default_factory=Credentials)
    headers: Mapping[str, str] = field(default_factory=dict)


def for_kubelets(
    config: ClientConfig,
    *,
    ca: bytes = b"",
    pair: tuple[bytes, bytes] | None = None,
    insecure: bool = False,
) -> ClientConfig:
    """The same somebody towards kubelets: their certificates are signed by `ca` instead of the
    server's authority, or by anyone; `pair` is another client certificate with its key. Raises
    KubeconfigError."""
    certificate, key = pair or (config.certificate, config.key)
    tls = _context(ca or config.ca, certificate, key)
    if insecure:
        tls.check_hostname = False
        tls.verify_mode = ssl.CERT_NONE
    return replace(config, tls=tls, tls_server_name="", ca=ca or config.ca)


def load(path: str = "", context: str = "") -> ClientConfig:
    """From this file; else those $KUBECONFIG names, else ~/.kube/config, else the account of
    the pod this runs in. `context` instead of the current one. Raises KubeconfigError."""
    if path:
        return from_document(_document(Path(path)), context)
    paths = [Path(name) for name in os.environ.get("KUBECONFIG", "").split(os.pathsep) if name]
    paths = paths or [Path.home() / ".kube" / "config"]
    found = [_document(path) for path in paths if path.exists()]
    if found:
        return from_document(_merged(found), context)
    if "KUBERNETES_SERVICE_HOST" in os.environ:
        return in_cluster()
    raise KubeconfigError(f"no kubeconfig at {', '.join(map(str, paths))}: set KUBECONFIG")


def in_cluster() -> ClientConfig:
    """The ServiceAccount of the pod this process runs in. Raises KubeconfigError."""
    host = os.environ.get("KUBERNETES_SERVICE_HOST", "")
    port = os.environ.get("KUBERNETES_SERVICE_PORT", "")
    if not host or not port:
        raise KubeconfigError(
            "not in a pod: KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT are not set"
        )
    token_file = _ACCOUNT_DIRECTORY / "token"
    ca = _read(_ACCOUNT_DIRECTORY / "ca.crt")
    credentials = Credentials(token_file=str(token_file))
    credentials.header()
    return ClientConfig(
        server=f"https://[{host}]:{port}" if ":" in host else f"https://{host}:{port}",
        namespace=_read(_ACCOUNT_DIRECTORY / "namespace").decode().strip(),
        tls=_context(ca, b"", b""),
        ca=ca,
        credentials=credentials,
    )


def from_document(document: Mapping[str, Any], context: str = "") -> ClientConfig:
    """From a decoded kubeconfig whose relative paths are resolved. Raises KubeconfigError."""
    name = context or document.get("current-context") or ""
    if not name:
        raise KubeconfigError("the kubeconfig has no current-context")
    chosen = _named(document, "contexts", "context", name)
    cluster = _named(document, "clusters", "cluster", chosen.get("cluster") or "")
    user = _named(document, "users", "user", chosen["user"]) if chosen.get("user") else {}
    _refuse_unknown_ways(cluster, user)
    server = cluster.get("server") or ""
    if not server:
        raise KubeconfigError(f"cluster {chosen['cluster']!r} names no server")
    ca = _content(cluster, "certificate-authority")
    certificate, key = _content(user, "client-certificate"), _content(user, "client-key")
    tls = None
    if not server.startswith("http://"):
        tls = _context(ca, certificate, key)
        if cluster.get("insecure-skip-tls-verify"):
            tls.check_hostname = False
            tls.verify_mode = ssl.CERT_NONE
    return ClientConfig(
        server=server.rstrip("/"),
        namespace=chosen.get("namespace") or "default",
        tls=tls,
        tls_server_name=cluster.get("tls-server-name") or "",
        ca=ca,
        certificate=certificate,
        key=key,
        credentials=_credentials(user),
        headers=_impersonation(user),
    )


def _refuse_unknown_ways(cluster: Mapping[str, Any], user: Mapping[str, Any]) -> None:
    for key, part in (("proxy-url", cluster), ("exec", user), ("auth-provider", user)):
        if part.get(key):
            raise KubeconfigError(f"the kubeconfig asks for {key}, which is not built yet")


def _credentials(user: Mapping[str, Any]) -> Credentials:
    # As in client-go, a token file wins over a token, and either over a password.
    if token_file := user.get("tokenFile"):
        return Credentials(token_file=token_file)
    if token := user.get("token"):
        return Credentials(f"Bearer {token}")
    if name := user.get("username"):
        pair = f"{name}:{user.get('password') or ''}".encode()
        return Credentials(f"Basic {base64.b64encode(pair).decode()}")
    return Credentials()


def _impersonation(user: Mapping[str, Any]) -> dict[str, str]:
    return {"Impersonate-User": user["as"]} if user.get("as") else {}


def _document(path: Path) -> dict[str, Any]:
    """The file, its relative paths made absolute, for they are relative to it."""
    try:
        document = yamlcodec.decode_yaml(_read(path))
    except codec.DecodeError as error:
        raise KubeconfigError(f"{path} is not YAML: {error}") from error
    if not isinstance(document, dict):
        raise KubeconfigError(f"{path} is not a kubeconfig")
    for list_key, key in (("clusters", "cluster"), ("users", "user")):
        for entry in document.get(list_key) or ():
            _resolve(entry.get(key) or {}, path.parent)
    return document


_PATH_KEYS = ("certificate-authority", "client-certificate", "client-key", "tokenFile")


def _resolve(part: dict[str, Any], directory: Path) -> None:
    for key in _PATH_KEYS:
        if part.get(key):
            part[key] = str(directory / part[key])


def _merged(documents: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """As $KUBECONFIG with several files means it: who comes first has the say."""
    merged: dict[str, Any] = {}
    for document in documents:
        for key in ("clusters", "users", "contexts"):
            merged.setdefault(key, []).extend(document.get(key) or ())
        if document.get("current-context"):
            merged.setdefault("current-context", document["current-context"])
    return merged


def _named(document: Mapping[str, Any], list_key: str, key: str, name: str) -> dict[str, Any]:
    for entry in document.get(list_key) or ():
        if entry.get("name") == name:
            return entry.get(key) or {}
    raise KubeconfigError(f"the kubeconfig has no {key} {name!r}")


def _content(part: Mapping[str, Any], key: str) -> bytes:
    """PEM from the `-data` field, or from the file the plain one names; empty without both."""
    if data := part.get(f"{key}-data"):
        try:
            return base64.b64decode(data, validate=True)
        except (binascii.Error, TypeError) as error:
            raise KubeconfigError(f"{key}-data is not base64: {error}") from error
    return _read(part[key]) if part.get(key) else b""


def _read(path: str | Path) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise KubeconfigError(f"cannot read {path}: {error.strerror}") from error


def _context(ca: bytes, certificate: bytes, key: bytes) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cadata=ca.decode() if ca else None)
        if certificate:
            _load_pair(context, certificate, key)
    except (ssl.SSLError, ValueError) as error:
        raise KubeconfigError(f"a certificate of the kubeconfig is no good: {error}") from error
    return context


def _load_pair(context: ssl.SSLContext, certificate: bytes, key: bytes) -> None:
    # OpenSSL reads a pair from a file only; it is ours alone and lives for this call.
    with tempfile.NamedTemporaryFile() as pair:
        pair.write(certificate + b"\n" + key)
        pair.flush()
        context.load_cert_chain(pair.name)
