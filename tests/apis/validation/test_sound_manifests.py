# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest
import roads


@pytest.mark.parametrize("kind", roads.kinds())
def test_sound_manifest_is_accepted_on_create(kind: str) -> None:
    """A manifest without a fault has none found."""
    _, faults = roads.created(roads.manifest(kind))
    assert roads.messages(faults) == []


@pytest.mark.parametrize("kind", roads.kinds())
def test_update_without_changes_is_accepted(kind: str) -> None:
    """What was stored may be written again as it is."""
    existing = roads.stored(kind)
    found, faults = roads.updated(existing, {})
    assert roads.messages(faults) == []
    assert found["metadata"].get("generation") == existing["metadata"].get("generation")
