# SPDX-License-Identifier: Apache-2.0
"""Ranges read in pages, all of them at the revision of the first.

Mirrors apiserver's `etcd3/store.go`, `GetList`: with a selector and a limit, ever larger pages
are read until enough objects match; what remains is counted only where nothing is selected.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import NamedTuple

from pyk8s.storage import errors, paging
from pyk8s.storage.etcd import client
from pyk8s.storage.etcd.keyspace import Keyspace, KeyValue, end_of
from pyk8s.storage.etcd.writes import item_of
from pyk8s.storage.interface import Item, ListResult, Predicate, ResourceConfig

PAGE_KEYS_MAX = 10_000


class Page(NamedTuple):
    """The next objects under a prefix; `at` is the revision that all pages are read at."""

    key_values: Sequence[KeyValue]
    at: int


async def pages(
    keyspace: Keyspace, prefix: str, *, page_keys: int, revision: int = 0
) -> AsyncIterator[Page]:
    """Everything under a prefix, one page at the least; as of now where `revision` is 0. Raises
    ResourceExpired when a compaction overtakes the reading, and client.FutureRevision."""
    start, end, more = prefix, end_of(prefix), True
    while more:
        page = await keyspace.range(start, end, limit=page_keys, revision=revision)
        revision = revision or page.revision
        more = page.more
        yield Page(page.key_values, revision)
        if more:
            start = paging.after(page.key_values[-1].key)


async def read(
    keyspace: Keyspace, config: ResourceConfig, plan: paging.ListPlan, predicate: Predicate
) -> ListResult:
    """One list or one page of it, straight from etcd. Raises ResourceExpired, TooLargeRevision
    and Corrupt."""
    items: list[Item] = []
    start, revision = plan.start, plan.exact
    limit = plan.limit
    while True:
        try:
            page = await keyspace.range(start, end_of(plan.prefix), limit=limit, revision=revision)
        except errors.ResourceExpired as error:
            raise paging.expired(plan) from error
        except client.FutureRevision as error:
            raise errors.TooLargeRevision(plan.exact, await keyspace.revision()) from error
        if plan.at_least is not None and page.revision < plan.at_least:
            raise errors.TooLargeRevision(plan.at_least, page.revision)
        revision = revision or page.revision
        last = _take(items, page.key_values, config, predicate, plan.limit)
        more = page.more or last < len(page.key_values)
        if not more or (plan.limit and len(items) >= plan.limit):
            break
        start = paging.after(page.key_values[-1].key)
        # Most of the page did not match: fewer, larger round trips for the rest.
        limit = min(limit * 2, PAGE_KEYS_MAX) if limit else 0
    if not more:
        return ListResult(items=items, revision=revision)
    token = paging.encode_continue(
        paging.after(page.key_values[last - 1].key), plan.prefix, revision
    )
    remaining = page.total - plan.limit if predicate.is_everything else None
    return ListResult(items=items, revision=revision, continue_token=token, remaining=remaining)


def _take(
    items: list[Item],
    key_values: Sequence[KeyValue],
    config: ResourceConfig,
    predicate: Predicate,
    limit: int,
) -> int:
    """Append what matches until the list is full; says how many keys were looked at."""
    for position, kv in enumerate(key_values):
        if limit and len(items) >= limit:
            return position
        item = item_of(kv)
        assert item is not None, "a key that was read has a value"
        if predicate.matches(item, config):
            items.append(item)
    return len(key_values)
