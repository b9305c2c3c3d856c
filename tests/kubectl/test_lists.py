# SPDX-License-Identifier: Apache-2.0
"""Files of kind List, which kubectl validates itself, by OpenAPI v2 in protobuf."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
import yaml
from cluster import Kubectl
from objects import configmap, deployment, service


def list_of(*items: dict[str, Any]) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "List", "items": list(items)}


def rich_deployment() -> dict[str, Any]:
    """With IntOrStrings and Quantities, each as text and as number."""
    obj = deployment("web")
    obj["spec"]["strategy"] = {"rollingUpdate": {"maxSurge": "25%", "maxUnavailable": 1}}
    container = obj["spec"]["template"]["spec"]["containers"][0]
    container["resources"] = {"limits": {"cpu": 1, "memory": "64Mi"}, "requests": {"cpu": "100m"}}
    container["ports"] = [{"name": "http", "containerPort": 80}]
    container["readinessProbe"] = {"httpGet": {"path": "/", "port": "http"}}
    return obj


def rich_service() -> dict[str, Any]:
    obj = service("web")
    obj["spec"]["ports"] = [
        {"name": "named", "port": 80, "targetPort": "http"},
        {"name": "numbered", "port": 81, "targetPort": 8080},
    ]
    return obj


def definition_of_widgets(group: str) -> dict[str, Any]:
    """Its schema holds what JSONSchemaProps leaves free."""
    size = {"type": "integer", "default": 3, "enum": [1, 2, 3], "maximum": 5}
    spec = {
        "type": "object",
        "x-kubernetes-preserve-unknown-fields": True,
        "properties": {
            "size": size,
            "labels": {"type": "object", "additionalProperties": {"type": "string"}},
            "free": {"x-kubernetes-int-or-string": True},
            "more": {"type": "object", "default": {"a": [1, "b"]}, "properties": {}},
        },
    }
    schema = {"openAPIV3Schema": {"type": "object", "properties": {"spec": spec}}}
    version = {"name": "v1", "served": True, "storage": True, "schema": schema}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"widgets.{group}"},
        "spec": {
            "group": group,
            "scope": "Namespaced",
            "names": {"plural": "widgets", "kind": "Widget"},
            "versions": [version],
        },
    }


@pytest.mark.parametrize(
    "dump", [pytest.param(json.dumps, id="json"), pytest.param(yaml.safe_dump, id="yaml")]
)
def test_a_list_of_many_kinds(kubectl: Kubectl, dump: Callable[[Any], str]) -> None:
    """Right items pass the client's validation and are made, in order."""
    group = f"{kubectl.namespace}.example.com"
    items = (
        rich_deployment(),
        rich_service(),
        configmap("settings", size="3"),
        definition_of_widgets(group),
    )
    made = kubectl("create", "-f", "-", stdin=dump(list_of(*items)))
    assert made.lines == [
        "deployment.apps/web created",
        "service/web created",
        "configmap/settings created",
        f"customresourcedefinition.apiextensions.k8s.io/widgets.{group} created",
    ]
    kubectl("delete", "crd", f"widgets.{group}")


def _with(obj: dict[str, Any], **spec: object) -> dict[str, Any]:
    obj["spec"] |= spec
    return obj


@pytest.mark.parametrize(
    ("item", "told"),
    [
        pytest.param(
            _with(deployment("web"), replica=2),
            "ValidationError(Deployment.spec): "
            'unknown field "replica" in io.k8s.api.apps.v1.DeploymentSpec',
            id="unknown field",
        ),
        pytest.param(
            _with(deployment("web"), replicas="two"),
            "ValidationError(Deployment.spec.replicas): invalid type for "
            'io.k8s.api.apps.v1.DeploymentSpec.replicas: got "string", expected "integer"',
            id="wrong type",
        ),
        pytest.param(
            _with(service("web"), ports=[{}]),
            "ValidationError(Service.spec.ports[0]): "
            'missing required field "port" in io.k8s.api.core.v1.ServicePort',
            id="missing field",
        ),
    ],
)
def test_a_wrong_item(kubectl: Kubectl, item: dict[str, Any], told: str) -> None:
    """kubectl says what is wrong with which item, and makes none of them."""
    wrong = list_of(configmap("settings"), item)
    refused = kubectl("create", "-f", "-", stdin=wrong, status=1).stderr
    assert refused == (
        'error: error validating "STDIN": error validating data: '
        f"{told}; if you choose to ignore these errors, turn validation off with "
        "--validate=false\n"
    )
    assert "settings" not in kubectl("get", "configmaps", "-o", "name").stdout


def test_apply_what_was_got(kubectl: Kubectl) -> None:
    """What `get -o yaml` prints of several objects can be applied as it is."""
    kubectl("create", "-f", "-", stdin=list_of(rich_deployment(), rich_service()))
    shown = kubectl("get", "deployments,services", "-o", "yaml").stdout
    assert yaml.safe_load(shown)["kind"] == "List"
    applied = kubectl("apply", "-f", "-", stdin=shown)
    assert applied.lines == ["deployment.apps/web configured", "service/web configured"]


@pytest.mark.parametrize(
    ("what", "expected"),
    [
        pytest.param("pods", ["KIND:     Pod", "spec\t<Object>"], id="kind"),
        pytest.param(
            "deployments.spec.strategy.rollingUpdate", ["maxSurge\t<string>"], id="IntOrString"
        ),
        pytest.param(
            "pods.spec.containers.resources", ["limits\t<map[string]string>"], id="Quantity"
        ),
        pytest.param(
            "pods.spec.containers.ports", ["containerPort\t<integer> -required-"], id="required"
        ),
    ],
)
def test_explain_by_v2(session_kubectl: Kubectl, what: str, expected: list[str]) -> None:
    """The older explain reads descriptions and types from the same document."""
    said = session_kubectl("explain", "--output=plaintext-openapiv2", what).stdout
    assert [text for text in expected if text not in said] == []
