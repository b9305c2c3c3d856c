# SPDX-License-Identifier: Apache-2.0
"""The apps group: workloads, with the containers and images of their templates when wide."""

from __future__ import annotations

from typing import Any

from pyk8s.apimachinery.gvk import GroupResource, Object, parse_group_version
from pyk8s.apis.columns import ages, replicas, texts
from pyk8s.apis.columns.definition import (
    AGE,
    API,
    CONTAINERS,
    IMAGES,
    NAME,
    Column,
    Columns,
    ColumnsByResource,
    integer,
)

_READY = Column("Ready", description="How many pods are ready, of how many that should be.")


def _deployment_cells(obj: Object, now: float) -> list[Any]:
    spec, status = obj.get("spec") or {}, obj.get("status") or {}
    names, images = texts.containers_and_images(spec.get("template"))
    selector = texts.selector_text(spec.get("selector"))
    return [
        obj["metadata"].get("name", ""),
        f"{status.get('readyReplicas', 0)}/{spec.get('replicas', 0)}",
        status.get("updatedReplicas", 0),
        status.get("availableReplicas", 0),
        ages.age(obj, now),
        names,
        images,
        "<invalid>" if selector is None else selector,
    ]


_DEPLOYMENTS = Columns(
    columns=(
        NAME,
        _READY,
        Column("Up-to-date", doc=API + "apps.v1.DeploymentStatus.updatedReplicas"),
        Column("Available", doc=API + "apps.v1.DeploymentStatus.availableReplicas"),
        AGE,
        CONTAINERS,
        IMAGES,
        Column("Selector", doc=API + "apps.v1.DeploymentSpec.selector", priority=1),
    ),
    cells=_deployment_cells,
)


def _replica_set_cells(obj: Object, now: float) -> list[Any]:
    return replicas.cells(obj, now, texts.label_selector)


_REPLICA_SETS = Columns(
    columns=(
        NAME,
        integer("Desired", API + "apps.v1.ReplicaSetSpec.replicas"),
        integer("Current", API + "apps.v1.ReplicaSetStatus.replicas"),
        integer("Ready", API + "apps.v1.ReplicaSetStatus.readyReplicas"),
        AGE,
        CONTAINERS,
        IMAGES,
        Column("Selector", doc=API + "apps.v1.ReplicaSetSpec.selector", priority=1),
    ),
    cells=_replica_set_cells,
)


def _stateful_set_cells(obj: Object, now: float) -> list[Any]:
    spec, status = obj.get("spec") or {}, obj.get("status") or {}
    names, images = texts.containers_and_images(spec.get("template"))
    return [
        obj["metadata"].get("name", ""),
        f"{status.get('readyReplicas', 0)}/{spec.get('replicas', 0)}",
        ages.age(obj, now),
        names,
        images,
    ]


_STATEFUL_SETS = Columns(columns=(NAME, _READY, AGE, CONTAINERS, IMAGES), cells=_stateful_set_cells)


def _daemon_set_cells(obj: Object, now: float) -> list[Any]:
    spec, status = obj.get("spec") or {}, obj.get("status") or {}
    template = spec.get("template") or {}
    names, images = texts.containers_and_images(template)
    return [
        obj["metadata"].get("name", ""),
        status.get("desiredNumberScheduled", 0),
        status.get("currentNumberScheduled", 0),
        status.get("numberReady", 0),
        status.get("updatedNumberScheduled", 0),
        status.get("numberAvailable", 0),
        texts.labels_text((template.get("spec") or {}).get("nodeSelector")),
        ages.age(obj, now),
        names,
        images,
        texts.label_selector(spec.get("selector")),
    ]


_DS = API + "apps.v1.DaemonSet"
_DAEMON_SETS = Columns(
    columns=(
        NAME,
        integer("Desired", _DS + "Status.desiredNumberScheduled"),
        integer("Current", _DS + "Status.currentNumberScheduled"),
        integer("Ready", _DS + "Status.numberReady"),
        integer("Up-to-date", _DS + "Status.updatedNumberScheduled"),
        integer("Available", _DS + "Status.numberAvailable"),
        Column("Node Selector", doc=API + "core.v1.PodSpec.nodeSelector"),
        AGE,
        CONTAINERS,
        IMAGES,
        Column("Selector", doc=_DS + "Spec.selector", priority=1),
    ),
    cells=_daemon_set_cells,
)


def _controller(obj: Object) -> str:
    """`statefulset.apps/web`: the owner that manages the object."""
    for owner in obj["metadata"].get("ownerReferences") or ():
        if owner.get("controller"):
            group = parse_group_version(owner["apiVersion"]).group
            kind = f"{owner['kind']}.{group}" if group else owner["kind"]
            return f"{kind.lower()}/{owner['name']}"
    return texts.NONE


def _controller_revision_cells(obj: Object, now: float) -> list[Any]:
    name = obj["metadata"].get("name", "")
    return [name, _controller(obj), obj.get("revision", 0), ages.age(obj, now)]


_CONTROLLER_REVISIONS = Columns(
    columns=(
        NAME,
        Column("Controller", description="The object whose revision this is."),
        Column("Revision", doc=API + "apps.v1.ControllerRevision.revision"),
        AGE,
    ),
    cells=_controller_revision_cells,
)

COLUMNS: ColumnsByResource = {
    GroupResource("apps", "controllerrevisions"): _CONTROLLER_REVISIONS,
    GroupResource("apps", "daemonsets"): _DAEMON_SETS,
    GroupResource("apps", "deployments"): _DEPLOYMENTS,
    GroupResource("apps", "replicasets"): _REPLICA_SETS,
    GroupResource("apps", "statefulsets"): _STATEFUL_SETS,
}
