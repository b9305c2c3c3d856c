# SPDX-License-Identifier: Apache-2.0
"""The core group, but for pods, nodes, services and volumes."""

from __future__ import annotations

from typing import Any

from pyk8s.apimachinery.gvk import GroupResource, Object
from pyk8s.apis.columns import (
    ages,
    core_network,
    core_nodes,
    core_pods,
    core_volumes,
    events,
    replicas,
    texts,
)
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


def _pod_template_cells(obj: Object, now: float) -> list[Any]:
    template = obj.get("template") or {}
    labels = (template.get("metadata") or {}).get("labels")
    names, images = texts.containers_and_images(template)
    return [obj["metadata"].get("name", ""), names, images, texts.labels_text(labels)]


_POD_TEMPLATES = Columns(
    columns=(
        NAME,
        Column("Containers", description=CONTAINERS.description),
        Column("Images", description=IMAGES.description),
        Column("Pod Labels", description="The labels that pods of the template carry."),
    ),
    cells=_pod_template_cells,
)


def _replication_controller_cells(obj: Object, now: float) -> list[Any]:
    return replicas.cells(obj, now, texts.labels_text)


_RC = API + "core.v1.ReplicationController"
_REPLICATION_CONTROLLERS = Columns(
    columns=(
        NAME,
        integer("Desired", _RC + "Spec.replicas"),
        integer("Current", _RC + "Status.replicas"),
        integer("Ready", _RC + "Status.readyReplicas"),
        AGE,
        CONTAINERS,
        IMAGES,
        Column("Selector", doc=_RC + "Spec.selector", priority=1),
    ),
    cells=_replication_controller_cells,
)


def _namespace_cells(obj: Object, now: float) -> list[Any]:
    phase = (obj.get("status") or {}).get("phase", "")
    return [obj["metadata"].get("name", ""), phase, ages.age(obj, now)]


_NAMESPACES = Columns(
    columns=(NAME, Column("Status", description="Where the namespace is in its life."), AGE),
    cells=_namespace_cells,
)


def _secret_cells(obj: Object, now: float) -> list[Any]:
    count = len(obj.get("data") or ())
    return [obj["metadata"].get("name", ""), obj.get("type", ""), count, ages.age(obj, now)]


_SECRETS = Columns(
    columns=(
        NAME,
        Column("Type", doc=API + "core.v1.Secret.type"),
        Column("Data", doc=API + "core.v1.Secret.data"),
        AGE,
    ),
    cells=_secret_cells,
)


def _config_map_cells(obj: Object, now: float) -> list[Any]:
    count = len(obj.get("data") or ()) + len(obj.get("binaryData") or ())
    return [obj["metadata"].get("name", ""), count, ages.age(obj, now)]


_CONFIG_MAPS = Columns(
    columns=(NAME, Column("Data", doc=API + "core.v1.ConfigMap.data"), AGE),
    cells=_config_map_cells,
)


def _service_account_cells(obj: Object, now: float) -> list[Any]:
    return [obj["metadata"].get("name", ""), ages.age(obj, now)]


# Upstream dropped the SECRETS column when tokens stopped being Secrets.
_SERVICE_ACCOUNTS = Columns(columns=(NAME, AGE), cells=_service_account_cells)


def _resource_quota_cells(obj: Object, now: float) -> list[Any]:
    status = obj.get("status") or {}
    hard, used = status.get("hard") or {}, status.get("used") or {}
    requests: list[str] = []
    limits: list[str] = []
    for name in sorted(hard):
        text = f"{name}: {texts.quantity(used.get(name))}/{texts.quantity(hard[name])}"
        (limits if name.startswith("limits.") else requests).append(text)
    return [
        obj["metadata"].get("name", ""),
        ", ".join(requests),
        ", ".join(limits),
        ages.age(obj, now),
    ]


_RESOURCE_QUOTAS = Columns(
    columns=(
        NAME,
        Column("Request", description="What is requested, of how much that may be."),
        Column("Limit", description="What the limits add up to, of how much they may."),
        AGE,
    ),
    cells=_resource_quota_cells,
)


def _component_status_cells(obj: Object, now: float) -> list[Any]:
    for condition in obj.get("conditions") or ():
        if condition.get("type") == "Healthy":
            status = "Healthy" if condition.get("status") == "True" else "Unhealthy"
            message, error = condition.get("message", ""), condition.get("error", "")
            return [obj["metadata"].get("name", ""), status, message, error]
    return [obj["metadata"].get("name", ""), "Unknown", "", ""]


_COMPONENT_STATUSES = Columns(
    columns=(
        NAME,
        Column("Status", description="Whether the component is healthy."),
        Column("Message", description="What the component says of its health."),
        Column("Error", description="Why the component's health is not known."),
    ),
    cells=_component_status_cells,
)

# limitranges and bindings have no columns of their own.
COLUMNS: ColumnsByResource = {
    GroupResource("", "componentstatuses"): _COMPONENT_STATUSES,
    GroupResource("", "configmaps"): _CONFIG_MAPS,
    GroupResource("", "endpoints"): core_network.ENDPOINTS,
    GroupResource("", "events"): events.EVENTS,
    GroupResource("", "namespaces"): _NAMESPACES,
    GroupResource("", "nodes"): core_nodes.NODES,
    GroupResource("", "persistentvolumeclaims"): core_volumes.PERSISTENT_VOLUME_CLAIMS,
    GroupResource("", "persistentvolumes"): core_volumes.PERSISTENT_VOLUMES,
    GroupResource("", "pods"): core_pods.PODS,
    GroupResource("", "podtemplates"): _POD_TEMPLATES,
    GroupResource("", "replicationcontrollers"): _REPLICATION_CONTROLLERS,
    GroupResource("", "resourcequotas"): _RESOURCE_QUOTAS,
    GroupResource("", "secrets"): _SECRETS,
    GroupResource("", "serviceaccounts"): _SERVICE_ACCOUNTS,
    GroupResource("", "services"): core_network.SERVICES,
}
