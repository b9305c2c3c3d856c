# SPDX-License-Identifier: Apache-2.0
"""Who may come in, put together from the flags: front proxies, client certificates, static
tokens, tokens of ServiceAccounts, those in Secrets among them, bootstrap tokens; and the key that
signs those of ServiceAccounts.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pyk8s.apimachinery import errors, meta
from pyk8s.apimachinery.gvk import Object
from pyk8s.auth import (
    authenticator,
    bootstraptoken,
    legacytoken,
    requestheader,
    serviceaccount,
    tokenfile,
    user,
    x509,
)
from pyk8s.componenthelpers import tokensigning
from pyk8s.registry.context import RequestContext
from pyk8s.registry.store import Store
from pyk8s.server.options import APIServerOptions

_API_SERVER = user.UserInfo("system:apiserver", groups=(user.SYSTEM_MASTERS,))


@dataclass(frozen=True, slots=True, kw_only=True)
class Authentication:
    """`issuer` is None where the server was given no key to sign with, `keys` are those of
    --service-account-key-file."""

    union: authenticator.Authenticator
    tokens: authenticator.Tokens
    issuer: tokensigning.Issuer | None
    keys: tuple[tokensigning.VerifyingKey, ...]


def authorities(path: str) -> frozenset[bytes]:
    """The certificates in a file, DER. Raises BundleError."""
    try:
        pem = Path(path).read_bytes()
    except OSError as error:
        raise requestheader.BundleError(f"cannot read {path}: {error.strerror}") from error
    return requestheader.authorities(pem, path)


def build(options: APIServerOptions, stores: Mapping[str, Store]) -> Authentication:
    """Raises TokenFileError, KeyFileError and BundleError."""
    audiences = (options.service_account_issuer,)
    issuer, keys = _service_account_keys(options)
    known: list[authenticator.AudienceAuthenticator] = []
    if options.token_auth_file:
        static = tokenfile.load(options.token_auth_file)
        known.append(authenticator.ForAudiences(static, audiences))
    find = Finder(stores).find
    if keys:
        known.append(
            serviceaccount.Authenticator([options.service_account_issuer], keys, audiences, find)
        )
        mark_used = MarkUsed(stores["secrets"])
        known.append(legacytoken.Authenticator(keys, audiences, find, mark_used))
    if options.enable_bootstrap_token_auth:
        bootstrap = bootstraptoken.Authenticator(find)
        known.append(authenticator.ForAudiences(bootstrap, audiences))
    tokens = authenticator.Tokens(known, audiences)
    members: list[authenticator.Authenticator] = []
    proxies = options.requestheader_client_ca_file
    if proxies:
        vouching = authorities(proxies)
        members.append(requestheader.RequestHeader(vouching, options.request_headers))
    if options.client_ca_file:
        # With one authority TLS has checked it; of two, only one vouches for clients.
        members.append(x509.X509(authorities(options.client_ca_file) if proxies else None))
    members.append(authenticator.BearerToken([tokens]))
    return Authentication(
        union=authenticator.Union(members), tokens=tokens, issuer=issuer, keys=tuple(keys)
    )


def _service_account_keys(
    options: APIServerOptions,
) -> tuple[tokensigning.Issuer | None, list[tokensigning.VerifyingKey]]:
    keys = [
        key
        for path in options.service_account_key_files
        for key in serviceaccount.load_verifying_keys(path)
    ]
    path = options.service_account_signing_key_file
    if not path:
        return None, keys
    private = serviceaccount.load_signing_key(path)
    try:
        issuer = tokensigning.Issuer(options.service_account_issuer, private)
    except ValueError as error:
        raise serviceaccount.KeyFileError(f"cannot sign with the key in {path}: {error}") from error
    return issuer, keys or [tokensigning.verifying_key(private.public_key())]


class Finder:
    """What tokens are bound to, from the cache; etcd is asked only when the cache may be behind,
    which is when it does not know the very object a token names (of any uid, without one)."""

    def __init__(self, stores: Mapping[str, Store]) -> None:
        self._stores = {
            "serviceaccounts": stores["serviceaccounts"],
            "secrets": stores["secrets"],
            "pods": stores["pods"],
            "nodes": stores["minions"],
        }

    async def find(self, resource: str, namespace: str, name: str, uid: str) -> Object | None:
        found = await self._get(resource, namespace, name, "0")
        if found is None or (uid and found["metadata"].get("uid") != uid):
            found = await self._get(resource, namespace, name, "")
        return found

    async def _get(
        self, resource: str, namespace: str, name: str, resource_version: str
    ) -> Object | None:
        try:
            item = await self._stores[resource].get(namespace, name, resource_version)
        except errors.StatusError as error:
            if error.reason != errors.NOT_FOUND:
                raise
            return None
        return item.object()


class MarkUsed:
    """Writes onto the Secret that holds a token the day of its use."""

    def __init__(self, secrets: Store) -> None:
        self._secrets = secrets

    async def __call__(self, secret: Object, day: str) -> None:
        """Raises StatusError."""
        namespace, name = meta.namespaced_name(secret)

        def change(current: Object) -> None:
            if meta.uid(current) == meta.uid(secret):
                meta.mutable(current).setdefault("labels", {})[tokensigning.LAST_USED] = day

        await self._secrets.rewrite(
            RequestContext(user=_API_SERVER, namespace=namespace), name, change
        )
