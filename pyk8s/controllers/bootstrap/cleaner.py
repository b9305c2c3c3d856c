# SPDX-License-Identifier: Apache-2.0
"""Deletes bootstrap tokens that have expired. Mirrors upstream's `tokencleaner.go`."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from datetime import UTC, datetime

from pyk8s.apimachinery import errors, meta
from pyk8s.apimachinery.gvk import Object
from pyk8s.client import informer, resources
from pyk8s.client.client import DeleteOptions
from pyk8s.client.store import Key
from pyk8s.componenthelpers import bootstraptokens
from pyk8s.controllers.bootstrap.tokens import token_secrets
from pyk8s.controllers.controller import Context, Controller, Task


class TokenCleaner(Controller[Key]):
    name = "token-cleaner-controller"
    workers = 1

    def __init__(self, context: Context, now: Callable[[], float] = time.time) -> None:
        super().__init__(context)
        self._now = now
        self._secrets = token_secrets(context, self.name)
        self._secrets.add_event_handler(informer.on_any_change(self._changed))

    def tasks(self) -> Iterable[Task]:
        return (self._secrets.run,)

    def _changed(self, secret: Object) -> None:
        self.queue.add(meta.namespaced_name(secret))

    async def reconcile(self, key: Key) -> None:
        await self._secrets.wait_until_synced()
        secret = self._secrets.indexer.get(key)
        if secret is None:
            return
        left = bootstraptokens.seconds_left(secret, datetime.fromtimestamp(self._now(), UTC))
        if left is None:
            return
        if left > 0:
            self.queue.add_after(key, left)
            return
        try:
            options = DeleteOptions(uid=meta.uid(secret))
            await self.client.delete(resources.SECRETS, key[1], key[0], options)
        except errors.StatusError as error:
            if error.reason not in (errors.NOT_FOUND, errors.CONFLICT):
                raise
