# SPDX-License-Identifier: Apache-2.0
"""Tokens of ServiceAccounts over HTTP: asked for, used, reviewed, and no longer good."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from typing import Any

import jwt
import pytest
from cluster import ControlPlane, Http, Object, wait_until
from objects import pod

ISSUER = "https://kubernetes.default.svc.cluster.local"


@pytest.fixture
def account(http: Http, namespace: str) -> str:
    """The path of a ServiceAccount `robot`."""
    path = f"/api/v1/namespaces/{namespace}/serviceaccounts"
    http.create(path, {"metadata": {"name": "robot"}})
    return f"{path}/robot"


@pytest.fixture
def stranger(control_plane: ControlPlane) -> Iterator[Http]:
    """A connection without a client certificate."""
    connection = Http(control_plane.access, anonymous=True)
    yield connection
    connection.close()


def ask(http: Http, account: str, **spec: Any) -> Any:
    return http("POST", f"{account}/token", {"spec": spec})


def token_of(http: Http, account: str, **spec: Any) -> str:
    answer = ask(http, account, **spec)
    assert answer.status == 201, answer.body
    token: str = answer.json()["status"]["token"]
    return token


def claims_of(token: str) -> Object:
    payload = token.split(".")[1]
    claims: Object = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    return claims


def whoami(stranger: Http, token: str) -> Any:
    path = "/apis/authentication.k8s.io/v1/selfsubjectreviews"
    return stranger("POST", path, {}, {"Authorization": f"Bearer {token}"})


def until_refused(stranger: Http, token: str) -> None:
    """What a token is bound to is looked up in the watch cache, which may know it for a moment
    longer than etcd does, as upstream's informers may."""
    wait_until(lambda: whoami(stranger, token).status == 401, "the token is refused")


def review(http: Http, token: str, **spec: Any) -> Object:
    path = "/apis/authentication.k8s.io/v1/tokenreviews"
    status: Object = http.create(path, {"spec": {"token": token, **spec}})["status"]
    return status


def test_claims(http: Http, account: str, namespace: str) -> None:
    """Issuer, subject, audience, times, an id of its own, and what it is bound to."""
    uid = http.get(account).json()["metadata"]["uid"]
    answer = ask(http, account).json()
    assert answer["metadata"]["name"] == "robot"
    assert answer["spec"] == {
        "audiences": [ISSUER], "expirationSeconds": 3600, "boundObjectRef": None,
    }  # fmt: skip
    token = answer["status"]["token"]
    header = jwt.get_unverified_header(token)
    assert set(header) == {"alg", "kid"}
    claims = claims_of(token)
    assert claims["iss"] == ISSUER
    assert claims["sub"] == f"system:serviceaccount:{namespace}:robot"
    assert claims["aud"] == [ISSUER]
    assert claims["exp"] - claims["iat"] == 3600
    assert claims["nbf"] == claims["iat"]
    assert claims["kubernetes.io"] == {
        "namespace": namespace, "serviceaccount": {"name": "robot", "uid": uid},
    }  # fmt: skip
    assert claims["jti"]


def test_published_keys_verify_it(http: Http, account: str) -> None:
    """Whoever reads the key set can check the token without asking the server."""
    token = token_of(http, account, audiences=["vault"])
    found = http.get("/.well-known/openid-configuration").json()
    assert (found["issuer"], found["response_types_supported"]) == (ISSUER, ["id_token"])
    answer = http.get("/openid/v1/jwks")
    assert answer.content_type == "application/jwk-set+json"
    assert found["jwks_uri"].endswith("/openid/v1/jwks")
    keys = {key["kid"]: key for key in answer.json()["keys"]}
    header = jwt.get_unverified_header(token)
    key = jwt.PyJWK(keys[header["kid"]])
    claims = jwt.decode(token, key, algorithms=[header["alg"]], audience="vault", issuer=ISSUER)
    assert claims["aud"] == ["vault"]


