# SPDX-License-Identifier: Apache-2.0
"""The admissionregistration.k8s.io group: webhooks, policies and their bindings."""

from __future__ import annotations

from typing import Any

from pyk8s.apimachinery.gvk import GroupResource, Object
from pyk8s.apis.columns import ages, texts
from pyk8s.apis.columns.definition import (
    AGE,
    NAME,
    Cells,
    Column,
    Columns,
    ColumnsByResource,
    integer,
)

_GROUP = "admissionregistration.k8s.io"


def _webhook_cells(obj: Object, now: float) -> list[Any]:
    return [obj["metadata"].get("name", ""), len(obj.get("webhooks") or ()), ages.age(obj, now)]


_WEBHOOKS = Columns(
    columns=(NAME, integer("Webhooks", description="How many webhooks are configured."), AGE),
    cells=_webhook_cells,
)


def _param_kind(spec: Object) -> str:
    kind = spec.get("paramKind")
    if kind is None:
        return texts.UNSET
    return f"{kind.get('apiVersion', '')}/{kind.get('kind', '')}"


def _policy_cells(rules: str) -> Cells:
    def cells(obj: Object, now: float) -> list[Any]:
        spec = obj.get("spec") or {}
        count = len(spec.get(rules) or ())
        return [obj["metadata"].get("name", ""), count, _param_kind(spec), ages.age(obj, now)]

    return cells


def _policies(rules: str) -> Columns:
    return Columns(
        columns=(
            NAME,
            integer(rules.capitalize(), description=f"How many {rules} the policy has."),
            Column("ParamKind", description="The kind of the objects that parameterize it."),
            AGE,
        ),
        cells=_policy_cells(rules),
    )


def _param_ref(spec: Object) -> str:
    """A binding does not know whether its parameters have namespaces: without one, it is `*`."""
    reference = spec.get("paramRef")
    if reference is None:
        return texts.UNSET
    if reference.get("name"):
        return f"{reference.get('namespace') or '*'}/{reference['name']}"
    selector = reference.get("selector")
    return texts.UNSET if selector is None else texts.selector_as_go(selector)


def _binding_cells(obj: Object, now: float) -> list[Any]:
    spec = obj.get("spec") or {}
    name, policy = obj["metadata"].get("name", ""), spec.get("policyName", "")
    return [name, policy, _param_ref(spec), ages.age(obj, now)]


_BINDINGS = Columns(
    columns=(
        NAME,
        Column("PolicyName", description="The policy that is bound."),
        Column("ParamRef", description="The objects that parameterize it here."),
        AGE,
    ),
    cells=_binding_cells,
)

COLUMNS: ColumnsByResource = {
    GroupResource(_GROUP, "mutatingadmissionpolicies"): _policies("mutations"),
    GroupResource(_GROUP, "mutatingadmissionpolicybindings"): _BINDINGS,
    GroupResource(_GROUP, "mutatingwebhookconfigurations"): _WEBHOOKS,
    GroupResource(_GROUP, "validatingadmissionpolicies"): _policies("validations"),
    GroupResource(_GROUP, "validatingadmissionpolicybindings"): _BINDINGS,
    GroupResource(_GROUP, "validatingwebhookconfigurations"): _WEBHOOKS,
}
