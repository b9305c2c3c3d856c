# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import copy

import pytest

from pyk8s.apimachinery.gvk import GroupVersionResource
from pyk8s.apis import scheme
from pyk8s.auth.user import UserInfo
from pyk8s.registry import strategies
from pyk8s.registry.context import RequestContext

CONTEXT = RequestContext(user=UserInfo("tester"))
POD = {
    "metadata": {"name": "web", "namespace": "default"},
    "spec": {"containers": [{"name": "web", "image": "nginx"}]},
}
SERVICE = {"metadata": {"name": "web", "namespace": "default"}, "spec": {"ports": [{"port": 80}]}}
CLAIM = {
    "metadata": {"name": "c", "namespace": "default"},
    "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
}


def strategy(resource):
    served = scheme.builtin().by_resource[GroupVersionResource("", "v1", resource)]
    return strategies.strategy_for(served)


def created(resource, obj):
    """The object as a create would store it; faults fail the test."""
    rules, obj = strategy(resource), copy.deepcopy(obj)
    rules.default(obj)
    rules.prepare_for_create(CONTEXT, obj)
    assert rules.validate(CONTEXT, obj) == []
    rules.canonicalize(obj)
    return obj


def updated(resource, existing, change):
    """The stored object after an update that `change` makes to a copy, and its faults."""
    rules, obj = strategy(resource), copy.deepcopy(existing)
    change(obj)
    rules.default(obj)
    rules.prepare_for_update(CONTEXT, obj, existing)
    return obj, rules.validate_update(CONTEXT, obj, existing)


def test_a_new_pod_is_pending_and_has_a_qos_class():
    """What a client says of the status is dropped."""
    pod = created("pods", {**POD, "status": {"phase": "Running"}})
    assert pod["status"] == {"phase": "Pending", "qosClass": "BestEffort"}
    assert pod["metadata"]["generation"] == 1


@pytest.mark.parametrize(
    ("resources", "qos"),
    [
        pytest.param({}, "BestEffort", id="nothing"),
        pytest.param({"requests": {"cpu": "1"}}, "Burstable", id="request"),
        pytest.param({"limits": {"cpu": "1"}}, "Burstable", id="one-limit"),
        pytest.param({"limits": {"cpu": "1", "memory": "1Gi"}}, "Guaranteed", id="both-limits"),
        pytest.param(
            {"limits": {"cpu": "1", "memory": "1Gi"}, "requests": {"cpu": "1000m"}},
            "Guaranteed",
            id="equal-in-other-words",
        ),
        pytest.param(
            {"limits": {"cpu": "1", "memory": "1Gi"}, "requests": {"cpu": "500m"}},
            "Burstable",
            id="less-than-limit",
        ),
        pytest.param({"limits": {"example.com/gpu": "1"}}, "BestEffort", id="extended-only"),
    ],
)
def test_the_qos_class_follows_from_requests_and_limits(resources, qos):
    """Guaranteed where every container has cpu and memory limits that equal its requests."""
    pod = copy.deepcopy(POD)
    pod["spec"]["containers"][0]["resources"] = resources
    assert created("pods", pod)["status"]["qosClass"] == qos


def test_a_gated_pod_says_why_it_is_not_scheduled():
    """The condition stands there from the first moment."""
    pod = copy.deepcopy(POD)
    pod["spec"]["schedulingGates"] = [{"name": "a/b"}]
    [condition] = created("pods", pod)["status"]["conditions"]
    assert (condition["type"], condition["status"], condition["reason"]) == (
        "PodScheduled",
        "False",
        "SchedulingGated",
    )


def test_match_label_keys_become_part_of_the_selector():
    """The Pod's own value of the key is written into the term."""
    pod = copy.deepcopy(POD)
    pod["metadata"]["labels"] = {"rev": "7"}
    term = {
        "topologyKey": "zone",
        "labelSelector": {"matchLabels": {"app": "a"}},
        "matchLabelKeys": ["rev"],
    }
    pod["spec"]["affinity"] = {
        "podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [term]}
    }
    affinity = created("pods", pod)["spec"]["affinity"]["podAntiAffinity"]
    [stored] = affinity["requiredDuringSchedulingIgnoredDuringExecution"]
    assert stored["labelSelector"]["matchExpressions"] == [
        {"key": "rev", "operator": "In", "values": ["7"]}
    ]


