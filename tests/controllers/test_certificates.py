# SPDX-License-Identifier: Apache-2.0
"""Certificate requests: who may have what, what is issued, and what becomes of old ones."""

from __future__ import annotations

import base64
import datetime
from pathlib import Path
from typing import Any

import pytest
import signing as made
import yaml
from cluster import ControlPlane, Kubectl, eventually
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID
from running import running
from world import World

from pyk8s.client import resources
from pyk8s.client.client import Client
from pyk8s.controllers.certificates import authority, cleaner, requests, signing
from pyk8s.controllers.certificates.approving import ApprovingController, permissions
from pyk8s.controllers.options import Options
from pyk8s.server import certificates

Object = dict[str, Any]
CSRS = resources.CERTIFICATE_SIGNING_REQUESTS
KEY = made.new_key()
NODES = ("system:nodes",)


def parsed(name: str, groups: Any = (), names: Any = ()) -> x509.CertificateSigningRequest:
    return x509.load_pem_x509_csr(made.request_pem(KEY, name, groups, names))


_CLIENT, _SERVER = made.CLIENT_USAGES, made.SERVER_USAGES
_DNS = x509.DNSName("n1")
_URI = x509.UniformResourceIdentifier("a://b")
_MAIL = x509.RFC822Name("a@b")


@pytest.mark.parametrize(
    ("signer", "request_of", "usages", "fault"),
    [
        pytest.param("C", ("me",), _CLIENT, "", id="client"),
        pytest.param("C", ("me",), ("digital signature",),
                     "missing required usage for client certificate: client auth", id="no auth"),
        pytest.param("C", ("me",), _SERVER, "invalid usage for client certificate: server auth",
                     id="a server's usage"),
        pytest.param("K", ("system:node:n", NODES), _CLIENT, "", id="kubelet client"),
        pytest.param("K", ("system:node:n", NODES), (*_CLIENT, "key encipherment"), "",
                     id="with RSA's usage"),
        pytest.param("K", ("system:node:n", ("a",)), _CLIENT,
                     "subject organization is not system:nodes", id="another group"),
        pytest.param("K", ("n", NODES), _CLIENT,
                     "subject common name does not begin with system:node:", id="no node"),
        pytest.param("K", ("system:node:n", NODES, [_DNS]), _CLIENT,
                     "DNS subjectAltNames are not allowed", id="a name"),
        pytest.param("K", ("system:node:n", NODES, [made.address("::1")]), _CLIENT,
                     "IP subjectAltNames are not allowed", id="an address"),
        pytest.param("K", ("system:node:n", NODES), _SERVER,
                     "usages did not match [client auth digital signature key encipherment]",
                     id="other usages"),
        pytest.param("S", ("system:node:n", NODES, [_DNS]), _SERVER, "", id="kubelet serving"),
        pytest.param("S", ("system:node:n", NODES), _SERVER,
                     "DNS or IP subjectAltName is required", id="serves under no name"),
        pytest.param("S", ("system:node:n", NODES, [_DNS, _URI]), _SERVER,
                     "URI subjectAltNames are not allowed", id="a URI"),
        pytest.param("S", ("system:node:n", NODES, [_DNS, _MAIL]), _SERVER,
                     "Email subjectAltNames are not allowed", id="a mail address"),
        pytest.param("L", ("any", ("b",), [_URI]), ("code signing",), "", id="legacy"),
    ],
)  # fmt: skip
def test_what_signers_take(signer: str, request_of: Any, usages: Any, fault: str) -> None:
    """A request that a signer must not answer is told in upstream's words."""
    names = {
        "C": requests.CLIENT,
        "K": requests.KUBELET_CLIENT,
        "S": requests.KUBELET_SERVING,
        "L": requests.LEGACY_UNKNOWN,
    }
    assert requests.FAULTS[names[signer]](parsed(*request_of), usages) == fault


def test_permissions() -> None:
    """A node that asks for its own certificate needs less than one that asks for another's."""
    request = {"spec": {"signerName": requests.KUBELET_CLIENT, "usages": _CLIENT}}
    own = {"spec": {**request["spec"], "username": "system:node:n"}}
    asked = parsed("system:node:n", NODES)
    assert [p.subresource for p in permissions(request, asked)] == ["nodeclient"]
    assert [p.subresource for p in permissions(own, asked)] == ["selfnodeclient", "nodeclient"]
    assert permissions(request, parsed("me")) == []
    assert permissions({"spec": {**own["spec"], "signerName": requests.CLIENT}}, asked) == []


