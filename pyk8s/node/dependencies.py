# SPDX-License-Identifier: Apache-2.0
"""The ConfigMaps and Secrets that Pods need before their containers can be made.

Mirrors the errors of `pkg/kubelet/kubelet_pods.go` (environment) and of the volume plugins. What
was found is believed for a minute, as with upstream's TTL-based managers; what was not is looked
for again.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

from pyk8s.apimachinery import errors, meta
from pyk8s.apimachinery.gvk import GroupVersionResource, Object
from pyk8s.client import resources
from pyk8s.client.client import Client

_BELIEVED_SECONDS = 60.0
_REMEMBERED_MAX = 10_000


class Reference(NamedTuple):
    """To an object, or with `key` to one entry of it."""

    resource: GroupVersionResource
    name: str
    key: str = ""
    optional: bool = False


def of_environment(container: Object) -> Iterator[Reference]:
    for source in container.get("envFrom") or ():
        yield from _named(source.get("configMapRef"), source.get("secretRef"))
    for variable in container.get("env") or ():
        source = variable.get("valueFrom") or {}
        yield from _named(source.get("configMapKeyRef"), source.get("secretKeyRef"))


def of_volumes(pod: Object) -> Iterator[tuple[str, Reference]]:
    """With the name of the volume."""
    for volume in pod["spec"].get("volumes") or ():
        sources = [volume, *((volume.get("projected") or {}).get("sources") or ())]
        for source in sources:
            secret = source.get("secret")
            if secret and "secretName" in secret:
                secret = {**secret, "name": secret["secretName"]}
            for found in _named(source.get("configMap"), secret):
                yield volume["name"], found


def _named(
    config_map: Mapping[str, Any] | None, secret: Mapping[str, Any] | None
) -> Iterator[Reference]:
    for resource, source in ((resources.CONFIGMAPS, config_map), (resources.SECRETS, secret)):
        if source and source.get("name"):
            optional = bool(source.get("optional"))
            yield Reference(resource, source["name"], source.get("key") or "", optional)


class Dependencies:
    """Looks references up. `now` is a clock that never goes back, in seconds."""

    def __init__(self, client: Client, now: Callable[[], float] = time.monotonic) -> None:
        self._client = client
        self._now = now
        self._found: dict[tuple[GroupVersionResource, str, str], tuple[float, frozenset[str]]] = {}

    async def fault(self, namespace: str, reference: Reference) -> str:
        """What is missing, in upstream's words; empty if nothing is. Raises StatusError and
        ServerUnreachable for what could not be found out."""
        keys = await self._keys(namespace, reference)
        if reference.optional:
            return ""
        kind = "configmap" if reference.resource == resources.CONFIGMAPS else "secret"
        if keys is None:
            return f'{kind} "{reference.name}" not found'
        if reference.key and reference.key not in keys:
            shown = "ConfigMap" if kind == "configmap" else "Secret"
            return f"couldn't find key {reference.key} in {shown} {namespace}/{reference.name}"
        return ""

    async def _keys(self, namespace: str, reference: Reference) -> frozenset[str] | None:
        where = (reference.resource, namespace, reference.name)
        believed = self._found.get(where)
        if believed is not None and believed[0] > self._now():
            return believed[1]
        try:
            found = await self._client.get(reference.resource, reference.name, namespace)
        except errors.StatusError as error:
            if error.reason != errors.NOT_FOUND:
                raise
            self._found.pop(where, None)
            return None
        keys = frozenset([*(found.get("data") or ()), *(found.get("binaryData") or ())])
        if len(self._found) >= _REMEMBERED_MAX:
            self._found.clear()
        self._found[where] = (self._now() + _BELIEVED_SECONDS, keys)
        return keys


async def environment_fault(known: Dependencies, pod: Object, container: Object) -> str:
    for reference in of_environment(container):
        if fault := await known.fault(meta.namespace(pod), reference):
            return fault
    return ""


async def volume_fault(known: Dependencies, pod: Object) -> str:
    for volume, reference in of_volumes(pod):
        if fault := await known.fault(meta.namespace(pod), reference):
            return f'MountVolume.SetUp failed for volume "{volume}" : {fault}'
    return ""
