# SPDX-License-Identifier: Apache-2.0
"""KubeSchedulerConfiguration v1: what kube-scheduler is told by a file.

    file -> decoding (types, unknown fields) -> defaults -> validation -> a dict, every field set

What comes out is in the form `--write-config-to` prints. It knows nothing of plugins but the
arguments of those in the tree: whether there is a plugin of a name says the registry.
"""
