# SPDX-License-Identifier: Apache-2.0
"""The Strategies of rbac.authorization.k8s.io.

Whether the writer may grant what a role allows is checked in front of these, by the registry
that knows the other roles. Switches are those of `pkg/registry/rbac/*/strategy.go`.
"""

from __future__ import annotations

from collections.abc import Mapping

from pyk8s.apimachinery import field
from pyk8s.apimachinery.gvk import GroupResource, Object
from pyk8s.apis.defaults import rbac as defaults
from pyk8s.apis.validation import rbac
from pyk8s.registry.context import RequestContext
from pyk8s.registry.strategies.ruled import RuledStrategy, Rules
from pyk8s.registry.strategy import Strategy


class RoleStrategy(RuledStrategy):
    """Roles and ClusterRoles."""

    allow_create_on_update = True
    rules = Rules()

    def validate(self, context: RequestContext, obj: Object) -> list[field.Error]:
        return rbac.validate_role(obj, namespaced=self.resource.namespaced)

    def validate_update(
        self, context: RequestContext, updated: Object, existing: Object
    ) -> list[field.Error]:
        namespaced = self.resource.namespaced
        return rbac.validate_role_update(updated, existing, namespaced=namespaced)


class BindingStrategy(RuledStrategy):
    """RoleBindings and ClusterRoleBindings."""

    allow_create_on_update = True
    rules = Rules(default=defaults.default_binding)

    def validate(self, context: RequestContext, obj: Object) -> list[field.Error]:
        return rbac.validate_binding(obj, namespaced=self.resource.namespaced)

    def validate_update(
        self, context: RequestContext, updated: Object, existing: Object
    ) -> list[field.Error]:
        namespaced = self.resource.namespaced
        return rbac.validate_binding_update(updated, existing, namespaced=namespaced)


STRATEGIES: Mapping[GroupResource, type[Strategy]] = {
    GroupResource(defaults.GROUP, "roles"): RoleStrategy,
    GroupResource(defaults.GROUP, "clusterroles"): RoleStrategy,
    GroupResource(defaults.GROUP, "rolebindings"): BindingStrategy,
    GroupResource(defaults.GROUP, "clusterrolebindings"): BindingStrategy,
}
