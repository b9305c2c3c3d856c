# SPDX-License-Identifier: Apache-2.0
"""Certificates and keys of one control plane, made once and kept under the data directory.

    ca -> apiserver (serving), admin (client, O=system:masters),       sa (ServiceAccount tokens)
          apiserver-kubelet-client (client, to kubelets)
          kubelet, metrics-server (serving)
    front-proxy-ca -> front-proxy-client (client, to aggregated API servers)

File names are kubeadm's, so that who knows a cluster's /etc/kubernetes/pki finds the same here.
All keys are EC P-256: made in a millisecond, understood by every client. What is there is used
as it is, and made anew only where it no longer serves: about to expire, signed by another CA, or
(the serving certificate) lacking a name the server is reached by.
"""

from __future__ import annotations

import contextlib
import datetime
import ipaddress
import socket
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from pyk8s.server.files import write_atomically

ADMIN_USER = "kubernetes-admin"
KUBELET_CLIENT = "kube-apiserver-kubelet-client"
FRONT_PROXY_CLIENT = "front-proxy-client"
METRICS_SERVER = "metrics-server.kube-system.svc"
_LOCAL_NAMES = ("localhost", "127.0.0.1", "::1")

# kubeadm's: ten years for the CA, one for what it signs.
CA_LIFETIME = datetime.timedelta(days=3650)
LEAF_LIFETIME = datetime.timedelta(days=365)
# A server that is started today must not lose its certificate next week.
RENEW_BEFORE = datetime.timedelta(days=30)
# Clients whose clock is slow still find the certificate valid.
BACKDATE = datetime.timedelta(minutes=5)

_SERVICE_NAMES = (
    "kubernetes",
    "kubernetes.default",
    "kubernetes.default.svc",
    "kubernetes.default.svc.cluster.local",
    "localhost",
)


class CertificateError(Exception):
    """A certificate or key cannot be read, used or written; one line for the operator."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Files:
    """Where everything is. All paths exist once `ensure` has returned."""

    ca_cert: Path
    ca_key: Path
    serving_cert: Path
    serving_key: Path
    admin_cert: Path
    admin_key: Path
    kubelet_client_cert: Path
    kubelet_client_key: Path
    kubelet_cert: Path
    kubelet_key: Path
    metrics_server_cert: Path
    metrics_server_key: Path
    front_proxy_ca_cert: Path
    front_proxy_ca_key: Path
    front_proxy_client_cert: Path
    front_proxy_client_key: Path
    service_account_key: Path
    service_account_public_key: Path


@dataclass(frozen=True, slots=True)
class _Pair:
    """A certificate and its private key."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey


@dataclass(frozen=True, slots=True, kw_only=True)
class _Request:
    """What a leaf certificate is to say."""

    common_name: str
    organization: str = ""
    usage: x509.ObjectIdentifier
    names: tuple[str, ...] = ()


def files_under(directory: Path) -> Files:
    return Files(
        ca_cert=directory / "ca.crt",
        ca_key=directory / "ca.key",
        serving_cert=directory / "apiserver.crt",
        serving_key=directory / "apiserver.key",
        admin_cert=directory / "admin.crt",
        admin_key=directory / "admin.key",
        kubelet_client_cert=directory / "apiserver-kubelet-client.crt",
        kubelet_client_key=directory / "apiserver-kubelet-client.key",
        kubelet_cert=directory / "kubelet.crt",
        kubelet_key=directory / "kubelet.key",
        metrics_server_cert=directory / "metrics-server.crt",
        metrics_server_key=directory / "metrics-server.key",
        front_proxy_ca_cert=directory / "front-proxy-ca.crt",
        front_proxy_ca_key=directory / "front-proxy-ca.key",
        front_proxy_client_cert=directory / "front-proxy-client.crt",
        front_proxy_client_key=directory / "front-proxy-client.key",
        service_account_key=directory / "sa.key",
        service_account_public_key=directory / "sa.pub",
    )


