# SPDX-License-Identifier: Apache-2.0
"""Empties a namespace that is being deleted, and lets it go."""
