# SPDX-License-Identifier: Apache-2.0
"""Attaches the volumes of CSI drivers to the nodes whose Pods need them, and detaches them again.

    Pods of a node -> volumes they need -> VolumeAttachment -> (its driver attaches)
                                             '-> volumesAttached of the Node
    no longer needed, and no longer in volumesInUse -> VolumeAttachment deleted

`decisions` says purely what a node needs and what is to be done; `controller` reads and writes.
To attach is the work of a driver, outside: for simulated nodes `node.attacher` stands in.
"""
