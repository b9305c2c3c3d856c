# SPDX-License-Identifier: Apache-2.0
"""Tokens in Secrets: fills those that are made for an account, and deletes them with it.

A Secret of type kubernetes.io/service-account-token names its ServiceAccount in an annotation.
Mirrors upstream's `tokens_controller.go`.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization

from pyk8s.apimachinery import errors, meta
from pyk8s.apimachinery.gvk import Object
from pyk8s.client import informer, reflector, resources
from pyk8s.client.client import DeleteOptions
from pyk8s.componenthelpers import tokensigning
from pyk8s.controllers.controller import Context, Controller, Task
from pyk8s.controllers.options import Options

_BY_ACCOUNT = "account"


class Key(NamedTuple):
    """A Secret, and the account it is for; an empty uid of the account is any."""

    namespace: str
    name: str
    uid: str
    account: str
    account_uid: str


def key_of(secret: Object) -> Key:
    annotations = meta.annotations(secret)
    return Key(
        *meta.namespaced_name(secret),
        meta.uid(secret),
        annotations.get(tokensigning.ACCOUNT_NAME, ""),
        annotations.get(tokensigning.ACCOUNT_UID, ""),
    )


class TokenController(Controller[Key]):
    name = "serviceaccount-token-controller"

    def __init__(self, context: Context) -> None:
        """Raises OSError, and ValueError for a file that holds no key."""
        super().__init__(context)
        self._issuer = issuer(context.options)
        self._root_ca = base64.b64encode(root_ca(context.options)).decode()
        self._accounts = self.informer(resources.SERVICE_ACCOUNTS)
        self._accounts.add_event_handler(informer.on_any_change(self._account_changed))
        # Only these, of all the Secrets there may be.
        source = reflector.ResourceListWatcher(
            client=context.client,
            resource=resources.SECRETS,
            field_selector=f"type={tokensigning.SECRET_TYPE}",
        )
        self._secrets = informer.SharedInformer(
            source, name=self.name, indexes={_BY_ACCOUNT: _accounts_of}
        )
        self._secrets.add_event_handler(informer.on_any_change(self._secret_changed))

    @classmethod
    def is_wanted(cls, options: Options) -> bool:
        return bool(options.service_account_private_key_file)

    def tasks(self) -> Iterable[Task]:
        return (self._secrets.run,)

    def _secret_changed(self, secret: Object) -> None:
        self.queue.add(key_of(secret))

    def _account_changed(self, account: Object) -> None:
        where = "/".join(meta.namespaced_name(account))
        for secret in self._secrets.indexer.by_index(_BY_ACCOUNT, where):
            self.queue.add(key_of(secret))

    async def reconcile(self, key: Key) -> None:
        await self._secrets.wait_until_synced()
        secret = self._secrets.indexer.get((key.namespace, key.name))
        if secret is None or meta.uid(secret) != key.uid:
            await self._remove_reference(key)
            return
        account = self._known_account(key) or await self._live_account(key)
        if account is None:
            await self._delete(key)
        elif (filled := fill(secret, account, self._root_ca, self._sign)) is not None:
            await self.client.update(resources.SECRETS, filled)

    def _sign(self, account: Object, secret: Object) -> str:
        return self._issuer.sign(tokensigning.legacy_claims(account, secret))

    def _known_account(self, key: Key) -> Object | None:
        return _matching(self._accounts.lister.get(key.account, key.namespace), key)

    async def _live_account(self, key: Key) -> Object | None:
        """What informers tell may be late, and a token must not go for that."""
        if not key.account:
            return None
        try:
            found = await self.client.get(resources.SERVICE_ACCOUNTS, key.account, key.namespace)
        except errors.StatusError as error:
            if error.reason != errors.NOT_FOUND:
                raise
            return None
        return _matching(found, key)

    async def _delete(self, key: Key) -> None:
        try:
            await self.client.delete(
                resources.SECRETS, key.name, key.namespace, DeleteOptions(uid=key.uid)
            )
        except errors.StatusError as error:
            if error.reason not in (errors.NOT_FOUND, errors.CONFLICT):
                raise

    async def _remove_reference(self, key: Key) -> None:
        """Of a Secret that is gone, from the account's list."""
        if self._known_account(key) is None:
            return
        account = await self._live_account(key)
        listed = (account or {}).get("secrets") or ()
        kept = [each for each in listed if each.get("name") != key.name]
        if account is not None and len(kept) < len(listed):
            await self.client.update(resources.SERVICE_ACCOUNTS, {**account, "secrets": kept})


def _accounts_of(secret: Object) -> list[str]:
    key = key_of(secret)
    return [f"{key.namespace}/{key.account}"]


def _matching(account: Object | None, key: Key) -> Object | None:
    if account is None or (key.account_uid and meta.uid(account) != key.account_uid):
        return None
    return account


def fill(
    secret: Object, account: Object, root_ca: str, sign: Callable[[Object, Object], str]
) -> Object | None:
    """The Secret with what it lacks of token, CA and namespace; None if that is nothing."""
    data = secret.get("data") or {}
    added: dict[str, str] = {}
    if root_ca and data.get(tokensigning.ROOT_CA_KEY) != root_ca:
        added[tokensigning.ROOT_CA_KEY] = root_ca
    if not data.get(tokensigning.NAMESPACE_KEY):
        added[tokensigning.NAMESPACE_KEY] = _encoded(meta.namespace(secret))
    if not data.get(tokensigning.TOKEN_KEY):
        added[tokensigning.TOKEN_KEY] = _encoded(sign(account, secret))
    if not added:
        return None
    annotations = {
        **meta.annotations(secret),
        tokensigning.ACCOUNT_NAME: meta.name(account),
        tokensigning.ACCOUNT_UID: meta.uid(account),
    }
    metadata = {**secret["metadata"], "annotations": annotations}
    return {**secret, "metadata": metadata, "data": {**data, **added}}


def _encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


# --- files


def issuer(options: Options) -> tokensigning.Issuer:
    """Of --service-account-private-key-file. Raises OSError, and ValueError for what is no key."""
    path = options.service_account_private_key_file
    data = Path(path).read_bytes()
    try:
        key = serialization.load_pem_private_key(data, None)
        if isinstance(key, tokensigning.PrivateKey):
            return tokensigning.Issuer(tokensigning.LEGACY_ISSUER, key)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise ValueError(f"cannot sign tokens with the key in {path}: {error}") from error
    raise ValueError(f"the key in {path} is neither RSA nor ECDSA")


def root_ca(options: Options) -> bytes:
    """Of --root-ca-file; empty without one. Raises OSError."""
    return Path(options.root_ca_file).read_bytes() if options.root_ca_file else b""
