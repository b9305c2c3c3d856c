# SPDX-License-Identifier: Apache-2.0
"""kubectl delete and wait."""

from __future__ import annotations

import json

from cluster import Kubectl, wait_until
from objects import configmap, pod


def test_delete_by_name(kubectl: Kubectl) -> None:
    """It is told, with its namespace as newer clients do, and is gone."""
    kubectl("create", "-f", "-", stdin=configmap("a"))
    assert kubectl("delete", "configmap", "a").stdout.startswith('configmap "a" deleted')
    assert kubectl("get", "configmaps", "-o", "name").stdout == ""


def test_delete_by_label(kubectl: Kubectl) -> None:
    """A selector deletes what it selects, and nothing else."""
    red = {"color": "red"}
    kubectl("create", "-f", "-", stdin=[configmap("a", red), configmap("b"), configmap("c", red)])
    assert len(kubectl("delete", "configmaps", "-l", "color=red").lines) == 2
    assert kubectl("get", "configmaps", "-o", "name").stdout == "configmap/b\n"


def test_delete_by_file(kubectl: Kubectl) -> None:
    """What a file names is deleted; what is missing is told once all else is done."""
    kubectl("create", "-f", "-", stdin=[configmap("a"), configmap("c")])
    objects = [configmap("a"), configmap("b"), configmap("c")]
    done = kubectl("delete", "-f", "-", stdin=objects, status=1)
    assert len(done.lines) == 2
    assert 'configmaps "b" not found' in done.stderr


def test_delete_all(kubectl: Kubectl) -> None:
    """--all deletes all of a kind in the namespace."""
    kubectl("create", "-f", "-", stdin=[configmap("a"), configmap("b")])
    assert len(kubectl("delete", "configmaps", "--all").lines) == 2
    assert kubectl("get", "configmaps", "-o", "name").stdout == ""


def test_delete_what_is_missing(kubectl: Kubectl) -> None:
    """NotFound, unless asked to pass over it."""
    refused = kubectl("delete", "configmap", "none", status=1).stderr
    assert refused == 'Error from server (NotFound): configmaps "none" not found\n'
    kubectl("delete", "configmap", "none", "--ignore-not-found")


def test_delete_dry_run(kubectl: Kubectl) -> None:
    """--dry-run=server asks the server, which deletes nothing."""
    kubectl("create", "-f", "-", stdin=configmap("a"))
    said = kubectl("delete", "configmap", "a", "--dry-run=server").stdout
    assert said.rstrip().endswith("(server dry run)")
    assert kubectl("get", "configmaps", "-o", "name").stdout == "configmap/a\n"


def test_delete_waits_for_finalizers(kubectl: Kubectl) -> None:
    """`delete` returns when the last finalizer is gone, and not before."""
    kept = configmap("a")
    kept["metadata"]["finalizers"] = ["example.com/keep"]
    kubectl("create", "-f", "-", stdin=kept)
    with kubectl.following("delete", "configmap", "a", "--wait") as lines:
        assert (lines.next() or "").startswith('configmap "a" deleted')
        template = "jsonpath={.metadata.deletionTimestamp}"
        wait_until(lambda: kubectl("get", "configmap", "a", "-o", template).stdout, "marked")
        patch = '{"metadata":{"finalizers":null}}'
        kubectl("patch", "configmap", "a", "--type=merge", "-p", patch)
        assert lines.next() is None
    assert kubectl("get", "configmaps", "-o", "name").stdout == ""


def test_delete_without_waiting(kubectl: Kubectl) -> None:
    """--wait=false returns at once, while finalizers keep the object."""
    kept = configmap("a")
    kept["metadata"]["finalizers"] = ["example.com/keep"]
    kubectl("create", "-f", "-", stdin=kept)
    kubectl("delete", "configmap", "a", "--wait=false")
    assert kubectl("get", "configmaps", "-o", "name").stdout == "configmap/a\n"


def test_delete_a_pod_at_once(kubectl: Kubectl) -> None:
    """A pod that no node runs has no grace to wait for."""
    kubectl("create", "-f", "-", stdin=pod("web"))
    kubectl("delete", "pod", "web")
    assert kubectl("get", "pods", "-o", "name").stdout == ""


def test_delete_orphaning(kubectl: Kubectl) -> None:
    """--cascade=orphan leaves the object to the garbage collector's finalizer."""
    kubectl("create", "-f", "-", stdin=configmap("a"))
    kubectl("delete", "configmap", "a", "--cascade=orphan", "--wait=false")
    template = "jsonpath={.metadata.finalizers}"
    shown = kubectl("get", "configmap", "a", "-o", template).stdout
    assert json.loads(shown) == ["orphan"]


def test_wait_for_a_value(kubectl: Kubectl) -> None:
    """wait --for=jsonpath returns once the value is there."""
    kubectl("create", "-f", "-", stdin=configmap("a", state="new"))
    arguments = ("wait", "configmap/a", "--for=jsonpath={.data.state}=done", "--timeout=20s")
    with kubectl.following(*arguments) as lines:
        kubectl("patch", "configmap", "a", "-p", '{"data":{"state":"done"}}')
        assert lines.next() == "configmap/a condition met"


def test_wait_for_a_value_that_is_there(kubectl: Kubectl) -> None:
    """It returns at once when there is nothing to wait for."""
    kubectl("create", "-f", "-", stdin=configmap("a", state="done"))
    waited = kubectl("wait", "configmap/a", "--for=jsonpath={.data.state}=done", "--timeout=20s")
    assert waited.stdout == "configmap/a condition met\n"


def test_wait_for_a_condition(kubectl: Kubectl) -> None:
    """wait --for=condition looks at the status' conditions."""
    kubectl("create", "-f", "-", stdin=pod("web"))
    condition = {"type": "Ready", "status": "True"}
    patch = json.dumps({"status": {"conditions": [condition]}})
    kubectl("patch", "pod", "web", "--subresource=status", "-p", patch)
    waited = kubectl("wait", "pod/web", "--for=condition=Ready", "--timeout=20s")
    assert waited.stdout == "pod/web condition met\n"


def test_wait_for_delete(kubectl: Kubectl) -> None:
    """wait --for=delete returns once it is gone."""
    kubectl("create", "-f", "-", stdin=configmap("a"))
    with kubectl.following("wait", "configmap/a", "--for=delete", "--timeout=20s") as lines:
        kubectl("delete", "configmap", "a")
        assert lines.next() in ("configmap/a condition met", None)


def test_wait_for_creation(kubectl: Kubectl) -> None:
    """wait --for=create returns once it is there."""
    with kubectl.following("wait", "configmap/a", "--for=create", "--timeout=20s") as lines:
        kubectl("create", "-f", "-", stdin=configmap("a"))
        assert lines.next() == "configmap/a condition met"


def test_wait_in_vain(kubectl: Kubectl) -> None:
    """The time is up: an error that names what was waited for."""
    kubectl("create", "-f", "-", stdin=configmap("a", state="new"))
    arguments = ("wait", "configmap/a", "--for=jsonpath={.data.state}=done", "--timeout=1s")
    refused = kubectl(*arguments, status=1).stderr
    assert refused == "error: timed out waiting for the condition on configmaps/a\n"