@pytest.fixture(scope="session")
def files(tmp_path_factory: pytest.TempPathFactory) -> certificates.Files:
    return certificates.ensure(tmp_path_factory.mktemp("pki"), ["localhost"])


NOW = datetime.datetime.now(datetime.UTC).replace(microsecond=0)
HOUR = datetime.timedelta(hours=1)


@pytest.mark.parametrize(
    ("lifetime", "ends"),
    [
        pytest.param(HOUR, HOUR, id="a short one has all its time"),
        pytest.param(48 * HOUR, 48 * HOUR - authority.BACKDATE, id="a long one is backdated"),
    ],
)
def test_what_is_signed(files: certificates.Files, lifetime: Any, ends: Any) -> None:
    """The subject and names of the request, the usages and the time of the signer."""
    ca = authority.load(str(files.ca_cert), str(files.ca_key))
    request = parsed("me", ("b", "a"), [_URI, _DNS, made.address("10.0.0.1")])
    usages = ("digital signature", "server auth", "client auth", "s/mime", "email protection")
    issued = x509.load_pem_x509_certificate(ca.sign(request, usages, lifetime, NOW))
    issued.verify_directly_issued_by(ca.certificate)
    assert issued.subject == request.subject
    assert issued.not_valid_before_utc == NOW - authority.BACKDATE
    assert issued.not_valid_after_utc == NOW + ends
    found = issued.extensions
    names = found.get_extension_for_class(x509.SubjectAlternativeName).value
    assert list(names) == [_DNS, made.address("10.0.0.1"), _URI]
    usage = found.get_extension_for_class(x509.KeyUsage)
    assert usage.critical
    assert usage.value.digital_signature
    assert not usage.value.key_cert_sign
    assert list(found.get_extension_for_class(x509.ExtendedKeyUsage).value) == [
        ExtendedKeyUsageOID.SERVER_AUTH,
        ExtendedKeyUsageOID.CLIENT_AUTH,
        ExtendedKeyUsageOID.EMAIL_PROTECTION,
    ]
    assert not found.get_extension_for_class(x509.BasicConstraints).value.ca


def test_nothing_outlives_the_authority(files: certificates.Files) -> None:
    """A certificate ends with the CA at the latest, and none is issued after that."""
    ca = authority.load(str(files.ca_cert), str(files.ca_key))
    ends = ca.certificate.not_valid_after_utc
    issued = ca.sign(parsed("me"), _CLIENT, 100 * 365 * 24 * HOUR, NOW)
    assert x509.load_pem_x509_certificate(issued).not_valid_after_utc == ends
    with pytest.raises(authority.CannotSign, match="the signer has expired"):
        ca.sign(parsed("me"), _CLIENT, HOUR, ends)
    with pytest.raises(authority.CannotSign, match="unrecognized usage values"):
        ca.sign(parsed("me"), ("smile",), HOUR, NOW)


def test_lifetime() -> None:
    """Ten minutes at least, what the flag says at most, and that much by default."""
    assert signing.lifetime_seconds(None, 1000.0) == 1000.0
    assert signing.lifetime_seconds(5000, 1000.0) == 1000.0
    assert signing.lifetime_seconds(5, 1000.0) == 600.0
    assert signing.lifetime_seconds(700, 1000.0) == 700.0


def test_files_of_signers(tmp_path: Path) -> None:
    """One CA for all, or one for each signer, not both; a file that is none is named."""
    general = Options(cluster_signing_cert_file="c", cluster_signing_key_file="k")
    assert signing.signers(general) == dict.fromkeys(requests.FAULTS, ("c", "k"))
    one = {
        "cluster_signing_kubelet_client_cert_file": "c",
        "cluster_signing_kubelet_client_key_file": "k",
    }
    assert signing.signers(Options(**one)) == {requests.KUBELET_CLIENT: ("c", "k")}
    with pytest.raises(ValueError, match="at the same time"):
        signing.signers(Options(cluster_signing_cert_file="c", cluster_signing_key_file="k", **one))
    with pytest.raises(ValueError, match="go together"):
        signing.signers(Options(cluster_signing_cert_file="c"))
    assert not signing.SigningController.is_wanted(Options())
    missing = str(tmp_path / "none")
    with pytest.raises(authority.CannotSign, match=missing):
        signing.check(Options(cluster_signing_cert_file=missing, cluster_signing_key_file="k"))


