# SPDX-License-Identifier: Apache-2.0
"""What makes the world like the objects say: one package per controller, one process for all.

    informers -> handlers -> key into WorkQueue -> reconcile(key): read listers, write by client

Here belong the rules of Kubernetes' own controllers, and what they share: the worker loop, the
manager that runs them under one leader election, health and metrics. A controller is level-based:
`reconcile` gets a name, looks at the world as it is, and may be called again at any time. It
knows the API server only through `client`, so it runs against any.
"""
