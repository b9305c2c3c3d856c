# SPDX-License-Identifier: Apache-2.0
"""TaintNodesByCondition: a new Node takes no Pods before it is known to be ready.

Mirrors `plugin/pkg/admission/nodetaint`. The taint is taken off by the node lifecycle controller,
so this plugin is to be left out where that does not run.
"""

from __future__ import annotations

from pyk8s.admission import interface
from pyk8s.apimachinery.gvk import GroupResource

_NOT_READY = {"key": "node.kubernetes.io/not-ready", "effect": "NoSchedule"}


class TaintNodesByCondition(interface.Plugin):
    operations = frozenset({interface.CREATE})
    resources = frozenset({GroupResource("", "nodes")})

    async def admit(self, attributes: interface.Attributes) -> None:
        if attributes.subresource:
            return
        spec = attributes.object.setdefault("spec", {})
        own = spec.get("taints") or []
        # The value of a taint is no part of what it is.
        if not any(all(taint.get(k) == v for k, v in _NOT_READY.items()) for taint in own):
            spec["taints"] = [*own, dict(_NOT_READY)]
