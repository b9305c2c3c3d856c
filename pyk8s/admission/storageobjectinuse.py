# SPDX-License-Identifier: Apache-2.0
"""StorageObjectInUseProtection: claims, volumes and VolumeAttributesClasses are made with the
finalizer that keeps them while they are in use.

Mirrors `plugin/pkg/admission/storage/storageobjectinuseprotection`. The finalizers are taken off by
the protection controllers, so this plugin is to be left out where those do not run.
"""

from __future__ import annotations

from pyk8s.admission import interface
from pyk8s.apimachinery import meta
from pyk8s.apimachinery.gvk import GroupResource
from pyk8s.componenthelpers import volumes

_FINALIZERS = {
    GroupResource("", "persistentvolumeclaims"): volumes.CLAIM_PROTECTION,
    GroupResource("", "persistentvolumes"): volumes.VOLUME_PROTECTION,
    GroupResource("storage.k8s.io", "volumeattributesclasses"): (
        volumes.ATTRIBUTES_CLASS_PROTECTION
    ),
}


class StorageObjectInUseProtection(interface.Plugin):
    operations = frozenset({interface.CREATE})
    resources = frozenset(_FINALIZERS)

    async def admit(self, attributes: interface.Attributes) -> None:
        finalizer = _FINALIZERS[attributes.resource.group_resource]
        if attributes.subresource or meta.has_finalizer(attributes.object, finalizer):
            return
        kept = [*meta.finalizers(attributes.object), finalizer]
        meta.mutable(attributes.object)["finalizers"] = kept
