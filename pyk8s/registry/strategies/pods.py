# SPDX-License-Identifier: Apache-2.0
"""The Strategy of Pods, and what their creation fills in from the Pod itself."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pyk8s.apimachinery import field, names, times
from pyk8s.apimachinery.gvk import Object
from pyk8s.apis import pod_warnings
from pyk8s.apis.defaults import core as defaults
from pyk8s.apis.validation import pod_resize, pod_updates, pods
from pyk8s.componenthelpers import podrequests
from pyk8s.registry.context import RequestContext
from pyk8s.registry.strategies import metadata
from pyk8s.registry.strategy import Strategy, UpdateRule

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
        obj["status"] = {"phase": "Pending", "qosClass": podrequests.qos_class(spec)}
        if spec.get("schedulingGates"):
            obj["status"]["conditions"] = [_gated()]
        labels = obj["metadata"].get("labels") or {}
        if "affinity" in spec:
            for term in _pod_affinity_terms(spec["affinity"]):
                _select_by_keys(term, "matchLabelKeys", "In", labels)
                _select_by_keys(term, "mismatchLabelKeys", "NotIn", labels)
        for constraint in spec.get("topologySpreadConstraints", ()):
            _select_by_keys(constraint, "matchLabelKeys", "In", labels)
        if obj["metadata"].get("annotations"):
            _take_app_armor_profiles(context, obj)

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

    def update_rule(self, subresource: str) -> UpdateRule:
        if subresource == "ephemeralcontainers":
            return UpdateRule(self._prepare_ephemeral, self._validate_ephemeral)
        if subresource == "resize":
            return UpdateRule(self._prepare_resize, self._validate_resize)
        return super().update_rule(subresource)

    def _prepare_ephemeral(
        self, context: RequestContext, updated: Object, existing: Object
    ) -> None:
        """Keep of the update its ephemeral containers alone."""
        added = updated["spec"].get("ephemeralContainers")
        spec = {k: v for k, v in existing["spec"].items() if k != "ephemeralContainers"}
        if added:
            spec["ephemeralContainers"] = added
        self._put_spec(context, updated, existing, spec)

    def _validate_ephemeral(
        self, context: RequestContext, updated: Object, existing: Object
    ) -> list[field.Error]:
        return pod_updates.validate_ephemeral_containers_update(updated, existing)

    def _prepare_resize(self, context: RequestContext, updated: Object, existing: Object) -> None:
        """Keep of the update its containers' resources and resize policies; containers that
        come, go or change their name are left for validation to refuse."""
        spec = dict(existing["spec"])
        for kind in ("containers", "initContainers"):
            mine, theirs = updated["spec"].get(kind, []), existing["spec"].get(kind, [])
            if [c.get("name") for c in mine] != [c.get("name") for c in theirs]:
                spec[kind] = mine
            elif mine:
                spec[kind] = [_resized(*pair) for pair in zip(mine, theirs, strict=True)]
        self._put_spec(context, updated, existing, spec)

    def _validate_resize(
        self, context: RequestContext, updated: Object, existing: Object
    ) -> list[field.Error]:
        return pod_resize.validate_pod_resize(updated, existing)

    def _put_spec(
        self, context: RequestContext, updated: Object, existing: Object, spec: dict[str, Any]
    ) -> None:
        updated["spec"] = spec
        metadata.reset(updated, existing)
        self.prepare_for_update(context, updated, existing)

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
        "lastProbeTime": None,
        "lastTransitionTime": times.now(),
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


def _resized(updated: Mapping[str, Any], existing: Mapping[str, Any]) -> dict[str, Any]:
    container = dict(existing)
    for name in ("resources", "resizePolicy"):
        container.pop(name, None)
        if name in updated:
            container[name] = updated[name]
    return container


_APP_ARMOR = "container.apparmor.security.beta.kubernetes.io/"


def _take_app_armor_profiles(context: RequestContext, pod: Object) -> None:
    """Write what deprecated annotations say of a container into the field that replaced them,
    where it says nothing and the Pod nothing equal."""
    spec, annotations = pod["spec"], pod["metadata"]["annotations"]
    if (spec.get("os") or {}).get("name") == "windows":
        return
    of_pod = (spec.get("securityContext") or {}).get("appArmorProfile")
    for kind in ("initContainers", "containers"):
        for container in spec.get(kind, ()):
            key = _APP_ARMOR + container.get("name", "")
            own = (container.get("securityContext") or {}).get("appArmorProfile")
            if key not in annotations or own is not None:
                continue
            profile = _app_armor_profile(annotations[key])
            if profile is not None and profile == of_pod:
                continue
            if profile is not None:
                container.setdefault("securityContext", {})["appArmorProfile"] = profile
            at = field.Path("metadata", "annotations").key(key)
            detail = 'deprecated since v1.30; use the "appArmorProfile" field instead'
            context.warnings.append(f"{at}: {detail}")


def _app_armor_profile(annotation: str) -> dict[str, str] | None:
    if annotation == "unconfined":
        return {"type": "Unconfined"}
    if annotation == "runtime/default":
        return {"type": "RuntimeDefault"}
    name = annotation.removeprefix("localhost/")
    if name == annotation or not name.strip():
        return None
    return {"type": "Localhost", "localhostProfile": name}
