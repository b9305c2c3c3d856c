# SPDX-License-Identifier: Apache-2.0
"""Persistence: encoded objects under keys, revisions, watches. etcd and the watch cache over it.

    etcd/       the only place that speaks gRPC: client, transactions, the keyspace watch
    cacher/     WatchCache per resource, fed by that one watch; answers reads from memory
    interface   the contract both fulfil; errors: what both raise

Here nothing knows HTTP, users, admission or validation. A kind is known only by what a
`ResourceConfig` says of it: its key prefix, and how to read its selectable fields.
"""
