# SPDX-License-Identifier: Apache-2.0
"""Binding a Pod to a node: what a scheduler does with its decision.

    POST pods/NAME/binding, POST bindings -> spec.nodeName, annotations, labels, PodScheduled

Mirrors `pkg/registry/core/pod/storage/storage.go` (BindingREST). A Pod is bound once; whoever
comes second gets a conflict that names the node.
"""

from __future__ import annotations

from typing import Any

from pyk8s.admission import interface as admission
from pyk8s.apimachinery import errors, times
from pyk8s.apimachinery.gojson import quoted_string
from pyk8s.apimachinery.gvk import GroupResource, GroupVersionKind, Object
from pyk8s.apis.validation import pod_updates
from pyk8s.registry.context import RequestContext
from pyk8s.registry.store import Store

BINDING = GroupVersionKind("", "v1", "Binding")

_BINDINGS = GroupResource("", "pods/binding")

# Those of a node's labels that its Pods are given (PodTopologyLabelsAdmission).
_TOPOLOGY_LABELS = ("topology.kubernetes.io/zone", "topology.kubernetes.io/region")


class Bindings:
    """Bindings are carried out, not kept."""

    def __init__(self, pods: Store, nodes: Store) -> None:
        self._pods = pods
        self._nodes = nodes

    async def create(self, context: RequestContext, name: str, binding: Object) -> None:
        """Raises 400 for another Pod's name, 409 for a Pod that cannot be bound."""
        if binding["metadata"].get("name") != name:
            raise errors.bad_request("name in URL does not match name in Binding object")
        await self._admit(context, name, binding)
        faults = pod_updates.validate_binding(binding)
        if faults:
            messages = list(dict.fromkeys(fault.message for fault in faults))
            text = messages[0] if len(messages) == 1 else f"[{', '.join(messages)}]"
            # Upstream makes no Status of these, and so neither 422 nor a reason.
            raise errors.StatusError(500, "", text)
        await self._pods.rewrite(context, name, lambda pod: bind(pod, binding))

    async def _admit(self, context: RequestContext, name: str, binding: Object) -> None:
        attributes = admission.Attributes(
            operation=admission.CREATE,
            resource=self._pods.resource.gvr,
            kind=BINDING,
            namespace=context.namespace,
            name=name,
            user=context.user,
            subresource="binding",
            obj=binding,
            dry_run=context.dry_run,
            warnings=context.warnings,
        )
        await self._pods.admission.admit(attributes)
        await self._take_topology_labels(binding)
        await self._pods.admission.validate(attributes)

    async def _take_topology_labels(self, binding: Object) -> None:
        target = binding.get("target") or {}
        if target.get("kind") != "Node" or not target.get("name"):
            return
        try:
            node = await self._nodes.get("", target["name"], "0")
        except errors.StatusError as error:
            if error.reason != errors.NOT_FOUND:
                raise
            return
        found = {key: node.labels[key] for key in _TOPOLOGY_LABELS if key in node.labels}
        if found:
            binding["metadata"].setdefault("labels", {}).update(found)


def bind(pod: Object, binding: Object) -> None:
    """Put the Pod on the node, in place; raises 409 if it cannot go there any more."""
    metadata, wanted = pod["metadata"], binding["metadata"]
    _check_preconditions(metadata, wanted)
    name, spec, status = metadata["name"], pod["spec"], pod.setdefault("status", {})
    if "deletionTimestamp" in metadata:
        raise _conflict(name, f"pod {name} is being deleted, cannot be assigned to a host")
    if spec.get("nodeName"):
        node = quoted_string(spec["nodeName"])
        raise _conflict(name, f"pod {name} is already assigned to node {node}")
    if spec.get("schedulingGates"):
        raise _conflict(name, f"pod {name} has non-empty .spec.schedulingGates")
    spec["nodeName"] = binding["target"]["name"]
    # A nomination is of no meaning any more (ClearingNominatedNodeNameAfterBinding).
    status.pop("nominatedNodeName", None)
    for key in ("annotations", "labels"):
        if wanted.get(key):
            metadata[key] = {**(metadata.get(key) or {}), **wanted[key]}
    status["conditions"] = _scheduled(status.get("conditions") or [])


def _scheduled(conditions: list[dict[str, Any]]) -> list[dict[str, Any]]:
    condition: dict[str, Any] = {
        "type": "PodScheduled",
        "status": "True",
        "lastProbeTime": None,
        "lastTransitionTime": times.now(),
    }
    for index, existing in enumerate(conditions):
        if existing.get("type") == "PodScheduled":
            if existing.get("status") == "True":
                condition["lastTransitionTime"] = existing.get("lastTransitionTime")
            return [*conditions[:index], condition, *conditions[index + 1 :]]
    return [*conditions, condition]


def _check_preconditions(metadata: Object, wanted: Object) -> None:
    """The Binding may name the Pod it means more closely than by its name."""
    for key, shown in (("uid", "UID"), ("resourceVersion", "ResourceVersion")):
        claimed, actual = wanted.get(key), metadata.get(key)
        if claimed and claimed != actual:
            why = (
                f"Precondition failed: {shown} in precondition: {claimed}, "
                f"{shown} in object meta: {actual}"
            )
            raise errors.conflict(GroupResource("", "pods"), metadata["name"], why)


def _conflict(name: str, why: str) -> errors.StatusError:
    return errors.conflict(_BINDINGS, name, why)
