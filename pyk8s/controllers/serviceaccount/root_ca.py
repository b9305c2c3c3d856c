# SPDX-License-Identifier: Apache-2.0
"""Publishes the CA of the API server as ConfigMap `kube-root-ca.crt` in every namespace.

Mirrors upstream's `certificates/rootcacertpublisher`.
"""

from __future__ import annotations

from collections.abc import Iterable

from pyk8s.apimachinery import meta
from pyk8s.apimachinery.gvk import Object
from pyk8s.client import informer, reflector, resources
from pyk8s.client.store import Key
from pyk8s.controllers.controller import Context, ObjectController, Task
from pyk8s.controllers.serviceaccount.accounts import create_unless_there, is_active

CONFIG_MAP = "kube-root-ca.crt"

_DESCRIPTION = (
    "Contains a CA bundle that can be used to verify the kube-apiserver when using internal "
    "endpoints such as the internal service IP or kubernetes.default.svc. No other usage is "
    "guaranteed across distributions of Kubernetes clusters."
)


class RootCAPublisher(ObjectController):
    name = "root-ca-certificate-publisher-controller"
    workers = 1
    resource = resources.NAMESPACES

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        # Only these, of all the ConfigMaps there may be.
        source = reflector.ResourceListWatcher(
            client=context.client,
            resource=resources.CONFIGMAPS,
            field_selector=f"metadata.name={CONFIG_MAP}",
        )
        self._published = informer.SharedInformer(
            source, name=CONFIG_MAP, transform=informer.without_managed_fields
        )
        self._published.add_event_handler(informer.on_any_change(self._changed))

    def tasks(self) -> Iterable[Task]:
        return (self._published.run,)

    def _changed(self, config_map: Object) -> None:
        self.queue.add(("", meta.namespace(config_map)))

    async def reconcile(self, key: Key) -> None:
        await self._published.wait_until_synced()
        _, name = key
        if not self.context.ca or not is_active(self.objects.lister.get(name)):
            return
        data = {"ca.crt": self.context.ca.decode()}
        existing = self._published.lister.get(CONFIG_MAP, name)
        if existing is None:
            await create_unless_there(self.context, resources.CONFIGMAPS, _config_map(data), name)
            return
        described = meta.annotations(existing).get("kubernetes.io/description")
        if existing.get("data") == data and described == _DESCRIPTION:
            return
        wanted = _config_map(data)
        metadata = {**existing["metadata"], "annotations": wanted["metadata"]["annotations"]}
        await self.client.update(
            resources.CONFIGMAPS, {**existing, "data": data, "metadata": metadata}
        )


def _config_map(data: dict[str, str]) -> Object:
    annotations = {"kubernetes.io/description": _DESCRIPTION}
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": CONFIG_MAP, "annotations": annotations},
        "data": data,
    }
