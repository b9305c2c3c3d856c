# SPDX-License-Identifier: Apache-2.0
"""Warning headers as kubectl shows them, and how they travel."""

from __future__ import annotations

from typing import Any

import pytest
from cluster import Http, Kubectl, Object
from objects import pod, service

ENDPOINTS = "v1 Endpoints is deprecated in v1.33+; use discovery.k8s.io/v1 EndpointSlice"


def _pod(**spec: Any) -> Object:
    made = pod("warned")
    made["spec"] |= spec
    return made


def _annotated(obj: Object, **annotations: str) -> Object:
    obj["metadata"]["annotations"] = annotations
    return obj


def _with_env(*names: str) -> Object:
    made = pod("warned")
    made["spec"]["containers"][0]["env"] = [{"name": name, "value": "x"} for name in names]
    return made


def _headless(**spec: Any) -> Object:
    made = service("warned")
    made["spec"] |= {"clusterIP": "None", **spec}
    return made


@pytest.mark.parametrize(
    ("obj", "warnings"),
    [
        pytest.param(
            _with_env("A", "B", "A"),
            [
                'spec.containers[0].env[2]: hides previous definition of "A", which may be dropped '
                "when using apply"
            ],
            id="duplicate-env",
        ),
        pytest.param(
            _pod(nodeSelector={"beta.kubernetes.io/os": "linux"}),
            [
                "spec.nodeSelector[beta.kubernetes.io/os]: deprecated since v1.14; use "
                '"kubernetes.io/os" instead'
            ],
            id="deprecated-label",
        ),
        pytest.param(
            _annotated(pod("warned"), **{"scheduler.alpha.kubernetes.io/critical-pod": ""}),
            [
                "metadata.annotations[scheduler.alpha.kubernetes.io/critical-pod]: non-functional "
                'in v1.16+; use the "priorityClassName" field instead'
            ],
            id="deprecated-annotation",
        ),
        pytest.param(
            _pod(volumes=[{"name": "v", "cephfs": {"monitors": ["m"]}}]),
            ["spec.volumes[0].cephfs: deprecated in v1.28, non-functional in v1.31+"],
            id="removed-volume",
        ),
        pytest.param(
            _headless(externalIPs=["192.0.2.1"]),
            ["spec.externalIPs is ignored for headless services"],
            id="headless-service",
        ),
        pytest.param(
            {
                "apiVersion": "v1",
                "kind": "Endpoints",
                "metadata": {"name": "warned"},
            },
            [ENDPOINTS],
            id="endpoints",
        ),
    ],
)
def test_a_write_is_warned_of(kubectl: Kubectl, obj: Object, warnings: list[str]) -> None:
    """What is deprecated or of no effect is written all the same, and told."""
    made = kubectl("create", "-f", "-", stdin=obj)
    assert made.stderr.splitlines() == [f"Warning: {warning}" for warning in warnings]
    assert made.stdout.endswith("/warned created\n")


def test_a_template_is_warned_of_at_its_path(kubectl: Kubectl) -> None:
    """What holds a Pod template earns the Pod's warnings, from the template's place."""
    made = _with_env("A", "A")
    template = {"metadata": {"labels": {"app": "x"}}, "spec": made["spec"]}
    deployment = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "warned"},
        "spec": {"selector": {"matchLabels": {"app": "x"}}, "template": template},
    }
    said = kubectl("create", "-f", "-", stdin=deployment).stderr
    assert said == (
        'Warning: spec.template.spec.containers[0].env[1]: hides previous definition of "A", which '
        "may be dropped when using apply\n"
    )


def test_warnings_can_be_errors(kubectl: Kubectl) -> None:
    """--warnings-as-errors ends in status 1 after the object is written."""
    arguments = ("create", "--warnings-as-errors", "-f", "-")
    said = kubectl(*arguments, stdin=_with_env("A", "A"), status=1).stderr
    assert "1 warning received" in said.splitlines()[-1]
    assert kubectl("get", "pod", "warned", "-o", "name").stdout == "pod/warned\n"


def test_endpoints_are_warned_of_on_reads(kubectl: Kubectl) -> None:
    """Their deprecation is told to those who get and list, too."""
    assert f"Warning: {ENDPOINTS}" in kubectl("get", "endpoints").stderr.splitlines()


@pytest.mark.parametrize(
    ("body", "warnings"),
    [
        pytest.param(
            b'{"metadata":{"name":"a"},"spec":{"containers":[{"name":"c","image":"i","imgae":"j"}],'
            b'"replicas":1}}',
            ['unknown field "spec.containers[0].imgae"', 'unknown field "spec.replicas"'],
            id="unknown",
        ),
        pytest.param(
            b'{"metadata":{"name":"a"},"spec":{"containers":[{"name":"c","image":"i"}],'
            b'"nodeName":"x","nodeName":"y"}}',
            ['duplicate field "spec.nodeName"'],
            id="duplicate",
        ),
    ],
)
def test_fields_under_warn(http: Http, namespace: str, body: bytes, warnings: list[str]) -> None:
    """Under Warn, which is what no fieldValidation means, fields that say nothing are told one
    by one; under Ignore they are not."""
    path = f"/api/v1/namespaces/{namespace}/pods?dryRun=All"
    named = {"Content-Type": "application/json"}
    for query in ("", "&fieldValidation=Warn"):
        answer = http("POST", path + query, body, named)
        assert answer.status == 201, answer.body
        found = answer.headers.get_all("Warning")
        quoted = [warning.replace('"', '\\"') for warning in warnings]
        assert found == [f'299 - "{warning}"' for warning in quoted]
    ignored = http("POST", path + "&fieldValidation=Ignore", body, named)
    assert ignored.headers.get_all("Warning") is None


def test_an_update_is_warned_of(http: Http, namespace: str) -> None:
    """A PUT and a patch earn what a create earns."""
    path = f"/api/v1/namespaces/{namespace}/serviceaccounts"
    account = http.create(path, {"metadata": {"name": "a"}})
    annotations = {"annotations": {"kubernetes.io/enforce-mountable-secrets": "true"}}
    patched = http.patch(f"{path}/a", {"metadata": annotations})
    put = http("PUT", f"{path}/a", account | {"metadata": patched.json()["metadata"]})
    warning = (
        '299 - "metadata.annotations[kubernetes.io/enforce-mountable-secrets]: deprecated in '
        'v1.32+; prefer separate namespaces to isolate access to mounted secrets"'
    )
    for answer in (patched, put):
        assert (answer.status, answer.headers.get_all("Warning")) == (200, [warning])
