# SPDX-License-Identifier: Apache-2.0
"""May this content be stored: the rules of each kind, as plain functions that collect faults.

    meta                    what holds for every object's metadata, and label selectors
    pods <- containers, volumes, probes, scheduling, security, resources
    services, nodes, storage, configuration, ...          one kind or one family per module

A function gets a defaulted, structurally sound object (types right, unknown fields pruned,
quantities canonical) and the path where it stands, and returns every fault it finds; it changes
nothing and sees no other object but, on update, the stored one. Messages and paths are
upstream's, oddities included, because that is the text users search for. Paths are built where
a fault is reported, so that a valid object costs no path.

Text, order and rules follow `pkg/apis/core/validation/validation.go`.
"""