def ensure(directory: Path, names: Iterable[str]) -> Files:
    """Make what is missing or no longer serves; return where everything is.

    `names` are the DNS names and IP addresses clients reach the server by. Not to be called by
    two processes at once. Raises CertificateError.
    """
    files = files_under(directory)
    try:
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        ca = _ensure_ca(files.ca_cert, files.ca_key, "kubernetes")
        serving = _Request(
            common_name="kube-apiserver",
            usage=ExtendedKeyUsageOID.SERVER_AUTH,
            names=tuple(dict.fromkeys(names)),
        )
        admin = _Request(
            common_name=ADMIN_USER,
            organization="system:masters",
            usage=ExtendedKeyUsageOID.CLIENT_AUTH,
        )
        _ensure_leaf(ca, serving, files.serving_cert, files.serving_key)
        _ensure_leaf(ca, admin, files.admin_cert, files.admin_key)
        kubelet_client = _Request(
            common_name=KUBELET_CLIENT,
            organization="system:masters",
            usage=ExtendedKeyUsageOID.CLIENT_AUTH,
        )
        _ensure_leaf(ca, kubelet_client, files.kubelet_client_cert, files.kubelet_client_key)
        _ensure_local_servers(ca, files)
        _ensure_front_proxy(files)
        _ensure_service_account_keys(files)
    except OSError as error:
        where = error.filename or directory
        raise CertificateError(f"cannot use {where}: {error.strerror}") from error
    return files


def serving_names(bind_address: str, service_cluster_ip_range: str) -> tuple[str, ...]:
    """Every name the API server is reached by: as upstream's self-signed certificate has them,
    plus this host's name and, when all interfaces are bound, this host's addresses."""
    service_ip = first_service_ip(service_cluster_ip_range)
    names = [*_SERVICE_NAMES, socket.gethostname(), "127.0.0.1", "::1", service_ip]
    if ipaddress.ip_address(bind_address).is_unspecified:
        names += _host_addresses()
    else:
        names.append(bind_address)
    return tuple(dict.fromkeys(name for name in names if name))


def first_service_ip(service_cluster_ip_range: str) -> str:
    """The address of Service `kubernetes`: the first after the network's own. Of a dual-stack
    pair the first range counts. Raises ValueError."""
    first_range = service_cluster_ip_range.split(",")[0]
    return str(ipaddress.ip_network(first_range, strict=False)[1])


def _host_addresses() -> list[str]:
    """The addresses the host name resolves to, and the one the default route leaves by."""
    found: list[str] = []
    with contextlib.suppress(OSError):
        found += [str(info[4][0]) for info in socket.getaddrinfo(socket.gethostname(), None)]
    with (
        contextlib.suppress(OSError),
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe,
    ):
        # Connecting a datagram socket sends nothing; it only picks a route. The address is
        # one that is kept for documentation (RFC 5737).
        probe.connect(("192.0.2.1", 9))
        found.append(probe.getsockname()[0])
    return [address.partition("%")[0] for address in found]


def _ensure_local_servers(ca: _Pair, files: Files) -> None:
    """What serves beside the API server on this host: nodes by their address, the metrics server
    as its Service."""
    for cert, key, names in (
        (files.kubelet_cert, files.kubelet_key, _LOCAL_NAMES),
        (files.metrics_server_cert, files.metrics_server_key, (METRICS_SERVER, *_LOCAL_NAMES)),
    ):
        usage = ExtendedKeyUsageOID.SERVER_AUTH
        _ensure_leaf(ca, _Request(common_name=names[0], usage=usage, names=names), cert, key)


def _ensure_front_proxy(files: Files) -> None:
    """Of an authority of its own: who it vouches for is believed about other users."""
    ca = _ensure_ca(files.front_proxy_ca_cert, files.front_proxy_ca_key, "front-proxy-ca")
    client = _Request(common_name=FRONT_PROXY_CLIENT, usage=ExtendedKeyUsageOID.CLIENT_AUTH)
    _ensure_leaf(ca, client, files.front_proxy_client_cert, files.front_proxy_client_key)


