# SPDX-License-Identifier: Apache-2.0
"""The resourcequota controller. Mirrors upstream's `controller/resourcequota`.

An object that was charged a moment ago may not be stored yet, or not seen here: what is counted
then is too little, and writing it down would let others take what is taken. So for a moment
after a charge used amounts only rise here, which upstream does not see to. A charge whose object
never came is found by counting once more a little later.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from pyk8s.apimachinery import meta
from pyk8s.apimachinery.gvk import GroupResource, Object
from pyk8s.client import informer, resources
from pyk8s.client.informer import Handler, SharedInformer
from pyk8s.client.store import NAMESPACE_INDEX, Key, by_namespace
from pyk8s.componenthelpers import quota as rules
from pyk8s.componenthelpers.quota import Evaluator, Usage
from pyk8s.controllers.controller import Context, Controller
from pyk8s.controllers.resourcequota.counted import CountedResources, counted_by

RESYNC_SECONDS = 300.0

# How long after a charge what it is for may be on its way still.
SETTLE_SECONDS = 0.5
# When a charge is looked at again, should nothing have come of it.
_VERIFY_SECONDS = 5.0
# Deletions come in swarms; one count does for all of them.
_GATHER_SECONDS = 0.02
# When a limited resource is looked for again that is not served.
_UNSERVED_SECONDS = 30.0

# Of these more than the number is limited; updates may give something back.
_WHOLE = (resources.PODS, resources.SERVICES, resources.PERSISTENT_VOLUME_CLAIMS)
_FREED_BY_UPDATES = frozenset(resource.group_resource for resource in _WHOLE)


class ResourceQuotaController(Controller[Key]):
    name = "resourcequota-controller"

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.objects = self.informer(resources.RESOURCE_QUOTAS)
        self.objects.add_event_handler(
            Handler(
                on_add=lambda quota, _: self.queue.add(meta.namespaced_name(quota)),
                on_update=self._quota_updated,
                on_delete=self._quota_deleted,
                resync_seconds=RESYNC_SECONDS,
            )
        )
        self.objects.indexer.add_index(NAMESPACE_INDEX, by_namespace)
        self._charged_at: dict[Key, float] = {}
        self._written: dict[Key, str] = {}
        self._informers_of: dict[GroupResource, SharedInformer] = {}
        self._evaluators: dict[GroupResource, Evaluator] = {}
        self._counted = CountedResources(context.client)
        for resource in _WHOLE:
            self._follow(resource.group_resource, self.informer(resource))
        self._follow(resources.RESOURCE_QUOTAS.group_resource, self.objects)

    def _quota_updated(self, before: Object, quota: Object) -> None:
        key = meta.namespaced_name(quota)
        resynced = before is quota
        if resynced or before.get("spec") != quota.get("spec"):
            self.queue.add(key)
        elif meta.resource_version(quota) != self._written.get(key):
            self._charged_at[key] = asyncio.get_running_loop().time()
            self.queue.add_after(key, _VERIFY_SECONDS)

    def _quota_deleted(self, deleted: informer.Deleted) -> None:
        key = meta.namespaced_name(informer.last_known(deleted))
        self._charged_at.pop(key, None)
        self._written.pop(key, None)

    def subject(self, key: Key) -> Object | None:
        return self.objects.indexer.get(key)

    # --- what is counted

    def _follow(self, resource: GroupResource, shared: SharedInformer) -> None:
        shared.indexer.add_index(NAMESPACE_INDEX, by_namespace)
        evaluator = rules.evaluator_of(resource)
        self._informers_of[resource] = shared
        self._evaluators[resource] = evaluator

        def updated(before: Object, obj: Object) -> None:
            if self._is_limited(obj) and evaluator.is_freed_by(obj, before):
                self._enqueue_quotas_of(obj)

        shared.add_event_handler(
            Handler(
                on_update=updated if resource in _FREED_BY_UPDATES else None,
                on_delete=lambda deleted: self._enqueue_quotas_of(informer.last_known(deleted)),
            )
        )

    def _is_limited(self, obj: Object) -> bool:
        return bool(self.objects.indexer.index_keys(NAMESPACE_INDEX, meta.namespace(obj)))

    def _enqueue_quotas_of(self, obj: Object) -> None:
        for key in self.objects.indexer.index_keys(NAMESPACE_INDEX, meta.namespace(obj)):
            self.queue.add_after(key, _GATHER_SECONDS)

    async def _follow_limited(self, key: Key, names: Iterable[str]) -> None:
        """Informers of everything that these names limit. Raises StatusError."""
        wanted = counted_by(names) - self._informers_of.keys()
        for resource in wanted:
            served = await self._counted.find(resource)
            if served is None:
                self.queue.add_after(key, _UNSERVED_SECONDS)
            elif resource not in self._informers_of:
                shared = self.context.informers.of(served, metadata_only=True)
                self._follow(resource, shared)
        limited = counted_by(names) & self._informers_of.keys()
        await informer.wait_until_synced([self._informers_of[each] for each in limited])

    # --- counting

    async def reconcile(self, key: Key) -> None:
        quota = self.objects.indexer.get(key)
        if quota is None:
            return
        await self._follow_limited(key, (quota.get("spec") or {}).get("hard") or {})
        quota = self.objects.indexer.get(key)
        if quota is None:
            return
        spec, status = quota.get("spec") or {}, quota.get("status") or {}
        hard = rules.of_list(spec.get("hard"))
        before = rules.of_list(status.get("used"))
        used = rules.mask({**before, **self._count(quota)}, hard)
        used = self._not_less_while_unsettled(key, used, before)
        if (
            status.get("hard") is not None
            and status.get("used") is not None
            and rules.of_list(status["hard"]) == hard
            and before == used
        ):
            return
        wanted = {"hard": rules.to_list(hard), "used": rules.to_list(used)}
        written = await self.client.update_status(
            resources.RESOURCE_QUOTAS, {**quota, "status": wanted}
        )
        self._written[key] = meta.resource_version(written)

    def _count(self, quota: Object) -> Usage:
        spec = quota.get("spec") or {}
        used: Usage = {}
        for resource, evaluator in self._evaluators.items():
            if evaluator.matching(spec.get("hard") or {}):
                objects = self._informers_of[resource].indexer
                inside = objects.by_index(NAMESPACE_INDEX, meta.namespace(quota))
                used.update(rules.total(evaluator, spec, inside))
        return used

    def _not_less_while_unsettled(self, key: Key, used: Usage, before: Usage) -> Usage:
        now = asyncio.get_running_loop().time()
        left = self._charged_at.get(key, now - SETTLE_SECONDS) + SETTLE_SECONDS - now
        less = [name for name, amount in used.items() if name in before and amount < before[name]]
        if left <= 0 or not less:
            return used
        self.queue.add_after(key, left)
        return {**used, **rules.mask(before, less)}