def _old(kind: str, hours: float, certificate: str = "") -> Object:
    moment = (NOW - hours * HOUR).strftime("%Y-%m-%dT%H:%M:%SZ")
    conditions = [{"type": kind, "lastUpdateTime": moment}] if kind else []
    status = {"conditions": conditions, "certificate": certificate}
    return {"metadata": {"name": "a", "creationTimestamp": moment}, "status": status}


@pytest.mark.parametrize(
    ("kind", "hours", "lifetime", "over"),
    [
        pytest.param("", 23, None, False, id="pending"),
        pytest.param("", 25, None, True, id="pending for long"),
        pytest.param("Denied", 0.9, None, False, id="denied"),
        pytest.param("Denied", 1.1, None, True, id="denied an hour ago"),
        pytest.param("Failed", 1.1, None, True, id="failed an hour ago"),
        pytest.param("Approved", 2, None, False, id="approved, not issued"),
        pytest.param("Approved", 25, None, True, id="never issued"),
        pytest.param("Approved", 0.9, 2, False, id="issued"),
        pytest.param("Approved", 1.1, 2, True, id="issued an hour ago"),
        pytest.param("Approved", 0.9, -1, True, id="expired"),
    ],
)
def test_is_over(
    files: certificates.Files, kind: str, hours: float, lifetime: int | None, over: bool
) -> None:
    """Decided requests go after an hour, others after a day, expired certificates at once."""
    certificate = ""
    if lifetime is not None:
        ca = authority.load(str(files.ca_cert), str(files.ca_key))
        began = NOW - 3 * HOUR
        pem = ca.sign(parsed("me"), _CLIENT, (3 + lifetime) * HOUR, began)
        certificate = base64.b64encode(pem).decode()
    assert cleaner.is_over(_old(kind, hours, certificate), NOW) is over


# --- with an API server


async def until(client: Client, name: str, condition: Any) -> Object:
    async def found() -> Object | None:
        request = await client.get(CSRS, name)
        return request if condition(request) else None

    request: Object = await eventually(found, f"{name} is as wanted")
    return request


async def approve(client: Client, request: Object) -> None:
    approved = {"type": "Approved", "status": "True", "reason": "Test", "message": "by a test"}
    status = {"conditions": [approved]}
    await client.update(CSRS, {**request, "status": status}, "approval")


@pytest.mark.usefixtures("nodeless")
async def test_from_request_to_certificate(
    world: World, plane: ControlPlane, tmp_path: Path
) -> None:
    """Who is approved gets a certificate of the cluster's CA, that is who it says."""
    name = f"{world.namespace}-me"
    pem = made.request_pem(KEY, "me", ["some"])
    request = made.signing_request(name, pem, requests.CLIENT, expirationSeconds=3600)
    request = await world.client.create(CSRS, request)
    await approve(world.client, request)
    request = await until(world.client, name, requests.certificate)
    issued = base64.b64decode(requests.certificate(request))
    certificate = x509.load_pem_x509_certificate(issued)
    length = certificate.not_valid_after_utc - certificate.not_valid_before_utc
    assert length == HOUR + authority.BACKDATE
    kubectl = Kubectl(as_me(plane, issued, tmp_path), tmp_path)
    shown = kubectl("auth", "whoami", "-o", "json").json()["status"]["userInfo"]
    assert (shown["username"], shown["groups"]) == ("me", ["some", "system:authenticated"])
    await world.client.delete(CSRS, name)


def as_me(plane: ControlPlane, certificate: bytes, directory: Path) -> Path:
    """A kubeconfig with the certificate instead of the admin's."""
    config = yaml.safe_load(plane.kubeconfig.read_text())
    config["users"][0]["user"] = {
        "client-certificate-data": base64.b64encode(certificate).decode(),
        "client-key-data": base64.b64encode(made.key_pem(KEY)).decode(),
    }
    path = directory / "config"
    path.write_text(yaml.safe_dump(config))
    return path


