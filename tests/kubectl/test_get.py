# SPDX-License-Identifier: Apache-2.0
"""kubectl get in its forms."""

from __future__ import annotations

import json

import pytest
import yaml
from cluster import Kubectl
from objects import configmap, pod


@pytest.fixture
def three(kubectl: Kubectl) -> Kubectl:
    """Three config maps, of which two are red."""
    red = {"color": "red"}
    objects = (
        configmap("a", red, size="3"),
        configmap("b", {"color": "blue"}, size="1"),
        configmap("c", red, size="2"),
    )
    kubectl("apply", "-f", "-", stdin=objects)
    return kubectl


def test_table_of_a_list(three: Kubectl) -> None:
    """The plain form prints the server's columns."""
    printed = three("get", "configmaps").words
    assert printed[0] == ["NAME", "DATA", "AGE"]
    assert [row[:2] for row in printed[1:]] == [["a", "1"], ["b", "1"], ["c", "1"]]


def test_table_of_one_object(three: Kubectl) -> None:
    """A named object is a table of one row."""
    assert [row[0] for row in three("get", "configmap", "b").words] == ["NAME", "b"]


def test_wide_shows_more_columns(kubectl: Kubectl) -> None:
    """-o wide adds the columns of lower priority."""
    kubectl("apply", "-f", "-", stdin=pod("web"))
    plain = kubectl("get", "pods").words[0]
    wide = kubectl("get", "pods", "-o", "wide").words[0]
    assert plain == ["NAME", "READY", "STATUS", "RESTARTS", "AGE"]
    assert wide == [*plain, "IP", "NODE", "NOMINATED", "NODE", "READINESS", "GATES"]


def test_pod_row(kubectl: Kubectl) -> None:
    """A pod that nobody runs is pending, with none of its containers ready."""
    kubectl("apply", "-f", "-", stdin=pod("web"))
    assert kubectl("get", "pods", "--no-headers").words[0][:4] == ["web", "0/1", "Pending", "0"]


def test_json_of_one_object(three: Kubectl) -> None:
    """-o json prints the object with its kind and the system's metadata."""
    obj = three("get", "configmap", "a", "-o", "json").json()
    assert (obj["kind"], obj["apiVersion"]) == ("ConfigMap", "v1")
    assert obj["data"] == {"size": "3"}
    assert obj["metadata"]["namespace"] == three.namespace
    assert {"uid", "resourceVersion", "creationTimestamp"} <= obj["metadata"].keys()


def test_json_of_a_list(three: Kubectl) -> None:
    """-o json of several prints a List whose items carry their kinds."""
    shown = three("get", "configmaps", "-o", "json").json()
    assert shown["kind"] == "List"
    assert [item["kind"] for item in shown["items"]] == ["ConfigMap"] * 3


def test_yaml(three: Kubectl) -> None:
    """-o yaml holds what -o json holds."""
    as_yaml = three("get", "configmap", "a", "-o", "yaml").stdout
    assert yaml.safe_load(as_yaml)["data"] == {"size": "3"}


def test_jsonpath(three: Kubectl) -> None:
    """-o jsonpath picks values."""
    template = "jsonpath={.items[*].data.size}"
    assert three("get", "configmaps", "-o", template).stdout == "3 1 2"


def test_name(three: Kubectl) -> None:
    """-o name prints resource and name."""
    assert three("get", "configmaps", "-o", "name").lines == [f"configmap/{n}" for n in "abc"]


def test_custom_columns(three: Kubectl) -> None:
    """-o custom-columns makes the table the user names."""
    columns = "custom-columns=WHO:.metadata.name,SIZE:.data.size"
    printed = three("get", "configmaps", "-o", columns).words
    assert printed == [["WHO", "SIZE"], ["a", "3"], ["b", "1"], ["c", "2"]]


def test_go_template(three: Kubectl) -> None:
    """-o go-template sees the object as data."""
    template = "go-template={{range .items}}{{.metadata.name}}{{end}}"
    assert three("get", "configmaps", "-o", template).stdout == "abc"


@pytest.mark.parametrize(
    ("selector", "names"),
    [
        pytest.param("color=red", "ac", id="equality"),
        pytest.param("color!=red", "b", id="inequality"),
        pytest.param("color in (red,blue)", "abc", id="set"),
        pytest.param("color notin (red)", "b", id="not in set"),
        pytest.param("color", "abc", id="exists"),
        pytest.param("!color", "", id="does not exist"),
    ],
)
def test_label_selector(three: Kubectl, selector: str, names: str) -> None:
    """-l selects by labels."""
    found = three("get", "configmaps", "-o", "name", "-l", selector).lines
    assert found == [f"configmap/{name}" for name in names]


@pytest.mark.parametrize(
    ("selector", "names"),
    [
        pytest.param("metadata.name=b", "b", id="equality"),
        pytest.param("metadata.name!=b", "ac", id="inequality"),
    ],
)
def test_field_selector(three: Kubectl, selector: str, names: str) -> None:
    """--field-selector selects by fields."""
    found = three("get", "configmaps", "-o", "name", "--field-selector", selector).lines
    assert found == [f"configmap/{name}" for name in names]


