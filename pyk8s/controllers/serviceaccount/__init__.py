# SPDX-License-Identifier: Apache-2.0
"""What every namespace has from the start: the ServiceAccount `default` and the cluster's CA."""
