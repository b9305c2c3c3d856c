# SPDX-License-Identifier: Apache-2.0
"""Keeps the rules of ClusterRoles that are made of others."""