def test_unknown_field_selector(three: Kubectl) -> None:
    """A field that cannot be selected by is refused in upstream's words."""
    refused = three("get", "configmaps", "--field-selector=data.size=1", status=1)
    known = '"data.size" is not a known field selector: only "metadata.name", "metadata.namespace"'
    assert known in refused.stderr


def test_label_columns(three: Kubectl) -> None:
    """-L adds a column for a label, which the rows' metadata carries."""
    printed = three("get", "configmaps", "-L", "color").words
    assert printed[0][-1] == "COLOR"
    assert [row[-1] for row in printed[1:]] == ["red", "blue", "red"]


def test_show_labels(three: Kubectl) -> None:
    """--show-labels adds them all."""
    printed = three("get", "configmap", "b", "--show-labels").words
    assert (printed[0][-1], printed[1][-1]) == ("LABELS", "color=blue")


def test_sort_by(three: Kubectl) -> None:
    """--sort-by orders rows by a field of the whole object."""
    printed = three("get", "configmaps", "--sort-by=.data.size", "--no-headers").words
    assert [row[0] for row in printed] == ["b", "c", "a"]


def test_all_namespaces(three: Kubectl) -> None:
    """-A looks everywhere and says where."""
    printed = three("get", "configmaps", "-A", "-l", "color").words
    assert printed[0] == ["NAMESPACE", "NAME", "DATA", "AGE"]
    assert [three.namespace, "a"] in [row[:2] for row in printed[1:]]


def test_all_category(kubectl: Kubectl) -> None:
    """`get all` finds what is in that category, and says so when there is nothing."""
    assert "No resources found in" in kubectl("get", "all").stderr
    kubectl("apply", "-f", "-", stdin=pod("web"))
    assert "pod/web" in kubectl("get", "all").stdout


def test_several_kinds_at_once(three: Kubectl) -> None:
    """Several resources in one call print their kinds with the names."""
    three("apply", "-f", "-", stdin=pod("web"))
    assert three("get", "cm/a,pods", "-o", "name", status=1).stderr
    assert three("get", "cm,pods", "-l", "color=blue", "-o", "name").lines == ["configmap/b"]
    assert three("get", "cm/a", "pod/web", "-o", "name").lines == ["configmap/a", "pod/web"]


@pytest.mark.parametrize("chunk", ["1", "2", "3", "0"])
def test_chunks(three: Kubectl, chunk: str) -> None:
    """--chunk-size makes pages that add up to the whole."""
    found = three("get", "configmaps", "-o", "name", f"--chunk-size={chunk}").lines
    assert found == [f"configmap/{name}" for name in "abc"]


def test_raw(three: Kubectl) -> None:
    """--raw shows the server's own answer."""
    path = f"/api/v1/namespaces/{three.namespace}/configmaps"
    shown = json.loads(three("get", "--raw", path).stdout)
    assert (shown["kind"], len(shown["items"])) == ("ConfigMapList", 3)


def test_not_found(kubectl: Kubectl) -> None:
    """What is not there is told by resource and name."""
    expected = 'Error from server (NotFound): configmaps "none" not found'
    assert kubectl("get", "configmap", "none", status=1).stderr.strip() == expected


def test_ignore_not_found(kubectl: Kubectl) -> None:
    """--ignore-not-found makes that no error."""
    assert kubectl("get", "configmap", "none", "--ignore-not-found").stdout == ""


def test_no_such_type(kubectl: Kubectl) -> None:
    """A resource that the server does not know is refused by kubectl itself."""
    expected = 'error: the server doesn\'t have a resource type "nonsense"'
    assert kubectl("get", "nonsense", status=1).stderr.strip() == expected


def test_watch(kubectl: Kubectl) -> None:
    """-w prints the list and then each change, as rows of one table."""
    kubectl("apply", "-f", "-", stdin=configmap("first"))
    with kubectl.following("get", "configmaps", "-w") as lines:
        assert (lines.next() or "").split() == ["NAME", "DATA", "AGE"]
        assert (lines.next() or "").split()[:2] == ["first", "0"]
        kubectl("apply", "-f", "-", stdin=configmap("second", a="b"))
        assert (lines.next() or "").split()[:2] == ["second", "1"]
        kubectl("patch", "configmap", "first", "--type=merge", "-p", '{"data":{"x":"y"}}')
        assert (lines.next() or "").split()[:2] == ["first", "1"]


def test_watch_shows_event_types(kubectl: Kubectl) -> None:
    """--output-watch-events says what happened, a deletion included."""
    kubectl("apply", "-f", "-", stdin=configmap("one"))
    with kubectl.following("get", "configmaps", "-w", "--output-watch-events") as lines:
        assert (lines.next() or "").split()[:2] == ["EVENT", "NAME"]
        assert (lines.next() or "").split()[:2] == ["ADDED", "one"]
        kubectl("delete", "configmap", "one")
        assert (lines.next() or "").split()[:2] == ["DELETED", "one"]
