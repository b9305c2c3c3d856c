# SPDX-License-Identifier: Apache-2.0
"""kubectl commands that change what is there: edit, patch, label, scale, set, rollout."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from cluster import Kubectl
from objects import configmap, deployment


@pytest.fixture
def web(kubectl: Kubectl) -> Kubectl:
    """A deployment `web` with one container `main`."""
    kubectl("apply", "-f", "-", stdin=deployment("web"))
    return kubectl


def show(kubectl: Kubectl, what: str, template: str) -> str:
    return kubectl("get", *what.split("/"), "-o", f"jsonpath={{{template}}}").stdout


def test_strategic_merge_patch(web: Kubectl) -> None:
    """Lists merge by their keys."""
    more = {"spec": {"template": {"spec": {"containers": [{"name": "side", "image": "envoy"}]}}}}
    patched = web("patch", "deployment", "web", "-p", json.dumps(more))
    assert patched.stdout == "deployment.apps/web patched\n"
    names = show(web, "deployment/web", ".spec.template.spec.containers[*].name")
    assert set(names.split()) == {"main", "side"}


def test_strategic_delete_directive(web: Kubectl) -> None:
    """$patch: delete takes one element away."""
    containers = [{"name": "side", "image": "envoy"}]
    spec = {"containers": containers}
    web("patch", "deployment", "web", "-p", json.dumps({"spec": {"template": {"spec": spec}}}))
    spec = {"containers": [{"name": "side", "$patch": "delete"}]}
    web("patch", "deployment", "web", "-p", json.dumps({"spec": {"template": {"spec": spec}}}))
    assert show(web, "deployment/web", ".spec.template.spec.containers[*].name") == "main"


def test_merge_patch(web: Kubectl) -> None:
    """Null removes, a list replaces."""
    patch = {"spec": {"replicas": 4}, "metadata": {"labels": {"app": None, "tier": "front"}}}
    web("patch", "deployment", "web", "--type=merge", "-p", json.dumps(patch))
    assert show(web, "deployment/web", ".spec.replicas") == "4"
    assert json.loads(show(web, "deployment/web", ".metadata.labels")) == {"tier": "front"}


def test_json_patch(web: Kubectl) -> None:
    """Operations by path."""
    patch = [
        {"op": "test", "path": "/spec/replicas", "value": 1},
        {"op": "replace", "path": "/spec/replicas", "value": 5},
    ]
    web("patch", "deployment", "web", "--type=json", "-p", json.dumps(patch))
    assert show(web, "deployment/web", ".spec.replicas") == "5"


def test_json_patch_whose_test_fails(web: Kubectl) -> None:
    """Nothing is changed when a test operation does not hold."""
    patch = [{"op": "test", "path": "/spec/replicas", "value": 7}]
    refused = web("patch", "deployment", "web", "--type=json", "-p", json.dumps(patch), status=1)
    assert "the server rejected our request due to an error in our request" in refused.stderr


def test_patch_without_effect(web: Kubectl) -> None:
    """kubectl says so when nothing changed."""
    patched = web("patch", "deployment", "web", "-p", '{"spec":{"replicas":1}}')
    assert patched.stdout == "deployment.apps/web patched (no change)\n"


def test_patch_the_status(web: Kubectl) -> None:
    """--subresource=status changes the status, and nothing else."""
    patch = json.dumps({"status": {"replicas": 1}, "spec": {"replicas": 9}})
    web("patch", "deployment", "web", "--subresource=status", "--type=merge", "-p", patch)
    assert show(web, "deployment/web", ".status.replicas") == "1"
    assert show(web, "deployment/web", ".spec.replicas") == "1"


def test_patch_what_is_missing(kubectl: Kubectl) -> None:
    """A patch makes nothing."""
    refused = kubectl("patch", "configmap", "none", "-p", "{}", status=1).stderr
    assert 'configmaps "none" not found' in refused


def scripted_editor(directory: Path, script: str) -> dict[str, str]:
    """An EDITOR that runs sed over the file it is given."""
    editor = directory / "editor"
    editor.write_text(f"#!/bin/sh\nexec sed -i -e '{script}' \"$1\"\n")
    editor.chmod(0o755)
    return {"EDITOR": str(editor)}


def test_edit(web: Kubectl, tmp_path: Path) -> None:
    """What the editor saves is sent as a patch."""
    env = scripted_editor(tmp_path, "s/replicas: 1/replicas: 6/")
    edited = web("edit", "deployment", "web", env=env)
    assert edited.stdout == "deployment.apps/web edited\n"
    assert show(web, "deployment/web", ".spec.replicas") == "6"


def test_edit_without_changes(web: Kubectl, tmp_path: Path) -> None:
    """An editor that saves nothing cancels the edit."""
    edited = web("edit", "deployment", "web", env=scripted_editor(tmp_path, ""))
    assert "Edit cancelled, no changes made." in edited.stderr


def test_label_and_annotate(kubectl: Kubectl) -> None:
    """Set, refuse to overwrite, overwrite, remove."""
    kubectl("apply", "-f", "-", stdin=configmap("a"))
    assert kubectl("label", "configmap", "a", "x=1").stdout == "configmap/a labeled\n"
    refused = kubectl("label", "configmap", "a", "x=2", status=1).stderr
    assert "'x' already has a value (1), and --overwrite is false" in refused
    kubectl("label", "configmap", "a", "x=2", "--overwrite")
    assert show(kubectl, "configmap/a", ".metadata.labels.x") == "2"
    assert kubectl("label", "configmap", "a", "x-").stdout == "configmap/a unlabeled\n"
    assert show(kubectl, "configmap/a", ".metadata.labels") == ""
    assert kubectl("annotate", "configmap", "a", "why=so").stdout == "configmap/a annotated\n"
    assert show(kubectl, "configmap/a", ".metadata.annotations.why") == "so"


def test_label_all_selected(kubectl: Kubectl) -> None:
    """A selector names what is labelled."""
    objects = [configmap("a", {"t": "1"}), configmap("b"), configmap("c", {"t": "1"})]
    kubectl("create", "-f", "-", stdin=objects)
    labelled = kubectl("label", "configmaps", "-l", "t=1", "new=yes").lines
    assert labelled == ["configmap/a labeled", "configmap/c labeled"]


def test_invalid_label(kubectl: Kubectl) -> None:
    """The server says why a value cannot be a label."""
    kubectl("create", "-f", "-", stdin=configmap("a"))
    patch = '{"metadata":{"labels":{"x":"not a label"}}}'
    refused = kubectl("patch", "configmap", "a", "-p", patch, status=1).stderr
    assert "metadata.labels: Invalid value" in refused


def test_scale(web: Kubectl) -> None:
    """The count goes through the scale subresource and moves the generation."""
    assert web("scale", "deployment", "web", "--replicas=3").stdout == (
        "deployment.apps/web scaled\n"
    )
    assert show(web, "deployment/web", ".spec.replicas") == "3"
    assert show(web, "deployment/web", ".metadata.generation") == "2"


def test_scale_from_a_count(web: Kubectl) -> None:
    """--current-replicas must be what is there."""
    arguments = ("scale", "deployment", "web", "--current-replicas=2", "--replicas=3")
    assert "Expected replicas to be 2, was 1" in web(*arguments, status=1).stderr


def test_get_scale(web: Kubectl) -> None:
    """The scale can be looked at as an object."""
    arguments = ("get", "deployment", "web", "--subresource=scale", "-o", "json")
    scale = web(*arguments).json()
    assert scale["kind"] == "Scale"
    assert scale["spec"] == {"replicas": 1}
    assert scale["status"]["selector"] == "app=web"


def test_set_image(web: Kubectl) -> None:
    """A container's image by the container's name."""
    web("set", "image", "deployment/web", "main=nginx:1.29")
    image = show(web, "deployment/web", ".spec.template.spec.containers[0].image")
    assert image == "nginx:1.29"


def test_set_env(web: Kubectl) -> None:
    """Variables are added and taken away."""
    container = ".spec.template.spec.containers[0]"
    web("set", "env", "deployment/web", "A=1", "B=2")
    assert show(web, "deployment/web", f"{container}.env[*].name") == "A B"
    web("set", "env", "deployment/web", "A-")
    assert show(web, "deployment/web", f"{container}.env[*].name") == "B"


def test_set_resources(web: Kubectl) -> None:
    """Amounts are stored in canonical form."""
    web("set", "resources", "deployment/web", "--limits=cpu=0.5,memory=1.5Gi")
    limits = show(web, "deployment/web", ".spec.template.spec.containers[0].resources.limits")
    assert json.loads(limits) == {"cpu": "500m", "memory": "1536Mi"}


def test_set_serviceaccount(web: Kubectl) -> None:
    """The old field follows the new one."""
    web("set", "serviceaccount", "deployment/web", "robot")
    spec = json.loads(show(web, "deployment/web", ".spec.template.spec"))
    assert (spec["serviceAccountName"], spec["serviceAccount"]) == ("robot", "robot")


def test_rollout_restart(web: Kubectl) -> None:
    """A restart is an annotation on the template."""
    assert web("rollout", "restart", "deployment/web").stdout == ("deployment.apps/web restarted\n")
    annotations = json.loads(show(web, "deployment/web", ".spec.template.metadata.annotations"))
    assert "kubectl.kubernetes.io/restartedAt" in annotations


def test_rollout_status(web: Kubectl) -> None:
    """kubectl compares generations and counts; here a test plays the controller."""
    status = {
        "observedGeneration": 1,
        "replicas": 1,
        "updatedReplicas": 1,
        "readyReplicas": 1,
        "availableReplicas": 1,
    }
    patch = json.dumps({"status": status})
    web("patch", "deployment", "web", "--subresource=status", "--type=merge", "-p", patch)
    assert web("rollout", "status", "deployment/web").stdout == (
        'deployment "web" successfully rolled out\n'
    )


def test_rollout_pause_and_resume(web: Kubectl) -> None:
    """Both are patches of one field."""
    web("rollout", "pause", "deployment/web")
    assert show(web, "deployment/web", ".spec.paused") == "true"
    web("rollout", "resume", "deployment/web")
    assert show(web, "deployment/web", ".spec.paused") == ""


def test_rollout_history(web: Kubectl) -> None:
    """The history is read from replica sets by owner and revision; here a test makes one."""
    deployed = web("get", "deployment", "web", "-o", "json").json()
    owner = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "name": "web",
        "uid": deployed["metadata"]["uid"],
        "controller": True,
    }
    replica_set = {
        "apiVersion": "apps/v1",
        "kind": "ReplicaSet",
        "metadata": {
            "name": "web-1",
            "labels": {"app": "web"},
            "annotations": {"deployment.kubernetes.io/revision": "1"},
            "ownerReferences": [owner],
        },
        "spec": {key: deployed["spec"][key] for key in ("selector", "template")},
    }
    web("create", "-f", "-", stdin=replica_set)
    printed = web("rollout", "history", "deployment/web").words
    assert printed[:3] == [["deployment.apps/web"], ["REVISION", "CHANGE-CAUSE"], ["1", "<none>"]]


def test_taint_cordon(session_kubectl: Kubectl, kubectl: Kubectl) -> None:
    """A node is tainted and made unschedulable."""
    name = f"{kubectl.namespace}-node"
    node = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": name}}
    kubectl("create", "-f", "-", stdin=node)
    assert kubectl("taint", "node", name, "a=b:NoSchedule").stdout == f"node/{name} tainted\n"
    assert kubectl("cordon", name).stdout == f"node/{name} cordoned\n"
    spec = json.loads(show(kubectl, f"node/{name}", ".spec"))
    assert spec["unschedulable"] is True
    assert {"key": "a", "value": "b", "effect": "NoSchedule"} in spec["taints"]
    kubectl("delete", "node", name)


def test_autoscale(web: Kubectl) -> None:
    """An autoscaler aims at a deployment."""
    arguments = ("autoscale", "deployment", "web", "--max=5", "--cpu-percent=70", "-o", "json")
    spec = web(*arguments).json()["spec"]
    assert spec["scaleTargetRef"]["name"] == "web"
    assert spec["maxReplicas"] == 5


def test_autoscalers_are_shown(web: Kubectl) -> None:
    """With their target, what they aim at, and their bounds."""
    web("autoscale", "deployment", "web", "--min=2", "--max=5", "--cpu-percent=70")
    heading, row = web("get", "hpa").lines
    assert heading.split() == [
        *("NAME", "REFERENCE", "TARGETS", "MINPODS", "MAXPODS", "REPLICAS", "AGE")
    ]
    shown = row.split()
    assert shown[:2] == ["web", "Deployment/web"]
    assert shown[2:6] == ["cpu:", "<unknown>/70%", "2", "5"]
