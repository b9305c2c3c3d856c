# SPDX-License-Identifier: Apache-2.0
"""Rules of Pods, and of the templates that hold one."""

from __future__ import annotations

from typing import Any

from pyk8s.apimachinery import field
from pyk8s.apimachinery.gvk import Object
from pyk8s.apis.validation.options import POD_TEMPLATE, PodOptions


def validate_pod(pod: Object) -> list[field.Error]:
    return []


def validate_pod_template(template: Object, path: field.Path) -> list[field.Error]:
    return validate_pod_spec(template["spec"], path.child("spec"), POD_TEMPLATE)


def validate_pod_spec(
    spec: dict[str, Any], path: field.Path, options: PodOptions
) -> list[field.Error]:
    return []


def validate_pod_update(updated: Object, existing: Object) -> list[field.Error]:
    return []


def validate_pod_status_update(updated: Object, existing: Object) -> list[field.Error]:
    return []
