# SPDX-License-Identifier: Apache-2.0
"""TaintNodesByCondition: what becomes of the taints of a new Node."""

from __future__ import annotations

import pytest

from pyk8s.admission import interface
from pyk8s.admission.nodetaint import TaintNodesByCondition
from pyk8s.apimachinery.gvk import GroupVersionKind, GroupVersionResource
from pyk8s.auth.user import UserInfo

NOT_READY = {"key": "node.kubernetes.io/not-ready", "effect": "NoSchedule"}
OTHER = {"key": "example.com/mine", "effect": "NoSchedule"}


@pytest.mark.parametrize(
    ("own", "expected"),
    [
        pytest.param(None, [NOT_READY], id="none"),
        pytest.param([OTHER], [OTHER, NOT_READY], id="another"),
        pytest.param([{**NOT_READY, "value": "v"}], [{**NOT_READY, "value": "v"}], id="has it"),
        pytest.param(
            [{**NOT_READY, "effect": "NoExecute"}],
            [{**NOT_READY, "effect": "NoExecute"}, NOT_READY],
            id="another effect",
        ),
    ],
)
async def test_a_new_node_is_tainted(own, expected):
    """Once, beside the taints it comes with."""
    spec = {} if own is None else {"taints": own}
    attributes = interface.Attributes(
        operation=interface.CREATE,
        resource=GroupVersionResource("", "v1", "nodes"),
        kind=GroupVersionKind("", "v1", "Node"),
        namespace="",
        name="n",
        user=UserInfo("admin"),
        obj={"metadata": {"name": "n"}, "spec": spec},
    )
    await TaintNodesByCondition().admit(attributes)
    assert attributes.object["spec"]["taints"] == expected
