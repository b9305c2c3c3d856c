# SPDX-License-Identifier: Apache-2.0
"""What kube-apiserver fills in where the client left a field out, one module per API group.

    DEFAULTERS[GroupVersionKind("", "v1", "Pod")](pod)      changes the Pod in place

A defaulter runs on every object that is decoded: from a request, from a patch, from storage. So
it fills in only what is absent, never looks at another object, and running it twice is running
it once. What depends on the cluster (a service account's name, a default storage class, an
address) is admission's or an allocator's business. Absent means Go's zero value: an empty string
or a zero where upstream's field is no pointer.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from pyk8s.apimachinery.gvk import GroupVersionKind, Object
from pyk8s.apis.defaults import (
    admissionregistration,
    apiextensions,
    apps,
    autoscaling,
    batch,
    certificates,
    core,
    flowcontrol,
    networking,
    rbac,
    resource,
    scheduling,
    storageclasses,
)

Defaulter = Callable[[Object], None]

DEFAULTERS: Mapping[GroupVersionKind, Defaulter] = {
    **core.DEFAULTERS,
    **apps.DEFAULTERS,
    **batch.DEFAULTERS,
    **autoscaling.DEFAULTERS,
    **networking.DEFAULTERS,
    **storageclasses.DEFAULTERS,
    **scheduling.DEFAULTERS,
    **rbac.DEFAULTERS,
    **certificates.DEFAULTERS,
    **admissionregistration.DEFAULTERS,
    **flowcontrol.DEFAULTERS,
    **resource.DEFAULTERS,
    **apiextensions.DEFAULTERS,
}
