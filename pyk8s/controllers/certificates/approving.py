# SPDX-License-Identifier: Apache-2.0
"""Approves what kubelets ask for themselves, if who asks may: a SubjectAccessReview decides.

Mirrors upstream's `controller/certificates/approver`.
"""

from __future__ import annotations

import time
from typing import NamedTuple

from cryptography import x509

from pyk8s.apimachinery import times
from pyk8s.apimachinery.gvk import GroupVersionResource, Object
from pyk8s.client import resources
from pyk8s.client.store import Key
from pyk8s.client.worker import Irreconcilable
from pyk8s.controllers.certificates import requests
from pyk8s.controllers.controller import ObjectController

_REVIEWS = GroupVersionResource("authorization.k8s.io", "v1", "subjectaccessreviews")

# Who may not today may be allowed to tomorrow: looked at again after as long as it has waited.
_AGAIN_SECONDS_MIN = 1.0
_AGAIN_SECONDS_MAX = 1000.0


class Permission(NamedTuple):
    """A subresource of certificatesigningrequests that is there to be granted alone."""

    subresource: str
    message: str


_SELF = Permission(
    "selfnodeclient",
    "Auto approving self kubelet client certificate after SubjectAccessReview.",
)
_NODE = Permission(
    "nodeclient", "Auto approving kubelet client certificate after SubjectAccessReview."
)


def permissions(request: Object, parsed: x509.CertificateSigningRequest) -> list[Permission]:
    """Of which one is enough; none for what is not to be approved here."""
    spec = request["spec"]
    if spec.get("signerName") != requests.KUBELET_CLIENT:
        return []
    if requests.fault_of_kubelet_client(parsed, spec.get("usages") or ()):
        return []
    is_own = spec.get("username", "") == requests.common_name(parsed)
    return [_SELF, _NODE] if is_own else [_NODE]


class ApprovingController(ObjectController):
    name = "certificatesigningrequest-approving-controller"
    resource = resources.CERTIFICATE_SIGNING_REQUESTS

    async def reconcile(self, key: Key) -> None:
        request = self.objects.indexer.get(key)
        if request is None or requests.certificate(request):
            return
        decided = (requests.APPROVED, requests.DENIED)
        if any(condition.get("type") in decided for condition in requests.conditions(request)):
            return
        try:
            parsed = requests.parse(request)
        except requests.BadRequest as error:
            raise Irreconcilable(f"unable to parse csr: {error}") from error
        wanted = permissions(request, parsed)
        for permission in wanted:
            if await self._may(request["spec"], permission):
                await self._approve(request, permission)
                return
        if wanted:
            made = times.parse(request["metadata"]["creationTimestamp"]).timestamp()
            waited = max(time.time() - made, _AGAIN_SECONDS_MIN)
            self.queue.add_after(key, min(waited, _AGAIN_SECONDS_MAX))

    async def _may(self, spec: Object, permission: Permission) -> bool:
        attributes = {
            "group": self.resource.group,
            "resource": self.resource.resource,
            "verb": "create",
            "subresource": permission.subresource,
        }
        asked: Object = {
            "user": spec.get("username", ""),
            "uid": spec.get("uid", ""),
            "groups": spec.get("groups") or [],
            "extra": spec.get("extra") or {},
            "resourceAttributes": attributes,
        }
        review = {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SubjectAccessReview",
            "spec": asked,
        }
        answer = await self.client.create(_REVIEWS, review)
        return bool((answer.get("status") or {}).get("allowed"))

    async def _approve(self, request: Object, permission: Permission) -> None:
        approved = {
            "type": requests.APPROVED,
            "status": "True",
            "reason": "AutoApproved",
            "message": permission.message,
        }
        status = request.get("status") or {}
        status = {**status, "conditions": [*requests.conditions(request), approved]}
        await self.client.update(self.resource, {**request, "status": status}, "approval")
