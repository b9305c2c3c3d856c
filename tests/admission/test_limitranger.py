# SPDX-License-Identifier: Apache-2.0
"""LimitRanger: defaults and ranges, and through a running server."""

from __future__ import annotations

import pytest
from objects import pod

from pyk8s.admission import limitranger

ANNOTATION = "kubernetes.io/limit-ranger"


def limit(kind="Container", **bounds):
    return {"type": kind, **bounds}


def with_resources(requests=None, limits=None, name="a"):
    made = pod(name)
    resources = {"requests": requests, "limits": limits}
    made["spec"]["containers"][0]["resources"] = {k: v for k, v in resources.items() if v}
    return made


def claim(storage):
    return {"spec": {"resources": {"requests": {"storage": storage}}}}


def test_defaults_are_filled_in():
    """What a container says itself stays; the annotation names the rest."""
    made = with_resources({"cpu": "50m"})
    made["spec"]["initContainers"] = [{"name": "first"}]
    bounds = {"default": {"memory": "1Gi", "cpu": "1"}, "defaultRequest": {"cpu": "100m"}}
    limitranger.fill_in(made, [limit(**bounds), limit("Pod")])
    (container,), (init,) = made["spec"]["containers"], made["spec"]["initContainers"]
    limits = {"memory": "1Gi", "cpu": "1"}
    assert container["resources"] == {"requests": {"cpu": "50m"}, "limits": limits}
    assert init["resources"] == {"requests": {"cpu": "100m"}, "limits": limits}
    assert made["metadata"]["annotations"][ANNOTATION] == (
        "LimitRanger plugin set: cpu, memory limit for container main; "
        "cpu request for init container first; cpu, memory limit for init container first"
    )


def test_nothing_to_fill_in():
    """A pod that says everything is left as it is."""
    made, untouched = with_resources({"cpu": "1"}), with_resources({"cpu": "1"})
    limitranger.fill_in(made, [limit(defaultRequest={"cpu": "2"})])
    assert made == untouched


@pytest.mark.parametrize(
    ("bounds", "made", "fault"),
    [
        pytest.param(
            limit(min={"cpu": "1"}),
            with_resources(),
            "minimum cpu usage per Container is 1.  No request is specified",
            id="no request",
        ),
        pytest.param(
            limit(min={"cpu": "1"}),
            with_resources({"cpu": "500m"}),
            "minimum cpu usage per Container is 1, but request is 500m",
            id="small request",
        ),
        pytest.param(
            limit(max={"cpu": "1"}),
            with_resources(),
            "maximum cpu usage per Container is 1.  No limit is specified",
            id="no limit",
        ),
        pytest.param(
            limit(max={"memory": "1Gi"}),
            with_resources(limits={"memory": "2Gi"}),
            "maximum memory usage per Container is 1Gi, but limit is 2Gi",
            id="large limit",
        ),
        pytest.param(
            limit(maxLimitRequestRatio={"cpu": "2"}),
            with_resources({"cpu": "1"}, {"cpu": "3"}),
            "cpu max limit to request ratio per Container is 2, but provided ratio is 3.000000",
            id="far apart",
        ),
        pytest.param(
            limit(maxLimitRequestRatio={"cpu": "2"}),
            with_resources({"cpu": "0"}, {"cpu": "3"}),
            "cpu max limit to request ratio per Container is 2, but no request is specified or "
            "request is 0",
            id="no request to compare",
        ),
        pytest.param(
            limit("Pod", max={"cpu": "1"}),
            with_resources({"cpu": "2"}, {"cpu": "2"}),
            "maximum cpu usage per Pod is 1, but limit is 2",
            id="pod",
        ),
        pytest.param(
            limit(min={"cpu": "1"}, max={"cpu": "3"}, maxLimitRequestRatio={"cpu": "2"}),
            with_resources({"cpu": "1500m"}, {"cpu": "3"}),
            "",
            id="within",
        ),
    ],
)
def test_faults_of_pods(bounds, made, fault):
    """In upstream's words."""
    assert limitranger.check_pod(made, None, [bounds]) == ([fault] if fault else [])


@pytest.mark.parametrize(
    ("made", "existing", "faults"),
    [
        pytest.param(
            claim("1Gi"),
            None,
            ["minimum storage usage per PersistentVolumeClaim is 2Gi, but request is 1Gi"],
            id="small",
        ),
        pytest.param(
            claim("9Gi"),
            claim("3Gi"),
            ["maximum storage usage per PersistentVolumeClaim is 5Gi, but request is 9Gi"],
            id="grown too large",
        ),
        pytest.param(claim("1Gi"), claim("1Gi"), [], id="as it was"),
        pytest.param(claim("3Gi"), None, [], id="within"),
    ],
)
def test_faults_of_claims(made, existing, faults):
    """Their requests are within min and max, unless they were not before either."""
    bounds = limit("PersistentVolumeClaim", min={"storage": "2Gi"}, max={"storage": "5Gi"})
    assert limitranger.check_claim(made, existing, [bounds]) == faults


def test_what_a_resize_does_not_change_may_stay():
    """A LimitRange that came later does not hold against it."""
    bounds = [limit(max={"cpu": "1", "memory": "1Gi"})]
    before = with_resources(limits={"cpu": "2", "memory": "1Gi"})
    after = with_resources(limits={"cpu": "2", "memory": "2Gi"})
    assert limitranger.check_pod(after, before, bounds) == [
        "maximum memory usage per Container is 1Gi, but limit is 2Gi"
    ]


def test_in_a_namespace_with_a_limit_range(http, namespace):
    """Pods are changed, and refused with everything that is wrong."""
    path = f"/api/v1/namespaces/{namespace}/"
    bounds = limit(
        min={"cpu": "50m", "memory": "100Mi"},
        max={"cpu": "500m", "memory": "500Mi"},
        defaultRequest={"cpu": "100m", "memory": "200Mi"},
        default={"cpu": "500m", "memory": "500Mi"},
    )
    http.create(path + "limitranges", {"metadata": {"name": "l"}, "spec": {"limits": [bounds]}})
    (container,) = http.create(path + "pods", pod("a"))["spec"]["containers"]
    assert container["resources"] == {
        "requests": {"cpu": "100m", "memory": "200Mi"},
        "limits": {"cpu": "500m", "memory": "500Mi"},
    }
    answer = http("POST", path + "pods", with_resources({"cpu": "10m", "memory": "50Mi"}, name="b"))
    assert answer.status == 403
    assert answer.json()["message"] == (
        'pods "b" is forbidden: [minimum cpu usage per Container is 50m, but request is 10m, '
        "minimum memory usage per Container is 100Mi, but request is 50Mi]"
    )
