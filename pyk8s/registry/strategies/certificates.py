# SPDX-License-Identifier: Apache-2.0
"""The Strategies of certificates.k8s.io.

A request says who asks for it: that part is the server's, taken from the authenticated user.
Preparation is that of `pkg/registry/certificates/*/strategy.go`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pyk8s.apimachinery import field, times
from pyk8s.apimachinery.gvk import GroupResource, Object
from pyk8s.apis.defaults import certificates as defaults
from pyk8s.apis.validation import certificates, podcertificates
from pyk8s.registry.context import RequestContext
from pyk8s.registry.strategies.resetting import ResettingStrategy
from pyk8s.registry.strategies.ruled import RuledStrategy, Rules
from pyk8s.registry.strategy import Strategy, UpdateRule

GROUP = "certificates.k8s.io"
_DECISIONS = ("Approved", "Denied")
_REQUESTER = ("username", "uid", "groups", "extra")


class SigningRequestStrategy(RuledStrategy):
    """`approval` decides, `status` carries the certificate, and nothing changes the spec."""

    rules = Rules(
        validate=certificates.validate_signing_request,
        validate_update=certificates.validate_signing_request_update,
    )

    def prepare_for_create(self, context: RequestContext, obj: Object) -> None:
        super().prepare_for_create(context, obj)
        spec = obj.setdefault("spec", {})
        for key in _REQUESTER:
            spec.pop(key, None)
        user = context.user
        given: dict[str, Any] = {
            "username": user.name,
            "uid": user.uid,
            "groups": list(user.groups),
            "extra": {key: list(values) for key, values in user.extra.items()},
        }
        spec.update({key: value for key, value in given.items() if value})

    def prepare_for_update(
        self, context: RequestContext, updated: Object, existing: Object
    ) -> None:
        super().prepare_for_update(context, updated, existing)
        updated["spec"] = existing["spec"]

    def prepare_for_status_update(
        self, context: RequestContext, updated: Object, existing: Object
    ) -> None:
        super().prepare_for_status_update(context, updated, existing)
        _keep_decisions(updated, existing)
        _date_conditions(updated, existing)

    def validate_status_update(
        self, context: RequestContext, updated: Object, existing: Object
    ) -> list[field.Error]:
        return certificates.validate_signing_request_update(updated, existing, issues=True)

    def prepare_for_approval(
        self, context: RequestContext, updated: Object, existing: Object
    ) -> None:
        """Only the conditions are taken from the client."""
        super().prepare_for_status_update(context, updated, existing)
        conditions = (updated.get("status") or {}).get("conditions")
        updated["status"] = dict(existing.get("status") or {})
        updated["status"].pop("conditions", None)
        if conditions:
            updated["status"]["conditions"] = conditions
        _date_conditions(updated, existing)

    def validate_approval(
        self, context: RequestContext, updated: Object, existing: Object
    ) -> list[field.Error]:
        return certificates.validate_signing_request_update(updated, existing, decides=True)

    def update_rule(self, subresource: str) -> UpdateRule:
        if subresource == "approval":
            return UpdateRule(self.prepare_for_approval, self.validate_approval)
        return super().update_rule(subresource)


def _conditions(request: Object) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (request.get("status") or {}).get("conditions") or []
    return found


def _keep_decisions(updated: Object, existing: Object) -> None:
    """Put back how a decision reads, when the client says it in other words."""
    conditions = _conditions(updated)
    for kind in _DECISIONS:
        stored = [c for c in _conditions(existing) if c.get("type") == kind]
        places = [i for i, c in enumerate(conditions) if c.get("type") == kind]
        if len(stored) == len(places):
            for place, condition in zip(places, stored, strict=True):
                conditions[place] = condition


def _date_conditions(updated: Object, existing: Object) -> None:
    now = times.now()
    known = {
        (c.get("type"), c.get("status")): c["lastTransitionTime"]
        for c in _conditions(existing)
        if c.get("lastTransitionTime")
    }
    for condition in _conditions(updated):
        if not condition.get("lastUpdateTime"):
            condition["lastUpdateTime"] = now
        if not condition.get("lastTransitionTime"):
            state = (condition.get("type"), condition.get("status"))
            condition["lastTransitionTime"] = known.get(state, now)


class ClusterTrustBundleStrategy(RuledStrategy):
    allow_unconditional_update = False
    rules = Rules(
        validate=certificates.validate_trust_bundle,
        validate_update=certificates.validate_trust_bundle_update,
    )


class PodCertificateRequestStrategy(ResettingStrategy):
    allow_unconditional_update = False
    rules = Rules(
        default=defaults.default_pod_certificate_request,
        validate=podcertificates.validate_request,
        validate_update=podcertificates.validate_request_update,
        validate_status_update=podcertificates.validate_request_status_update,
    )


STRATEGIES: Mapping[GroupResource, type[Strategy]] = {
    GroupResource(GROUP, "certificatesigningrequests"): SigningRequestStrategy,
    GroupResource(GROUP, "clustertrustbundles"): ClusterTrustBundleStrategy,
    GroupResource(GROUP, "podcertificaterequests"): PodCertificateRequestStrategy,
}
