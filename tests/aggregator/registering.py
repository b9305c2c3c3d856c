# SPDX-License-Identifier: Apache-2.0
"""What tests of the aggregation layer do: register an API and wait for what becomes of it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from cluster import Http, wait_until
from sampleserver import GROUP, VERSION, Object

API_SERVICES = "/apis/apiregistration.k8s.io/v1/apiservices"
NAME = f"{VERSION}.{GROUP}"
TRUST = "/api/v1/namespaces/kube-system/configmaps/extension-apiserver-authentication"


def slices(namespace: str) -> str:
    return f"/apis/discovery.k8s.io/v1/namespaces/{namespace}/endpointslices"


def services(namespace: str) -> str:
    return f"/api/v1/namespaces/{namespace}/services"


@contextlib.contextmanager
def registration(http: Http, obj: Object) -> Iterator[None]:
    """The APIService is there during the block."""
    http.create(API_SERVICES, obj)
    try:
        yield
    finally:
        http("DELETE", f"{API_SERVICES}/{obj['metadata']['name']}")


def condition(http: Http, name: str = NAME) -> Object:
    """That it is available, or not; empty before anything is known."""
    status = http("GET", f"{API_SERVICES}/{name}").json().get("status") or {}
    found = [each for each in status.get("conditions") or () if each["type"] == "Available"]
    return found[0] if found else {}


def await_condition(http: Http, status: str, reason: str, name: str = NAME) -> Object:
    def as_wanted() -> Object | None:
        found = condition(http, name)
        return found if (found.get("status"), found.get("reason")) == (status, reason) else None

    found: Object = wait_until(as_wanted, f"{name} is {status} for {reason}")
    return found