def test_lets_its_holder_in(http: Http, account: str, namespace: str, stranger: Http) -> None:
    """As the ServiceAccount, with its groups, its uid, and the id of the credential."""
    token = token_of(http, account)
    answer = whoami(stranger, token)
    assert answer.status == 201
    name = answer.json()["status"]["userInfo"]["username"]
    assert name == f"system:serviceaccount:{namespace}:robot"
    # Without roles nobody but an admin may do anything else.
    refused = stranger("GET", account, headers={"Authorization": f"Bearer {token}"})
    assert refused.status == 403
    assert f'User "{name}" cannot get resource "serviceaccounts"' in refused.json()["message"]
    user = review(http, token)["user"]
    assert user["username"] == f"system:serviceaccount:{namespace}:robot"
    assert user["uid"] == http.get(account).json()["metadata"]["uid"]
    assert user["groups"] == [
        "system:serviceaccounts",
        f"system:serviceaccounts:{namespace}",
        "system:authenticated",
    ]
    jti = claims_of(token)["jti"]
    assert user["extra"] == {"authentication.kubernetes.io/credential-id": [f"JTI={jti}"]}


def test_audiences(http: Http, account: str, stranger: Http) -> None:
    """A token for others is none for this server; a review says for whom it is good."""
    token = token_of(http, account, audiences=["vault", "db"])
    assert whoami(stranger, token).status == 401
    status = review(http, token)
    assert not status.get("authenticated")
    assert status["error"] == (
        '[invalid bearer token, token audiences ["vault" "db"] is invalid for the target '
        f'audiences ["{ISSUER}"]]'
    )
    status = review(http, token, audiences=["other", "db"])
    assert (status["authenticated"], status["audiences"]) == (True, ["db"])


def test_bound_to_a_pod(http: Http, account: str, namespace: str, stranger: Http) -> None:
    """The token names the Pod and its node, and ends with the Pod."""
    pods = f"/api/v1/namespaces/{namespace}/pods"
    running = pod("web")
    running["spec"] |= {"serviceAccountName": "robot", "nodeName": "none"}
    uid = http.create(pods, running)["metadata"]["uid"]
    reference = {"apiVersion": "v1", "kind": "Pod", "name": "web", "uid": uid}
    token = token_of(http, account, boundObjectRef=reference)
    bound = claims_of(token)["kubernetes.io"]
    assert (bound["pod"], bound["node"]) == ({"name": "web", "uid": uid}, {"name": "none"})
    extra = review(http, token)["user"]["extra"]
    prefix = "authentication.kubernetes.io/"
    assert extra[f"{prefix}pod-name"] == ["web"]
    assert extra[f"{prefix}pod-uid"] == [uid]
    assert extra[f"{prefix}node-name"] == ["none"]
    assert whoami(stranger, token).status == 201
    http("DELETE", f"{pods}/web?gracePeriodSeconds=0")
    until_refused(stranger, token)
    assert review(http, token)["error"] == (
        "[invalid bearer token, service account token has been invalidated]"
    )


def test_bound_to_a_secret_that_was_made_again(
    http: Http, account: str, namespace: str, stranger: Http
) -> None:
    """Another Secret of that name is another Secret."""
    secrets = f"/api/v1/namespaces/{namespace}/secrets"
    http.create(secrets, {"metadata": {"name": "s"}})
    reference = {"apiVersion": "v1", "kind": "Secret", "name": "s"}
    token = token_of(http, account, boundObjectRef=reference)
    assert whoami(stranger, token).status == 201
    http("DELETE", f"{secrets}/s")
    http.create(secrets, {"metadata": {"name": "s"}})
    until_refused(stranger, token)
    assert "does not match service account secret ref claim" in review(http, token)["error"]


def test_ends_with_its_account(http: Http, account: str, stranger: Http) -> None:
    """A ServiceAccount of the same name that comes later is not the same."""
    token = token_of(http, account)
    assert whoami(stranger, token).status == 201
    http("DELETE", account)
    until_refused(stranger, token)
    assert review(http, token)["error"].endswith('serviceaccounts "robot" not found]')
    http.create(account.removesuffix("/robot"), {"metadata": {"name": "robot"}})
    assert whoami(stranger, token).status == 401


