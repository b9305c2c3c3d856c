# SPDX-License-Identifier: Apache-2.0
"""Deletes finished Jobs once their ttlSecondsAfterFinished have passed."""
