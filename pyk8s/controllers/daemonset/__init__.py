# SPDX-License-Identifier: Apache-2.0
"""Keeps one Pod of a DaemonSet on every node that it fits.

    claim pods -> by node -> create what lacks, delete what is too much -> rolling update -> status

`nodes` says where a pod should be and what it looks like, `rollout` what to create and delete on
which node, `status` what the DaemonSet tells of itself: all pure. The scheduler binds the pods:
each asks for its node by name.
"""