def test_extended_for_kubelets(http: Http, account: str, namespace: str) -> None:
    """What a kubelet asks for holds a year, and says when it should have been renewed."""
    pods = f"/api/v1/namespaces/{namespace}/pods"
    running = pod("web")
    running["spec"]["serviceAccountName"] = "robot"
    http.create(pods, running)
    reference = {"apiVersion": "v1", "kind": "Pod", "name": "web"}
    answer = ask(http, account, boundObjectRef=reference, expirationSeconds=3607).json()
    claims = claims_of(answer["status"]["token"])
    assert claims["exp"] - claims["iat"] == 365 * 24 * 3600
    assert claims["kubernetes.io"]["warnafter"] - claims["iat"] == 3607


@pytest.mark.parametrize(
    ("spec", "code", "message"),
    [
        pytest.param(
            {"expirationSeconds": 599}, 422,
            'TokenRequest.authentication.k8s.io "" is invalid: spec.expirationSeconds: Invalid '
            "value: 599: may not specify a duration less than 10 minutes",
            id="too short",
        ),
        pytest.param(
            {"expirationSeconds": 2**32 + 1}, 422, "may not specify a duration larger than 2^32",
            id="too long",
        ),
        pytest.param(
            {"boundObjectRef": {"apiVersion": "v1", "kind": "Pod", "name": "none"}}, 404,
            'pods "none" not found', id="bound to nothing",
        ),
        pytest.param(
            {"boundObjectRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "x"}}, 400,
            "cannot bind token to object of type apps/v1, Kind=Deployment", id="bound to a kind",
        ),
    ],
)  # fmt: skip
def test_refused(http: Http, account: str, spec: Object, code: int, message: str) -> None:
    """What cannot be asked for, in upstream's words."""
    answer = ask(http, account, **spec)
    assert answer.status == code
    assert message in answer.json()["message"]


def test_pod_of_another_account(http: Http, account: str, namespace: str) -> None:
    """A token is bound only to a Pod that runs as this ServiceAccount."""
    other = pod("web")
    other["spec"]["serviceAccountName"] = "other"
    http.create(f"/api/v1/namespaces/{namespace}/pods", other)
    answer = ask(http, account, boundObjectRef={"apiVersion": "v1", "kind": "Pod", "name": "web"})
    assert (answer.status, answer.json()["message"]) == (
        400,
        'cannot bind token for serviceaccount "robot" to pod running with different '
        "serviceaccount name.",
    )


def test_missing_account(http: Http, account: str) -> None:
    """404 for the ServiceAccount."""
    answer = ask(http, account.replace("robot", "none"))
    assert (answer.status, answer.json()["message"]) == (404, 'serviceaccounts "none" not found')


@pytest.mark.parametrize("part", [0, 1, 2])
def test_tampered(http: Http, account: str, stranger: Http, part: int) -> None:
    """A token of which a part is another's is nobody's."""
    mine, other = token_of(http, account), token_of(http, account)
    parts = mine.split(".")
    parts[part] = (
        base64.urlsafe_b64encode(b'{"alg":"none"}').decode().rstrip("=")
        if part == 0
        else other.split(".")[part]
    )
    assert whoami(stranger, ".".join(parts)).status == 401
    assert whoami(stranger, mine).status == 201


def test_review_of_nothing(http: Http) -> None:
    """400, not 422."""
    answer = http("POST", "/apis/authentication.k8s.io/v1/tokenreviews", {"spec": {}})
    assert (answer.status, answer.json()["message"]) == (
        400,
        "token is required for TokenReview in authentication",
    )


def test_strangers_do_not_see_the_keys(stranger: Http) -> None:
    """The discovery paths need a login, until a role says otherwise."""
    assert stranger.get("/openid/v1/jwks").status == 401
