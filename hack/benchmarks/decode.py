# SPDX-License-Identifier: Apache-2.0
"""Print what decoding a typical Pod costs: the JSON parser alone, then the structural walk."""

from __future__ import annotations

import argparse
import copy
import statistics
import time
from collections.abc import Callable
from typing import Any

from pyk8s.apimachinery import codec
from pyk8s.apimachinery.gvk import GroupVersionKind
from pyk8s.apis import decode

POD = GroupVersionKind("", "v1", "Pod")
ROUNDS = 7


def container(name: str) -> dict[str, Any]:
    return {
        "name": name,
        "image": f"registry.example/team/{name}:1.27.3",
        "args": ["--listen=:8080", "--log-level=info"],
        "env": [
            {"name": "MODE", "value": "production"},
            {"name": "POD_IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}},
        ],
        "ports": [{"name": "http", "containerPort": 8080, "protocol": "TCP"}],
        "resources": {
            "limits": {"cpu": "500m", "memory": "256Mi"},
            "requests": {"cpu": "100m", "memory": "128Mi"},
        },
        "livenessProbe": {
            "httpGet": {"path": "/livez", "port": "http", "scheme": "HTTP"},
            "initialDelaySeconds": 5,
            "periodSeconds": 10,
        },
        "volumeMounts": [
            {"name": "config", "mountPath": "/etc/app", "readOnly": True},
            {"name": "kube-api-access", "mountPath": "/var/run/secrets", "readOnly": True},
        ],
        "terminationMessagePath": "/dev/termination-log",
        "terminationMessagePolicy": "File",
        "imagePullPolicy": "IfNotPresent",
        "securityContext": {"runAsNonRoot": True, "capabilities": {"drop": ["ALL"]}},
    }


def pod() -> dict[str, Any]:
    """About 3.5 KB of JSON, as a Pod looks that a Deployment made and a kubelet has started."""
    condition = {"status": "True", "lastProbeTime": None, "lastTransitionTime": MOMENT}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": metadata(),
        "spec": {
            "containers": [container("web"), container("sidecar")],
            "volumes": [
                {"name": "config", "configMap": {"name": "web", "defaultMode": 420}},
                {"name": "kube-api-access", "emptyDir": {}},
            ],
            "restartPolicy": "Always",
            "terminationGracePeriodSeconds": 30,
            "dnsPolicy": "ClusterFirst",
            "serviceAccountName": "default",
            "nodeName": "node-1",
            "securityContext": {},
            "schedulerName": "default-scheduler",
            "tolerations": [
                {"key": key, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 300}
                for key in ("node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable")
            ],
            "priority": 0,
            "enableServiceLinks": True,
            "preemptionPolicy": "PreemptLowerPriority",
        },
        "status": {
            "phase": "Running",
            "conditions": [
                {"type": kind, **condition}
                for kind in ("Initialized", "Ready", "ContainersReady", "PodScheduled")
            ],
            "hostIP": "10.0.0.1",
            "podIP": "10.1.0.7",
            "podIPs": [{"ip": "10.1.0.7"}],
            "startTime": MOMENT,
            "qosClass": "Burstable",
        },
    }


MOMENT = "2026-01-02T03:04:05Z"


def metadata() -> dict[str, Any]:
    return {
        "name": "web-5d4f8c7b9d-abcde",
        "generateName": "web-5d4f8c7b9d-",
        "namespace": "default",
        "uid": "0b6a8bb1-6c2b-4b8e-9f0e-3a1c8f4c2d10",
        "resourceVersion": "123456",
        "creationTimestamp": MOMENT,
        "labels": {"app": "web", "pod-template-hash": "5d4f8c7b9d"},
        "annotations": {"example.com/checksum": "c0ffee"},
        "ownerReferences": [
            {
                "apiVersion": "apps/v1",
                "kind": "ReplicaSet",
                "name": "web-5d4f8c7b9d",
                "uid": "4c7f6f2e-7a55-4f0c-8a5e-0f9f6a5b1f11",
                "controller": True,
                "blockOwnerDeletion": True,
            }
        ],
    }


def best_us(work: Callable[[Any], object], inputs: list[list[Any]]) -> tuple[float, float]:
    """Best and median microseconds per call over the rounds."""
    figures = []
    for batch in inputs:
        start = time.perf_counter()
        for item in batch:
            work(item)
        figures.append((time.perf_counter() - start) / len(batch) * 1e6)
    return min(figures), statistics.median(figures)


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(prog="hack/bench decode", description=__doc__.splitlines()[0])
    parser.add_argument("--pods", type=int, default=1000, help="per round")
    pods_per_round = parser.parse_args(arguments).pods
    data = codec.encode_json(pod())
    start = time.perf_counter()
    walk = decode.walker(POD)
    compile_ms = (time.perf_counter() - start) * 1e3
    batches = [[copy.deepcopy(pod()) for _ in range(pods_per_round)] for _ in range(ROUNDS)]
    parse = best_us(codec.decode_json, [[data] * pods_per_round] * ROUNDS)
    first = best_us(walk, batches)
    again = best_us(walk, batches)
    print(f"Pod of {len(data)} bytes; walker compiled in {compile_ms:.1f} ms")
    for name, (best, median) in (("parse", parse), ("walk", first), ("walk again", again)):
        print(f"{name:<12}{best:7.1f} us best {median:7.1f} us median")
