# SPDX-License-Identifier: Apache-2.0
"""Whether the volumes of a Pod are where its containers could use them.

    claims bound -> volumesInUse of the Node -> volumesAttached of it, by the controller -> usable
    nothing of the pod runs -> no longer in volumesInUse -> may be detached

Mirrors what `pkg/kubelet/volumemanager` waits for. A node that says that it uses a volume says so
before it asks whether the volume is attached: so nobody detaches it in between.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable
from typing import NamedTuple

from pyk8s.apimachinery import errors, meta
from pyk8s.apimachinery.gvk import GroupVersionResource, Object
from pyk8s.client import resources, rest
from pyk8s.client.client import Client, Patch
from pyk8s.componenthelpers import attachments, volumes

_BELIEVED_SECONDS = 60.0


class Missing(NamedTuple):
    """Volumes of a pod that cannot be used yet, by the pod's names for them, and why."""

    unmounted: tuple[str, ...]
    failures: tuple[str, ...] = ()

    @property
    def message(self) -> str:
        """As upstream's Event says it."""
        failed = " ".join(self.unmounted) if self.failures else ""
        waits = "" if self.failures else " ".join(self.unmounted)
        why = ", ".join(self.failures) or "context deadline exceeded"
        return (
            f"Unable to attach or mount volumes: unmounted volumes=[{' '.join(self.unmounted)}], "
            f"unattached volumes=[{waits}], failed to process volumes=[{failed}]: {why}"
        )


class VolumeManager:
    """The volumes of claims, on all nodes of a process. `now` is a clock that never goes back."""

    def __init__(self, client: Client, now: Callable[[], float] = time.monotonic) -> None:
        self._client = client
        self._now = now
        # What pods have to be attached, by node and uid.
        self._in_use: defaultdict[str, dict[str, frozenset[str]]] = defaultdict(dict)
        self._reported: dict[str, frozenset[str]] = {}
        self._required: dict[str, tuple[float, bool]] = {}

    async def mount(self, pod: Object) -> Missing | None:
        """None once all are usable. Raises StatusError and ServerUnreachable."""
        wanted: dict[str, str] = {}
        failures: dict[str, str] = {}
        for volume in pod["spec"].get("volumes") or ():
            if claim_name := volumes.claim_name(pod, volume):
                found = await self._volume_of(pod, claim_name)
                if isinstance(found, str):
                    failures[volume["name"]] = found
                elif await self._has_to_be_attached(found):
                    wanted[volume["name"]] = attachments.unique_name(found)
        if failures:
            return Missing(tuple(failures), tuple(failures.values()))
        if not wanted:
            return None
        node = await self._use(pod, frozenset(wanted.values()))
        there = {each["name"] for each in (node.get("status") or {}).get("volumesAttached") or ()}
        missing = tuple(name for name, unique in wanted.items() if unique not in there)
        return Missing(missing) if missing else None

    async def unmount(self, uid: str, node: str) -> None:
        """Nothing of the pod runs any more. Raises StatusError and ServerUnreachable: then it is
        to be called again."""
        used = self._in_use.get(node, {})
        if uid not in used:
            return
        wanted = used.pop(uid)
        try:
            await self._report(node)
        except (errors.StatusError, rest.ServerUnreachable):
            used[uid] = wanted
            raise
        if not used:
            self._in_use.pop(node, None)

    async def _volume_of(self, pod: Object, claim_name: str) -> Object | str:
        """The volume, or why there is none."""
        namespace = meta.namespace(pod)
        where = f"error processing PVC {namespace}/{claim_name}"
        claim = await self._find(resources.PERSISTENT_VOLUME_CLAIMS, claim_name, namespace)
        if claim is None:
            missing = f'persistentvolumeclaims "{claim_name}" not found'
            return f"{where}: failed to fetch PVC from API server: {missing}"
        if volumes.phase(claim) != "Bound" or not claim["spec"].get("volumeName"):
            return f"{where}: PVC is not bound"
        name = claim["spec"]["volumeName"]
        found = await self._find(resources.PERSISTENT_VOLUMES, name)
        if found is None:
            return f'{where}: failed to fetch PV {name}: persistentvolumes "{name}" not found'
        return found

    async def _has_to_be_attached(self, volume: Object) -> bool:
        driver = attachments.driver_of(volume)
        if not driver:
            return False
        until, required = self._required.get(driver, (0.0, True))
        if until <= self._now():
            required = attachments.is_required(await self._find(resources.CSI_DRIVERS, driver))
            self._required[driver] = self._now() + _BELIEVED_SECONDS, required
        return required

    async def _find(
        self, resource: GroupVersionResource, name: str, namespace: str = ""
    ) -> Object | None:
        try:
            return await self._client.get(resource, name, namespace)
        except errors.StatusError as error:
            if error.reason != errors.NOT_FOUND:
                raise
            return None

    async def _use(self, pod: Object, wanted: frozenset[str]) -> Object:
        """Say that they are in use; the Node as it is after that."""
        node = pod["spec"]["nodeName"]
        self._in_use[node][meta.uid(pod)] = wanted
        if wanted <= self._reported.get(node, frozenset()):
            return await self._client.get(resources.NODES, node)
        return await self._report(node)

    async def _report(self, node: str) -> Object:
        used = frozenset[str]().union(*self._in_use.get(node, {}).values())
        patch = Patch(content={"status": {"volumesInUse": sorted(used) or None}})
        # What a request that failed has done is not known.
        self._reported.pop(node, None)
        try:
            found = await self._client.patch(resources.NODES, ("", node), patch, "status")
        except errors.StatusError as error:
            if error.reason != errors.NOT_FOUND:
                raise
            return {}
        if used:
            self._reported[node] = used
        return found
