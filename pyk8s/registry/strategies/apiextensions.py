# SPDX-License-Identifier: Apache-2.0
"""The Strategies of apiextensions.k8s.io and apiregistration.k8s.io.

Preparation is that of apiextensions-apiserver's `pkg/registry/customresourcedefinition` and
kube-aggregator's `pkg/registry/apiservice`.
"""

from __future__ import annotations

from collections.abc import Mapping

from pyk8s.apimachinery import times
from pyk8s.apimachinery.gvk import GroupResource, Object
from pyk8s.apis.defaults import apiextensions as defaults
from pyk8s.apis.validation import apiservices, crds
from pyk8s.registry.context import RequestContext
from pyk8s.registry.strategies.resetting import ResettingStrategy
from pyk8s.registry.strategies.ruled import Rules
from pyk8s.registry.strategy import Strategy


class CustomResourceDefinitionStrategy(ResettingStrategy):
    """Which versions objects may be stored in is remembered from the first write on."""

    allow_unconditional_update = False
    tracks_generation = True
    rules = Rules(
        default=defaults.default_custom_resource_definition,
        validate=crds.validate_definition,
        validate_update=crds.validate_definition_update,
        validate_status_update=crds.validate_definition_status_update,
    )

    def prepare_for_create(self, context: RequestContext, obj: Object) -> None:
        super().prepare_for_create(context, obj)
        obj["status"] = {
            "conditions": [],
            "acceptedNames": {"plural": "", "kind": ""},
            "storedVersions": [],
        }
        _remember_storage_version(obj)

    def prepare_for_update(
        self, context: RequestContext, updated: Object, existing: Object
    ) -> None:
        super().prepare_for_update(context, updated, existing)
        # The stored object's status is not ours to change.
        status = existing.get("status") or {}
        updated["status"] = {**status, "storedVersions": list(status.get("storedVersions") or ())}
        _remember_storage_version(updated)


def _remember_storage_version(definition: Object) -> None:
    stored = definition["status"]["storedVersions"]
    for version in definition["spec"].get("versions") or ():
        if version.get("storage"):
            name = version.get("name", "")
            if name not in stored:
                stored.append(name)
            break


class APIServiceStrategy(ResettingStrategy):
    allow_unconditional_update = False
    rules = Rules(
        default=defaults.default_api_service,
        validate=apiservices.validate_api_service,
        validate_update=apiservices.validate_api_service_update,
        validate_status_update=apiservices.validate_api_service_status_update,
    )

    def prepare_for_create(self, context: RequestContext, obj: Object) -> None:
        super().prepare_for_create(context, obj)
        if "service" in (obj.get("spec") or {}):
            return
        available = {
            "type": "Available",
            "status": "True",
            "lastTransitionTime": times.now(),
            "reason": "Local",
            "message": "Local APIServices are always available",
        }
        obj["status"] = {"conditions": [available]}


STRATEGIES: Mapping[GroupResource, type[Strategy]] = {
    GroupResource(
        "apiextensions.k8s.io", "customresourcedefinitions"
    ): CustomResourceDefinitionStrategy,
    GroupResource("apiregistration.k8s.io", "apiservices"): APIServiceStrategy,
}
