# SPDX-License-Identifier: Apache-2.0
"""HTTP in, registry out: filters, RequestInfo, negotiation, one handler per verb.

    filters (plain ASGI) -> RequestInfo -> dict lookup by GroupVersionResource -> verb handler

Everything is an ASGI app and can be called alone. Handlers decode, ask the registry, encode;
what a verb means for a kind is decided below.
"""
