# SPDX-License-Identifier: Apache-2.0
"""The Strategies of the core group's kinds (Pods and Services have modules of their own), and
of events.k8s.io's Event, which is the same store.

Switches and preparation are those of `pkg/registry/core/*/strategy.go`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pyk8s.apimachinery import field, names, times
from pyk8s.apimachinery.gvk import GroupResource, Object
from pyk8s.apis import core_warnings, pod_warnings
from pyk8s.apis.defaults import core as defaults
from pyk8s.apis.validation import (
    configuration,
    controllers,
    endpoints,
    events,
    namespaces,
    nodes,
    quotas,
    storage,
)
from pyk8s.registry.context import RequestContext
from pyk8s.registry.strategies.pods import PodStrategy
from pyk8s.registry.strategies.ruled import RuledStrategy, Rules
from pyk8s.registry.strategies.services import ServiceStrategy
from pyk8s.registry.strategy import Strategy, UpdateRule


class ConfigMapStrategy(RuledStrategy):
    rules = Rules(
        validate=configuration.validate_config_map,
        validate_update=configuration.validate_config_map_update,
    )


class SecretStrategy(RuledStrategy):
    rules = Rules(
        default=defaults.default_secret,
        validate=configuration.validate_secret,
        validate_update=configuration.validate_secret_update,
    )

    def prepare_for_update(
        self, context: RequestContext, updated: Object, existing: Object
    ) -> None:
        # A client that does not say the type means the stored one.
        if not updated.get("type"):
            updated["type"] = existing.get("type", "")


class NamespaceStrategy(RuledStrategy):
    """spec.finalizers changes through the finalize subresource alone."""

    rules = Rules(
        default=defaults.default_namespace,
        validate=namespaces.validate_namespace,
        validate_update=namespaces.validate_namespace_update,
        validate_status_update=namespaces.validate_namespace_status_update,
    )

    def prepare_for_create(self, context: RequestContext, obj: Object) -> None:
        obj["status"] = {"phase": "Active"}
        finalizers = obj.setdefault("spec", {}).setdefault("finalizers", [])
        if "kubernetes" not in finalizers:
            finalizers.append("kubernetes")

    def prepare_for_update(
        self, context: RequestContext, updated: Object, existing: Object
    ) -> None:
        for key in ("spec", "status"):
            if key in existing:
                updated[key] = existing[key]

    def update_rule(self, subresource: str) -> UpdateRule:
        if subresource == "finalize":
            return UpdateRule(self._prepare_finalize, self._validate_finalize)
        return super().update_rule(subresource)

    def _prepare_finalize(self, context: RequestContext, updated: Object, existing: Object) -> None:
        if "status" in existing:
            updated["status"] = existing["status"]

    def _validate_finalize(
        self, context: RequestContext, updated: Object, existing: Object
    ) -> list[field.Error]:
        return namespaces.validate_namespace_finalize(updated, existing)

    def canonicalize(self, obj: Object) -> None:
        # A generated name is known only now.
        labels = obj["metadata"].setdefault("labels", {})
        labels["kubernetes.io/metadata.name"] = obj["metadata"]["name"]


class NodeStrategy(RuledStrategy):
    """A kubelet registers its node with a status, so a create keeps it."""

    rules = Rules(
        default=defaults.default_node,
        validate=nodes.validate_node,
        validate_update=nodes.validate_node_update,
        validate_status_update=nodes.validate_node_update,
        warn=core_warnings.warnings_for_node,
    )

    def prepare_for_create(self, context: RequestContext, obj: Object) -> None:
        pass


class ServiceAccountStrategy(RuledStrategy):
    allow_unconditional_update = False
    rules = Rules(
        validate=controllers.validate_service_account,
        validate_update=controllers.validate_service_account_update,
        warn=core_warnings.warnings_for_service_account,
    )

    def prepare_for_create(self, context: RequestContext, obj: Object) -> None:
        _keep_secret_names(obj)

    def prepare_for_update(
        self, context: RequestContext, updated: Object, existing: Object
    ) -> None:
        _keep_secret_names(updated)


def _keep_secret_names(account: Object) -> None:
    if "secrets" in account:
        account["secrets"] = [{"name": ref.get("name", "")} for ref in account["secrets"]]


class EndpointsStrategy(RuledStrategy):
    allow_create_on_update = True
    rules = Rules(
        default=defaults.default_endpoints,
        validate=endpoints.validate_endpoints,
        validate_update=endpoints.validate_endpoints_update,
    )


class EventStrategy(RuledStrategy):
    """One store behind two groups; through the newer one an event must be complete."""

    allow_create_on_update = True
    rules = Rules(
        default=defaults.default_event,
    )

    def validate(self, context: RequestContext, obj: Object) -> list[field.Error]:
        return events.validate_event(obj, strict=_is_strict(context))

    def validate_update(
        self, context: RequestContext, updated: Object, existing: Object
    ) -> list[field.Error]:
        return events.validate_event_update(updated, existing, strict=_is_strict(context))


def _is_strict(context: RequestContext) -> bool:
    return context.api_group == "events.k8s.io"


class LimitRangeStrategy(RuledStrategy):
    allow_create_on_update = True
    rules = Rules(
        default=defaults.default_limit_range,
        validate=quotas.validate_limit_range,
        validate_update=quotas.validate_limit_range_update,
    )


class ResourceQuotaStrategy(RuledStrategy):
    rules = Rules(
        default=defaults.default_resource_quota,
        validate=quotas.validate_resource_quota,
        validate_update=quotas.validate_resource_quota_update,
        validate_status_update=quotas.validate_resource_quota_status_update,
    )

    def prepare_for_create(self, context: RequestContext, obj: Object) -> None:
        obj["status"] = {}


class PersistentVolumeStrategy(RuledStrategy):
    rules = Rules(
        default=defaults.default_persistent_volume,
        validate=storage.validate_volume,
        validate_update=storage.validate_volume_update,
        validate_status_update=storage.validate_volume_status_update,
        warn=core_warnings.warnings_for_volume,
    )

    def prepare_for_create(self, context: RequestContext, obj: Object) -> None:
        obj["status"] = {"phase": "Pending", "lastPhaseTransitionTime": times.now()}

    def prepare_for_status_update(
        self, context: RequestContext, updated: Object, existing: Object
    ) -> None:
        super().prepare_for_status_update(context, updated, existing)
        status, before = updated.setdefault("status", {}), existing.get("status") or {}
        if status.get("phase") == before.get("phase"):
            return
        moment = "lastPhaseTransitionTime"
        if not status.get(moment) or status.get(moment) == before.get(moment):
            status[moment] = times.now()


class PersistentVolumeClaimStrategy(RuledStrategy):
    rules = Rules(
        default=defaults.default_persistent_volume_claim,
        validate=storage.validate_claim,
        validate_update=storage.validate_claim_update,
        validate_status_update=storage.validate_claim_status_update,
        warn=core_warnings.warnings_for_claim,
    )

    def prepare_for_create(self, context: RequestContext, obj: Object) -> None:
        obj["status"] = {"phase": "Pending"}
        _normalize_data_sources(obj["spec"])

    def prepare_for_update(
        self, context: RequestContext, updated: Object, existing: Object
    ) -> None:
        super().prepare_for_update(context, updated, existing)
        _normalize_data_sources(updated["spec"])


_SOURCE_KINDS = (("", "PersistentVolumeClaim"), ("snapshot.storage.k8s.io", "VolumeSnapshot"))


def _normalize_data_sources(spec: dict[str, Any]) -> None:
    """dataSource is the old and narrower name of dataSourceRef; one given means both."""
    source, reference = spec.get("dataSource"), spec.get("dataSourceRef")
    if source is not None and reference is None:
        spec["dataSourceRef"] = dict(source)
    elif reference is not None and source is None:
        kind = (reference.get("apiGroup") or "", reference.get("kind"))
        if kind in _SOURCE_KINDS and not reference.get("namespace"):
            spec["dataSource"] = dict(reference)


class ReplicationControllerStrategy(RuledStrategy):
    orphans_dependents = True
    tracks_generation = True
    rules = Rules(
        default=defaults.default_replication_controller,
        validate=controllers.validate_replication_controller,
        validate_update=controllers.validate_replication_controller_update,
        validate_status_update=controllers.validate_replication_controller_status_update,
    )

    def prepare_for_create(self, context: RequestContext, obj: Object) -> None:
        super().prepare_for_create(context, obj)
        obj["status"] = {"replicas": 0}

    def warnings_on_create(self, context: RequestContext, obj: Object) -> list[str]:
        warnings = []
        faults = names.is_dns1123_label(obj["metadata"]["name"])
        if faults:
            warnings.append(
                "metadata.name: this is used in Pod names and hostnames, which can result in "
                f"surprising behavior; a DNS label is recommended: [{' '.join(faults)}]"
            )
        template = obj["spec"]["template"]
        at = field.Path("spec", "template")
        return warnings + pod_warnings.warnings_for_template(template, at)

    def warnings_on_update(
        self, context: RequestContext, updated: Object, existing: Object
    ) -> list[str]:
        if updated["metadata"].get("generation") == existing["metadata"].get("generation"):
            return []
        template = updated["spec"]["template"]
        return pod_warnings.warnings_for_template(template, field.Path("spec", "template"))


class PodTemplateStrategy(RuledStrategy):
    tracks_generation = True
    rules = Rules(
        default=defaults.default_pod_template_object,
        validate=controllers.validate_pod_template_object,
        validate_update=controllers.validate_pod_template_object_update,
    )

    def spec_changed(self, updated: Object, existing: Object) -> bool:
        return updated.get("template") != existing.get("template")

    def warnings_on_create(self, context: RequestContext, obj: Object) -> list[str]:
        return pod_warnings.warnings_for_template(obj["template"], field.Path("template"))

    def warnings_on_update(
        self, context: RequestContext, updated: Object, existing: Object
    ) -> list[str]:
        return pod_warnings.warnings_for_template(updated["template"], field.Path("template"))


STRATEGIES: Mapping[GroupResource, type[Strategy]] = {
    **{
        GroupResource("", resource): strategy
        for resource, strategy in (
            ("pods", PodStrategy),
            ("services", ServiceStrategy),
            ("configmaps", ConfigMapStrategy),
            ("secrets", SecretStrategy),
            ("namespaces", NamespaceStrategy),
            ("nodes", NodeStrategy),
            ("serviceaccounts", ServiceAccountStrategy),
            ("endpoints", EndpointsStrategy),
            ("events", EventStrategy),
            ("limitranges", LimitRangeStrategy),
            ("resourcequotas", ResourceQuotaStrategy),
            ("persistentvolumes", PersistentVolumeStrategy),
            ("persistentvolumeclaims", PersistentVolumeClaimStrategy),
            ("replicationcontrollers", ReplicationControllerStrategy),
            ("podtemplates", PodTemplateStrategy),
        )
    },
    GroupResource("events.k8s.io", "events"): EventStrategy,
}
