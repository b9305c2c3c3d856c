# SPDX-License-Identifier: Apache-2.0
"""Gives each node a range of addresses for its pods, with --allocate-node-cidrs."""
