# SPDX-License-Identifier: Apache-2.0
"""What is served, as data and pure functions: no I/O, nothing that suspends.

    scheme      every served resource: names, scope, verbs, subresources, storage version
    schemas     the OpenAPI schemas of the release, and the walkers compiled from them
    openapi     the published documents; discovery: the discovery documents
    defaults/ validation/ columns/ selectable    per kind, one module per API group
    pods, pod_amounts, services    what follows from a spec: containers, amounts, needed addresses
    pod_warnings, core_warnings    what is valid, but hardly meant or on its way out

A kind's rules are plain functions over dicts. When they run, and in which order, is decided
above, by the Strategies in `registry`.
"""
