# SPDX-License-Identifier: Apache-2.0
"""Who may decide on certificate requests, and what nobody may ask for."""

from __future__ import annotations

import pytest
import signing

from pyk8s.admission import interface
from pyk8s.admission.certificates import (
    CertificateApproval,
    CertificateSigning,
    ClusterTrustBundleAttest,
)
from pyk8s.apimachinery import errors
from pyk8s.apimachinery.gvk import GroupVersionKind, GroupVersionResource
from pyk8s.auth.authorizer import Decision
from pyk8s.auth.user import UserInfo

CSRS = "/apis/certificates.k8s.io/v1/certificatesigningrequests"
CLIENT = "kubernetes.io/kube-apiserver-client"
RESOURCE = GroupVersionResource("certificates.k8s.io", "v1", "certificatesigningrequests")
KIND = GroupVersionKind("certificates.k8s.io", "v1", "CertificateSigningRequest")


def test_nobody_becomes_master(http):
    """A certificate of the group that may do everything is not to be asked for."""
    pem = signing.request_pem(signing.new_key(), "me", ["system:masters"])
    answer = http("POST", CSRS, signing.signing_request("master", pem, CLIENT))
    assert answer.status == 403
    assert answer.json()["message"] == (
        'certificatesigningrequests.certificates.k8s.io "master" is forbidden: use of '
        f"{CLIENT} signer with system:masters group is not allowed"
    )


class Grants:
    """An authorizer that allows one verb on signers of one name."""

    def __init__(self, verb, name):
        self.granted = verb, name

    async def authorize(self, attributes):
        assert (attributes.group, attributes.resource) == ("certificates.k8s.io", "signers")
        allowed = (attributes.verb, attributes.name) == self.granted
        return (Decision.ALLOW if allowed else Decision.NO_OPINION), ""


def update(subresource, **status):
    existing = {"metadata": {"name": "a"}, "spec": {"signerName": "example.com/s"}}
    updated = {**existing, "spec": {"signerName": "other.com/s"}, "status": status}
    return interface.Attributes(
        operation=interface.UPDATE,
        resource=RESOURCE,
        kind=KIND,
        namespace="",
        name="a",
        user=UserInfo("u"),
        subresource=subresource,
        obj=updated,
        existing=existing,
    )


@pytest.mark.parametrize(
    ("plugin", "verb", "attributes"),
    [
        pytest.param(CertificateApproval, "approve", update("approval"), id="approve"),
        pytest.param(CertificateSigning, "sign", update("status", certificate="x"), id="sign"),
        pytest.param(
            CertificateSigning, "sign", update("status", conditions=[{"type": "F"}]), id="fail"
        ),
    ],
)
async def test_permission_for_a_signer(plugin, verb, attributes):
    """The signer that is stored counts, itself or by its domain."""
    for name in ("example.com/s", "example.com/*"):
        await plugin(Grants(verb, name)).validate(attributes)
    for grants in (Grants(verb, "other.com/s"), Grants("get", "example.com/s")):
        with pytest.raises(errors.StatusError) as refused:
            await plugin(grants).validate(attributes)
        assert refused.value.code == 403
        assert refused.value.message.endswith(
            f'user not permitted to {verb} requests with signerName "example.com/s"'
        )


async def test_what_needs_no_permission():
    """A status that answers nothing, and other parts of a request."""
    nothing = Grants("", "")
    await CertificateSigning(nothing).validate(update("status"))
    await CertificateSigning(nothing).validate(update("approval"))
    await CertificateApproval(nothing).validate(update(""))


async def test_who_may_attest():
    """A bundle of a signer takes its permission, unless only its upkeep changes."""
    attributes = update("")
    attributes.obj = {"metadata": {"name": "a"}, "spec": {"signerName": "example.com/s"}}
    attributes.existing = {**attributes.obj, "metadata": {"name": "a", "finalizers": ["f"]}}
    nothing = ClusterTrustBundleAttest(Grants("", ""))
    await nothing.validate(attributes)
    attributes.existing = None
    with pytest.raises(errors.StatusError) as refused:
        await nothing.validate(attributes)
    assert refused.value.message.endswith(
        'user not permitted to attest for signerName "example.com/s"'
    )
    await ClusterTrustBundleAttest(Grants("attest", "example.com/*")).validate(attributes)
    attributes.obj = {"metadata": {"name": "a"}, "spec": {}}
    await nothing.validate(attributes)
