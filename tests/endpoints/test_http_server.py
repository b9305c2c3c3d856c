# SPDX-License-Identifier: Apache-2.0
"""What the server says of itself over HTTP: health, version, discovery; and to whom."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from cluster import ControlPlane, Http

AGGREGATED = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"


@pytest.mark.parametrize("path", ["/livez", "/readyz", "/healthz"])
def test_health(http: Http, path: str) -> None:
    """`ok`, or one line a check when asked; single checks have paths of their own."""
    assert http.get(path).body == b"ok"
    told = http.get(f"{path}?verbose").body.decode()
    assert told.startswith("[+]ping ok\n")
    assert "[+]etcd ok\n" in told
    assert told.endswith(f"{path[1:]} check passed\n")
    assert http.get(f"{path}/etcd").body == b"ok"
    assert http.get(f"{path}/nonsense").status == 404
    assert "[+]etcd excluded: ok\n" in http.get(f"{path}?verbose&exclude=etcd").body.decode()


def test_version(http: Http) -> None:
    """Major, minor and the complete version."""
    told = http.get("/version").json()
    assert (told["major"], told["minor"], told["gitVersion"]) == ("1", "37", "v1.37.0+pyk8s")


@pytest.mark.parametrize("path", ["/api", "/api/", "/apis", "/apis/"])
def test_discovery_forms(http: Http, path: str) -> None:
    """Legacy by default, aggregated when asked, which the content type then says."""
    legacy = http.get(path)
    assert legacy.content_type == "application/json"
    kinds = {"/api": "APIVersions", "/apis": "APIGroupList"}
    assert legacy.json()["kind"] == kinds[path.rstrip("/")]
    answer = http.get(path, accept=f"{AGGREGATED},application/json")
    parameters = {part.strip() for part in answer.content_type.split(";")}
    assert parameters == set(AGGREGATED.split(";"))
    assert answer.json()["kind"] == "APIGroupDiscoveryList"
    unchanged = http.get(
        path, accept=f"{AGGREGATED},application/json", if_none_match=answer.headers["etag"]
    )
    assert unchanged.status == 304


def test_aggregated_discovery_of_pods(http: Http) -> None:
    """A resource with its verbs, short names, categories and subresources."""
    groups = http.get("/api", accept=AGGREGATED).json()["items"]
    version = groups[0]["versions"][0]
    assert (version["version"], version["freshness"]) == ("v1", "Current")
    pods = next(item for item in version["resources"] if item["resource"] == "pods")
    assert pods["scope"] == "Namespaced"
    assert pods["shortNames"] == ["po"]
    assert pods["categories"] == ["all"]
    assert {"list", "watch", "deletecollection"} <= set(pods["verbs"])
    assert "status" in [sub["subresource"] for sub in pods["subresources"]]


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """A control plane that knows two tokens: ann's, who may nothing, and the chief's."""
    tokens = tmp_path_factory.mktemp("tokens") / "tokens.csv"
    tokens.write_text('anns,ann,1,"devs"\nchiefs,chief,2,"system:masters"\n')
    plane = ControlPlane(
        "--ephemeral", "--secure-port=0", "--components=apiserver", f"--token-auth-file={tokens}"
    )
    yield plane
    plane.stop()


@pytest.fixture
def anonymous(guarded: ControlPlane) -> Iterator[Http]:
    """A client without a certificate."""
    http = Http(guarded.access, anonymous=True)
    yield http
    http.close()


PODS = "/api/v1/namespaces/default/pods"


def test_tokens(anonymous: Http) -> None:
    """401 without one or with a wrong one, 403 for who may not, 200 for who may."""
    assert anonymous.get(PODS).status == 401
    wrong = anonymous.get(PODS, authorization="Bearer wrong")
    assert (wrong.status, wrong.json()["reason"]) == (401, "Unauthorized")
    assert anonymous.get(PODS, authorization="Bearer chiefs").status == 200
    refused = anonymous.get(PODS, authorization="Bearer anns").json()
    assert (refused["code"], refused["reason"]) == (403, "Forbidden")
    assert refused["message"] == (
        'pods is forbidden: User "ann" cannot list resource "pods" in API group "" in the '
        'namespace "default"'
    )
    assert refused["details"] == {"kind": "pods"}


def test_forbidden_path(anonymous: Http) -> None:
    """Paths that are no resources have words of their own."""
    refused = anonymous.get("/metrics", authorization="Bearer anns").json()
    assert refused["message"] == ('forbidden: User "ann" cannot get path "/metrics"')


def test_who_am_i(anonymous: Http) -> None:
    """Everybody who is known may ask who he is, and what he may."""
    path = "/apis/authentication.k8s.io/v1/selfsubjectreviews"
    headers = {"Authorization": "Bearer chiefs", "Content-Type": "application/json"}
    told = anonymous("POST", path, {}, headers).json()["status"]["userInfo"]
    assert told == {
        "username": "chief",
        "uid": "2",
        "groups": ["system:masters", "system:authenticated"],
    }


def test_data_dir_is_private(tmp_path: Path) -> None:
    """Keys and the kubeconfig are their owner's alone."""
    plane = ControlPlane(f"--data-dir={tmp_path / 'data'}", "--secure-port=0")
    assert plane.stop()[0] == 0
    secret = [*(tmp_path / "data").rglob("*.key"), plane.kubeconfig]
    assert len(secret) > 3
    assert {path.stat().st_mode & 0o777 for path in secret} == {0o600}


def listable(http: Http) -> Iterator[str]:
    """The paths of all lists that discovery names."""
    for root in ("/api", "/apis"):
        for group in http.get(root, accept=AGGREGATED).json()["items"]:
            prefix = f"{root}/{group['metadata']['name']}" if root == "/apis" else root
            for version in group["versions"]:
                for resource in version["resources"]:
                    if "list" in resource["verbs"]:
                        yield f"{prefix}/{version['version']}/{resource['resource']}"


NOT_BUILT = {"/api/v1/componentstatuses"}


def test_everything_discovered_is_served(http: Http) -> None:
    """Every resource that discovery says can be listed is, as JSON, as a Table and in OpenAPI."""
    paths = set(listable(http))
    assert len(paths) > 60
    published = http.get("/openapi/v2").json()["paths"]
    for path in sorted(paths):
        assert path in published
        if path in NOT_BUILT:
            assert http.get(path).status == 501
            continue
        listed = http.get(path)
        assert (listed.status, listed.json()["kind"][-4:]) == (200, "List"), path
        table = http.get(path, accept="application/json;as=Table;v=v1;g=meta.k8s.io").json()
        assert "Name" in [column["name"] for column in table["columnDefinitions"]], path
