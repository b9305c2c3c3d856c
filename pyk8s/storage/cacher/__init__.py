# SPDX-License-Identifier: Apache-2.0
"""The watch cache: reads and watches answered from memory, writes passed on to etcd.

    etcd, one watch over all keys -> Feed -> WatchCache of the resource -> Channel -> watchers
                                      |            |
                                  Progress      Contents, History
                                      |
    readers -> Freshness (one shared probe of etcd's revision), then Contents

    feed         follows etcd and routes changes; starts over where history is lost
    progress     up to which revision everything is here; freshness: up to which it must be
    watch_cache  the state of one resource: contents (objects, indexes), history (recent changes)
    channels     watchers that ask the same, served together; watcher: one of them
    store        the storage contract on all of this
    selfcheck    whether all of this is so, where that is asked for

It runs on one event loop and takes no locks: whatever reads shared state and acts on it does not
await in between. Objects are kept encoded; decoded only where a selector or an index asks.
"""

from __future__ import annotations

from pyk8s.storage import interface


def open(options: interface.EtcdOptions) -> interface.Backend:
    """The contract fulfilled from memory, over etcd."""
    # protobuf is slow to import, and whoever only wants a name from here need not pay for it.
    from pyk8s.storage.cacher import selfcheck, store

    return store.Cacher(options, alarm=selfcheck.alarm_from_environment())
