# SPDX-License-Identifier: Apache-2.0
"""Small valid objects for tests that need some object of a kind."""

from __future__ import annotations

from typing import Any

Object = dict[str, Any]


def _metadata(name: str, labels: dict[str, str] | None) -> Object:
    return {"name": name, "labels": labels} if labels else {"name": name}


def configmap(name: str, labels: dict[str, str] | None = None, **data: str) -> Object:
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": _metadata(name, labels),
        "data": data,
    }


def pod(name: str, labels: dict[str, str] | None = None) -> Object:
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": _metadata(name, labels),
        "spec": {"containers": [{"name": "main", "image": "nginx:1.27"}]},
    }


def deployment(name: str, replicas: int = 1) -> Object:
    labels = {"app": name}
    template = {"metadata": {"labels": labels}, "spec": pod(name)["spec"]}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": _metadata(name, labels),
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": labels},
            "template": template,
        },
    }


def service(name: str, port: int = 80) -> Object:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": _metadata(name, None),
        "spec": {"selector": {"app": name}, "ports": [{"port": port}]},
    }
