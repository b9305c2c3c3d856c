# SPDX-License-Identifier: Apache-2.0
"""kubectl apply, diff and replace: the object as the file says."""

from __future__ import annotations

import copy
import json
from pathlib import Path

import yaml
from cluster import Kubectl
from objects import configmap, deployment

FORTY = Path(__file__).parent.parent / "manifests" / "forty.yaml"

LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"


def test_apply_creates_then_configures(kubectl: Kubectl) -> None:
    """Created, unchanged, configured: each told as it is."""
    assert (
        kubectl("apply", "-f", "-", stdin=configmap("a", x="1")).stdout == "configmap/a created\n"
    )
    again = kubectl("apply", "-f", "-", stdin=configmap("a", x="1"))
    assert again.stdout == "configmap/a unchanged\n"
    changed = kubectl("apply", "-f", "-", stdin=configmap("a", x="2"))
    assert changed.stdout == "configmap/a configured\n"


def test_apply_removes_what_the_file_no_longer_says(kubectl: Kubectl) -> None:
    """What an earlier file set is taken away; what others set is kept."""
    kubectl("apply", "-f", "-", stdin=configmap("a", x="1", y="2"))
    kubectl("patch", "configmap", "a", "--type=merge", "-p", '{"data":{"other":"3"}}')
    kubectl("apply", "-f", "-", stdin=configmap("a", x="1"))
    assert kubectl("get", "configmap", "a", "-o", "json").json()["data"] == {"x": "1", "other": "3"}


def test_apply_merges_lists_by_key(kubectl: Kubectl) -> None:
    """A container that another client added stays: the patch is strategic."""
    kubectl("apply", "-f", "-", stdin=deployment("web"))
    more = {"spec": {"template": {"spec": {"containers": [{"name": "side", "image": "envoy"}]}}}}
    kubectl("patch", "deployment", "web", "-p", json.dumps(more))
    changed = deployment("web")
    changed["spec"]["template"]["spec"]["containers"][0]["image"] = "nginx:1.28"
    kubectl("apply", "-f", "-", stdin=changed)
    template = "jsonpath={.spec.template.spec.containers[*].image}"
    images = kubectl("get", "deployment", "web", "-o", template).stdout.split()
    assert sorted(images) == ["envoy", "nginx:1.28"]


def test_apply_remembers_the_file(kubectl: Kubectl) -> None:
    """The annotation holds what was applied; view-last-applied shows it."""
    kubectl("apply", "-f", "-", stdin=configmap("a", x="1"))
    shown = kubectl("apply", "view-last-applied", "configmap", "a", "-o", "json").json()
    assert shown["data"] == {"x": "1"}


def test_apply_server_dry_run(kubectl: Kubectl) -> None:
    """--dry-run=server says what would be, and changes nothing."""
    kubectl("apply", "-f", "-", stdin=configmap("a", x="1"))
    said = kubectl("apply", "--dry-run=server", "-f", "-", stdin=configmap("a", x="2"))
    assert said.stdout == "configmap/a configured (server dry run)\n"
    template = "jsonpath={.data.x}"
    assert kubectl("get", "configmap", "a", "-o", template).stdout == "1"


def test_forty_kinds(kubectl: Kubectl) -> None:
    """A file of forty kinds is created, then unchanged, then deleted, every line of it."""
    text = FORTY.read_text()
    kinds = {document["kind"] for document in yaml.safe_load_all(text)}
    assert len(kinds) == 40
    created = kubectl("apply", "-f", "-", stdin=text).lines
    assert [line.rsplit(" ", 1)[1] for line in created] == ["created"] * 40
    again = kubectl("apply", "-f", "-", stdin=text).lines
    assert [line for line in again if not line.endswith(" unchanged")] == []
    # To see that each has gone kubectl would ask five times a second at most.
    deleted = kubectl("delete", "-f", "-", "--wait=false", stdin=text).lines
    assert [" deleted" in line for line in deleted] == [True] * 40
    assert kubectl("get", "-f", "-", "--ignore-not-found", "-o", "name", stdin=text).stdout == ""


def test_diff(kubectl: Kubectl) -> None:
    """Exit status 1 and the lines that differ, or 0 and nothing; nothing is changed."""
    kubectl("apply", "-f", "-", stdin=deployment("web", replicas=1))
    assert kubectl("diff", "-f", "-", stdin=deployment("web", replicas=1)).stdout == ""
    shown = kubectl("diff", "-f", "-", stdin=deployment("web", replicas=3), status=1).stdout
    changes = [line for line in shown.splitlines() if line.startswith(("+ ", "- "))]
    assert changes == ["-  generation: 1", "+  generation: 2", "-  replicas: 1", "+  replicas: 3"]
    template = "jsonpath={.spec.replicas}"
    assert kubectl("get", "deployment", "web", "-o", template).stdout == "1"


def test_diff_of_a_new_object(kubectl: Kubectl) -> None:
    """What is not there yet differs in every line."""
    shown = kubectl("diff", "-f", "-", stdin=configmap("new", x="1"), status=1).stdout
    assert "+  x: " in shown
    assert kubectl("get", "configmap", "new", "--ignore-not-found").stdout == ""


def test_replace(kubectl: Kubectl) -> None:
    """The object becomes what the file says, whole."""
    kubectl("create", "-f", "-", stdin=configmap("a", x="1", y="2"))
    assert kubectl("replace", "-f", "-", stdin=configmap("a", z="3")).stdout == (
        "configmap/a replaced\n"
    )
    assert kubectl("get", "configmap", "a", "-o", "json").json()["data"] == {"z": "3"}


def test_replace_with_an_old_state(kubectl: Kubectl) -> None:
    """A file made from an older state is a conflict, in upstream's words."""
    kubectl("create", "-f", "-", stdin=configmap("a", x="1"))
    old = kubectl("get", "configmap", "a", "-o", "json").json()
    fresh = copy.deepcopy(old)
    fresh["data"] = {"x": "2"}
    kubectl("replace", "-f", "-", stdin=fresh)
    refused = kubectl("replace", "-f", "-", stdin=old, status=1).stderr
    assert "(Conflict)" in refused
    assert (
        'Operation cannot be fulfilled on configmaps "a": the object has been modified; '
        "please apply your changes to the latest version and try again" in refused
    )


def test_replace_by_force(kubectl: Kubectl) -> None:
    """--force deletes and creates anew: another uid."""
    kubectl("create", "-f", "-", stdin=configmap("a"))
    template = "jsonpath={.metadata.uid}"
    uid = kubectl("get", "configmap", "a", "-o", template).stdout
    kubectl("replace", "--force", "-f", "-", stdin=configmap("a"))
    assert kubectl("get", "configmap", "a", "-o", template).stdout not in ("", uid)


def test_replace_what_is_missing(kubectl: Kubectl) -> None:
    """Nothing is made by replacing."""
    refused = kubectl("replace", "-f", "-", stdin=configmap("a"), status=1).stderr
    assert 'configmaps "a" not found' in refused


def test_apply_an_immutable_change(kubectl: Kubectl) -> None:
    """What may not change is told with its path."""
    kubectl("apply", "-f", "-", stdin=deployment("web"))
    other = deployment("web")
    labels = {"app": "other"}
    other["spec"]["selector"]["matchLabels"] = labels
    other["spec"]["template"]["metadata"]["labels"] = labels
    refused = kubectl("apply", "-f", "-", stdin=other, status=1).stderr
    assert 'The Deployment "web" is invalid: spec.selector: Invalid value' in refused
    assert "field is immutable" in refused
