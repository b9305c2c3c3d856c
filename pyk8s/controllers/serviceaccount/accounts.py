# SPDX-License-Identifier: Apache-2.0
"""Makes the ServiceAccount `default` in every namespace that is not on its way out.

Mirrors upstream's `serviceaccounts_controller.go`.
"""

from __future__ import annotations

from pyk8s.apimachinery import errors, meta
from pyk8s.apimachinery.gvk import GroupVersionResource, Object
from pyk8s.client import informer, resources
from pyk8s.client.store import Key
from pyk8s.controllers.controller import Context, ObjectController

ACCOUNT = "default"


def is_active(namespace: Object | None) -> bool:
    return namespace is not None and (namespace.get("status") or {}).get("phase") != "Terminating"


class ServiceAccountController(ObjectController):
    name = "serviceaccount-controller"
    workers = 1
    resource = resources.NAMESPACES

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self._accounts = self.informer(resources.SERVICE_ACCOUNTS)
        self._accounts.add_event_handler(informer.Handler(on_delete=self._account_deleted))

    def _account_deleted(self, deleted: informer.Deleted) -> None:
        account = informer.last_known(deleted)
        if meta.name(account) == ACCOUNT:
            self.queue.add(("", meta.namespace(account)))

    async def reconcile(self, key: Key) -> None:
        _, name = key
        namespace = self.objects.lister.get(name)
        if not is_active(namespace) or self._accounts.lister.get(ACCOUNT, name) is not None:
            return
        account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": ACCOUNT}}
        await create_unless_there(self.context, resources.SERVICE_ACCOUNTS, account, name)


async def create_unless_there(
    context: Context, resource: GroupVersionResource, obj: Object, namespace: str
) -> None:
    """Also well when the namespace has gone, or begun to go, since it was looked at."""
    try:
        await context.client.create(resource, obj, namespace)
    except errors.StatusError as error:
        if error.reason in (errors.ALREADY_EXISTS, errors.NOT_FOUND) or is_terminating(error):
            return
        raise


def is_terminating(error: errors.StatusError) -> bool:
    """Whether a create was refused because its namespace is being deleted."""
    causes = (error.details or {}).get("causes") or ()
    return any(cause.get("reason") == "NamespaceTerminating" for cause in causes)