def test_a_pods_generation_moves_with_its_spec_alone():
    """Labels leave it as it is; its status is not the user's to write."""
    pod = created("pods", POD)
    relabeled, faults = updated("pods", pod, lambda p: p["metadata"].update(labels={"a": "b"}))
    assert (faults, relabeled["metadata"]["generation"]) == ([], 1)
    changed, faults = updated(
        "pods", pod, lambda p: p["spec"]["containers"][0].update(image="nginx:2")
    )
    assert (faults, changed["metadata"]["generation"]) == ([], 2)
    sly, _ = updated("pods", pod, lambda p: p["status"].update(phase="Running"))
    assert sly["status"]["phase"] == "Pending"


def test_a_status_update_of_a_pod_keeps_spec_and_owners():
    """What a kubelet leaves out of the status, QoS and generation, stays."""
    pod = created("pods", POD)
    owner = {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "r", "uid": "u"}
    pod["metadata"]["ownerReferences"] = [owner]
    update = copy.deepcopy(pod)
    update["spec"] = {"containers": []}
    update["metadata"]["ownerReferences"] = []
    update["status"] = {"phase": "Running"}
    strategy("pods").prepare_for_status_update(CONTEXT, update, pod)
    assert update["spec"] == pod["spec"]
    assert update["metadata"]["ownerReferences"] == pod["metadata"]["ownerReferences"]
    assert update["status"] == {"phase": "Running", "qosClass": "BestEffort"}
    assert strategy("pods").validate_status_update(CONTEXT, update, pod) == []


@pytest.mark.parametrize(
    ("spec", "status", "requested", "period"),
    [
        pytest.param({"nodeName": "n"}, {}, None, 30, id="default"),
        pytest.param({"nodeName": "n"}, {}, 5, 5, id="requested"),
        pytest.param({"nodeName": "n"}, {}, 0, 0, id="now"),
        pytest.param({"nodeName": "n", "terminationGracePeriodSeconds": 7}, {}, None, 7, id="own"),
        pytest.param({}, {}, 30, 0, id="unscheduled"),
        pytest.param({"nodeName": "n"}, {"phase": "Succeeded"}, 30, 0, id="ended"),
        pytest.param({"nodeName": "n"}, {"phase": "Failed"}, None, 0, id="failed"),
        pytest.param({"nodeName": "n"}, {}, -1, 1, id="negative"),
    ],
)
def test_a_running_pod_gets_time_to_end(spec, status, requested, period):
    """The period asked for, else the Pod's own; a Pod that runs nowhere goes at once."""
    pod = {"spec": {"terminationGracePeriodSeconds": 30, **spec}, "status": status}
    assert strategy("pods").grace_period_seconds(pod, requested) == period


def test_other_kinds_are_deleted_at_once():
    """None says that the kind knows no grace."""
    assert strategy("configmaps").grace_period_seconds({}, 30) is None


def test_a_new_namespace_is_active_and_kept_until_emptied():
    """The finalizer and the label with the name are the server's; a user's finalizers stay."""
    namespace = created(
        "namespaces", {"metadata": {"name": "prod"}, "spec": {"finalizers": ["a.b/c"]}}
    )
    assert namespace["spec"]["finalizers"] == ["a.b/c", "kubernetes"]
    assert namespace["status"] == {"phase": "Active"}
    assert namespace["metadata"]["labels"] == {"kubernetes.io/metadata.name": "prod"}


def test_an_update_cannot_change_a_namespaces_finalizers():
    """They go through the finalize subresource."""
    namespace = created("namespaces", {"metadata": {"name": "prod"}})
    after, faults = updated("namespaces", namespace, lambda n: n["spec"].update(finalizers=[]))
    assert (faults, after["spec"]) == ([], {"finalizers": ["kubernetes"]})


def test_string_data_is_merged_into_data():
    """It is written, never read."""
    secret = created(
        "secrets",
        {"metadata": {"name": "s", "namespace": "default"}, "stringData": {"a": "b"}},
    )
    assert (secret["data"], secret["type"]) == ({"a": "Yg=="}, "Opaque")
    assert "stringData" not in secret


