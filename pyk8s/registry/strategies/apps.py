# SPDX-License-Identifier: Apache-2.0
"""The Strategies of apps: Deployment, ReplicaSet, StatefulSet, DaemonSet, ControllerRevision.

Switches and preparation are those of `pkg/registry/apps/*/strategy.go`.
"""

from __future__ import annotations

from collections.abc import Mapping

from pyk8s.apimachinery import field, names
from pyk8s.apimachinery.gvk import GroupResource, Object
from pyk8s.apis import pod_warnings
from pyk8s.apis.defaults import apps as defaults
from pyk8s.apis.validation import apps
from pyk8s.registry.context import RequestContext
from pyk8s.registry.strategies.ruled import RuledStrategy, Rules
from pyk8s.registry.strategy import Strategy

_TEMPLATE = field.Path("spec", "template")
# Kept from the time when a DaemonSet counted the changes of its template itself.
_TEMPLATE_GENERATION = "deprecated.daemonset.template.generation"


def name_warnings(obj: Object) -> list[str]:
    """Names that are fine for the object, and a surprise for the Pods named after it."""
    faults = names.is_dns1123_label(obj["metadata"].get("name", ""))
    if not faults:
        return []
    shown = " ".join(faults)
    return [
        "metadata.name: this is used in Pod names and hostnames, which can result in surprising "
        f"behavior; a DNS label is recommended: [{shown}]"
    ]


class WorkloadStrategy(RuledStrategy):
    """A kind that makes Pods out of the template in its spec."""

    tracks_generation = True

    def warnings_on_create(self, context: RequestContext, obj: Object) -> list[str]:
        template = obj["spec"]["template"]
        return name_warnings(obj) + pod_warnings.warnings_for_template(template, _TEMPLATE)

    def warnings_on_update(
        self, context: RequestContext, updated: Object, existing: Object
    ) -> list[str]:
        if updated["metadata"].get("generation") == existing["metadata"].get("generation"):
            return []
        return pod_warnings.warnings_for_template(updated["spec"]["template"], _TEMPLATE)


class DeploymentStrategy(WorkloadStrategy):
    rules = Rules(
        default=defaults.default_deployment,
        validate=apps.validate_deployment,
        validate_update=apps.validate_deployment_update,
        validate_status_update=apps.validate_deployment_status_update,
    )

    def spec_changed(self, updated: Object, existing: Object) -> bool:
        # Annotations are copied to the ReplicaSets, and so are part of what is wanted.
        annotations = [o["metadata"].get("annotations") or {} for o in (updated, existing)]
        return annotations[0] != annotations[1] or super().spec_changed(updated, existing)

    def prepare_for_status_update(
        self, context: RequestContext, updated: Object, existing: Object
    ) -> None:
        super().prepare_for_status_update(context, updated, existing)
        labels = existing["metadata"].get("labels")
        if labels:
            updated["metadata"]["labels"] = labels
        else:
            updated["metadata"].pop("labels", None)


class ReplicaSetStrategy(WorkloadStrategy):
    rules = Rules(
        default=defaults.default_replica_set,
        validate=apps.validate_replica_set,
        validate_update=apps.validate_replica_set_update,
        validate_status_update=apps.validate_replica_set_status_update,
    )


class StatefulSetStrategy(WorkloadStrategy):
    rules = Rules(
        default=defaults.default_stateful_set,
        validate=apps.validate_stateful_set,
        validate_update=apps.validate_stateful_set_update,
        validate_status_update=apps.validate_stateful_set_status_update,
    )

    def warnings_on_create(self, context: RequestContext, obj: Object) -> list[str]:
        template = obj["spec"]["template"]
        found = pod_warnings.warnings_for_template(template, _TEMPLATE)
        return found + self._history_warnings(obj)

    def warnings_on_update(
        self, context: RequestContext, updated: Object, existing: Object
    ) -> list[str]:
        found = super().warnings_on_update(context, updated, existing)
        return found + self._history_warnings(updated)

    def _history_warnings(self, obj: Object) -> list[str]:
        if obj["spec"].get("revisionHistoryLimit", 0) >= 0:
            return []
        return [
            "spec.revisionHistoryLimit: a negative value retains all historical revisions; a "
            "value >= 0 is recommended"
        ]


class DaemonSetStrategy(WorkloadStrategy):
    rules = Rules(
        default=defaults.default_daemon_set,
        validate=apps.validate_daemon_set,
        validate_update=apps.validate_daemon_set_update,
        validate_status_update=apps.validate_daemon_set_status_update,
    )

    def prepare_for_create(self, context: RequestContext, obj: Object) -> None:
        super().prepare_for_create(context, obj)
        _count_template(obj, max(1, _template_generation(obj)))

    def prepare_for_update(
        self, context: RequestContext, updated: Object, existing: Object
    ) -> None:
        # The count is the server's; what the client says of it goes unheard.
        count = _template_generation(existing)
        changed = updated["spec"]["template"] != existing["spec"]["template"]
        super().prepare_for_update(context, updated, existing)
        _count_template(updated, count + 1 if changed else count)

    def warnings_on_create(self, context: RequestContext, obj: Object) -> list[str]:
        return pod_warnings.warnings_for_template(obj["spec"]["template"], _TEMPLATE)


def _template_generation(daemon_set: Object) -> int:
    text = (daemon_set["metadata"].get("annotations") or {}).get(_TEMPLATE_GENERATION, "")
    return int(text) if text.isascii() and text.isdigit() else 0


def _count_template(daemon_set: Object, count: int) -> None:
    metadata = daemon_set["metadata"]
    annotations = metadata.get("annotations") or {}
    metadata["annotations"] = {**annotations, _TEMPLATE_GENERATION: str(count)}


class ControllerRevisionStrategy(RuledStrategy):
    rules = Rules(
        validate=apps.validate_controller_revision,
        validate_update=apps.validate_controller_revision_update,
    )


STRATEGIES: Mapping[GroupResource, type[Strategy]] = {
    GroupResource("apps", "deployments"): DeploymentStrategy,
    GroupResource("apps", "replicasets"): ReplicaSetStrategy,
    GroupResource("apps", "statefulsets"): StatefulSetStrategy,
    GroupResource("apps", "daemonsets"): DaemonSetStrategy,
    GroupResource("apps", "controllerrevisions"): ControllerRevisionStrategy,
}
