# SPDX-License-Identifier: Apache-2.0
"""What may change in a cluster so that a pod that was rejected may pass."""

from __future__ import annotations

NODE_ADDED, NODE_UPDATED, NODE_DELETED = "NodeAdd", "NodeUpdate", "NodeDelete"
# Of a node's annotations and conditions, which plugins of the tree do not look at.
NODE_NOTED = "NodeNotesUpdate"
POD_ADDED, POD_UPDATED = "AssignedPodAdd", "AssignedPodUpdate"
POD_DELETED = "AssignedPodDelete"
NAMESPACE_CHANGED = "NamespaceUpdate"
# A claim, a volume, a class, or what a CSI driver says.
STORAGE_CHANGED = "StorageUpdate"

ALL = frozenset(
    {
        NODE_ADDED,
        NODE_UPDATED,
        NODE_DELETED,
        NODE_NOTED,
        POD_ADDED,
        POD_UPDATED,
        POD_DELETED,
        NAMESPACE_CHANGED,
        STORAGE_CHANGED,
    }
)
