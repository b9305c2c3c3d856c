# SPDX-License-Identifier: Apache-2.0
"""All admission plugins, in the order in which they are asked, and which of them are on.

Names, order and defaults are those of `pkg/kubeapiserver/options/plugins.go`; of upstream's list
only those that are built stand here.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from pyk8s.admission import interface
from pyk8s.admission.certificates import (
    CertificateApproval,
    CertificateSigning,
    CertificateSubjectRestriction,
    ClusterTrustBundleAttest,
)
from pyk8s.admission.defaultclass import (
    INGRESS_CLASSES,
    STORAGE_CLASSES,
    DefaultIngressClass,
    DefaultStorageClass,
)
from pyk8s.admission.defaulttolerationseconds import DEFAULT_SECONDS, DefaultTolerationSeconds
from pyk8s.admission.lifecycle import NAMESPACES, NamespaceLifecycle
from pyk8s.admission.limitranger import LIMIT_RANGES, LimitRanger
from pyk8s.admission.nodetaint import TaintNodesByCondition
from pyk8s.admission.objects import ObjectsOf
from pyk8s.admission.priority import PRIORITY_CLASSES, Priority
from pyk8s.admission.resourcequota import RESOURCE_QUOTAS, ResourceQuota, Rewrite
from pyk8s.admission.runtimeclass import RUNTIME_CLASSES, RuntimeClass
from pyk8s.admission.serviceaccount import SERVICE_ACCOUNTS, ServiceAccount
from pyk8s.admission.storageobjectinuse import StorageObjectInUseProtection
from pyk8s.auth.authorizer import Authorizer


@dataclass(frozen=True, slots=True, kw_only=True)
class Dependencies:
    """What plugins are made with."""

    objects_of: ObjectsOf
    rewrite_quota: Rewrite
    authorizer: Authorizer
    not_ready_toleration_seconds: int = DEFAULT_SECONDS
    unreachable_toleration_seconds: int = DEFAULT_SECONDS


class UnknownPlugin(ValueError):
    """A name that is no plugin's, or one that is asked for and left out at once."""


_Make = Callable[[Dependencies], interface.Plugin]


def _default_toleration_seconds(given: Dependencies) -> interface.Plugin:
    return DefaultTolerationSeconds(
        given.not_ready_toleration_seconds, given.unreachable_toleration_seconds
    )


# All of these are on unless they are left out, as upstream's are.
_ORDERED: dict[str, _Make] = {
    "NamespaceLifecycle": lambda given: NamespaceLifecycle(given.objects_of(NAMESPACES).get),
    "LimitRanger": lambda given: LimitRanger(given.objects_of(LIMIT_RANGES)),
    "ServiceAccount": lambda given: ServiceAccount(given.objects_of(SERVICE_ACCOUNTS)),
    "TaintNodesByCondition": lambda given: TaintNodesByCondition(),
    "Priority": lambda given: Priority(given.objects_of(PRIORITY_CLASSES)),
    "DefaultTolerationSeconds": _default_toleration_seconds,
    "DefaultStorageClass": lambda given: DefaultStorageClass(given.objects_of(STORAGE_CLASSES)),
    "StorageObjectInUseProtection": lambda given: StorageObjectInUseProtection(),
    "RuntimeClass": lambda given: RuntimeClass(given.objects_of(RUNTIME_CLASSES)),
    "CertificateApproval": lambda given: CertificateApproval(given.authorizer),
    "CertificateSigning": lambda given: CertificateSigning(given.authorizer),
    "ClusterTrustBundleAttest": lambda given: ClusterTrustBundleAttest(given.authorizer),
    "CertificateSubjectRestriction": lambda given: CertificateSubjectRestriction(),
    "DefaultIngressClass": lambda given: DefaultIngressClass(given.objects_of(INGRESS_CLASSES)),
    # The last, so that nothing is charged that another refuses.
    "ResourceQuota": lambda given: ResourceQuota(
        given.objects_of(RESOURCE_QUOTAS), given.rewrite_quota
    ),
}


def selected(enabled: Sequence[str], disabled: Sequence[str]) -> tuple[str, ...]:
    """The names of those that are on, in order. Raises UnknownPlugin."""
    for name in (*enabled, *disabled):
        if name not in _ORDERED:
            raise UnknownPlugin(f"there is no admission plugin {name!r} here")
        if name in enabled and name in disabled:
            raise UnknownPlugin(f"admission plugin {name} is both enabled and disabled")
    return tuple(name for name in _ORDERED if name not in disabled)


def build(names: Sequence[str], given: Dependencies) -> interface.Chain:
    return interface.Chain([_ORDERED[name](given) for name in names])
