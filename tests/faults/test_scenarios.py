# SPDX-License-Identifier: Apache-2.0
"""Every scenario of hack/faults, for a few seconds: no violation, and the trouble did happen."""

from __future__ import annotations

import pytest

from hack.survival import scenarios


@pytest.mark.parametrize(
    ("name", "seconds", "happened"),
    [
        pytest.param("apiserver", 2, "killed", id="an API server is killed"),
        pytest.param("apiservers", 1, "killed", id="one of several API servers is killed"),
        pytest.param("etcd-cluster", 1, "leader lost", id="etcd members are lost"),
        pytest.param("etcd-gone", 2, "etcd lost", id="etcd is gone for a while"),
        pytest.param("compaction", 2, "compacted", id="the past is compacted"),
        pytest.param("crowd", 1, "dropped watchers", id="clients misbehave"),
    ],
)
async def test_survives(name: str, seconds: float, happened: str) -> None:
    """What was acknowledged is kept, and no answer and no watch tells otherwise."""
    result = await scenarios.SCENARIOS[name](seconds, 7)
    assert result.violations == []
    assert result.counts[happened] > 0
    assert result.counts["writes"] > 0
