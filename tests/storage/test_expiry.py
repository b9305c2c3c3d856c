# SPDX-License-Identifier: Apache-2.0
"""History that is gone: compacted lists, continue tokens and watches, leases, compaction turns."""

from __future__ import annotations

import pytest

from pyk8s.storage import errors
from pyk8s.storage.etcd import compactor, messages
from pyk8s.storage.etcd.leases import Leases

EXPIRED = "The resourceVersion for the provided list is too old."


async def compact(near_pods):
    """Compact everything before now, as another API server would; its revision."""
    keyspace = near_pods.backend._keyspace
    turns = compactor.Compactor(keyspace, 0)
    for _ in range(3):
        await turns.compact_once()
    return await keyspace.revision()


async def test_an_exact_list_of_a_compacted_revision_expires(pods, near_pods):
    """Exact and legacy exact lists before the compaction raise ResourceExpired."""
    before = await pods.create("a")
    await pods.create("b")
    await compact(near_pods)
    await pods.settle()
    version = str(before.revision)
    for options in ({"resource_version_match": "Exact"}, {"limit": 1}):
        with pytest.raises(errors.ResourceExpired) as caught:
            await pods.list(resource_version=version, **options)
        assert str(caught.value) == EXPIRED
        assert caught.value.continue_token == ""


@pytest.mark.parametrize("changes", [True, False], ids=["changed", "unchanged"])
async def test_compaction_during_continue(pods, near_pods, changes):
    """A token whose revision is compacted expires, whether or not anything changed, and offers
    another one with which the rest can be had as it is now."""
    for n in range(4):
        await pods.create(f"p{n}")
    page = await pods.list(limit=2)
    if changes:
        await pods.delete("p2")
        await pods.create("p5")
    await compact(near_pods)
    await pods.settle()
    with pytest.raises(errors.ResourceExpired) as caught:
        await pods.list(limit=1, continue_token=page.continue_token)
    assert str(caught.value).startswith("The provided continue parameter is too old to display")
    inconsistent = caught.value.continue_token
    rest = await pods.list(limit=1, continue_token=inconsistent)
    assert pods.names(rest.items) == (["p3"] if changes else ["p2"])
    assert rest.revision > page.revision
    last = await pods.list(continue_token=rest.continue_token)
    assert pods.names(last.items) == (["p5"] if changes else ["p3"])


async def test_a_watch_of_compacted_history_expires_on_bare_etcd(near_pods):
    """Without a cache the watch ends with ResourceExpired at its first batch."""
    first = await near_pods.create("a")
    await near_pods.create("b")
    await compact(near_pods)
    watch = await near_pods.watch(version=str(first.revision))
    with pytest.raises(errors.ResourceExpired, match="too old resource version"):
        await watch.watcher.next_batch()
    watch.close()


async def test_a_watch_goes_on_over_a_compaction(cached_pods, near_pods):
    """What the cache has seen it can tell, compacted or not."""
    first = await cached_pods.create("a")
    await cached_pods.create("b")
    await compact(near_pods)
    await cached_pods.settle()
    watch = await cached_pods.watch(version=str(first.revision))
    assert await watch.seen(1) == [("ADDED", "b")]
    watch.close()


async def test_compactors_take_turns(near_pods):
    """Of two compactors one moves the clock; who lost knows the time from then on."""
    keyspace = near_pods.backend._keyspace
    one, two = compactor.Compactor(keyspace, 0), compactor.Compactor(keyspace, 0)
    await one.compact_once()
    await two.compact_once()
    seen_by_two = two._revision
    written = await near_pods.create("a")
    assert await two.compact_once() == seen_by_two
    assert await one.compact_once() == 0
    assert await one.compact_once() > written.revision


async def test_events_share_a_lease(near_pods):
    """Objects of one TTL written close together hang on one lease; without a TTL on none."""
    leases = Leases(near_pods.backend._keyspace)
    first = await leases.lease_for(3600)
    assert await leases.lease_for(3600) == first
    assert await leases.lease_for(60) != first
    assert await leases.lease_for(None) == 0


async def test_a_lease_that_was_revoked_is_replaced(pods, etcd_options):
    """A put on a lease that is gone is tried again on a new one."""
    events = type(pods)(pods.backend, f"{etcd_options.prefix}/events", ttl_seconds=600)
    await events.create("a")
    writer = events.storage._writer
    lease = await writer._leases.lease_for(600)
    client = writer._keyspace._client
    await client.write(messages.LEASE_REVOKE, messages.LeaseRevokeRequest(ID=lease))
    item = await events.create("b")
    assert (await events.get("b")).revision == item.revision
    with pytest.raises(errors.KeyNotFound):
        await events.get("a")
