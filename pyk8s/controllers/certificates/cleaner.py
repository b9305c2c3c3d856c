# SPDX-License-Identifier: Apache-2.0
"""Deletes requests that nobody needs any more, once an hour. Times and order are those of
upstream's `controller/certificates/cleaner`.
"""

from __future__ import annotations

import base64
import time
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta

from cryptography import x509

from pyk8s.apimachinery import meta, times
from pyk8s.apimachinery.gvk import Object
from pyk8s.client import resources
from pyk8s.client.store import Key
from pyk8s.controllers.certificates import requests
from pyk8s.controllers.controller import Context, Controller, Task, every

_INTERVAL_SECONDS = 3600.0
# After a decision or a failure; and without any, or with an approval that nobody acts upon.
_DONE = timedelta(hours=1)
_PENDING = timedelta(hours=24)


class RequestCleaner(Controller[Key]):
    name = "certificatesigningrequest-cleaner-controller"
    workers = 1

    def __init__(self, context: Context, now: Callable[[], float] = time.time) -> None:
        super().__init__(context)
        self._now = now
        self._requests = self.informer(resources.CERTIFICATE_SIGNING_REQUESTS)

    def tasks(self) -> Iterable[Task]:
        return (every(_INTERVAL_SECONDS, self.look),)

    def look(self) -> None:
        """At all of them, one by one."""
        for request in self._requests.indexer.list():
            self.queue.add(meta.namespaced_name(request))

    async def reconcile(self, key: Key) -> None:
        request = self._requests.indexer.get(key)
        now = datetime.fromtimestamp(self._now(), UTC)
        if request is not None and is_over(request, now):
            await self.client.delete(resources.CERTIFICATE_SIGNING_REQUESTS, meta.name(request))


def is_over(request: Object, now: datetime) -> bool:
    conditions = requests.conditions(request)
    if not conditions:
        return _is_older(request["metadata"].get("creationTimestamp"), _PENDING, now)
    issued = requests.certificate(request)
    return any(_ends(condition, issued, now) for condition in conditions)


def _ends(condition: Object, issued: str, now: datetime) -> bool:
    kind, moment = condition.get("type"), condition.get("lastUpdateTime")
    if kind in (requests.DENIED, requests.FAILED):
        return _is_older(moment, _DONE, now)
    if kind != requests.APPROVED:
        return False
    if not issued:
        return _is_older(moment, _PENDING, now)
    return _is_older(moment, _DONE, now) or _is_expired(issued, now)


def _is_older(moment: str | None, age: timedelta, now: datetime) -> bool:
    return moment is not None and times.parse(moment) < now - age


def _is_expired(issued: str, now: datetime) -> bool:
    """Of a chain the first counts. The API server lets nothing else than certificates pass."""
    certificate = x509.load_pem_x509_certificates(base64.b64decode(issued))[0]
    return certificate.not_valid_after_utc < now
