# SPDX-License-Identifier: Apache-2.0
"""What happens to an object's metadata on its way in, alike for every kind.

Pure functions over dicts that change the object they are given. Mirrors apiserver's
`registry/rest/{create,update,meta}.go`.
"""

from __future__ import annotations

from pyk8s.apimachinery import errors, field, meta, names, times
from pyk8s.apimachinery.gvk import Object
from pyk8s.registry.context import RequestContext
from pyk8s.registry.strategy import Strategy

OPTIMISTIC_LOCK = (
    "the object has been modified; please apply your changes to the latest version and try again"
)


def fill_metadata(obj: Object) -> None:
    """Everything a new object gets from the server: uid, creationTimestamp, a name if it only
    brought a prefix. What only the server may set is taken off."""
    metadata = obj["metadata"]
    metadata.pop("deletionTimestamp", None)
    metadata.pop("deletionGracePeriodSeconds", None)
    metadata.pop("selfLink", None)
    metadata.pop("generation", None)
    metadata["uid"] = meta.new_uid()
    metadata["creationTimestamp"] = times.now()
    if metadata.get("generateName") and not metadata.get("name"):
        metadata["name"] = names.generate_name(metadata["generateName"])


def validate_new(strategy: Strategy, context: RequestContext, obj: Object) -> None:
    """Raises 422 with everything that is wrong with a prepared object."""
    faults = strategy.validate(context, obj)
    if faults:
        name = obj["metadata"].get("name", "")
        raise errors.invalid(strategy.resource.storage_version.group_kind, name, faults)
    context.warnings.extend(strategy.warnings_on_create(context, obj))


def check_resource_version(strategy: Strategy, updated: Object, existing: Object) -> None:
    """The optimistic lock: 409 when `updated` was made from another state than `existing`.

    Without a resourceVersion the update is unconditional where the kind allows that.
    """
    metadata = updated["metadata"]
    current = existing["metadata"]["resourceVersion"]
    claimed = metadata.get("resourceVersion") or ""
    name = existing["metadata"]["name"]
    if claimed in ("", "0"):
        if not strategy.allow_unconditional_update:
            path = field.Path("metadata", "resourceVersion")
            fault = field.Error(
                field.INVALID, str(path), "Invalid value: 0x0: must be specified for an update"
            )
            raise errors.invalid(strategy.resource.storage_version.group_kind, name, [fault])
        metadata["resourceVersion"] = current
    elif claimed != current:
        raise errors.conflict(strategy.resource.group_resource, name, OPTIMISTIC_LOCK)


def check_uid(strategy: Strategy, updated: Object, existing: Object) -> None:
    """An update that names a uid means that object and no later one of its name: 409."""
    claimed = updated["metadata"].get("uid")
    actual = existing["metadata"].get("uid")
    if claimed and claimed != actual:
        why = f"Precondition failed: UID in precondition: {claimed}, UID in object meta: {actual}"
        name = existing["metadata"]["name"]
        raise errors.conflict(strategy.resource.group_resource, name, why)


# What an update cannot change however it tries; a changed deletionTimestamp is not an error
# upstream either, it is put back.
_KEPT = (
    "uid",
    "creationTimestamp",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
    "generation",
)


def keep_system_metadata(updated: Object, existing: Object) -> None:
    target, source = updated["metadata"], existing["metadata"]
    target.pop("selfLink", None)
    for key in _KEPT:
        if key in source:
            target[key] = source[key]
        else:
            target.pop(key, None)
