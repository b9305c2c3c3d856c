# SPDX-License-Identifier: Apache-2.0
"""Takes away tokens in Secrets that were once made for accounts by themselves and that nobody
has used for long: first they are marked as invalid, as long again later they are deleted.

Once a day all of them are looked at. Those that a user made, which no account lists, stay. Mirrors
upstream's `legacy_serviceaccount_token_cleaner.go`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from pyk8s.apimachinery import errors, meta, times
from pyk8s.apimachinery.gvk import Object
from pyk8s.client import resources
from pyk8s.client.client import DeleteOptions, ListOptions, Patch
from pyk8s.componenthelpers import podsecrets, tokensigning
from pyk8s.controllers.controller import Context, Controller, Task, every

_INTERVAL_SECONDS = 24 * 60 * 60.0
# The one key: all tokens are looked at together.
_ALL = ""
_TOKENS = ListOptions(field_selector=f"type={tokensigning.SECRET_TYPE}")


class Verdict(NamedTuple):
    """What becomes of a Secret."""

    marks: bool = False
    deletes: bool = False


_STAYS = Verdict()


class LegacyTokenCleaner(Controller[str]):
    name = "legacy-serviceaccount-token-cleaner-controller"
    workers = 1

    def __init__(self, context: Context, now: Callable[[], float] = time.time) -> None:
        super().__init__(context)
        self._now = now
        self._accounts = self.informer(resources.SERVICE_ACCOUNTS)

    def tasks(self) -> Iterable[Task]:
        return (every(_INTERVAL_SECONDS, lambda: self.queue.add(_ALL)),)

    async def reconcile(self, key: str) -> None:
        await self.look()

    async def look(self) -> None:
        """At all of them. Raises StatusError."""
        now = datetime.fromtimestamp(self._now(), UTC)
        unused_for = timedelta(
            seconds=self.context.options.legacy_service_account_token_clean_up_period
        )
        since = await self._tracked_since()
        if since is None or now < since + unused_for:
            return
        mounted: dict[str, frozenset[str]] = {}
        listed = await self.client.list(resources.SECRETS, "", _TOKENS)
        for secret in listed.get("items") or ():
            namespace = meta.namespace(secret)
            verdict = judge(
                secret, self._accounts.lister.get(account_of(secret), namespace), now, unused_for
            )
            if verdict == _STAYS:
                continue
            if namespace not in mounted:
                mounted[namespace] = await self._mounted(namespace)
            if meta.name(secret) not in mounted[namespace]:
                await self._do(secret, verdict, now)

    async def _tracked_since(self) -> datetime | None:
        """The end of the day on which the API server began to write down their use."""
        try:
            found = await self.client.get(
                resources.CONFIGMAPS, tokensigning.TRACKING_CONFIG_MAP, "kube-system"
            )
        except errors.StatusError as error:
            if error.reason != errors.NOT_FOUND:
                raise
            return None
        since = parsed_day((found.get("data") or {}).get(tokensigning.TRACKING_SINCE, ""))
        return since and since + timedelta(days=1)

    async def _mounted(self, namespace: str) -> frozenset[str]:
        """The names of the Secrets that pods use."""
        listed = await self.client.list(resources.PODS, namespace)
        pods = listed.get("items") or ()
        return frozenset(name for pod in pods for name in podsecrets.names(pod["spec"]))

    async def _do(self, secret: Object, verdict: Verdict, now: datetime) -> None:
        where = meta.namespaced_name(secret)
        try:
            if verdict.marks:
                labels = {tokensigning.INVALID_SINCE: now.strftime(tokensigning.DATE_FORMAT)}
                content = {"metadata": {"uid": meta.uid(secret), "labels": labels}}
                await self.client.patch(resources.SECRETS, where, Patch(content=content))
            else:
                seen = DeleteOptions(resource_version=meta.resource_version(secret))
                await self.client.delete(resources.SECRETS, where[1], where[0], seen)
        except errors.StatusError as error:
            if error.reason not in (errors.NOT_FOUND, errors.CONFLICT):
                raise


def account_of(secret: Object) -> str:
    return meta.annotations(secret).get(tokensigning.ACCOUNT_NAME, "")


def parsed_day(text: str) -> datetime | None:
    try:
        return datetime.strptime(text, tokensigning.DATE_FORMAT).replace(tzinfo=UTC)
    except ValueError:
        return None


def judge(secret: Object, account: Object | None, now: datetime, unused_for: timedelta) -> Verdict:
    """`account` is the one of the Secret's namespace that has the name the Secret gives."""
    edge = now - unused_for
    edge_day = edge.strftime(tokensigning.DATE_FORMAT)
    if times.parse(secret["metadata"]["creationTimestamp"]) >= edge:
        return _STAYS
    if meta.is_being_deleted(secret):
        return _STAYS
    labels = meta.labels(secret)
    last_used = labels.get(tokensigning.LAST_USED)
    if last_used is not None and (parsed_day(last_used) is None or last_used >= edge_day):
        return _STAYS
    if not _is_made_for(account, secret):
        return _STAYS
    invalid_since = labels.get(tokensigning.INVALID_SINCE, "")
    if parsed_day(invalid_since) is None:
        return Verdict(marks=True)
    return _STAYS if invalid_since >= edge_day else Verdict(deletes=True)


def _is_made_for(account: Object | None, secret: Object) -> bool:
    uid = meta.annotations(secret).get(tokensigning.ACCOUNT_UID, "")
    if account is None or (uid and uid != meta.uid(account)):
        return False
    return any(each.get("name") == meta.name(secret) for each in account.get("secrets") or ())
