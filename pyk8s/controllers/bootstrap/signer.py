# SPDX-License-Identifier: Apache-2.0
"""Signs the kubeconfig in ConfigMap kube-public/cluster-info with every token that may sign.

Mirrors upstream's `bootstrapsigner.go`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime

from pyk8s.apimachinery import meta
from pyk8s.apimachinery.gvk import Object
from pyk8s.client import informer, reflector, resources
from pyk8s.client.store import Key
from pyk8s.componenthelpers import bootstraptokens
from pyk8s.controllers.bootstrap.tokens import token_secrets
from pyk8s.controllers.controller import Context, Controller, Task

NAMESPACE = "kube-public"
CLUSTER_INFO = "cluster-info"
KUBECONFIG = "kubeconfig"
SIGNATURE_PREFIX = "jws-kubeconfig-"

_KEY: Key = (NAMESPACE, CLUSTER_INFO)


class BootstrapSigner(Controller[Key]):
    name = "bootstrap-signer-controller"
    workers = 1

    def __init__(self, context: Context, now: Callable[[], float] = time.time) -> None:
        super().__init__(context)
        self._now = now
        self._secrets = token_secrets(context, self.name)
        self._secrets.add_event_handler(informer.on_any_change(lambda _: self.queue.add(_KEY)))
        source = reflector.ResourceListWatcher(
            client=context.client,
            resource=resources.CONFIGMAPS,
            namespace=NAMESPACE,
            field_selector=f"metadata.name={CLUSTER_INFO}",
        )
        self._config_maps = informer.SharedInformer(source, name=CLUSTER_INFO)
        self._config_maps.add_event_handler(informer.on_any_change(lambda _: self.queue.add(_KEY)))

    def tasks(self) -> Iterable[Task]:
        return (self._secrets.run, self._config_maps.run)

    async def reconcile(self, key: Key) -> None:
        await self._secrets.wait_until_synced()
        await self._config_maps.wait_until_synced()
        config_map = self._config_maps.indexer.get(key)
        if config_map is None:
            return
        now = datetime.fromtimestamp(self._now(), UTC)
        signed = sign(config_map, tokens_of(self._secrets.indexer.list(), now))
        if signed is not None:
            await self.client.update(resources.CONFIGMAPS, signed)


def tokens_of(secrets: Iterable[Object], now: datetime) -> dict[str, str]:
    """The secret part of each that may sign, by id."""
    ordered = sorted(secrets, key=meta.name)
    found = (bootstraptokens.for_signing(secret, now) for secret in ordered)
    return dict(pair for pair in found if pair is not None)


def sign(config_map: Object, tokens: Mapping[str, str]) -> Object | None:
    """The ConfigMap with the signatures of these tokens and no other; None if it has them."""
    data = config_map.get("data") or {}
    content = data.get(KUBECONFIG)
    if content is None:
        return None
    kept = {key: text for key, text in data.items() if not key.startswith(SIGNATURE_PREFIX)}
    signatures = {
        SIGNATURE_PREFIX + token_id: bootstraptokens.detached_signature(content, token_id, secret)
        for token_id, secret in tokens.items()
    }
    wanted = {**kept, **signatures}
    return None if wanted == data else {**config_map, "data": wanted}
