# SPDX-License-Identifier: Apache-2.0
"""How much CPU field ownership costs on a typical Pod.

The budget is 200 us for the managedFields of an update and an apply together.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Callable
from typing import Any

from pyk8s.apimachinery import codec, managedfields
from pyk8s.apimachinery.fieldmanager import FieldManager, Writer
from pyk8s.apimachinery.gvk import GroupVersionKind
from pyk8s.apimachinery.typedschema import Compiler
from pyk8s.apis import decode, schemas

_GVK = GroupVersionKind("", "v1", "Pod")


def _container(name: str) -> dict[str, Any]:
    return {
        "name": name,
        "image": f"registry.example.com/{name}:1.0",
        "args": ["--verbose"],
        "env": [{"name": "A", "value": "1"}, {"name": "B", "value": "2"}],
        "ports": [{"name": "http", "containerPort": 8080, "protocol": "TCP"}],
        "resources": {"requests": {"cpu": "100m", "memory": "64Mi"}, "limits": {"memory": "1Gi"}},
        "readinessProbe": {"httpGet": {"path": "/healthz", "port": 8080}, "periodSeconds": 10},
        "volumeMounts": [{"name": "config", "mountPath": "/etc/app"}],
        "securityContext": {"runAsNonRoot": True, "readOnlyRootFilesystem": True},
    }


def _pod() -> dict[str, Any]:
    labels = {"app": "web", "tier": "front", "app.kubernetes.io/part-of": "shop"}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "web", "namespace": "default", "labels": labels},
        "spec": {
            "containers": [_container("app"), _container("proxy")],
            "volumes": [{"name": "config", "configMap": {"name": "web"}}],
            "serviceAccountName": "web",
            "nodeSelector": {"kubernetes.io/os": "linux"},
            "tolerations": [{"key": "dedicated", "operator": "Exists"}],
        },
    }


def _measure(title: str, run: Callable[[], object], repeat: int = 3000) -> float:
    best = float("inf")
    for _ in range(5):
        started = time.process_time()
        for _ in range(repeat // 5):
            run()
        best = min(best, (time.process_time() - started) / (repeat // 5))
    print(f"{title:58} {best * 1e6:7.1f} us")
    return best


def main(arguments: list[str]) -> None:
    started = time.process_time()
    schema = Compiler(schemas.resolve).definition(schemas.REF_PREFIX + schemas.definition_of(_GVK))
    print(f"{'compile the type Pod, once':58} {(time.process_time() - started) * 1e3:7.1f} ms")
    zero = decode.walker(_GVK)({"apiVersion": "v1", "kind": "Pod"}).obj
    fields = FieldManager(gvk=_GVK, schema=schema, zero=zero)
    early, late = "2026-01-01T00:00:00Z", "2026-01-01T00:00:09Z"
    body = _pod()
    live = codec.decode_json(codec.encode_json(fields.apply(None, body, Writer("me", early))))
    live["metadata"]["uid"] = "1"
    live["status"] = {"phase": "Running", "podIP": "10.0.0.1"}
    kubelet = copy.deepcopy(live)
    kubelet["status"]["conditions"] = [{"type": "Ready", "status": "True"}]
    live = managedfields.put(kubelet, fields.update(live, kubelet, Writer("kubelet", early)))
    live = codec.decode_json(codec.encode_json(live))

    updated = copy.deepcopy(live)
    updated["metadata"]["labels"]["extra"] = "1"
    updated["spec"]["containers"][0]["image"] = "registry.example.com/app:1.1"
    changed = copy.deepcopy(body)
    changed["spec"]["containers"][1]["image"] = "registry.example.com/proxy:1.1"
    fewer = copy.deepcopy(changed)
    del fewer["spec"]["containers"][0]["env"][1]

    same = copy.deepcopy(live)
    me, other = Writer("me", late), Writer("other", late)
    _measure("create", lambda: fields.update(None, body, other))
    _measure("update that changes nothing", lambda: fields.update(live, same, other))
    update = _measure("update of a label and an image", lambda: fields.update(live, updated, other))
    _measure("apply that creates", lambda: fields.apply(None, body, me))
    _measure("apply of the same again", lambda: fields.apply(live, body, me))
    apply = _measure("apply of another image", lambda: fields.apply(live, changed, me))
    _measure("apply that gives up a variable", lambda: fields.apply(live, fewer, me))
    print(f"{'an update and an apply together':58} {(update + apply) * 1e6:7.1f} us")
