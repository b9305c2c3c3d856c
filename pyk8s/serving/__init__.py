# SPDX-License-Identifier: Apache-2.0
"""How a component of the client wing serves HTTPS, and whom.

    certificate    TLS: a certificate from files, or one it signs itself
    http           a listening socket and aiohttp's server on it
    delegation     who asks and may they: by client certificate or by the API server's word
    component      a component's health and metrics, for whom the API server lets have them
    requestheader  who asks, by the word of the API server in front (aggregation)

Public: an extension API server or a kubelet is made on it. What is served is the component's.
"""
