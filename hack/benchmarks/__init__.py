# SPDX-License-Identifier: Apache-2.0
"""Measurements, not tests: each prints what this machine did just now.

    hack/bench [api]     an API server under load: any that a kubeconfig leads to, else our own

Figures move with the machine; only ratios within one run say something.
"""
