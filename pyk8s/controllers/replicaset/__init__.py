# SPDX-License-Identifier: Apache-2.0
"""Keeps as many Pods as a ReplicaSet, or a ReplicationController, asks for."""
