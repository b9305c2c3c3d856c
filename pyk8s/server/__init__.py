# SPDX-License-Identifier: Apache-2.0
"""Composition and serving: certificates, the etcd child, HTTP, the server's own objects.

Here the parts are made and handed to each other, and here they are stopped in order. No rule of
the API lives here.
"""
