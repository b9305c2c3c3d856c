# SPDX-License-Identifier: Apache-2.0
"""ServiceAccount: what every Pod gets, and what it may not name, through a running server."""

from __future__ import annotations

import itertools

import pytest
from cluster import Http
from objects import pod

from pyk8s.admission import serviceaccount
from pyk8s.apimachinery import field
from pyk8s.apis.validation import projections
from pyk8s.componenthelpers import podsecrets, tokenvolume

PATH = "/var/run/secrets/kubernetes.io/serviceaccount"
_namespaces = itertools.count(1)


@pytest.fixture
def whole(cluster):
    """A connection to a cluster with controllers."""
    connection = Http(cluster.access)
    yield connection
    connection.close()


@pytest.fixture
def core(whole):
    """The path of a namespace in it that is new."""
    name = f"accounts-{next(_namespaces)}"
    whole.create("/api/v1/namespaces", {"metadata": {"name": name}})
    yield f"/api/v1/namespaces/{name}"
    whole("DELETE", f"/api/v1/namespaces/{name}")


def made(name, **spec):
    obj = pod(name)
    obj["spec"].update(nodeName="nowhere", **spec)
    return obj


def test_a_pod_in_a_new_namespace_runs_as_default(whole, core):
    """The account may be made a moment later; the Pod has its name and the projected volume."""
    spec = whole.create(f"{core}/pods", made("a", initContainers=[{"name": "i", "image": "x"}]))[
        "spec"
    ]
    assert (spec["serviceAccountName"], spec["serviceAccount"]) == ("default", "default")
    (volume,) = spec["volumes"]
    assert volume["name"].startswith("kube-api-access-")
    assert len(volume["name"]) == len("kube-api-access-") + 5
    token, ca, namespace = volume["projected"]["sources"]
    assert token == {"serviceAccountToken": {"expirationSeconds": 3607, "path": "token"}}
    assert ca["configMap"]["name"] == "kube-root-ca.crt"
    assert namespace["downwardAPI"]["items"][0]["fieldRef"]["fieldPath"] == "metadata.namespace"
    assert volume["projected"]["defaultMode"] == 420
    for container in (*spec["initContainers"], *spec["containers"]):
        mount = {"name": volume["name"], "readOnly": True, "mountPath": PATH}
        assert container["volumeMounts"] == [mount]


def test_an_account_that_is_not_there(whole, core):
    """A Pod that names it is refused in upstream's words."""
    namespace = core.rpartition("/")[2]
    answer = whole("POST", f"{core}/pods", made("a", serviceAccountName="none"))
    assert answer.status == 403
    assert answer.json()["message"] == (
        f'pods "a" is forbidden: error looking up service account {namespace}/none: '
        'serviceaccount "none" not found'
    )


def test_what_an_account_says(whole, core):
    """No token where it says so, unless the Pod does; its pull secrets; and only its Secrets."""
    account = {
        "metadata": {
            "name": "strict",
            "annotations": {"kubernetes.io/enforce-mountable-secrets": "true"},
        },
        "automountServiceAccountToken": False,
        "secrets": [{"name": "own"}],
        "imagePullSecrets": [{"name": "registry"}],
    }
    whole.create(f"{core}/serviceaccounts", account)
    volumes = [{"name": "v", "secret": {"secretName": "own"}}]
    found = whole.create(f"{core}/pods", made("a", serviceAccountName="strict", volumes=volumes))
    assert [volume["name"] for volume in found["spec"]["volumes"]] == ["v"]
    assert found["spec"]["imagePullSecrets"] == [{"name": "registry"}]
    wants = {"serviceAccountName": "strict", "automountServiceAccountToken": True}
    found = whole.create(f"{core}/pods", made("b", **wants))
    assert found["spec"]["volumes"][0]["name"].startswith("kube-api-access-")
    volumes[0]["secret"]["secretName"] = "other"
    answer = whole("POST", f"{core}/pods", made("c", volumes=volumes, **wants))
    assert answer.status == 403
    assert answer.json()["message"] == (
        'pods "c" is forbidden: volume with secret.secretName="other" is not allowed because '
        "service account strict does not reference that secret"
    )


