# SPDX-License-Identifier: Apache-2.0
"""Rules of Namespaces."""

from __future__ import annotations

from pyk8s.apimachinery import field, names
from pyk8s.apimachinery.gvk import Object
from pyk8s.apis.validation import meta

_FINALIZERS = field.Path("spec", "finalizers")


def validate_namespace(namespace: Object) -> list[field.Error]:
    errors = meta.validate_object_meta(
        namespace, namespaced=False, name_rule=names.is_dns1123_label
    )
    for finalizer in (namespace.get("spec") or {}).get("finalizers", ()):
        errors += meta.validate_finalizer_name(finalizer, _FINALIZERS)
    return errors


def validate_namespace_update(updated: Object, existing: Object) -> list[field.Error]:
    return meta.validate_object_meta_update(updated, existing)


def validate_namespace_status_update(updated: Object, existing: Object) -> list[field.Error]:
    """The phase follows from whether the namespace is being deleted."""
    errors = meta.validate_object_meta_update(updated, existing)
    phase = (updated.get("status") or {}).get("phase", "")
    deleted = bool(updated["metadata"].get("deletionTimestamp"))
    if phase != ("Terminating" if deleted else "Active"):
        rule = (
            "may only be 'Terminating' if `deletionTimestamp` is not empty"
            if deleted
            else "may only be 'Active' if `deletionTimestamp` is empty"
        )
        errors.append(field.invalid(field.Path("status", "Phase"), phase, rule))
    return errors


def validate_namespace_finalize(updated: Object, existing: Object) -> list[field.Error]:
    """The finalize subresource, which alone may change spec.finalizers."""
    errors = meta.validate_object_meta_update(updated, existing)
    for index, finalizer in enumerate((updated.get("spec") or {}).get("finalizers", ())):
        errors += meta.validate_finalizer_name(finalizer, _FINALIZERS.index(index))
    return errors
