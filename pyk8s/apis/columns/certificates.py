# SPDX-License-Identifier: Apache-2.0
"""The certificates.k8s.io group."""

from __future__ import annotations

from typing import Any

from pyk8s.apimachinery import durations
from pyk8s.apimachinery.gvk import GroupResource, Object
from pyk8s.apis.columns import ages, texts
from pyk8s.apis.columns.definition import AGE, API, NAME, Column, Columns, ColumnsByResource

_GROUP = "certificates.k8s.io"
_CSR = API + "certificates.v1.CertificateSigningRequest"
_PCR = API + "certificates.v1.PodCertificateRequestSpec."


def _condition(status: Object) -> str:
    """A denial outweighs an approval; failure and issue are told beside it."""
    kinds = {condition.get("type") for condition in status.get("conditions") or ()}
    text = "Denied" if "Denied" in kinds else "Approved" if "Approved" in kinds else "Pending"
    if "Failed" in kinds:
        text += ",Failed"
    return text + ",Issued" if status.get("certificate") else text


def _csr_cells(obj: Object, now: float) -> list[Any]:
    spec = obj.get("spec") or {}
    seconds = spec.get("expirationSeconds")
    return [
        obj["metadata"].get("name", ""),
        ages.age(obj, now),
        spec.get("signerName") or texts.NONE,
        spec.get("username", ""),
        texts.NONE if seconds is None else durations.human(seconds),
        _condition(obj.get("status") or {}),
    ]


_CERTIFICATE_SIGNING_REQUESTS = Columns(
    columns=(
        NAME,
        AGE,
        Column("SignerName", doc=_CSR + "Spec.signerName"),
        Column("Requestor", doc=_CSR + "Spec.request"),
        Column("RequestedDuration", doc=_CSR + "Spec.expirationSeconds"),
        Column("Condition", doc=_CSR + "Status.conditions"),
    ),
    cells=_csr_cells,
)


def _cluster_trust_bundle_cells(obj: Object, now: float) -> list[Any]:
    signer = (obj.get("spec") or {}).get("signerName")
    return [obj["metadata"].get("name", ""), signer or texts.NONE]


_CLUSTER_TRUST_BUNDLES = Columns(
    columns=(
        NAME,
        Column("SignerName", doc=API + "certificates.v1.ClusterTrustBundleSpec.signerName"),
    ),
    cells=_cluster_trust_bundle_cells,
)


def _pod_certificate_request_cells(obj: Object, now: float) -> list[Any]:
    spec = obj.get("spec") or {}
    state = "Pending"
    for condition in (obj.get("status") or {}).get("conditions") or ():
        if condition.get("type") in ("Issued", "Denied", "Failed"):
            state = condition["type"]
    return [
        obj["metadata"].get("name", ""),
        spec.get("podName", ""),
        spec.get("serviceAccountName", ""),
        spec.get("nodeName", ""),
        spec.get("signerName", ""),
        state,
        texts.labels_text(spec.get("unverifiedUserAnnotations")),
    ]


_POD_CERTIFICATE_REQUESTS = Columns(
    columns=(
        NAME,
        Column("PodName", doc=_PCR + "podName"),
        Column("ServiceAccountName", doc=_PCR + "serviceAccountName"),
        Column("NodeName", doc=_PCR + "nodeName"),
        Column("SignerName", doc=_PCR + "signerName"),
        Column("State", description="Pending, Issued, Denied or Failed."),
        Column("UnverifiedUserAnnotations", doc=_PCR + "unverifiedUserAnnotations"),
    ),
    cells=_pod_certificate_request_cells,
)

COLUMNS: ColumnsByResource = {
    GroupResource(_GROUP, "certificatesigningrequests"): _CERTIFICATE_SIGNING_REQUESTS,
    GroupResource(_GROUP, "clustertrustbundles"): _CLUSTER_TRUST_BUNDLES,
    GroupResource(_GROUP, "podcertificaterequests"): _POD_CERTIFICATE_REQUESTS,
}