@pytest.mark.usefixtures("nodeless")
async def test_kubectl_certificate(world: World, plane: ControlPlane, tmp_path: Path) -> None:
    """`kubectl certificate` decides, and `kubectl get csr` shows what came of it."""
    kubectl = Kubectl(plane.kubeconfig, tmp_path)
    good, bad = (f"{world.namespace}-{end}" for end in ("good", "bad"))
    for name in (good, bad):
        pem = made.request_pem(KEY, "me")
        request = made.signing_request(name, pem, requests.CLIENT, expirationSeconds=86400)
        kubectl("apply", "-f", "-", stdin=request)
    assert "approved" in kubectl("certificate", "approve", good).stdout
    assert "denied" in kubectl("certificate", "deny", bad).stdout
    await until(world.client, good, requests.certificate)
    header, *rows = kubectl("get", "csr", good, bad).words
    assert header == ["NAME", "AGE", "SIGNERNAME", "REQUESTOR", "REQUESTEDDURATION", "CONDITION"]
    shown = {row[0]: row[2:] for row in rows}
    who = [requests.CLIENT, "kubernetes-admin", "24h"]
    assert shown == {good: [*who, "Approved,Issued"], bad: [*who, "Denied"]}
    kubectl("delete", "csr", good, bad)


@pytest.mark.usefixtures("nodeless")
async def test_what_must_not_be_signed_fails(world: World) -> None:
    """It is approved, and yet has a condition that says why there is no certificate."""
    name = f"{world.namespace}-bad"
    pem = made.request_pem(KEY, "system:node:n", NODES)
    signer = requests.KUBELET_SERVING
    request = made.signing_request(name, pem, signer, made.SERVER_USAGES)
    await approve(world.client, await world.client.create(CSRS, request))
    request = await until(world.client, name, lambda found: requests.has_condition(found, "Failed"))
    (failed,) = (c for c in requests.conditions(request) if c["type"] == "Failed")
    assert failed["reason"] == "SignerValidationFailure"
    assert failed["message"] == "DNS or IP subjectAltName is required"
    assert not requests.certificate(request)
    await world.client.delete(CSRS, name)


@pytest.mark.usefixtures("nodeless")
async def test_a_kubelet_is_approved(world: World) -> None:
    """An administrator may ask for a node's certificate, and has it without another word."""
    name = f"{world.namespace}-node"
    pem = made.request_pem(KEY, "system:node:n", NODES)
    await world.client.create(CSRS, made.signing_request(name, pem, requests.KUBELET_CLIENT))
    request = await until(world.client, name, requests.certificate)
    (approved,) = requests.conditions(request)
    assert approved["reason"] == "AutoApproved"
    assert approved["message"] == (
        "Auto approving kubelet client certificate after SubjectAccessReview."
    )
    await world.client.delete(CSRS, name)


async def test_who_may_not_is_not_approved(quiet: World, quiet_plane: ControlPlane) -> None:
    """The review decides: a request of a user without permissions stays as it is."""
    plain = made.request_pem(KEY, "system:node:n", NODES)
    request = made.signing_request("other", plain, requests.KUBELET_CLIENT)
    impersonated = {**request["spec"], "username": "nobody", "groups": ["none"]}
    asked: list[Object] = []

    class Watched(ApprovingController):
        async def _may(self, spec: Object, permission: Any) -> bool:
            # Who made it is the server's word, and here always the admin.
            allowed = await super()._may(impersonated, permission)
            asked.append({"allowed": allowed, "subresource": permission.subresource})
            return allowed

    await quiet.client.create(CSRS, request)
    async with running(quiet.client, Watched):
        await eventually(lambda: asked, "the review was made")
        found = await quiet.client.get(CSRS, "other")
        assert not requests.conditions(found)
    assert asked[0] == {"allowed": False, "subresource": "nodeclient"}
    await quiet.client.delete(CSRS, "other")


async def test_the_cleaner(quiet: World) -> None:
    """What is over is deleted, what is not stays."""
    clock = datetime.datetime.now(datetime.UTC).timestamp()
    now = [clock + 2 * 3600]
    for name in ("denied", "pending"):
        pem = made.request_pem(KEY, name)
        created = await quiet.client.create(CSRS, made.signing_request(name, pem, requests.CLIENT))
        if name == "denied":
            denied = {"type": "Denied", "status": "True", "reason": "Test"}
            status = {"conditions": [denied]}
            await quiet.client.update(CSRS, {**created, "status": status}, "approval")

    async def names() -> list[str]:
        listed = await quiet.client.list(CSRS)
        return [each["metadata"]["name"] for each in listed["items"]]

    async with running(
        quiet.client, lambda context: cleaner.RequestCleaner(context, lambda: now[0])
    ) as controller:
        assert isinstance(controller, cleaner.RequestCleaner)

        async def only_pending() -> bool:
            return await names() == ["pending"]

        await eventually(only_pending, "the denied one is gone")
        now[0] += 24 * 3600
        controller.look()

        async def none() -> bool:
            return await names() == []

        await eventually(none, "the pending one is gone")
