# SPDX-License-Identifier: Apache-2.0
"""Print the CPU that defaulting, validation and warnings take in the create of one Pod.

A Pod as users write it, through the Strategy's own methods, each measured alone over fresh
copies; the median of some rounds, in microseconds.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from typing import Any

from pyk8s.apimachinery import codec
from pyk8s.apimachinery.gvk import GroupVersionResource
from pyk8s.apis import scheme
from pyk8s.auth.user import UserInfo
from pyk8s.registry import strategies
from pyk8s.registry.context import RequestContext

ROUNDS = 7

SMALL: dict[str, Any] = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "web", "namespace": "default"},
    "spec": {"containers": [{"name": "web", "image": "nginx:1.27"}]},
}
TYPICAL: dict[str, Any] = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {
        "name": "web-7d9f8c6b5-x2x4z",
        "namespace": "default",
        "labels": {"app.kubernetes.io/name": "web", "pod-template-hash": "7d9f8c6b5"},
        "annotations": {"kubectl.kubernetes.io/restartedAt": "2026-01-01T00:00:00Z"},
    },
    "spec": {
        "serviceAccountName": "web",
        "containers": [
            {
                "name": "web",
                "image": "registry.example/team/web:1.27.3",
                "env": [
                    {"name": "MODE", "value": "production"},
                    {"name": "POD_IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}},
                ],
                "ports": [{"name": "http", "containerPort": 8080}],
                "resources": {
                    "limits": {"cpu": "500m", "memory": "256Mi"},
                    "requests": {"cpu": "100m", "memory": "128Mi"},
                },
                "readinessProbe": {"httpGet": {"path": "/ready", "port": "http"}},
                "volumeMounts": [{"name": "config", "mountPath": "/etc/app"}],
            }
        ],
        "volumes": [{"name": "config", "configMap": {"name": "web"}}],
    },
}


def microseconds(texts: list[bytes], prepare: Step, step: Step) -> float:
    """Median over the rounds of what `step` costs per Pod, after `prepare` has run on it."""
    costs = []
    for _ in range(ROUNDS):
        pods = [codec.decode_json(text) for text in texts]
        for pod in pods:
            prepare(pod)
        start = time.process_time()
        for pod in pods:
            step(pod)
        costs.append((time.process_time() - start) / len(pods) * 1e6)
    return statistics.median(costs)


Step = Callable[[dict[str, Any]], object]


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(prog="hack/bench validation", description=__doc__)
    parser.add_argument("--pods", type=int, default=2000)
    count = parser.parse_args(arguments).pods
    resource = scheme.builtin().by_resource[GroupVersionResource("", "v1", "pods")]
    strategy = strategies.strategy_for(resource)
    context = RequestContext(user=UserInfo("bench"))

    def prepare(pod: dict[str, Any]) -> None:
        strategy.default(pod)
        strategy.prepare_for_create(context, pod)

    for label, pod in (("small", SMALL), ("typical", TYPICAL)):
        texts = [codec.encode_json(pod)] * count
        default = microseconds(texts, lambda pod: None, strategy.default)
        validate = microseconds(texts, prepare, lambda pod: strategy.validate(context, pod))
        warn = microseconds(texts, prepare, lambda pod: strategy.warnings_on_create(context, pod))
        print(
            f"{label} pod: default {default:.0f} us, validate {validate:.0f} us, "
            f"together {default + validate:.0f} us; warnings {warn:.0f} us"
        )
