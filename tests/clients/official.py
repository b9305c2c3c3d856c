# SPDX-License-Identifier: Apache-2.0
"""Making and ending the official Python client."""

from __future__ import annotations

import kubernetes
from cluster import ControlPlane
from kubernetes.client import ApiClient


def new_client(plane: ControlPlane) -> ApiClient:
    return kubernetes.config.new_client_from_config(config_file=str(plane.kubeconfig))


def close(client: ApiClient) -> None:
    """Its connections too, which the client leaves to the garbage collector."""
    client.rest_client.pool_manager.clear()
    client.close()
