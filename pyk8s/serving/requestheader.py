# SPDX-License-Identifier: Apache-2.0
"""Who asks, by the word of the API server in front of an extension API server.

That one shows a client certificate of an authority kept for it alone, and names the user it has
authenticated in headers. What it is called there, and who signs its certificates, stands in
ConfigMap kube-system/extension-apiserver-authentication. Mirrors apiserver's
`pkg/authentication/request/headerrequest`.
"""

from __future__ import annotations

import ssl
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from pyk8s.apimachinery import codec
from pyk8s.apimachinery.gvk import Object
from pyk8s.componenthelpers import requestheaders
from pyk8s.serving.delegation import AUTHENTICATED, User, names

NAMESPACE = "kube-system"
CONFIG_MAP = "extension-apiserver-authentication"

_CLIENT_CA = "client-ca-file"
_PROXY_CA = "requestheader-client-ca-file"

# A certificate as `SSLSocket.getpeercert` gives it.
Certificate = Mapping[str, Any]


class Headers(Protocol):
    """Names in any case; several values of one."""

    def items(self) -> Iterable[tuple[str, str]]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """Names of headers, and authorities as PEM; nobody is in front where `proxy_ca` is empty.
    Without `allowed_names` any certificate of the authority will do."""

    client_ca: str = ""
    proxy_ca: str = ""
    allowed_names: tuple[str, ...] = ()
    username_headers: tuple[str, ...] = ("X-Remote-User",)
    uid_headers: tuple[str, ...] = ("X-Remote-Uid",)
    group_headers: tuple[str, ...] = ("X-Remote-Group",)
    extra_prefixes: tuple[str, ...] = ("X-Remote-Extra-",)

    @property
    def names(self) -> requestheaders.Names:
        return requestheaders.Names(
            username=self.username_headers,
            uid=self.uid_headers,
            group=self.group_headers,
            extra_prefix=self.extra_prefixes,
        )


def of_config_map(config_map: Object) -> Config:
    """Raises ValueError for what is no list where one should be."""
    data: Mapping[str, str] = config_map.get("data") or {}

    def listed(key: str) -> tuple[str, ...]:
        try:
            found = codec.decode_json(data.get(f"requestheader-{key}") or "[]")
        except codec.DecodeError as error:
            raise ValueError(f"requestheader-{key} is not JSON: {error}") from error
        if not isinstance(found, list) or not all(isinstance(each, str) for each in found):
            raise ValueError(f"requestheader-{key} is no list of strings")
        return tuple(found)

    return Config(
        client_ca=data.get(_CLIENT_CA, ""),
        proxy_ca=data.get(_PROXY_CA, ""),
        allowed_names=listed("allowed-names"),
        username_headers=listed("username-headers"),
        uid_headers=listed("uid-headers"),
        group_headers=listed("group-headers"),
        extra_prefixes=listed("extra-headers-prefix"),
    )


class Authorities:
    """Which of two sets of authorities has signed a certificate that TLS has verified against
    both together.

    The issuer's name tells, so one name must not stand for different keys in the two sets: then
    whoever gets certificates of one could pass for a client of the other. Raises ValueError for
    such, and ssl.SSLError for what is no PEM. Certificates must be signed by an authority itself.
    """

    def __init__(self, config: Config) -> None:
        clients, proxies = _subjects(config.client_ca), _subjects(config.proxy_ca)
        for name, keys in proxies.items():
            if clients.get(name, keys) != keys:
                common = "".join(names(name, "commonName"))
                raise ValueError(f"two authorities are called {common!r}: clients' and proxies'")
        self._clients, self._proxies = clients, proxies

    def signed_client(self, certificate: Certificate) -> bool:
        return certificate.get("issuer") in self._clients

    def signed_proxy(self, certificate: Certificate) -> bool:
        return certificate.get("issuer") in self._proxies


def _subjects(authorities: str) -> dict[Any, set[bytes]]:
    """Certificates by their subject."""
    if not authorities:
        return {}
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_verify_locations(cadata=authorities)
    found: dict[Any, set[bytes]] = {}
    read, encoded = context.get_ca_certs(), context.get_ca_certs(binary_form=True)
    for certificate, der in zip(read, encoded, strict=True):
        found.setdefault(certificate["subject"], set()).add(der)
    return found


def user_of(headers: Headers, certificate: Certificate, config: Config) -> User | None:
    """Whom the holder of a certificate, which a proxy's authority has signed, speaks for; None if
    it may not, or names nobody."""
    if config.allowed_names:
        common = names(certificate.get("subject"), "commonName")
        if not common or common[-1] not in config.allowed_names:
            return None
    found = requestheaders.identity([*headers.items()], config.names)
    if found is None:
        return None
    known = (AUTHENTICATED,) if AUTHENTICATED not in found.groups else ()
    return User(found.name, found.groups + known, found.uid, tuple(sorted(found.extra.items())))
