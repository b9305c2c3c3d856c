# SPDX-License-Identifier: Apache-2.0
"""EndpointSlices of Endpoints that people made by hand, for Services without a selector."""
