# SPDX-License-Identifier: Apache-2.0
"""ServiceCIDRs: ready once they are protected, and gone only when no address needs them.

Which address a Service gets is the API server's to say; here a range is kept from being taken away
under the addresses in it.
"""
