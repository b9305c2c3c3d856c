# SPDX-License-Identifier: Apache-2.0
"""An APIService as the aggregator reads it. Pure; mirrors kube-aggregator's
`pkg/apis/apiregistration/v1/helper`."""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass

from pyk8s.apimachinery.gvk import GroupVersion, Object

AVAILABLE = "Available"
HTTPS_PORT = 443


@dataclass(frozen=True, slots=True)
class ServiceReference:
    namespace: str
    name: str
    port: int

    @property
    def server_name(self) -> str:
        """Whom the certificate of a server behind it is for."""
        return f"{self.name}.{self.namespace}.svc"


@dataclass(frozen=True, slots=True, kw_only=True)
class APIService:
    """`service` is None where this server itself serves the group version. `ca_bundle` is PEM,
    `reason` that of the condition Available."""

    name: str
    group_version: GroupVersion
    group_priority: int
    version_priority: int
    service: ServiceReference | None
    ca_bundle: bytes
    insecure: bool
    available: bool
    reason: str

    @property
    def path(self) -> str:
        """Where discovery of the group version is."""
        group, version = self.group_version
        return f"/apis/{group}/{version}" if group else f"/api/{version}"


def read(obj: Object) -> APIService:
    spec = obj.get("spec") or {}
    reference = spec.get("service")
    condition = condition_of(obj)
    return APIService(
        name=obj["metadata"]["name"],
        group_version=GroupVersion(spec.get("group", ""), spec.get("version", "")),
        group_priority=spec.get("groupPriorityMinimum", 0),
        version_priority=spec.get("versionPriority", 0),
        service=_service(reference) if reference is not None else None,
        ca_bundle=_bytes(spec.get("caBundle") or ""),
        insecure=bool(spec.get("insecureSkipTLSVerify")),
        available=condition.get("status") == "True",
        reason=condition.get("reason", ""),
    )


def _service(reference: Object) -> ServiceReference:
    port = reference.get("port") or HTTPS_PORT
    return ServiceReference(reference.get("namespace", ""), reference.get("name", ""), port)


def _bytes(encoded: str) -> bytes:
    """What is no base64 is no certificate either, and is found to be none where it is used."""
    try:
        return base64.b64decode(encoded)
    except binascii.Error:
        return encoded.encode()


def condition_of(obj: Object) -> Object:
    """The condition Available; empty where there is none yet."""
    for condition in (obj.get("status") or {}).get("conditions") or ():
        if condition.get("type") == AVAILABLE:
            found: Object = condition
            return found
    return {}


def with_condition(obj: Object, condition: Object) -> Object:
    """The object with that condition Available. It keeps the time of its last transition while
    its status stays, and the object is the same one where nothing would change."""
    status = obj.get("status") or {}
    before = condition_of(obj)
    if before.get("status") == condition["status"] and before.get("lastTransitionTime"):
        condition = {**condition, "lastTransitionTime": before["lastTransitionTime"]}
    if before == condition:
        return obj
    others = [c for c in status.get("conditions") or () if c.get("type") != AVAILABLE]
    return {**obj, "status": {**status, "conditions": [*others, condition]}}
