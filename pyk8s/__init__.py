# SPDX-License-Identifier: Apache-2.0
"""A Kubernetes control plane in Python.

Two wings on one ground floor, one roof. The wings meet only over HTTP.

    roof          cli
    server wing   server > endpoints > registry > admission, auth > storage
    client wing   controllers, scheduler, node, metricsserver > serving > client
    ground floor  apis > componenthelpers, componentbase > apimachinery

Imports point down (`>` reads "may import"); import-linter contracts in pyproject.toml hold the
floors apart. Each package's docstring says what belongs in it and what does not.
"""

__version__ = "0.1.0"

# What /version and `kubectl version` report: the Kubernetes release whose behaviour is served.
KUBERNETES_VERSION = "v1.37.0"
GIT_VERSION = f"{KUBERNETES_VERSION}+pyk8s"
