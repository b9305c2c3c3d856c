# SPDX-License-Identifier: Apache-2.0
"""Rules of the questions a client asks by creating an object: token and access reviews.

Mirrors upstream's `pkg/apis/authorization/validation/validation.go`, its sibling for
authentication, and the checks of the TokenReview registry.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pyk8s.apimachinery import field, names
from pyk8s.apimachinery.gvk import Object
from pyk8s.apis.validation import checks

_SPEC = field.Path("spec")
_ATTRIBUTES = "spec.resourceAttributes"
_TOKEN_SECONDS_MIN = 600
_TOKEN_SECONDS_MAX = 1 << 32
_ONE_OF = "exactly one of nonResourceAttributes or resourceAttributes must be specified"

Spec = Mapping[str, Any]


def validate_subject_access_review(review: Object) -> list[field.Error]:
    found = _subject_spec(review.get("spec") or {})
    return found + _no_metadata(review, "must be empty")


def validate_self_subject_access_review(review: Object) -> list[field.Error]:
    found = _access_spec(review.get("spec") or {})
    return found + _no_metadata(review, "must be empty")


def validate_local_subject_access_review(review: Object) -> list[field.Error]:
    spec = review.get("spec") or {}
    found = _subject_spec(spec)
    found += _no_metadata(review, "must be empty except for namespace")
    resource = spec.get("resourceAttributes")
    namespace = (review.get("metadata") or {}).get("namespace", "")
    if resource is not None and resource.get("namespace", "") != namespace:
        path = field.Path("spec.resourceAttributes.namespace")
        detail = "must match metadata.namespace"
        found.append(field.invalid(path, resource.get("namespace", ""), detail))
    if "nonResourceAttributes" in spec:
        path = field.Path("spec.nonResourceAttributes")
        shown = _go_urls(spec["nonResourceAttributes"])
        found.append(field.invalid(path, shown, "disallowed on this kind of request"))
    return found


def _go_urls(attributes: Spec | None) -> Any:
    return checks.go_struct(attributes, (("Path", "path"), ("Verb", "verb")))


def _no_metadata(review: Object, detail: str) -> list[field.Error]:
    metadata = review.get("metadata") or {}
    allowed = ("managedFields", "namespace") if "namespace" in detail else ("managedFields",)
    if not any(value for key, value in metadata.items() if key not in allowed):
        return []
    return [field.invalid(field.Path("metadata"), metadata, detail)]


def _subject_spec(spec: Spec) -> list[field.Error]:
    found = _either(spec)
    if not spec.get("user") and not spec.get("groups"):
        detail = "at least one of user or group must be specified"
        found.append(field.invalid(_SPEC.child("user"), "", detail))
    return found + _selectors(spec)


def _access_spec(spec: Spec) -> list[field.Error]:
    return _either(spec) + _selectors(spec)


def _either(spec: Spec) -> list[field.Error]:
    urls, resource = spec.get("nonResourceAttributes"), spec.get("resourceAttributes")
    if (urls is None) == (resource is None):
        return [field.invalid(_SPEC, _go_urls(urls), _ONE_OF)]
    return []


def _selectors(spec: Spec) -> list[field.Error]:
    resource = spec.get("resourceAttributes") or {}
    found = []
    for key in ("fieldSelector", "labelSelector"):
        if key in resource:
            path = field.Path(_ATTRIBUTES).child(key)
            found += _selector(resource[key], key == "labelSelector", path)
    return found


def _selector(selector: Spec, of_labels: bool, path: field.Path) -> list[field.Error]:
    raw, requirements = selector.get("rawSelector", ""), selector.get("requirements") or ()
    found = []
    if raw and requirements:
        detail = "may not specified at the same time as requirements"
        found.append(field.invalid(path.child("rawSelector"), raw, detail))
    if not raw and not requirements:
        detail = f"when {path} is specified, requirements or rawSelector is required"
        found.append(field.required(path.child("requirements"), detail))
    for index, requirement in enumerate(requirements):
        found += _requirement(requirement, of_labels, path.child("requirements").index(index))
    return found


def _requirement(requirement: Spec, of_labels: bool, path: field.Path) -> list[field.Error]:
    """An operator that is not known is left to the authorizer, which may be newer."""
    operator, values = requirement.get("operator", ""), requirement.get("values") or ()
    key = requirement.get("key", "")
    where = path.child("values")
    found = []
    if operator in ("In", "NotIn") and not values:
        detail = "must be specified when `operator` is 'In' or 'NotIn'"
        found.append(field.required(where, detail))
    if operator in ("Exists", "DoesNotExist") and values:
        detail = "may not be specified when `operator` is 'Exists' or 'DoesNotExist'"
        found.append(field.forbidden(where, detail))
    if of_labels:
        found += checks.qualified_name(key, path.child("key"))
        for index, value in enumerate(values):
            found += checks.follows(names.is_valid_label_value, value, where.index(index))
    elif not key:
        found.append(field.required(path.child("key"), "must be specified"))
    return found


def validate_token_review(review: Object) -> str:
    """Why the review is a bad request, or nothing: upstream answers 400 rather than 422."""
    if not (review.get("spec") or {}).get("token"):
        return "token is required for TokenReview in authentication"
    return ""


def validate_token_request(request: Object) -> list[field.Error]:
    spec = request.get("spec") or {}
    seconds = spec.get("expirationSeconds", 0)
    path = _SPEC.child("expirationSeconds")
    if seconds < _TOKEN_SECONDS_MIN:
        detail = "may not specify a duration less than 10 minutes"
        return [field.invalid(path, seconds, detail)]
    if seconds > _TOKEN_SECONDS_MAX:
        detail = "may not specify a duration larger than 2^32 seconds"
        return [field.invalid(path, seconds, detail)]
    return []
