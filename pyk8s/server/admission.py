# SPDX-License-Identifier: Apache-2.0
"""The admission chain, put together from the flags and the registry its plugins read."""

from __future__ import annotations

from pyk8s.admission import interface, plugins
from pyk8s.admission.objects import Objects
from pyk8s.apimachinery.gvk import GroupResource
from pyk8s.registry.builder import Stores
from pyk8s.registry.store import Store
from pyk8s.server.options import APIServerOptions


def build_chain(options: APIServerOptions, stores: Stores) -> interface.Chain:
    """`stores` may be filled later: plugins read from them when the first request comes."""

    def objects_of(resource: GroupResource) -> Objects:
        return Objects(lambda: _store_of(stores, resource))

    names = plugins.selected(options.enable_admission_plugins, options.disable_admission_plugins)
    given = plugins.Dependencies(
        objects_of=objects_of,
        not_ready_toleration_seconds=options.default_not_ready_toleration_seconds,
        unreachable_toleration_seconds=options.default_unreachable_toleration_seconds,
    )
    return plugins.build(names, given)


def _store_of(stores: Stores, resource: GroupResource) -> Store:
    return next(s for s in stores.values() if s.resource.group_resource == resource)
