# SPDX-License-Identifier: Apache-2.0
"""Removes Pods that nobody else will: of nodes that are gone or out of service, never scheduled
and being deleted, or finished and too many."""
