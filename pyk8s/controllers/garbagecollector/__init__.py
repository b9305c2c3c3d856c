# SPDX-License-Identifier: Apache-2.0
"""Deletes what belonged to something that is gone.

    informers of every resource -> Graph of owners and dependents -> uids to attempt -> client

Cascading deletion is this: background (dependents go after their owner), foreground (the owner
waits for them), orphan (they are cut loose). `graph` is pure bookkeeping, `monitors` keeps an
informer per resource that discovery names, `controller` decides and talks to the server.
"""
