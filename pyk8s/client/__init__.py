# SPDX-License-Identifier: Apache-2.0
"""What talks to an API server: the REST client, and what controllers are made of.

Public: people write controllers on it, and it works unchanged against a kube-apiserver. Here
belong transport, caches that follow the server, queues, leader election and events; no rule of
any controller lives here, and nothing here knows the server's code: the two meet over HTTP.

    Client -- LIST, WATCH --> Reflector -> Indexer -> handlers -> key into WorkQueue
      ^                                       |                        |
      |                                     Lister                     v
      '-------- create, patch, delete ------------------------- reconcile(key)

Objects are plain dicts in JSON form. What comes from an Indexer or a Lister is shared by
everyone in the process: read it, and copy what you change. Everything runs on one event loop;
what may suspend is `async`, and nothing else lets the world change in between.
"""
