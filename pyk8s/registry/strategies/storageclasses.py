# SPDX-License-Identifier: Apache-2.0
"""The Strategies of storage.k8s.io.

Switches and preparation are those of `pkg/registry/storage/*/strategy.go`.
"""

from __future__ import annotations

from collections.abc import Mapping

from pyk8s.apimachinery.gvk import GroupResource
from pyk8s.apis.defaults import storageclasses as defaults
from pyk8s.apis.validation import csi, storageclasses
from pyk8s.registry.strategies.resetting import ResettingStrategy
from pyk8s.registry.strategies.ruled import RuledStrategy, Rules
from pyk8s.registry.strategy import Strategy

GROUP = "storage.k8s.io"


class StorageClassStrategy(RuledStrategy):
    rules = Rules(
        default=defaults.default_storage_class,
        validate=storageclasses.validate_storage_class,
        validate_update=storageclasses.validate_storage_class_update,
    )


class VolumeAttributesClassStrategy(RuledStrategy):
    rules = Rules(
        validate=storageclasses.validate_volume_attributes_class,
        validate_update=storageclasses.validate_volume_attributes_class_update,
    )


class CSIDriverStrategy(RuledStrategy):
    allow_unconditional_update = False
    tracks_generation = True
    rules = Rules(
        default=defaults.default_csi_driver,
        validate=csi.validate_csi_driver,
        validate_update=csi.validate_csi_driver_update,
    )


class CSINodeStrategy(RuledStrategy):
    allow_unconditional_update = False
    rules = Rules(
        validate=csi.validate_csi_node,
        validate_update=csi.validate_csi_node_update,
    )


class CSIStorageCapacityStrategy(RuledStrategy):
    allow_unconditional_update = False
    rules = Rules(
        validate=csi.validate_csi_storage_capacity,
        validate_update=csi.validate_csi_storage_capacity_update,
    )


class VolumeAttachmentStrategy(ResettingStrategy):
    allow_unconditional_update = False
    rules = Rules(
        validate=csi.validate_volume_attachment,
        validate_update=csi.validate_volume_attachment_update,
        validate_status_update=csi.validate_volume_attachment_update,
    )


STRATEGIES: Mapping[GroupResource, type[Strategy]] = {
    GroupResource(GROUP, "storageclasses"): StorageClassStrategy,
    GroupResource(GROUP, "volumeattributesclasses"): VolumeAttributesClassStrategy,
    GroupResource(GROUP, "csidrivers"): CSIDriverStrategy,
    GroupResource(GROUP, "csinodes"): CSINodeStrategy,
    GroupResource(GROUP, "csistoragecapacities"): CSIStorageCapacityStrategy,
    GroupResource(GROUP, "volumeattachments"): VolumeAttachmentStrategy,
}
