# SPDX-License-Identifier: Apache-2.0
"""What Strategies do to an object before it is judged: generation, status, what is generated."""

from __future__ import annotations

from typing import Any

import pytest
import roads

from pyk8s.registry.strategy import Strategy

COUNTED = [
    "Deployment",
    "ReplicaSet",
    "StatefulSet",
    "DaemonSet",
    "Job",
    "CronJob",
    "HorizontalPodAutoscaler",
    "PodDisruptionBudget",
    "Ingress",
    "IngressClass",
    "NetworkPolicy",
    "EndpointSlice",
    "CSIDriver",
    "PriorityClass",
    "ValidatingWebhookConfiguration",
    "MutatingWebhookConfiguration",
    "ValidatingAdmissionPolicy",
    "ValidatingAdmissionPolicyBinding",
    "MutatingAdmissionPolicy",
    "MutatingAdmissionPolicyBinding",
    "FlowSchema",
    "PriorityLevelConfiguration",
    "DeviceClass",
    "ResourceSlice",
    "DeviceTaintRule",
    "CustomResourceDefinition",
]
# A PUT without a resourceVersion is refused for these alone.
CONDITIONAL = [
    "PodDisruptionBudget",
    "CSIDriver",
    "CSINode",
    "CSIStorageCapacity",
    "VolumeAttachment",
    "RuntimeClass",
    "Lease",
    "ValidatingWebhookConfiguration",
    "MutatingWebhookConfiguration",
    "ValidatingAdmissionPolicy",
    "ValidatingAdmissionPolicyBinding",
    "MutatingAdmissionPolicy",
    "MutatingAdmissionPolicyBinding",
    "FlowSchema",
    "PriorityLevelConfiguration",
    "APIService",
    "CustomResourceDefinition",
    "StorageVersionMigration",
]


def _strategy(kind: str) -> Strategy:
    return roads.strategy(roads.manifest(kind))


@pytest.mark.parametrize("kind", COUNTED)
def test_the_generation_starts_at_one(kind: str) -> None:
    found = roads.stored(kind, {"metadata generation": 7})

    assert found["metadata"]["generation"] == 1


@pytest.mark.parametrize(
    ("kind", "changes"),
    [
        ("Deployment", {"spec replicas": 5}),
        ("Deployment", {"metadata annotations": {"a": "b"}}),
        ("ReplicaSet", {"spec replicas": 5}),
        ("StatefulSet", {"spec replicas": 5}),
        ("DaemonSet", {"spec minReadySeconds": 5}),
        ("Job", {"spec parallelism": 2}),
        ("CronJob", {"spec suspend": True}),
        ("HorizontalPodAutoscaler", {"spec maxReplicas": 50}),
        ("PodDisruptionBudget", {"spec unhealthyPodEvictionPolicy": "AlwaysAllow"}),
        ("Ingress", {"spec ingressClassName": "other"}),
        ("NetworkPolicy", {"spec podSelector": {"matchLabels": {"a": "b"}}}),
        ("EndpointSlice", {"endpoints": [{"addresses": ["10.0.0.9"]}]}),
        ("CSIDriver", {"spec requiresRepublish": True}),
        ("ValidatingWebhookConfiguration", {"webhooks 0 timeoutSeconds": 3}),
        ("FlowSchema", {"spec matchingPrecedence": 77}),
    ],
)
def test_the_generation_moves_with_what_is_wanted(kind: str, changes: dict[str, Any]) -> None:
    updated, faults = roads.updated(roads.stored(kind), changes)

    assert roads.messages(faults) == []
    assert updated["metadata"]["generation"] == 2


@pytest.mark.parametrize("kind", COUNTED)
def test_the_generation_stays_with_labels(kind: str) -> None:
    updated, faults = roads.updated(roads.stored(kind), {"metadata labels": {"a": "b"}})

    assert roads.messages(faults) == []
    assert updated["metadata"]["generation"] == 1


def test_a_priority_class_keeps_its_first_generation() -> None:
    updated, _ = roads.updated(roads.stored("PriorityClass"), {"description": "other"})

    assert updated["metadata"]["generation"] == 1