def test_a_secret_put_without_a_type_keeps_its_own():
    """Leaving the type out is no attempt to change it."""
    secret = {"metadata": {"name": "s", "namespace": "default"}, "type": "example.com/x"}
    rules = strategy("secrets")
    update = {"metadata": secret["metadata"]}
    rules.prepare_for_update(CONTEXT, update, secret)
    assert update["type"] == "example.com/x"


def test_a_node_registers_with_its_status():
    """A kubelet creates its Node complete; an update of the Node leaves the status alone."""
    node = created("nodes", {"metadata": {"name": "n"}, "status": {"capacity": {"cpu": "4"}}})
    assert node["status"]["allocatable"] == {"cpu": "4"}
    after, faults = updated("nodes", node, lambda n: n.update(status={}))
    assert (faults, after["status"]) == ([], node["status"])


def test_volumes_and_claims_start_pending():
    """A client's status is dropped."""
    claim = created("persistentvolumeclaims", {**CLAIM, "status": {"phase": "Bound"}})
    assert claim["status"] == {"phase": "Pending"}
    volume = created(
        "persistentvolumes",
        {
            "metadata": {"name": "v"},
            "spec": {
                "capacity": {"storage": "1Gi"},
                "accessModes": ["ReadWriteOnce"],
                "hostPath": {"path": "/a"},
            },
        },
    )
    assert volume["status"]["phase"] == "Pending"
    assert volume["status"]["lastPhaseTransitionTime"]


def test_a_claims_data_source_has_both_names():
    """dataSource means dataSourceRef, and the other way round for what it can say."""
    source = {"kind": "PersistentVolumeClaim", "name": "old"}
    for given in ("dataSource", "dataSourceRef"):
        claim = copy.deepcopy(CLAIM)
        claim["spec"][given] = source
        spec = created("persistentvolumeclaims", claim)["spec"]
        assert (spec["dataSource"], spec["dataSourceRef"]) == (source, source)


def through(resource, subresource, existing, change):
    """The stored object after an update through a subresource, and its faults."""
    rule = strategy(resource).update_rule(subresource)
    obj = copy.deepcopy(existing)
    change(obj)
    strategy(resource).default(obj)
    rule.prepare(CONTEXT, obj, existing)
    return obj, rule.validate(CONTEXT, obj, existing)


def test_ephemeral_containers_come_through_their_subresource_alone():
    """Nothing else of the update counts, and the generation moves."""
    pod = created("pods", POD)

    def debug(update):
        update["spec"]["ephemeralContainers"] = [{"name": "debug", "image": "busybox"}]
        update["spec"]["containers"][0]["image"] = "other"
        update["metadata"]["labels"] = {"a": "b"}

    after, faults = through("pods", "ephemeralcontainers", pod, debug)
    assert faults == []
    assert [c["name"] for c in after["spec"]["ephemeralContainers"]] == ["debug"]
    assert after["spec"]["containers"] == pod["spec"]["containers"]
    assert "labels" not in after["metadata"]
    assert after["metadata"]["generation"] == 2


def test_a_resize_changes_resources_alone():
    """Images stay; a container more is refused."""
    pod = created("pods", POD)
    pod["spec"]["containers"][0]["resources"] = {"requests": {"cpu": "1"}}
    pod["status"]["qosClass"] = "Burstable"

    def grow(update):
        update["spec"]["containers"][0].update(image="other", resources={"requests": {"cpu": "2"}})

    after, faults = through("pods", "resize", pod, grow)
    [container] = after["spec"]["containers"]
    assert faults == []
    assert (container["image"], container["resources"]) == ("nginx", {"requests": {"cpu": "2"}})

    def add(update):
        update["spec"]["containers"].append({"name": "b", "image": "i"})

    _, faults = through("pods", "resize", pod, add)
    assert [fault.message for fault in faults] == [
        "spec: Forbidden: containers may not be added or removed on resize"
    ]


def test_finalize_changes_a_namespaces_finalizers():
    """What an update of the namespace cannot do."""
    namespace = created("namespaces", {"metadata": {"name": "prod"}})
    after, faults = through(
        "namespaces", "finalize", namespace, lambda n: n["spec"].update(finalizers=[])
    )
    assert (faults, after["spec"]["finalizers"]) == ([], [])
    _, faults = through(
        "namespaces", "finalize", namespace, lambda n: n["spec"].update(finalizers=["mine"])
    )
    assert [fault.field for fault in faults] == ["spec.finalizers[0]"]