def _ensure_ca(cert: Path, key_file: Path, common_name: str) -> _Pair:
    existing = _load(cert, key_file)
    if existing is not None:
        if existing.certificate.not_valid_after_utc <= _now():
            raise CertificateError(
                f"the certificate authority {cert} has expired: remove {cert} "
                "and all clients' kubeconfigs to have them made again"
            )
        return existing
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])
    builder = (
        _builder(name, name, key.public_key(), CA_LIFETIME)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(_key_usage(signs_certificates=True), critical=True)
    )
    ca = _Pair(builder.sign(key, hashes.SHA256()), key)
    _store(ca, cert, key_file)
    return ca


def _ensure_leaf(ca: _Pair, request: _Request, cert: Path, key: Path) -> None:
    existing = _load(cert, key)
    if existing is None or not _serves(existing.certificate, ca, request):
        _store(_sign(ca, request), cert, key)


def _serves(certificate: x509.Certificate, ca: _Pair, request: _Request) -> bool:
    if certificate.not_valid_after_utc - RENEW_BEFORE <= _now():
        return False
    try:
        certificate.verify_directly_issued_by(ca.certificate)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return set(request.names) <= set(_names_of(certificate))


def _names_of(certificate: x509.Certificate) -> list[str]:
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return []
    addresses = [str(address) for address in names.get_values_for_type(x509.IPAddress)]
    return names.get_values_for_type(x509.DNSName) + addresses


def _sign(ca: _Pair, request: _Request) -> _Pair:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = [x509.NameAttribute(NameOID.COMMON_NAME, request.common_name)]
    if request.organization:
        organization = x509.NameAttribute(NameOID.ORGANIZATION_NAME, request.organization)
        subject.insert(0, organization)
    issuer = ca.certificate.subject
    builder = (
        _builder(x509.Name(subject), issuer, key.public_key(), LEAF_LIFETIME)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_key_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([request.usage]), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(ca.key.public_key()),
            critical=False,
        )
    )
    if request.names:
        alternatives = x509.SubjectAlternativeName([_general_name(n) for n in request.names])
        builder = builder.add_extension(alternatives, critical=False)
    return _Pair(builder.sign(ca.key, hashes.SHA256()), key)


def _builder(
    subject: x509.Name,
    issuer: x509.Name,
    public_key: ec.EllipticCurvePublicKey,
    lifetime: datetime.timedelta,
) -> x509.CertificateBuilder:
    now = _now()
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - BACKDATE)
        .not_valid_after(now + lifetime)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), critical=False)
    )


def _key_usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _ensure_service_account_keys(files: Files) -> None:
    if files.service_account_key.exists():
        key = _load_key(files.service_account_key)
    else:
        key = ec.generate_private_key(ec.SECP256R1())
        write_atomically(files.service_account_key, _key_pem(key), 0o600)
    public = key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    if not files.service_account_public_key.exists():
        write_atomically(files.service_account_public_key, public, 0o644)


def _load(cert: Path, key: Path) -> _Pair | None:
    """None when either file is missing. The two must belong together."""
    if not cert.exists() or not key.exists():
        return None
    try:
        certificate = x509.load_pem_x509_certificate(cert.read_bytes())
    except ValueError as error:
        raise CertificateError(f"{cert} does not hold a PEM certificate") from error
    private = _load_key(key)
    if certificate.public_key() != private.public_key():
        # A crash between the two writes: the key came first and the certificate is stale.
        return None
    return _Pair(certificate, private)


def _load_key(path: Path) -> ec.EllipticCurvePrivateKey:
    try:
        key = serialization.load_pem_private_key(path.read_bytes(), password=None)
    except (ValueError, TypeError) as error:
        raise CertificateError(f"{path} does not hold an unencrypted PEM private key") from error
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise CertificateError(f"{path} holds a key that is not of the elliptic curve kind")
    return key


def _store(pair: _Pair, cert: Path, key: Path) -> None:
    write_atomically(key, _key_pem(pair.key), 0o600)
    write_atomically(cert, pair.certificate.public_bytes(serialization.Encoding.PEM), 0o644)


def _key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def _now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC)
