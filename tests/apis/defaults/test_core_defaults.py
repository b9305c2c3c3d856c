# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import copy
from pathlib import Path

import pytest

from pyk8s.apimachinery import gvk, yamlcodec
from pyk8s.apis import defaults
from pyk8s.apis.defaults import images, pods

TESTDATA = Path(__file__).parent / "testdata"
NAMES = sorted(path.name.removesuffix(".input.yaml") for path in TESTDATA.glob("*.input.yaml"))


def _load(name):
    return yamlcodec.decode_yaml((TESTDATA / name).read_bytes())


@pytest.mark.parametrize("name", NAMES)
def test_what_a_client_left_out_is_filled_in(name):
    """Input and output of each kind, as golden files."""
    obj = _load(f"{name}.input.yaml")
    defaults.DEFAULTERS[gvk.kind_of(obj)](obj)
    assert obj == _load(f"{name}.output.yaml")


@pytest.mark.parametrize("name", NAMES)
def test_defaulting_twice_is_defaulting_once(name):
    """What is read back from storage and decoded again stays as it is."""
    obj = _load(f"{name}.output.yaml")
    again = copy.deepcopy(obj)
    defaults.DEFAULTERS[gvk.kind_of(obj)](again)
    assert again == obj


@pytest.mark.parametrize(
    ("image", "policy"),
    [
        pytest.param("nginx", "Always", id="no-tag"),
        pytest.param("nginx:latest", "Always", id="latest"),
        pytest.param("nginx:1.27", "IfNotPresent", id="tag"),
        pytest.param("host:5000/nginx", "Always", id="port-is-no-tag"),
        pytest.param("localhost/a/b:c", "IfNotPresent", id="path"),
        pytest.param("nginx@sha256:" + "a" * 64, "IfNotPresent", id="digest"),
        pytest.param("nginx:latest@sha256:" + "a" * 64, "Always", id="latest-and-digest"),
        pytest.param("Nginx", "IfNotPresent", id="upper-case"),
        pytest.param("", "IfNotPresent", id="empty"),
    ],
)
def test_the_pull_policy_follows_from_the_image(image, policy):
    """Always for latest, spelled out or implied; what is no image reference is left to others."""
    assert images.default_pull_policy(image) == policy


def test_a_template_gets_less_than_a_pod():
    """Service links, requests from limits and host ports are filled in on the Pod alone."""
    spec = {
        "hostNetwork": True,
        "containers": [
            {
                "name": "a",
                "image": "a",
                "resources": {"limits": {"cpu": "1"}},
                "ports": [{"containerPort": 80}],
            }
        ],
    }
    template = {"spec": copy.deepcopy(spec)}
    pods.default_pod_template(template)
    [container] = template["spec"]["containers"]
    assert "enableServiceLinks" not in template["spec"]
    assert "requests" not in container["resources"]
    assert "hostPort" not in container["ports"][0]

    pod = {"spec": spec}
    pods.default_pod(pod)
    [container] = pod["spec"]["containers"]
    assert pod["spec"]["enableServiceLinks"] is True
    assert container["resources"]["requests"] == {"cpu": "1"}
    assert container["ports"][0]["hostPort"] == 80
