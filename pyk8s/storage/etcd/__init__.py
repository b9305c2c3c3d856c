# SPDX-License-Identifier: Apache-2.0
"""etcd, spoken to directly: the only place that knows gRPC and etcd's messages.

    http2       a gRPC connection on asyncio; channel: one endpoint, reconnecting
    messages    etcd's messages and methods, as a table
    client      the endpoints, failover, deadlines; gRPC errors become storage errors
    keyspace    the operations on keys that Kubernetes needs, with plain values in and out
    leases      shared leases for objects that expire
    writes      create, update and delete as transactions guarded by the revision
    listing     ranges read in pages at one revision
    stream      one watch; watching: a watcher straight on it
    store       the storage contract on these; compactor: history is bounded

Above, only plain Python values are seen. `open` is the way in.
"""

from __future__ import annotations

from pyk8s.storage import interface


def open(options: interface.EtcdOptions) -> interface.Backend:
    """The contract fulfilled by etcd alone; every read is a round trip."""
    # protobuf is slow to import, and whoever only wants a name from here need not pay for it.
    from pyk8s.storage.etcd import store

    return store.EtcdBackend(options)
