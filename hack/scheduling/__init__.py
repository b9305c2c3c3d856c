# SPDX-License-Identifier: Apache-2.0
"""Does a scheduler keep its promises while nodes and pods come, change and go at random?

    load      creates, changes and deletes nodes and pods, by a seed
    history   what the watches of pods and nodes told, in the order of etcd
    checker   judges the history: was any binding one that the cluster did not allow

The checker knows nothing of the scheduler but what any watcher sees.
"""
