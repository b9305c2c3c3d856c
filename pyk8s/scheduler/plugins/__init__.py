# SPDX-License-Identifier: Apache-2.0
"""One module per plugin, under upstream's names, and the rules they rest on."""
