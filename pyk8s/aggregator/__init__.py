# SPDX-License-Identifier: Apache-2.0
"""Other API servers behind this one: group versions that a Service serves.

    APIService objects --watch--> Aggregator -+-> registration   those of the local groups
                                              +-> availability   status: Available, or why not
                                              +-> proxy          requests on to the Service
                                              `-> discovery, openapi   one document of all

Mirrors kube-aggregator. A request for a local group passes nothing of this. Each API server of a
cluster does all of it for itself, from its own caches; only conditions are written to the objects.
"""
