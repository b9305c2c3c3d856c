# SPDX-License-Identifier: Apache-2.0
"""Tables and metadata alone: what stands around the cells."""

from typing import Any

import pytest

from pyk8s.apimachinery import codec, errors
from pyk8s.apimachinery.gvk import GroupResource
from pyk8s.apis import columns
from pyk8s.apis.columns import table

NOW = 1781524800.0  # 2026-06-15T12:00:00Z
PODS = columns.columns_for(GroupResource("", "pods"))


def pod(name: str, phase: str = "Running") -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": name,
            "resourceVersion": "5",
            "labels": {"a": "b"},
            "creationTimestamp": "2026-06-15T11:59:00Z",
        },
        "spec": {"containers": [{"name": "a"}]},
        "status": {"phase": phase},
    }


def test_table_of_a_list() -> None:
    """A Table has the list's metadata, all columns, and a row per object, in order."""
    metadata = {"resourceVersion": "9", "continue": "c", "remainingItemCount": 2}
    made = table.table_for([pod("a"), pod("b")], PODS, list_metadata=metadata, now=NOW)
    assert list(made) == ["kind", "apiVersion", "metadata", "columnDefinitions", "rows"]
    assert (made["kind"], made["apiVersion"]) == ("Table", "meta.k8s.io/v1")
    assert made["metadata"] == metadata
    assert [row["cells"][0] for row in made["rows"]] == ["a", "b"]
    assert made["rows"][0]["cells"] == [
        "a", "0/1", "Running", "0", "60s", "<none>", "<none>", "<none>", "<none>"
    ]  # fmt: skip
    assert [column["priority"] for column in made["columnDefinitions"]] == [0] * 5 + [1] * 4


def test_table_of_nothing() -> None:
    """An empty list has no rows, which is not null."""
    made = table.table_for([], PODS, list_metadata={"resourceVersion": "9"}, now=NOW)
    assert made["rows"] == []


def test_table_of_one_object() -> None:
    """The Table of one object has the object's resourceVersion."""
    made = table.table_for_object(pod("a"), PODS, now=NOW)
    assert made["metadata"] == {"resourceVersion": "5"}
    assert len(made["rows"]) == 1


def test_default_class_is_marked_in_lists_only() -> None:
    """Alone, a class cannot know whether a newer one is the default."""
    resource = columns.columns_for(GroupResource("storage.k8s.io", "storageclasses"))
    annotations = {"storageclass.kubernetes.io/is-default-class": "true"}
    obj = {"metadata": {"name": "fast", "annotations": annotations}, "provisioner": "p"}
    alone = table.table_for_object(obj, resource, now=NOW)
    listed = table.table_for([obj], resource, list_metadata={}, now=NOW)
    assert alone["rows"][0]["cells"][0] == "fast"
    assert listed["rows"][0]["cells"][0] == "fast (default)"


@pytest.mark.parametrize("version", ["v1", "v1beta1"])
def test_row_object_is_the_metadata(version: str) -> None:
    """By default a row's object is the object's metadata, in the version of the Table."""
    obj = pod("a")
    made = table.table_for([obj], PODS, list_metadata={}, now=NOW, version=version)
    assert made["apiVersion"] == f"meta.k8s.io/{version}"
    assert made["rows"][0]["object"] == {
        "kind": "PartialObjectMetadata",
        "apiVersion": f"meta.k8s.io/{version}",
        "metadata": obj["metadata"],
    }


@pytest.mark.parametrize("include", ["None", "Object", "Metadata", ""])
def test_row_object_is_what_was_asked_for(include: str) -> None:
    """None says null, Object the whole, and nothing asked for is Metadata."""
    obj = pod("a")
    row = table.table_for([obj], PODS, include_object=include, list_metadata={}, now=NOW)["rows"][0]
    metadata = table.partial_object_metadata(obj)
    assert row["object"] == {"None": None, "Object": obj}.get(include, metadata)


def test_include_object_is_checked() -> None:
    """Anything else is a 400 in upstream's words."""
    table.check_include_object("Metadata")
    with pytest.raises(errors.StatusError) as caught:
        table.check_include_object("All")
    assert caught.value.code == 400
    assert caught.value.message == (
        "Unable to convert to Table as requested: includeObject: Invalid value: "
        "\"All\": must be 'Metadata', 'Object', 'None', or empty"
    )


@pytest.mark.parametrize(
    ("phase", "conditions"),
    [
        ("Running", None),
        (
            "Succeeded",
            [
                {
                    "type": "Completed",
                    "status": "True",
                    "reason": "Succeeded",
                    "message": "The pod has completed successfully.",
                }
            ],
        ),
        (
            "Failed",
            [
                {
                    "type": "Completed",
                    "status": "True",
                    "reason": "Failed",
                    "message": "The pod failed.",
                }
            ],
        ),
    ],
)
def test_rows_of_ended_pods_are_completed(phase: str, conditions: Any) -> None:
    """A pod that has ended says so beside its cells; other rows have no conditions."""
    row = table.table_for([pod("a", phase)], PODS, list_metadata={}, now=NOW)["rows"][0]
    assert row.get("conditions") == conditions
    assert list(row) == ["cells", *(["conditions"] if conditions else []), "object"]


def test_headers_can_be_left_out() -> None:
    """A watch says null for the columns after its first event, and the shared ones stay."""
    made = table.table_for_object(pod("a"), PODS, now=NOW)
    later = table.without_headers(made)
    assert later["columnDefinitions"] is None
    assert later["rows"] == made["rows"]
    assert made["columnDefinitions"]


@pytest.mark.parametrize("phase", ["Running", "Succeeded"])
def test_row_bytes_are_the_row(phase: str) -> None:
    """A row spliced around an encoded object reads as the row that is made whole."""
    obj = pod("a", phase)
    row = table.table_for_object(obj, PODS, now=NOW)["rows"][0]
    encoded = codec.encode_json(table.partial_object_metadata(obj))
    spliced = table.row_bytes(row["cells"], row.get("conditions", []), encoded)
    assert spliced == codec.encode_json(row)


def test_metadata_list() -> None:
    """Items say their kind, and the list is one of metadata."""
    objects = [pod("a"), pod("b")]
    made = table.partial_object_metadata_list(objects, {"resourceVersion": "9"}, "v1beta1")
    assert made["kind"] == "PartialObjectMetadataList"
    assert made["apiVersion"] == "meta.k8s.io/v1beta1"
    assert [item["kind"] for item in made["items"]] == ["PartialObjectMetadata"] * 2
    assert [item["metadata"]["name"] for item in made["items"]] == ["a", "b"]


def test_scale_prints_its_replicas() -> None:
    """The Scale subresource has columns of its own."""
    scale = {
        "metadata": {"name": "web", "creationTimestamp": "2026-06-15T11:00:00Z"},
        "spec": {"replicas": 3},
        "status": {"replicas": 2},
    }
    made = table.table_for_object(scale, columns.SCALE, now=NOW)
    names = [column["name"] for column in made["columnDefinitions"]]
    assert names == ["Name", "Desired", "Available", "Age"]
    assert made["rows"][0]["cells"] == ["web", 3, 2, "60m"]


def test_status_prints_its_message() -> None:
    """A Status has columns of its own."""
    status = errors.not_found(GroupResource("", "pods"), "a").status
    assert columns.STATUS.cells(status, NOW) == ["Failure", "NotFound", 'pods "a" not found']
    assert [column["name"] for column in columns.STATUS.definitions] == [
        "Status", "Reason", "Message"
    ]  # fmt: skip
