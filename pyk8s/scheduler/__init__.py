# SPDX-License-Identifier: Apache-2.0
"""Finds each unscheduled pod the best node and binds it there."""
