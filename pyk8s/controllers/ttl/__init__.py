# SPDX-License-Identifier: Apache-2.0
"""Says on each node how long its kubelet may keep Secrets and ConfigMaps in its cache."""