def test_an_app_armor_annotation_becomes_a_field():
    """The deprecated annotation still works, and its writer is told."""
    pod = copy.deepcopy(POD)
    key = "container.apparmor.security.beta.kubernetes.io/web"
    pod["metadata"]["annotations"] = {key: "localhost/strict"}
    context = RequestContext(user=UserInfo("tester"))
    rules = strategy("pods")
    rules.default(pod)
    rules.prepare_for_create(context, pod)
    assert rules.validate(context, pod) == []
    assert pod["spec"]["containers"][0]["securityContext"] == {
        "appArmorProfile": {"type": "Localhost", "localhostProfile": "strict"}
    }
    assert context.warnings == [
        f"metadata.annotations[{key}]: deprecated since v1.30; use the "
        '"appArmorProfile" field instead'
    ]


def test_spread_by_label_keys_is_accepted():
    """The key becomes part of the constraint's selector, which is no conflict with itself."""
    pod = copy.deepcopy(POD)
    pod["metadata"]["labels"] = {"rev": "7"}
    pod["spec"]["topologySpreadConstraints"] = [
        {
            "maxSkew": 1,
            "topologyKey": "zone",
            "whenUnsatisfiable": "DoNotSchedule",
            "labelSelector": {"matchLabels": {"app": "a"}},
            "matchLabelKeys": ["rev"],
        }
    ]
    [constraint] = created("pods", pod)["spec"]["topologySpreadConstraints"]
    assert constraint["labelSelector"]["matchExpressions"][0]["values"] == ["7"]


def _placed_service(**spec):
    service = created("services", SERVICE)
    service["spec"].update({"clusterIP": "10.0.0.1", "clusterIPs": ["10.0.0.1"], **spec})
    return service


def test_cluster_ip_and_cluster_ips_are_brought_together():
    """A client that knows only the old field is understood."""
    service = copy.deepcopy(SERVICE)
    service["spec"]["clusterIP"] = "None"
    assert created("services", service)["spec"]["clusterIPs"] == ["None"]


def test_a_service_written_anew_keeps_what_it_was_given():
    """Cluster IP and node ports survive a PUT that leaves them out."""
    stored = _placed_service(
        type="NodePort",
        ports=[{"port": 80, "targetPort": 80, "protocol": "TCP", "nodePort": 30080}],
        externalTrafficPolicy="Cluster",
    )

    def rewrite(service):
        service["spec"] = {"type": "NodePort", "ports": [{"port": 80}]}

    after, faults = updated("services", stored, rewrite)
    assert faults == []
    assert (after["spec"]["clusterIP"], after["spec"]["clusterIPs"]) == ("10.0.0.1", ["10.0.0.1"])
    assert after["spec"]["ports"][0]["nodePort"] == 30080


def test_a_change_of_type_drops_what_the_new_type_cannot_have():
    """From LoadBalancer to ClusterIP, and on to ExternalName, without a word of the user."""
    stored = _placed_service(
        type="LoadBalancer",
        ports=[{"port": 80, "targetPort": 80, "protocol": "TCP", "nodePort": 30080}],
        externalTrafficPolicy="Cluster",
        allocateLoadBalancerNodePorts=True,
        ipFamilies=["IPv4"],
        ipFamilyPolicy="SingleStack",
    )
    after, faults = updated("services", stored, lambda s: s["spec"].update(type="ClusterIP"))
    assert faults == []
    assert "nodePort" not in after["spec"]["ports"][0]
    assert not {"externalTrafficPolicy", "allocateLoadBalancerNodePorts"} & set(after["spec"])
    last, faults = updated(
        "services",
        after,
        lambda s: s["spec"].update(type="ExternalName", externalName="a.example.com"),
    )
    assert faults == []
    assert not {"clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy"} & set(last["spec"])


def test_a_changed_cluster_ip_is_refused():
    """It is not quietly put back."""
    _, faults = updated(
        "services", _placed_service(), lambda s: s["spec"].update(clusterIP="10.0.0.9")
    )
    assert [fault.field for fault in faults] == ["spec.clusterIPs[0]"]


