# SPDX-License-Identifier: Apache-2.0
"""Whom the servers of this cluster believe, for aggregated servers to read: the ConfigMap
kube-system/extension-apiserver-authentication.

    its own change, or a minute -> what stands there and what this server believes, together

Several servers with different authorities add to it and take nothing away, but for certificates
that have expired. Mirrors upstream's `pkg/controlplane/controller/clusterauthenticationtrust`.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from pyk8s.apimachinery import codec, errors
from pyk8s.apimachinery.gvk import Object
from pyk8s.auth import requestheader, user
from pyk8s.registry.builder import Stores
from pyk8s.registry.context import RequestContext
from pyk8s.registry.deletion import DeleteOptions
from pyk8s.registry.store import Existing
from pyk8s.server.options import APIServerOptions

NAMESPACE = "kube-system"
NAME = "extension-apiserver-authentication"

_INTERVAL_SECONDS = 60.0
_AGAIN_SECONDS = 1.0
# Clocks differ.
_EXPIRED_FOR = timedelta(minutes=5)

_CLIENT_CA = "client-ca-file"
_PROXY_CA = "requestheader-client-ca-file"

_log = logging.getLogger(__name__)

_API_SERVER = user.UserInfo("system:apiserver", groups=(user.SYSTEM_MASTERS,))


@dataclass(frozen=True, slots=True, kw_only=True)
class Trust:
    """What one server believes; bundles are PEM, empty without one."""

    client_ca: str = ""
    proxy_ca: str = ""
    names: requestheader.Names


def read(options: APIServerOptions) -> Trust:
    """Raises BundleError."""
    return Trust(
        client_ca=_bundle(options.client_ca_file),
        proxy_ca=_bundle(options.requestheader_client_ca_file),
        names=options.request_headers,
    )


def _bundle(path: str) -> str:
    if not path:
        return ""
    try:
        return Path(path).read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise requestheader.BundleError(f"cannot read {path}: {error}") from error


def combined(data: Mapping[str, str], own: Trust) -> dict[str, str]:
    """The ConfigMap's data with what one server believes in it. Raises ValueError where it holds
    what nobody can read."""
    result: dict[str, str] = {}
    if client_ca := _together(data.get(_CLIENT_CA, ""), own.client_ca):
        result[_CLIENT_CA] = client_ca
    proxy_ca = _together(data.get(_PROXY_CA, ""), own.proxy_ca)
    if not proxy_ca:
        return result
    result[_PROXY_CA] = proxy_ca
    for key, names in (
        ("requestheader-username-headers", own.names.username),
        ("requestheader-uid-headers", own.names.uid),
        ("requestheader-group-headers", own.names.group),
        ("requestheader-extra-headers-prefix", own.names.extra_prefix),
        ("requestheader-allowed-names", own.names.allowed),
    ):
        known = codec.decode_json((data.get(key) or "[]").encode()) or []
        result[key] = codec.encode_json(list(dict.fromkeys([*known, *names]))).decode()
    return result


def _together(*bundles: str) -> str:
    """Each certificate once, none that has expired."""
    found = dict.fromkeys(_certificates(bundles))
    oldest = datetime.now(UTC) - _EXPIRED_FOR
    return "".join(
        certificate.public_bytes(Encoding.PEM).decode()
        for certificate in found
        if certificate.not_valid_after_utc > oldest
    )


def _certificates(bundles: Iterable[str]) -> Iterable[x509.Certificate]:
    for bundle in bundles:
        if bundle:
            yield from x509.load_pem_x509_certificates(bundle.encode())


class ClusterAuthenticationTrust:
    """Keeps the ConfigMap as it must be from `start` to `stop`."""

    def __init__(self, stores: Stores, own: Trust) -> None:
        self._store = stores["configmaps"]
        self._own = own
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._task = asyncio.create_task(self._keep(), name="keep the cluster's trust known")

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    async def write(self) -> None:
        """Raises StatusError, and ValueError for a ConfigMap that cannot be read."""

        async def change(existing: Existing | None) -> Object:
            obj = existing.copy() if existing is not None else _new()
            obj["data"] = combined(obj.get("data") or {}, self._own)
            return obj

        context = RequestContext(user=_API_SERVER, namespace=NAMESPACE)
        try:
            await self._store.update(context, NAME, change, may_create=True)
        except errors.StatusError as error:
            if error.reason in (errors.REQUEST_ENTITY_TOO_LARGE, errors.INVALID):
                # Too much has gathered: the servers that are there begin anew.
                await self._store.delete(context, NAME, DeleteOptions())
            raise

    async def _keep(self) -> None:
        while True:
            wait = _INTERVAL_SECONDS
            try:
                await self.write()
            except (errors.StatusError, ValueError) as error:
                _log.warning("%s not written: %s", NAME, error)
                wait = _AGAIN_SECONDS
            await asyncio.sleep(wait)


def _new() -> Object:
    metadata = {"name": NAME, "namespace": NAMESPACE}
    return {"kind": "ConfigMap", "apiVersion": "v1", "metadata": metadata, "data": {}}