def test_what_is_wrong_is_left_to_validation(whole, core):
    """A volume without a name is no reason to fail earlier."""
    answer = whole("POST", f"{core}/pods", made("a", volumes=[{"emptyDir": {}}]))
    assert answer.status == 422
    assert "spec.volumes[0].name: Required value" in answer.json()["message"]


def test_a_mirror_pod_is_left_as_it_is(whole, core):
    """It gets no account, and may name none."""
    obj = made("a")
    obj["metadata"]["annotations"] = {"kubernetes.io/config.mirror": "x"}
    found = whole.create(f"{core}/pods", obj)
    assert "serviceAccountName" not in found["spec"]
    assert "volumes" not in found["spec"]
    obj["metadata"]["name"], obj["spec"]["serviceAccountName"] = "b", "default"
    answer = whole("POST", f"{core}/pods", obj)
    assert answer.status == 403
    assert answer.json()["message"].endswith("a mirror pod may not reference service accounts")


def test_a_mount_in_that_place_stays():
    """A container that has something there gets nothing, and no volume is made for nobody."""
    mounts = [{"name": "own", "mountPath": PATH}]
    spec = {"containers": [{"name": "c", "volumeMounts": mounts}], "volumes": [{"name": "own"}]}
    serviceaccount.mount_token(spec)
    assert spec["volumes"] == [{"name": "own"}]
    assert spec["containers"][0]["volumeMounts"] == mounts


def test_a_token_volume_that_is_there_is_used():
    """As in a Pod that is copied from another with all it was given."""
    spec = {"containers": [{"name": "c"}], "volumes": [{"name": "kube-api-access-abcde"}]}
    serviceaccount.mount_token(spec)
    assert spec["volumes"] == [{"name": "kube-api-access-abcde"}]
    assert spec["containers"][0]["volumeMounts"][0]["name"] == "kube-api-access-abcde"


_SECRET_KEY = {"name": "V", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}
_END = "is not allowed because service account a does not reference that"


@pytest.mark.parametrize(
    ("spec", "fault"),
    [
        pytest.param(
            {"initContainers": [{"name": "i", "env": [_SECRET_KEY]}]},
            f'init container i with envVar V referencing secret.secretName="s" {_END} secret',
            id="variable",
        ),
        pytest.param(
            {"containers": [{"name": "c", "envFrom": [{"secretRef": {"name": "s"}}]}]},
            f'container c with envFrom referencing secret.secretName="s" {_END} secret',
            id="all of a Secret",
        ),
        pytest.param(
            {"imagePullSecrets": [{"name": "s"}]},
            f'imagePullSecrets[0].name="s" {_END} imagePullSecret',
            id="pull secret",
        ),
    ],
)
def test_secrets_that_are_not_the_accounts(spec, fault):
    """Each way of naming a Secret is looked at; what the account lists is well."""
    account = {"metadata": {"name": "a"}}
    assert list(serviceaccount.secret_faults(account, spec)) == [fault]
    listing = {**account, "secrets": [{"name": "s"}], "imagePullSecrets": [{"name": "s"}]}
    assert list(serviceaccount.secret_faults(listing, spec)) == []


def test_names_of_secrets():
    """Pull secrets, variables, volumes of every kind, and what is projected."""
    spec = {
        "imagePullSecrets": [{"name": "a"}],
        "ephemeralContainers": [{"name": "e", "env": [_SECRET_KEY]}],
        "volumes": [
            {"name": "1", "secret": {"secretName": "b"}},
            {"name": "2", "csi": {"nodePublishSecretRef": {"name": "c"}}},
            {"name": "3", "projected": {"sources": [{"secret": {"name": "d"}}]}},
            {"name": "4", "emptyDir": {}},
        ],
    }
    assert sorted(podsecrets.names(spec)) == ["a", "b", "c", "d", "s"]


def test_what_is_mounted_is_valid():
    """Validation passes over it, because it would find nothing wrong."""
    path = field.Path("spec", "volumes")
    assert projections._validate_projected(tokenvolume.KNOWN, path) == []
    assert tokenvolume.projected() == tokenvolume.KNOWN