@pytest.mark.parametrize("kind", roads.kinds())
def test_who_may_overwrite_blindly(kind: str) -> None:
    assert _strategy(kind).allow_unconditional_update is (kind not in CONDITIONAL)


@pytest.mark.parametrize("kind", roads.kinds())
def test_whom_a_put_creates(kind: str) -> None:
    creatable = {"Lease", "Role", "ClusterRole", "RoleBinding", "ClusterRoleBinding"}

    assert _strategy(kind).allow_create_on_update is (kind in creatable)


@pytest.mark.parametrize(
    ("kind", "status"),
    [
        ("Deployment", {"replicas": 5}),
        ("ReplicaSet", {"replicas": 5}),
        ("StatefulSet", {"replicas": 5}),
        ("DaemonSet", {"numberReady": 5}),
        ("Job", {"active": 5}),
        ("Ingress", {"loadBalancer": {"ingress": [{"ip": "10.0.0.1"}]}}),
        ("CustomResourceDefinition", {"storedVersions": ["v7"]}),
        ("FlowSchema", {"conditions": [{"type": "Dangling", "status": "True"}]}),
    ],
)
def test_the_status_belongs_to_controllers(kind: str, status: dict[str, Any]) -> None:
    found, faults = roads.created(roads.manifest(kind, {"status": status}))

    assert faults == []
    assert found["status"] == roads.stored(kind)["status"]


def test_an_update_leaves_the_status() -> None:
    existing = roads.stored("Deployment")
    existing["status"] = {"replicas": 1}

    updated, _ = roads.updated(existing, {"status replicas": 9, "spec replicas": 3})

    assert updated["status"] == {"replicas": 1}
    assert updated["spec"]["replicas"] == 3


def test_a_status_update_leaves_the_spec_and_generation() -> None:
    existing = roads.stored("ReplicaSet")

    updated, faults = roads.subresource_updated(
        existing, {"status replicas": 1, "spec replicas": 3}
    )

    assert faults == []
    assert updated["spec"] == existing["spec"]
    assert updated["metadata"]["generation"] == 1
    assert updated["status"]["replicas"] == 1


@pytest.mark.parametrize(
    ("kind", "kept"), [("Deployment", True), ("ReplicaSet", False), ("StatefulSet", False)]
)
def test_labels_through_the_status(kind: str, kept: bool) -> None:
    existing = roads.stored(kind, {"metadata labels": {"a": "b"}})

    updated, _ = roads.subresource_updated(existing, {"metadata labels": {"c": "d"}})

    assert updated["metadata"]["labels"] == ({"a": "b"} if kept else {"c": "d"})


@pytest.mark.parametrize(
    "kind", ["CustomResourceDefinition", "APIService", "ResourceClaim", "ServiceCIDR"]
)
def test_younger_kinds_keep_their_metadata(kind: str) -> None:
    existing = roads.stored(kind, {"metadata labels": {"a": "b"}})

    updated, _ = roads.subresource_updated(
        existing, {"metadata labels": {"c": "d"}, "metadata annotations": {"c": "d"}}
    )

    assert updated["metadata"]["labels"] == {"a": "b"}
    assert "annotations" not in updated["metadata"]


# Job


def test_a_job_selects_its_own_pods() -> None:
    job = roads.stored("Job", {"metadata name": "pi"})

    labels = {
        "batch.kubernetes.io/controller-uid": roads.UID,
        "batch.kubernetes.io/job-name": "pi",
        "controller-uid": roads.UID,
        "job-name": "pi",
    }
    assert job["spec"]["selector"] == {
        "matchLabels": {"batch.kubernetes.io/controller-uid": roads.UID}
    }
    assert job["spec"]["template"]["metadata"]["labels"] == labels
    assert job["metadata"]["labels"] == labels


