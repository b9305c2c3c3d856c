# SPDX-License-Identifier: Apache-2.0
"""The Strategy of Pods, and what their creation fills in from the Pod itself."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pyk8s.apimachinery import field, names
from pyk8s.apimachinery.gvk import Object
from pyk8s.apis import pod_amounts, pod_warnings
from pyk8s.apis.defaults import core as defaults
from pyk8s.apis.validation import pod_updates, pods
from pyk8s.registry.context import RequestContext
from pyk8s.registry.strategy import Strategy

_REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
_PREFERRED = "preferredDuringSchedulingIgnoredDuringExecution"


class PodStrategy(Strategy):
    """Mirrors `pkg/registry/core/pod/strategy.go`."""

    tracks_generation = True

    def default(self, obj: Object) -> None:
        defaults.default_pod(obj)

    def prepare_for_create(self, context: RequestContext, obj: Object) -> None:
        super().prepare_for_create(context, obj)
        spec = obj["spec"]
        obj["status"] = {"phase": "Pending", "qosClass": pod_amounts.qos_class(spec)}
        if spec.get("schedulingGates"):
            obj["status"]["conditions"] = [_gated()]
        labels = obj["metadata"].get("labels") or {}
        if "affinity" in spec:
            for term in _pod_affinity_terms(spec["affinity"]):
                _select_by_keys(term, "matchLabelKeys", "In", labels)
                _select_by_keys(term, "mismatchLabelKeys", "NotIn", labels)
        for constraint in spec.get("topologySpreadConstraints", ()):
            _select_by_keys(constraint, "matchLabelKeys", "In", labels)

    def validate(self, context: RequestContext, obj: Object) -> list[field.Error]:
        return pods.validate_pod(obj)

    def warnings_on_create(self, context: RequestContext, obj: Object) -> list[str]:
        warnings = []
        faults = names.is_dns1123_label(obj["metadata"]["name"])
        if faults:
            warnings.append(
                "metadata.name: this is used in the Pod's hostname, which can result in surprising "
                f"behavior; a DNS label is recommended: [{' '.join(faults)}]"
            )
        return warnings + pod_warnings.warnings_for_pod(obj)

    def validate_update(
        self, context: RequestContext, updated: Object, existing: Object
    ) -> list[field.Error]:
        return pod_updates.validate_pod_update(updated, existing)

    def prepare_for_status_update(
        self, context: RequestContext, updated: Object, existing: Object
    ) -> None:
        updated["spec"] = existing["spec"]
        metadata, stored = updated["metadata"], existing["metadata"]
        metadata.pop("ownerReferences", None)
        if "ownerReferences" in stored:
            metadata["ownerReferences"] = stored["ownerReferences"]
        status, before = updated.setdefault("status", {}), existing.get("status") or {}
        # Old kubelets leave out what they do not know.
        for name in ("qosClass", "observedGeneration"):
            if not status.get(name) and before.get(name):
                status[name] = before[name]

    def validate_status_update(
        self, context: RequestContext, updated: Object, existing: Object
    ) -> list[field.Error]:
        return pod_updates.validate_pod_status_update(updated, existing)

    def grace_period_seconds(self, existing: Object, requested: int | None) -> int:
        """What was asked for, else the Pod's own; nothing for a Pod that does not run."""
        spec, status = existing["spec"], existing.get("status") or {}
        if not spec.get("nodeName") or status.get("phase") in ("Failed", "Succeeded"):
            return 0
        period: int = spec.get("terminationGracePeriodSeconds", 0)
        if requested is not None:
            period = requested
        return 1 if period < 0 else period


def _gated() -> dict[str, Any]:
    return {
        "type": "PodScheduled",
        "status": "False",
        "reason": "SchedulingGated",
        "message": "Scheduling is blocked due to non-empty scheduling gates",
    }


def _pod_affinity_terms(affinity: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    for kind in ("podAffinity", "podAntiAffinity"):
        terms = affinity.get(kind) or {}
        for weighted in terms.get(_PREFERRED, ()):
            yield weighted.get("podAffinityTerm") or {}
        yield from terms.get(_REQUIRED, ())


def _select_by_keys(
    term: dict[str, Any], keys: str, operator: str, labels: Mapping[str, str]
) -> None:
    """Put this Pod's own value of each key into the selector."""
    selector = term.get("labelSelector")
    if selector is None:
        return
    for key in term.get(keys, ()):
        if key in labels:
            selector.setdefault("matchExpressions", []).append(
                {"key": key, "operator": operator, "values": [labels[key]]}
            )
