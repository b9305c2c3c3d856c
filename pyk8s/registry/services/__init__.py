# SPDX-License-Identifier: Apache-2.0
"""The stateful side of Services: who has which cluster IP and which node port.

    ServiceStore -> ServiceAllocation, one per write
                        families    which IP families, and in which order   (pure)
                        node_ports  which ports are wanted, which go        (pure)
                        addresses   one IPAddress object per cluster IP
                        ports       one bitmap of node ports
    Repair              what a crash left behind, and what is missing

Several API servers share the pools. etcd decides: an address is who creates its IPAddress first,
the ports are one key that is only written from its last state. Nothing is remembered in between,
so every server sees what the others gave out. Forms in etcd are upstream's.
"""
