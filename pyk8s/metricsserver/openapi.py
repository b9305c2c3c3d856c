# SPDX-License-Identifier: Apache-2.0
"""The OpenAPI documents of metrics.k8s.io/v1beta1, v2 and v3. No I/O."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from typing import Any

import pyk8s
from pyk8s.apimachinery import codec
from pyk8s.apimachinery.gvk import Object
from pyk8s.metricsserver import api
from pyk8s.metricsserver.api import Served

V3_PATH = f"/openapi/v3/apis/{api.API_VERSION}"

_PREFIX = "io.k8s.metrics.pkg.apis.metrics.v1beta1."
_STRING = {"type": "string"}
_TIME = {"type": "string", "format": "date-time"}
_INFO = {"title": "Kubernetes metrics-server", "version": pyk8s.GIT_VERSION}

Schema = dict[str, Any]


def _described(schema: Schema, description: str) -> Schema:
    return {"description": description, **schema}


def _schemas(reference: str) -> dict[str, Schema]:
    """`reference` is where definitions stand in the document."""
    usage = {
        "description": "Use by resource: cpu in cores, memory as the working set in bytes.",
        "type": "object",
        "additionalProperties": {"type": "string"},
    }
    container = {
        "description": "What one container uses.",
        "type": "object",
        "required": ["name", "usage"],
        "properties": {"name": _described(_STRING, "Name of the container."), "usage": usage},
    }
    found = {f"{_PREFIX}ContainerMetrics": container}
    of_pod = {
        "description": "What each container of the Pod uses, all over the same window.",
        "type": "array",
        "items": {"$ref": f"{reference}{_PREFIX}ContainerMetrics"},
    }
    for served, key, use in ((api.NODES, "usage", usage), (api.PODS, "containers", of_pod)):
        found[_PREFIX + served.kind] = _object(served, key, use)
        found[f"{_PREFIX}{served.kind}List"] = _list(served, reference)
    return found


def _kind(kind: str, properties: dict[str, Schema], required: list[str]) -> Schema:
    return {
        "type": "object",
        "required": required,
        "properties": {
            "apiVersion": _described(_STRING, "Version of the schema of this object."),
            "kind": _described(_STRING, "What the object is."),
            **properties,
        },
        "x-kubernetes-group-version-kind": [
            {"group": api.GROUP, "kind": kind, "version": api.VERSION}
        ],
    }


def _object(served: Served, key: str, use: Schema) -> Schema:
    metadata = {"type": "object", "description": "Name, namespace and labels of what is measured."}
    properties = {
        "metadata": metadata,
        "timestamp": _described(_TIME, "When the window ended."),
        "window": _described(_STRING, "Over which time the use is an average."),
        key: use,
    }
    schema = _kind(served.kind, properties, ["timestamp", "window", key])
    return {"description": f"What one of the {served.resource} uses.", **schema}


def _list(served: Served, reference: str) -> Schema:
    items = {"type": "array", "items": {"$ref": f"{reference}{_PREFIX}{served.kind}"}}
    metadata = {"type": "object", "description": "Metadata of the list."}
    schema = _kind(f"{served.kind}List", {"metadata": metadata, "items": items}, ["items"])
    return {"description": f"A list of {served.kind}.", **schema}


# --- operations


_Parameter = Callable[[str, str], Schema]


def _paths(parameter: _Parameter, answer: Callable[[str], Schema]) -> dict[str, Any]:
    """`parameter(name, where)` describes one, `answer(kind)` the responses."""
    found = {}
    for path, served, is_list in _served_paths():
        kind = f"{served.kind}List" if is_list else served.kind
        where = "AllNamespaces" if served.namespaced and "{namespace}" not in path else ""
        verb = "list" if is_list else "read"
        scope = "Namespaced" if "{namespace}" in path else ""
        operation = {
            "description": f"{verb} {served.kind}",
            "operationId": f"{verb}MetricsV1beta1{scope}{served.kind}{where}",
            "tags": ["metrics_v1beta1"],
            "x-kubernetes-action": "list" if is_list else "get",
            "x-kubernetes-group-version-kind": {
                "group": api.GROUP, "kind": served.kind, "version": api.VERSION,
            },
            **answer(kind),
        }  # fmt: skip
        queries = ("labelSelector", "fieldSelector") if is_list else ()
        in_path = [name for name in ("name", "namespace") if f"{{{name}}}" in path]
        parameters = [parameter(name, "path") for name in in_path]
        parameters += [parameter(name, "query") for name in queries]
        found[path] = {"get": operation, "parameters": parameters}
    return found


def _served_paths() -> Iterator[tuple[str, Served, bool]]:
    root = f"/apis/{api.API_VERSION}"
    for served in api.SERVED.values():
        yield f"{root}/{served.resource}", served, True
        scope = f"{root}/namespaces/{{namespace}}" if served.namespaced else root
        if served.namespaced:
            yield f"{scope}/{served.resource}", served, True
        yield f"{scope}/{served.resource}/{{name}}", served, False


def v2() -> Object:
    def parameter(name: str, where: str) -> Schema:
        required = {"required": True} if where == "path" else {}
        return {"name": name, "in": where, "type": "string", "uniqueItems": True, **required}

    def answer(kind: str) -> Schema:
        schema = {"$ref": f"#/definitions/{_PREFIX}{kind}"}
        responses = {"200": {"description": "OK", "schema": schema}}
        return {"produces": ["application/json"], "schemes": ["https"], "responses": responses}

    return {
        "swagger": "2.0",
        "info": _INFO,
        "paths": _paths(parameter, answer),
        "definitions": _schemas("#/definitions/"),
    }


def v3() -> Object:
    def parameter(name: str, where: str) -> Schema:
        required = {"required": True} if where == "path" else {}
        return {"name": name, "in": where, "schema": _STRING, **required}

    def answer(kind: str) -> Schema:
        schema = {"$ref": f"#/components/schemas/{_PREFIX}{kind}"}
        content = {"application/json": {"schema": schema}}
        return {"responses": {"200": {"description": "OK", "content": content}}}

    return {
        "openapi": "3.0.0",
        "info": _INFO,
        "paths": _paths(parameter, answer),
        "components": {"schemas": _schemas("#/components/schemas/")},
    }


def v3_paths() -> Object:
    """What there is under /openapi/v3, each with a hash that changes with the document."""
    digest = hashlib.sha512(codec.encode_json(v3())).hexdigest().upper()
    where = f"{V3_PATH}?hash={digest}"
    return {"paths": {V3_PATH.removeprefix("/openapi/v3/"): {"serverRelativeURL": where}}}
