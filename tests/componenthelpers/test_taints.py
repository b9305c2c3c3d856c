# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest

from pyk8s.componenthelpers import taints

GPU = {"key": "gpu", "value": "yes", "effect": "NoSchedule"}
GONE = {"key": "gone", "effect": "NoExecute"}
SOFT = {"key": "soft", "value": "x", "effect": "PreferNoSchedule"}


@pytest.mark.parametrize(
    ("toleration", "taint", "tolerated"),
    [
        pytest.param({"key": "gpu", "value": "yes"}, GPU, True, id="equal is the default"),
        pytest.param({"key": "gpu", "operator": "Equal", "value": "no"}, GPU, False, id="other"),
        pytest.param({"key": "gpu", "operator": "Equal"}, GPU, False, id="no value is empty"),
        pytest.param({"key": "gone", "operator": "Equal"}, GONE, True, id="both values empty"),
        pytest.param({"key": "gpu", "operator": "Exists"}, GPU, True, id="exists"),
        pytest.param({"operator": "Exists"}, GPU, True, id="exists of any key"),
        pytest.param({"key": "other", "operator": "Exists"}, GPU, False, id="other key"),
        pytest.param(
            {"key": "gpu", "operator": "Exists", "effect": "NoExecute"}, GPU, False, id="effect"
        ),
        pytest.param(
            {"key": "gpu", "operator": "Exists", "effect": "NoSchedule"}, GPU, True, id="its effect"
        ),
        pytest.param(
            {"key": "n", "operator": "Gt", "value": "1"},
            {"key": "n", "value": "2", "effect": "NoSchedule"},
            False,
            id="comparison is off",
        ),
        pytest.param({"key": "gpu", "operator": "Sometimes"}, GPU, False, id="unknown operator"),
    ],
)
def test_tolerates(toleration: dict, taint: dict, tolerated: bool) -> None:
    """A toleration covers a taint of its key, value and effect; what it leaves out covers all."""
    assert taints.tolerates(toleration, taint) is tolerated


def test_find_untolerated() -> None:
    """The first taint of the asked effects that no toleration covers is found."""
    all_taints = [SOFT, GPU, GONE]
    assert taints.find_untolerated(all_taints, []) == GPU
    assert taints.find_untolerated(all_taints, [{"key": "gpu", "operator": "Exists"}]) == GONE
    assert taints.find_untolerated(all_taints, [{"operator": "Exists"}]) is None
    assert taints.find_untolerated(all_taints, [], {taints.PREFER_NO_SCHEDULE}) == SOFT


def test_matching_tolerations() -> None:
    """Each taint is covered by its first matching toleration, or the answer is None."""
    first = {"key": "gone", "operator": "Exists", "tolerationSeconds": 5}
    second = {"operator": "Exists", "tolerationSeconds": 3}
    assert taints.matching_tolerations([GONE, GPU], [first, second]) == [first, second]
    assert taints.matching_tolerations([GONE, GPU], [first]) is None
    assert taints.matching_tolerations([], []) == []


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        pytest.param([], 0, id="none tolerates"),
        pytest.param([None], None, id="for ever"),
        pytest.param([None, 30, 20], 20, id="the least"),
        pytest.param([0], 0, id="at once"),
        pytest.param([-5, 10], 0, id="negative is at once"),
    ],
)
def test_min_toleration_seconds(seconds: list[int | None], expected: int | None) -> None:
    """The shortest time counts; without any the pod stays for ever."""
    used = [{} if each is None else {"tolerationSeconds": each} for each in seconds]
    assert taints.min_toleration_seconds(used) == expected
