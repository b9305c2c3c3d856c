# SPDX-License-Identifier: Apache-2.0
"""Gives Services of type LoadBalancer addresses of --service-load-balancer-range.

It stands where a cloud would: who waits for an address gets one, and nobody else has the same.
No traffic is balanced.
"""
