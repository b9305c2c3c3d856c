# SPDX-License-Identifier: Apache-2.0
"""Rolls a Deployment out: a ReplicaSet per template, and how many replicas each of them has.

    template changed -> new ReplicaSet -> it grows, the old ones shrink, within maxSurge and
    maxUnavailable -> complete

`replicasets` says which is new and which are old, `scaling` how many each gets, `status` what the
Deployment tells of itself: all three are pure. `controller` reads, decides and writes.
"""
