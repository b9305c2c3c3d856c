# SPDX-License-Identifier: Apache-2.0
"""Default classes of claims and Ingresses, through a running server."""

from __future__ import annotations

import pytest

from pyk8s.admission.defaultclass import newest_marked

STORAGE = "storageclass.kubernetes.io/is-default-class"
INGRESS = "ingressclass.kubernetes.io/is-default-class"

CLAIM = {
    "accessModes": ["ReadWriteOnce"],
    "resources": {"requests": {"storage": "1Gi"}},
}
RULES = {"defaultBackend": {"service": {"name": "s", "port": {"number": 80}}}}


@pytest.fixture
def default_classes(http):
    """One of each kind, and gone afterwards."""
    made = (
        ("/apis/storage.k8s.io/v1/storageclasses", STORAGE, {"provisioner": "example.com/none"}),
        ("/apis/networking.k8s.io/v1/ingressclasses", INGRESS, {"spec": {"controller": "a.b/c"}}),
    )
    for path, mark, fields in made:
        metadata = {"name": "marked", "annotations": {mark: "true"}}
        http.create(path, {"metadata": metadata, **fields})
    yield
    for path, _, _ in made:
        http("DELETE", f"{path}/marked")


KINDS = pytest.mark.parametrize(
    ("path", "field", "spec", "annotation"),
    [
        pytest.param(
            "/api/v1/namespaces/{}/persistentvolumeclaims",
            "storageClassName",
            CLAIM,
            "volume.beta.kubernetes.io/storage-class",
            id="claim",
        ),
        pytest.param(
            "/apis/networking.k8s.io/v1/namespaces/{}/ingresses",
            "ingressClassName",
            RULES,
            "kubernetes.io/ingress.class",
            id="ingress",
        ),
    ],
)


@KINDS
@pytest.mark.usefixtures("default_classes")
def test_the_default_is_filled_in(http, namespace, path, field, spec, annotation):
    """Unless the object names a class, or says so by the annotation."""
    path = path.format(namespace)

    def made(name, annotations=None, **more):
        metadata = {"name": name, "annotations": annotations or {}}
        return http.create(path, {"metadata": metadata, "spec": {**spec, **more}})["spec"]

    assert made("silent")[field] == "marked"
    assert made("named", **{field: "other"})[field] == "other"
    assert field not in made("annotated", {annotation: "old"})


@KINDS
def test_without_a_default(http, namespace, path, field, spec, annotation):
    """Nothing is filled in."""
    made = {"metadata": {"name": "a"}, "spec": spec}
    assert field not in http.create(path.format(namespace), made)["spec"]


def a_class(name, second, mark="true"):
    return {
        "metadata": {
            "name": name,
            "creationTimestamp": f"2026-01-01T00:00:0{second}Z",
            "annotations": {STORAGE: mark},
        }
    }


@pytest.mark.parametrize(
    ("classes", "name"),
    [
        pytest.param([a_class("a", 1), a_class("b", 2)], "b", id="newest"),
        pytest.param([a_class("b", 1), a_class("a", 1)], "a", id="first by name"),
        pytest.param([a_class("a", 1), a_class("b", 2, "false")], "a", id="marked"),
    ],
)
def test_of_several_the_newest_counts(classes, name):
    """As upstream chooses."""
    assert newest_marked(classes, (STORAGE,))["metadata"]["name"] == name
