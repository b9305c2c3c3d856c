# SPDX-License-Identifier: Apache-2.0
"""Deletes Pods that do not tolerate a NoExecute taint of their node, or not for any longer."""
