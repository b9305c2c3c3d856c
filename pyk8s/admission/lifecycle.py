# SPDX-License-Identifier: Apache-2.0
"""NamespaceLifecycle: nothing is created in a namespace that is missing or going away.

Mirrors apiserver's `admission/plugin/namespace/lifecycle`: 404 for a missing namespace, 403 with
cause NamespaceTerminating for one that is being deleted, 403 for deleting a namespace the
system needs.
"""

from __future__ import annotations

from typing import Protocol

from pyk8s.admission import interface
from pyk8s.apimachinery import errors
from pyk8s.apimachinery.gvk import GroupResource, Object

NAMESPACES = GroupResource("", "namespaces")
_IMMORTAL = frozenset({"default", "kube-system", "kube-public"})
# Access checks ask about a namespace; they do not live in it.
_ACCESS_REVIEWS = frozenset({GroupResource("authorization.k8s.io", "localsubjectaccessreviews")})


class GetNamespace(Protocol):
    """The namespace object, or None where there is none; `fresh` asks for the most recent state
    instead of what is at hand. `namespace` is empty: namespaces are in none."""

    async def __call__(
        self, namespace: str, name: str, *, fresh: bool = False
    ) -> Object | None: ...


class NamespaceLifecycle(interface.Plugin):
    operations = frozenset({interface.CREATE, interface.DELETE})

    def __init__(self, get_namespace: GetNamespace) -> None:
        self._get_namespace = get_namespace

    async def admit(self, attributes: interface.Attributes) -> None:
        resource = attributes.resource.group_resource
        if resource == NAMESPACES:
            _refuse_immortal(attributes)
            return
        if attributes.operation != interface.CREATE or not attributes.namespace:
            return
        if resource in _ACCESS_REVIEWS:
            return
        await self._require_active(attributes, resource)

    async def _require_active(
        self, attributes: interface.Attributes, resource: GroupResource
    ) -> None:
        name = attributes.namespace
        namespace = await self._get_namespace("", name)
        if namespace is None:
            # It may have been made a moment ago, through another server.
            namespace = await self._get_namespace("", name, fresh=True)
        if namespace is None:
            raise errors.not_found(NAMESPACES, name)
        if (namespace.get("status") or {}).get("phase") != "Terminating":
            return
        cause = {
            "reason": "NamespaceTerminating",
            "message": f"namespace {name} is being terminated",
            "field": "metadata.namespace",
        }
        why = f"unable to create new content in namespace {name} because it is being terminated"
        raise errors.forbidden(resource, attributes.name, why, [cause])


def _refuse_immortal(attributes: interface.Attributes) -> None:
    if (
        attributes.operation == interface.DELETE
        and attributes.name in _IMMORTAL
        and not attributes.subresource
    ):
        why = "this namespace may not be deleted"
        raise errors.forbidden(NAMESPACES, attributes.name, why)