@pytest.mark.parametrize(
    ("resource", "creates", "unconditional"),
    [
        pytest.param("services", True, True, id="services"),
        pytest.param("endpoints", True, True, id="endpoints"),
        pytest.param("events", True, True, id="events"),
        pytest.param("limitranges", True, True, id="limitranges"),
        pytest.param("serviceaccounts", False, False, id="serviceaccounts"),
        pytest.param("pods", False, True, id="pods"),
        pytest.param("configmaps", False, True, id="configmaps"),
        pytest.param("nodes", False, True, id="nodes"),
    ],
)
def test_put_creates_and_overwrites_where_upstream_lets_it(resource, creates, unconditional):
    """allow_create_on_update and allow_unconditional_update of each kind."""
    rules = strategy(resource)
    assert (rules.allow_create_on_update, rules.allow_unconditional_update) == (
        creates,
        unconditional,
    )


@pytest.mark.parametrize(
    ("resource", "obj", "warnings"),
    [
        pytest.param(
            "pods",
            {**POD, "metadata": {"name": "a.b", "namespace": "default"}},
            [
                "metadata.name: this is used in the Pod's hostname, which can result in "
                "surprising behavior; a DNS label is recommended: [must not contain dots]"
            ],
            id="pod-name",
        ),
        pytest.param(
            "pods",
            {**POD, "spec": {**POD["spec"], "nodeSelector": {"beta.kubernetes.io/os": "linux"}}},
            [
                "spec.nodeSelector[beta.kubernetes.io/os]: deprecated since v1.14; use "
                '"kubernetes.io/os" instead'
            ],
            id="node-label",
        ),
        pytest.param(
            "pods",
            {
                **POD,
                "spec": {
                    "containers": [
                        {
                            "name": "web",
                            "image": "i",
                            "env": [{"name": "A", "value": "1"}, {"name": "A", "value": "2"}],
                            "ports": [{"containerPort": 80}, {"containerPort": 80}],
                            "resources": {"requests": {"memory": "100m"}},
                        }
                    ],
                    "terminationGracePeriodSeconds": -1,
                },
            },
            [
                'spec.containers[0].resources.requests[memory]: fractional byte value "100m" is '
                "invalid, must be an integer",
                'spec.containers[0].env[1]: hides previous definition of "A", which may be dropped '
                "when using apply",
                "spec.containers[0].ports[1]: duplicate port definition with "
                "spec.containers[0].ports[0]",
                "spec.terminationGracePeriodSeconds: must be >= 0; negative values are invalid and "
                "will be treated as 1",
            ],
            id="containers",
        ),
        pytest.param(
            "replicationcontrollers",
            {
                "metadata": {"name": "r", "namespace": "default"},
                "spec": {
                    "template": {
                        "metadata": {"labels": {"a": "b"}},
                        "spec": {**POD["spec"], "volumes": [{"name": "v", "rbd": {
                            "monitors": ["m"], "image": "i"}}]},
                    }
                },
            },
            [
                "spec.template.spec.volumes[0].rbd: deprecated in v1.28, non-functional in v1.31+"
            ],
            id="template-volume",
        ),
        pytest.param(
            "services",
            {
                **SERVICE,
                "spec": {"clusterIP": "None", "sessionAffinity": "ClientIP", "externalName": "a"},
            },
            [
                'spec.externalName is ignored when spec.type is not "ExternalName"',
                "spec.SessionAffinity is ignored for headless services",
            ],
            id="service",
        ),
        pytest.param(
            "persistentvolumeclaims",
            {
                **CLAIM,
                "metadata": {
                    **CLAIM["metadata"],
                    "annotations": {"volume.beta.kubernetes.io/storage-class": "a"},
                },
            },
            [
                "metadata.annotations[volume.beta.kubernetes.io/storage-class]: deprecated since "
                'v1.8; use "storageClassName" attribute instead'
            ],
            id="claim",
        ),
        pytest.param("pods", POD, [], id="nothing-to-say"),
    ],
)  # fmt: skip
def test_a_create_warns_of_what_is_valid_but_hardly_meant(resource, obj, warnings):
    """Warnings in upstream's words and order."""
    stored = created(resource, obj)
    assert strategy(resource).warnings_on_create(CONTEXT, stored) == warnings
