# SPDX-License-Identifier: Apache-2.0
"""CertificateApproval, CertificateSigning, ClusterTrustBundleAttest and
CertificateSubjectRestriction: who may decide on certificate requests, answer them for a signer and
say whom to trust for one, and what nobody may ask for.

Mirror `plugin/pkg/admission/certificates`. `approve`, `sign` and `attest` are verbs on the resource
`signers`, which is there for authorization alone.
"""

from __future__ import annotations

import base64

from cryptography import x509
from cryptography.x509.oid import NameOID

from pyk8s.admission import interface
from pyk8s.apimachinery import meta
from pyk8s.apimachinery.gojson import quoted_string
from pyk8s.apimachinery.gvk import GroupResource, Object
from pyk8s.auth import authorizer, user

GROUP = "certificates.k8s.io"
SIGNING_REQUESTS = GroupResource(GROUP, "certificatesigningrequests")
TRUST_BUNDLES = GroupResource(GROUP, "clustertrustbundles")
CLIENT_SIGNER = "kubernetes.io/kube-apiserver-client"


class _ForSigner(interface.Plugin):
    """Asks whether the user has a verb on a signer, or on all of its domain."""

    operations = frozenset({interface.UPDATE})
    resources = frozenset({SIGNING_REQUESTS})

    def __init__(self, may: authorizer.Authorizer) -> None:
        self._may = may

    async def require(
        self, attributes: interface.Attributes, verb: str, obj: Object, what: str = "requests with"
    ) -> None:
        """For the signer that the object names. Raises StatusError."""
        signer = (obj.get("spec") or {}).get("signerName", "")
        domain = signer.partition("/")[0]
        for name in (signer, f"{domain}/*"):
            asked = authorizer.Attributes(
                user=attributes.user,
                verb=verb,
                is_resource_request=True,
                group=GROUP,
                version="*",
                resource="signers",
                name=name,
            )
            decision, _ = await self._may.authorize(asked)
            if decision is authorizer.Decision.ALLOW:
                return
        raise attributes.forbidden(
            f"user not permitted to {verb} {what} signerName {quoted_string(signer)}"
        )


class CertificateApproval(_ForSigner):
    async def validate(self, attributes: interface.Attributes) -> None:
        if attributes.subresource == "approval":
            # What is stored counts, whatever the client says of the signer.
            assert attributes.existing is not None
            await self.require(attributes, "approve", attributes.existing)


class CertificateSigning(_ForSigner):
    async def validate(self, attributes: interface.Attributes) -> None:
        if attributes.subresource != "status":
            return
        assert attributes.existing is not None
        if _answer(attributes.object) != _answer(attributes.existing):
            await self.require(attributes, "sign", attributes.existing)


def _answer(request: Object) -> tuple[str, list[Object]]:
    status = request.get("status") or {}
    return status.get("certificate") or "", status.get("conditions") or []


class ClusterTrustBundleAttest(_ForSigner):
    operations = frozenset({interface.CREATE, interface.UPDATE})
    resources = frozenset({TRUST_BUNDLES})

    async def validate(self, attributes: interface.Attributes) -> None:
        bundle = attributes.object
        if not (bundle.get("spec") or {}).get("signerName"):
            return
        existing = attributes.existing
        if existing is not None and _without_upkeep(bundle) == _without_upkeep(existing):
            return
        await self.require(attributes, "attest", bundle, "for")


def _without_upkeep(obj: Object) -> Object:
    """But for what garbage collection and ownership of fields change."""
    upkeep = ("ownerReferences", "finalizers", "managedFields")
    metadata = {key: value for key, value in meta.of(obj).items() if key not in upkeep}
    return {**obj, "metadata": metadata}


class CertificateSubjectRestriction(interface.Plugin):
    operations = frozenset({interface.CREATE})
    resources = frozenset({SIGNING_REQUESTS})

    async def validate(self, attributes: interface.Attributes) -> None:
        spec = attributes.object.get("spec") or {}
        if attributes.subresource or spec.get("signerName") != CLIENT_SIGNER:
            return
        # Validation has read it before.
        parsed = x509.load_pem_x509_csr(base64.b64decode(spec["request"]))
        groups = parsed.subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)
        if any(group.value == user.SYSTEM_MASTERS for group in groups):
            raise attributes.forbidden(
                f"use of {CLIENT_SIGNER} signer with {user.SYSTEM_MASTERS} group is not allowed"
            )