def test_a_job_with_a_manual_selector_is_left_alone() -> None:
    job = roads.stored(
        "Job",
        {
            "spec manualSelector": True,
            "spec selector": {"matchLabels": {"a": "b"}},
            "spec template metadata": {"labels": {"a": "b"}},
        },
    )

    assert job["spec"]["selector"] == {"matchLabels": {"a": "b"}}
    assert job["spec"]["template"]["metadata"]["labels"] == {"a": "b"}


def test_a_job_is_not_changed_by_its_own_update() -> None:
    existing = roads.stored("Job")
    updated, faults = roads.updated(existing, {})

    assert faults == []
    assert updated == existing


# DaemonSet

TEMPLATE_GENERATION = "deprecated.daemonset.template.generation"


def test_a_daemon_set_counts_its_templates() -> None:
    existing = roads.stored("DaemonSet")
    changes = {
        "metadata annotations": {TEMPLATE_GENERATION: "9"},
        "spec template metadata annotations": {"a": "b"},
    }
    same, _ = roads.updated(existing, {"spec minReadySeconds": 3})
    other, _ = roads.updated(existing, changes)

    assert existing["metadata"]["annotations"] == {TEMPLATE_GENERATION: "1"}
    assert same["metadata"]["annotations"] == {TEMPLATE_GENERATION: "1"}
    assert other["metadata"]["annotations"] == {TEMPLATE_GENERATION: "2"}


# Definitions and API services


def test_a_definition_remembers_the_versions_it_stored() -> None:
    existing = roads.stored("CustomResourceDefinition")
    version = existing["spec"]["versions"][0]
    younger = {**version, "name": "v9"}
    older = {**version, "storage": False}

    updated, faults = roads.updated(existing, {"spec versions": [older, younger]})

    assert faults == []
    assert existing["status"]["storedVersions"] == [version["name"]]
    assert updated["status"]["storedVersions"] == [version["name"], "v9"]
    assert updated["metadata"]["generation"] == 2


def test_a_local_api_service_is_available() -> None:
    manifest = roads.manifest("APIService", {"spec service": roads.GONE})
    manifest["spec"].pop("caBundle", None)
    manifest["spec"].pop("insecureSkipTLSVerify", None)
    found, faults = roads.created(manifest)

    assert faults == []
    (condition,) = found["status"]["conditions"]
    assert (condition["type"], condition["status"]) == ("Available", "True")
    assert condition["reason"] == "Local"


def test_a_remote_api_service_waits_for_its_controller() -> None:
    assert roads.stored("APIService")["status"] == {}


# Warnings


@pytest.mark.parametrize(
    ("kind", "changes", "warning"),
    [
        (
            "Deployment",
            {"metadata name": "a.b"},
            "metadata.name: this is used in Pod names and hostnames, which can result in "
            "surprising behavior; a DNS label is recommended: [must not contain dots]",
        ),
        (
            "Ingress",
            {"metadata annotations": {"kubernetes.io/ingress.class": "nginx"}},
            'annotation "kubernetes.io/ingress.class" is deprecated, please use '
            "'spec.ingressClassName' instead",
        ),
        (
            "StatefulSet",
            {"spec revisionHistoryLimit": -1},
            "spec.revisionHistoryLimit: a negative value retains all historical revisions; a "
            "value >= 0 is recommended",
        ),
        (
            "Job",
            {
                "spec completionMode": "Indexed",
                "spec completions": 100_001,
                "spec parallelism": 10_001,
            },
            "In Indexed Jobs with a number of completions higher than 10^5 and a parallelism "
            "higher than 10^4, Kubernetes might not be able to track completedIndexes when a big "
            "number of indexes fail",
        ),
    ],
)
def test_a_client_is_warned(kind: str, changes: dict[str, Any], warning: str) -> None:
    found = roads.decoded(roads.manifest(kind, changes))

    assert warning in roads.strategy(found).warnings_on_create(roads.context(), found)


@pytest.mark.parametrize("kind", roads.kinds())
def test_sound_manifests_earn_no_warning(kind: str) -> None:
    found = roads.stored(kind)
    rules = roads.strategy(found)

    assert rules.warnings_on_create(roads.context(), found) == []
    assert rules.warnings_on_update(roads.context(), found, found) == []
