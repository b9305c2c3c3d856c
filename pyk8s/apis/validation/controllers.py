# SPDX-License-Identifier: Apache-2.0
"""Rules of ReplicationControllers, PodTemplates and ServiceAccounts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pyk8s.apimachinery import field, names
from pyk8s.apimachinery.gvk import Object
from pyk8s.apis.validation import checks, meta
from pyk8s.apis.validation.pods import validate_pod_template

_SPEC = field.Path("spec")
_STATUS = field.Path("status")
_TEMPLATE = field.Path("template")


def validate_replication_controller(controller: Object) -> list[field.Error]:
    errors = meta.validate_object_meta(
        controller, namespaced=True, name_rule=names.is_dns1123_subdomain
    )
    return errors + _validate_spec(controller.get("spec") or {})


def _validate_spec(spec: Mapping[str, Any]) -> list[field.Error]:
    errors = checks.non_negative(spec.get("minReadySeconds"), _SPEC.child("minReadySeconds"))
    selector = spec.get("selector") or {}
    if not selector:
        errors.append(field.required(_SPEC.child("selector")))
    errors += checks.non_negative(spec.get("replicas"), _SPEC.child("replicas"))
    template = spec.get("template")
    at = _SPEC.child("template")
    if template is None:
        return [*errors, field.required(at)]
    labels = (template.get("metadata") or {}).get("labels", {})
    if any(labels.get(key) != value for key, value in selector.items()):
        detail = "`selector` does not match template `labels`"
        errors.append(field.invalid(at.child("metadata", "labels"), labels, detail))
    errors += validate_pod_template(template, at)
    policy = template["spec"].get("restartPolicy")
    if policy != "Always":
        errors.append(field.not_supported(at.child("spec", "restartPolicy"), policy, ["Always"]))
    if "activeDeadlineSeconds" in template["spec"]:
        detail = "activeDeadlineSeconds in ReplicationController is not Supported"
        errors.append(field.forbidden(at.child("spec", "activeDeadlineSeconds"), detail))
    return errors


def validate_replication_controller_update(updated: Object, existing: Object) -> list[field.Error]:
    errors = meta.validate_object_meta_update(updated, existing)
    return errors + _validate_spec(updated.get("spec") or {})


_COUNTS = ("fullyLabeledReplicas", "readyReplicas", "availableReplicas")


def validate_replication_controller_status_update(
    updated: Object, existing: Object
) -> list[field.Error]:
    errors = meta.validate_object_meta_update(updated, existing)
    status = updated.get("status") or {}
    for name in ("replicas", *_COUNTS, "observedGeneration"):
        errors += checks.non_negative(status.get(name), _STATUS.child(name))
    for name in _COUNTS:
        if status.get(name, 0) > status.get("replicas", 0):
            detail = "cannot be greater than status.replicas"
            errors.append(field.invalid(_STATUS.child(name), status[name], detail))
    if status.get("availableReplicas", 0) > status.get("readyReplicas", 0):
        at = _STATUS.child("availableReplicas")
        detail = "cannot be greater than readyReplicas"
        errors.append(field.invalid(at, status["availableReplicas"], detail))
    return errors


def validate_pod_template_object(template: Object) -> list[field.Error]:
    """A PodTemplate, the kind of its own that holds nothing but a template."""
    errors = meta.validate_object_meta(
        template, namespaced=True, name_rule=names.is_dns1123_subdomain
    )
    return errors + validate_pod_template(template["template"], _TEMPLATE)


def validate_pod_template_object_update(updated: Object, existing: Object) -> list[field.Error]:
    errors = meta.validate_object_meta_update(updated, existing)
    return errors + validate_pod_template(updated["template"], _TEMPLATE)


def validate_service_account(account: Object) -> list[field.Error]:
    return meta.validate_object_meta(account, namespaced=True, name_rule=names.is_dns1123_subdomain)


def validate_service_account_update(updated: Object, existing: Object) -> list[field.Error]:
    errors = meta.validate_object_meta_update(updated, existing)
    return errors + validate_service_account(updated)
