# SPDX-License-Identifier: Apache-2.0
"""Certificates: what they say, when they are made anew, and who may read the keys."""

from __future__ import annotations

import datetime
import stat
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from pyk8s.server import certificates

NAMES = ["localhost", "127.0.0.1"]

LEAVES = (
    "apiserver",
    "apiserver-kubelet-client",
    "admin",
    "front-proxy-client",
    "kubelet",
    "metrics-server",
)


def load(path: Path) -> x509.Certificate:
    return x509.load_pem_x509_certificate(path.read_bytes())


def contents(directory: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in directory.iterdir()}


def test_everything_is_made(tmp_path: Path) -> None:
    """kubeadm's file names, keys for the owner alone, nothing else left lying about."""
    certificates.ensure(tmp_path / "pki", NAMES)
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "pki").iterdir()}
    pairs = ("ca", "front-proxy-ca", *LEAVES)
    keys = dict.fromkeys([*(f"{name}.key" for name in pairs), "sa.key"], 0o600)
    public = dict.fromkeys([*(f"{name}.crt" for name in pairs), "sa.pub"], 0o644)
    assert modes == keys | public


def test_what_the_certificates_say(tmp_path: Path) -> None:
    """Chain, purposes, the admin's name and group, the server's names."""
    files = certificates.ensure(tmp_path, NAMES)
    ca, serving, admin = load(files.ca_cert), load(files.serving_cert), load(files.admin_cert)
    for certificate, usage in (
        (serving, ExtendedKeyUsageOID.SERVER_AUTH),
        (admin, ExtendedKeyUsageOID.CLIENT_AUTH),
    ):
        certificate.verify_directly_issued_by(ca)
        extension = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage)
        assert list(extension.value) == [usage]
    subject = {attribute.oid: attribute.value for attribute in admin.subject}
    assert subject == {
        NameOID.ORGANIZATION_NAME: "system:masters",
        NameOID.COMMON_NAME: "kubernetes-admin",
    }
    names = serving.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["localhost"]
    assert [str(ip) for ip in names.get_values_for_type(x509.IPAddress)] == ["127.0.0.1"]
    key = load_pem_private_key(files.service_account_key.read_bytes(), None)
    public = files.service_account_public_key.read_bytes()
    assert key.public_key() == certificates.serialization.load_pem_public_key(public)


def test_serving_names() -> None:
    """The Service's names and first address, the loopback and the bound address."""
    names = certificates.serving_names("192.0.2.7", "10.96.0.0/12")
    service = ["kubernetes", "kubernetes.default", "kubernetes.default.svc"]
    addresses = ["127.0.0.1", "::1", "10.96.0.1", "192.0.2.7"]
    wanted = [*service, "kubernetes.default.svc.cluster.local", "localhost", *addresses]
    assert set(wanted) <= set(names)
    assert "0.0.0.0" not in certificates.serving_names("0.0.0.0", "10.96.0.0/12")


@pytest.mark.parametrize(
    ("ip_range", "address"),
    [
        pytest.param("10.96.0.0/12", "10.96.0.1", id="kubeadm's"),
        pytest.param("10.0.0.0/24,fd00::/108", "10.0.0.1", id="dual stack"),
        pytest.param("fd00::/108", "fd00::1", id="IPv6"),
    ],
)
def test_first_service_ip(ip_range: str, address: str) -> None:
    """The first address after the network's own."""
    assert certificates.first_service_ip(ip_range) == address


def test_used_again(tmp_path: Path) -> None:
    """A second start changes nothing, also with fewer names."""
    certificates.ensure(tmp_path, NAMES)
    before = contents(tmp_path)
    certificates.ensure(tmp_path, NAMES[:1])
    assert contents(tmp_path) == before


def test_new_name_renews_the_serving_certificate_alone(tmp_path: Path) -> None:
    """Clients keep their CA and their certificates."""
    certificates.ensure(tmp_path, NAMES)
    before = contents(tmp_path)
    files = certificates.ensure(tmp_path, [*NAMES, "192.0.2.7"])
    after = contents(tmp_path)
    assert {name for name in after if after[name] != before[name]} == {
        "apiserver.crt",
        "apiserver.key",
    }
    load(files.serving_cert).verify_directly_issued_by(load(files.ca_cert))


def test_expiring_certificates_are_renewed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Within the last month of their year the leaves are made anew, the CA is not."""
    certificates.ensure(tmp_path, NAMES)
    before = contents(tmp_path)
    later = datetime.datetime.now(datetime.UTC) + datetime.timedelta(days=340)
    monkeypatch.setattr(certificates, "_now", lambda: later)
    certificates.ensure(tmp_path, NAMES)
    after = contents(tmp_path)
    changed = {name for name in after if after[name] != before[name]}
    assert changed == {f"{name}.{part}" for name in LEAVES for part in ("crt", "key")}


def test_expired_ca_is_not_replaced_in_silence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every client would lose its trust: that is the operator's to decide."""
    certificates.ensure(tmp_path, NAMES)
    later = datetime.datetime.now(datetime.UTC) + datetime.timedelta(days=3651)
    monkeypatch.setattr(certificates, "_now", lambda: later)
    with pytest.raises(certificates.CertificateError, match=r"ca\.crt has expired"):
        certificates.ensure(tmp_path, NAMES)


def test_new_ca_signs_everything_again(tmp_path: Path) -> None:
    """Leaves of a CA that is gone do not serve."""
    files = certificates.ensure(tmp_path, NAMES)
    files.ca_cert.unlink()
    files = certificates.ensure(tmp_path, NAMES)
    for leaf in (files.serving_cert, files.admin_cert):
        load(leaf).verify_directly_issued_by(load(files.ca_cert))


def test_key_without_its_certificate(tmp_path: Path) -> None:
    """A start that broke off between the two files is mended by the next."""
    files = certificates.ensure(tmp_path / "a", NAMES)
    other = certificates.ensure(tmp_path / "b", NAMES)
    files.serving_key.write_bytes(other.serving_key.read_bytes())
    certificates.ensure(tmp_path / "a", NAMES)
    key = load_pem_private_key(files.serving_key.read_bytes(), None)
    assert load(files.serving_cert).public_key() == key.public_key()


def test_unreadable_files_are_named(tmp_path: Path) -> None:
    """The message says which file it is about."""
    files = certificates.ensure(tmp_path, NAMES)
    files.ca_key.write_text("nothing")
    with pytest.raises(certificates.CertificateError, match=r"ca\.key does not hold"):
        certificates.ensure(tmp_path, NAMES)
    (tmp_path / "file").write_text("")
    with pytest.raises(certificates.CertificateError, match="file"):
        certificates.ensure(tmp_path / "file" / "pki", NAMES)
