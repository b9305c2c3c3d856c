# SPDX-License-Identifier: Apache-2.0
"""EndpointSlices of Services with a selector: where their Pods are, a hundred to a slice."""
