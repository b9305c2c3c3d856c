# SPDX-License-Identifier: Apache-2.0
"""Which controllers there are, by upstream's names, and which a `--controllers` flag means."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pyk8s.controllers.attachdetach.controller import AttachDetachController
from pyk8s.controllers.bootstrap.cleaner import TokenCleaner
from pyk8s.controllers.bootstrap.signer import BootstrapSigner
from pyk8s.controllers.certificates.approving import ApprovingController
from pyk8s.controllers.certificates.cleaner import RequestCleaner
from pyk8s.controllers.certificates.signing import SigningController
from pyk8s.controllers.clusterroleaggregation.controller import (
    ClusterRoleAggregationController,
)
from pyk8s.controllers.controller import Controller
from pyk8s.controllers.cronjob.controller import CronJobController
from pyk8s.controllers.daemonset.controller import DaemonSetController
from pyk8s.controllers.deployment.controller import DeploymentController
from pyk8s.controllers.disruption.controller import DisruptionController
from pyk8s.controllers.endpoints.controller import EndpointsController
from pyk8s.controllers.endpointslice.controller import EndpointSliceController
from pyk8s.controllers.endpointslicemirroring.controller import EndpointSliceMirroringController
from pyk8s.controllers.garbagecollector.controller import GarbageCollector
from pyk8s.controllers.job.controller import JobController
from pyk8s.controllers.namespace.controller import NamespaceController
from pyk8s.controllers.nodeipam.controller import NodeIPAMController
from pyk8s.controllers.nodelifecycle.controller import NodeLifecycleController
from pyk8s.controllers.persistentvolume.controller import PersistentVolumeBinder
from pyk8s.controllers.persistentvolume.ephemeral import EphemeralVolumeController
from pyk8s.controllers.persistentvolume.expand import PersistentVolumeExpander
from pyk8s.controllers.persistentvolume.protection import (
    AttributesClassProtectionController,
    ClaimProtectionController,
    VolumeProtectionController,
)
from pyk8s.controllers.podautoscaler.controller import HorizontalPodAutoscalerController
from pyk8s.controllers.podgc.controller import PodGarbageCollector
from pyk8s.controllers.replicaset.controller import (
    ReplicaSetController,
    ReplicationControllerController,
)
from pyk8s.controllers.resourcequota.controller import ResourceQuotaController
from pyk8s.controllers.serviceaccount.accounts import ServiceAccountController
from pyk8s.controllers.serviceaccount.legacy_cleaner import LegacyTokenCleaner
from pyk8s.controllers.serviceaccount.root_ca import RootCAPublisher
from pyk8s.controllers.serviceaccount.tokens import TokenController
from pyk8s.controllers.servicecidrs.controller import ServiceCIDRController
from pyk8s.controllers.servicelb.controller import ServiceLBController
from pyk8s.controllers.statefulset.controller import StatefulSetController
from pyk8s.controllers.tainteviction.controller import TaintEvictionController
from pyk8s.controllers.ttl.controller import TTLController
from pyk8s.controllers.ttlafterfinished.controller import TTLAfterFinishedController

# The garbage collector comes last, so that it finds the informers of all the others.
CONTROLLERS: Mapping[str, type[Controller[Any]]] = {
    controller.name: controller
    for controller in (
        NamespaceController,
        ServiceAccountController,
        RootCAPublisher,
        TokenController,
        SigningController,
        ApprovingController,
        RequestCleaner,
        LegacyTokenCleaner,
        BootstrapSigner,
        TokenCleaner,
        ResourceQuotaController,
        EndpointsController,
        EndpointSliceController,
        EndpointSliceMirroringController,
        DeploymentController,
        ReplicaSetController,
        ReplicationControllerController,
        StatefulSetController,
        DaemonSetController,
        ClusterRoleAggregationController,
        JobController,
        CronJobController,
        TTLAfterFinishedController,
        HorizontalPodAutoscalerController,
        NodeLifecycleController,
        TaintEvictionController,
        PodGarbageCollector,
        TTLController,
        DisruptionController,
        NodeIPAMController,
        ServiceLBController,
        ServiceCIDRController,
        PersistentVolumeBinder,
        AttachDetachController,
        PersistentVolumeExpander,
        ClaimProtectionController,
        VolumeProtectionController,
        AttributesClassProtectionController,
        EphemeralVolumeController,
        GarbageCollector,
    )
}

# `*` does not mean these. Upstream's ControllersDisabledByDefault.
DISABLED_BY_DEFAULT = frozenset({BootstrapSigner.name, TokenCleaner.name})


class UnknownController(ValueError):
    """A name on --controllers that there is not."""


def selected(names: Sequence[str]) -> list[type[Controller[Any]]]:
    """As upstream: `*` is all but those disabled by default, `name` adds one, `-name` takes one
    away; the first mention of a name counts. Raises UnknownController."""
    for name in names:
        if name != "*" and name.removeprefix("-") not in CONTROLLERS:
            raise UnknownController(f"{name!r} is not in the list of known controllers")
    return [kind for name, kind in CONTROLLERS.items() if _wanted(name, names)]


def _wanted(controller: str, names: Sequence[str]) -> bool:
    for name in names:
        if name == controller:
            return True
        if name == f"-{controller}":
            return False
    return "*" in names and controller not in DISABLED_BY_DEFAULT
