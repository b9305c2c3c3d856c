# SPDX-License-Identifier: Apache-2.0
"""The Strategies of the built-in kinds, one module per API group.

    strategy_for(resource)    the Strategy of a served resource; a plain one for a kind without

A Strategy only says when which function of `apis.defaults`, `apis.validation` and `apis.*_warnings`
runs, what a create and an update take off or put back, and the switches of its kind. Rules of
content stand in those functions, never here.
"""

from __future__ import annotations

from collections.abc import Mapping

from pyk8s.apimachinery.gvk import GroupResource
from pyk8s.apis import scheme
from pyk8s.registry.strategies import (
    admissionregistration,
    apiextensions,
    apps,
    batch,
    certificates,
    core,
    flowcontrol,
    networking,
    policy,
    rbac,
    resource,
    scheduling,
    storageclasses,
)
from pyk8s.registry.strategy import Strategy

STRATEGIES: Mapping[GroupResource, type[Strategy]] = {
    **core.STRATEGIES,
    **apps.STRATEGIES,
    **batch.STRATEGIES,
    **policy.STRATEGIES,
    **networking.STRATEGIES,
    **storageclasses.STRATEGIES,
    **scheduling.STRATEGIES,
    **rbac.STRATEGIES,
    **certificates.STRATEGIES,
    **admissionregistration.STRATEGIES,
    **flowcontrol.STRATEGIES,
    **resource.STRATEGIES,
    **apiextensions.STRATEGIES,
}


def strategy_for(resource: scheme.Resource) -> Strategy:
    """A new Strategy for the resource."""
    return STRATEGIES.get(resource.group_resource, Strategy)(resource)
