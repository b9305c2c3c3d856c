# SPDX-License-Identifier: Apache-2.0
"""Which resources a quota limits the number of, and how they are served."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from pyk8s.apimachinery.gvk import GroupResource, GroupVersionResource
from pyk8s.client import discovery
from pyk8s.client.client import Client
from pyk8s.componenthelpers import quota as rules

_PREFIX = "count/"
_NEEDED_VERBS = frozenset(("create", "list", "watch", "delete"))
# What is served changes seldom; and a quota may name what never is.
_REFRESH_SECONDS = 30.0


def counted_by(names: Iterable[str]) -> set[GroupResource]:
    """The resources whose number these names limit, as `count/deployments.apps` does, or
    `secrets`."""
    found = set()
    for name in names:
        if name.startswith(_PREFIX):
            resource, _, group = name.removeprefix(_PREFIX).partition(".")
            found.add(GroupResource(group, resource))
        elif name in rules.ALIASED:
            found.add(GroupResource("", name))
    return found


class CountedResources:
    """What discovery says of them, remembered."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._served: dict[GroupResource, GroupVersionResource] = {}
        self._refreshed_at: float | None = None
        self._refreshing = asyncio.Lock()

    async def find(self, resource: GroupResource) -> GroupVersionResource | None:
        """None for what is not served, or lives in no namespace, or is never limited. Raises
        StatusError and ServerUnreachable."""
        async with self._refreshing:
            if resource not in self._served and self._is_old():
                await self._refresh()
        return self._served.get(resource)

    def _is_old(self) -> bool:
        now = asyncio.get_running_loop().time()
        return self._refreshed_at is None or now - self._refreshed_at >= _REFRESH_SECONDS

    async def _refresh(self) -> None:
        served = await discovery.preferred_resources(self._client)
        self._served = {
            each.gvr.group_resource: each.gvr
            for each in served.resources
            if each.namespaced
            and each.verbs >= _NEEDED_VERBS
            and each.gvr.group_resource not in rules.IGNORED
        }
        self._refreshed_at = asyncio.get_running_loop().time()
