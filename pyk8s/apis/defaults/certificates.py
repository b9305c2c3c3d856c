# SPDX-License-Identifier: Apache-2.0
"""Defaults of PodCertificateRequests, as in upstream's `pkg/apis/certificates/v1/defaults.go`."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from pyk8s.apimachinery.gvk import GroupVersionKind, Object

ONE_DAY_SECONDS = 86400


def default_pod_certificate_request(request: Object) -> None:
    request.setdefault("spec", {}).setdefault("maxExpirationSeconds", ONE_DAY_SECONDS)


DEFAULTERS: Mapping[GroupVersionKind, Callable[[Object], None]] = {
    GroupVersionKind(
        "certificates.k8s.io", "v1", "PodCertificateRequest"
    ): default_pod_certificate_request,
}
