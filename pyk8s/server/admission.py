# SPDX-License-Identifier: Apache-2.0
"""The admission chain, put together from the flags and the registry its plugins read."""

from __future__ import annotations

from collections.abc import Callable

from pyk8s.admission import interface, plugins
from pyk8s.admission.objects import Objects
from pyk8s.admission.resourcequota import RESOURCE_QUOTAS
from pyk8s.apimachinery.gvk import GroupResource, Object
from pyk8s.auth import authorizer, user
from pyk8s.registry.builder import Stores
from pyk8s.registry.context import RequestContext
from pyk8s.registry.store import Store
from pyk8s.server.options import APIServerOptions

_API_SERVER = user.UserInfo("system:apiserver", groups=(user.SYSTEM_MASTERS,))


def build_chain(
    options: APIServerOptions, stores: Stores, authorization: authorizer.Authorizer
) -> interface.Chain:
    """`stores` may be filled later: plugins read from them when the first request comes."""

    def objects_of(resource: GroupResource) -> Objects:
        return Objects(lambda: _store_of(stores, resource))

    async def rewrite_quota(namespace: str, name: str, change: Callable[[Object], None]) -> None:
        store = _store_of(stores, RESOURCE_QUOTAS)
        await store.rewrite(RequestContext(user=_API_SERVER, namespace=namespace), name, change)

    names = plugins.selected(options.enable_admission_plugins, options.disable_admission_plugins)
    given = plugins.Dependencies(
        objects_of=objects_of,
        rewrite_quota=rewrite_quota,
        authorizer=authorization,
        not_ready_toleration_seconds=options.default_not_ready_toleration_seconds,
        unreachable_toleration_seconds=options.default_unreachable_toleration_seconds,
    )
    return plugins.build(names, given)


def _store_of(stores: Stores, resource: GroupResource) -> Store:
    return next(s for s in stores.values() if s.resource.group_resource == resource)
