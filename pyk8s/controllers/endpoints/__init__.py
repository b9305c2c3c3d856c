# SPDX-License-Identifier: Apache-2.0
"""Endpoints of Services with a selector: the older form of EndpointSlices, one per Service."""
