# SPDX-License-Identifier: Apache-2.0
"""Strategies of kinds whose status subresource leaves metadata alone.

Older kinds let a status update change labels and annotations in passing; newer ones take the
stored metadata (upstream's `metav1.ResetObjectMetaForStatus`).
"""

from __future__ import annotations

from pyk8s.apimachinery.gvk import Object
from pyk8s.registry.context import RequestContext
from pyk8s.registry.strategies import metadata
from pyk8s.registry.strategies.ruled import RuledStrategy


class ResettingStrategy(RuledStrategy):
    """A RuledStrategy with a status subresource that changes the status and nothing else."""

    def prepare_for_status_update(
        self, context: RequestContext, updated: Object, existing: Object
    ) -> None:
        super().prepare_for_status_update(context, updated, existing)
        metadata.reset(updated, existing)
