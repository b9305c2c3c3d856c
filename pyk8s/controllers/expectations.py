# SPDX-License-Identifier: Apache-2.0
"""What a controller has done and its informer has not shown yet.

A controller that creates pods and looks again before it has been told of them would create them
twice. So it writes down what it expects, the handlers strike that out, and until all is struck
out it does not count. Mirrors upstream's UIDTrackingControllerExpectations.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Generic

from pyk8s.client.workqueue import K

# An expectation that has not come true by then was missed: better to count again.
SECONDS_MAX = 300.0


@dataclass(slots=True)
class _Expected:
    owner: str
    since: float
    creations: int = 0
    deletions: set[str] = field(default_factory=set)


class Expectations(Generic[K]):
    """Per key of a controller, and of the one object that has the key: what was expected of a
    predecessor of the same name, whose pods are no longer told of, counts for nothing. Deletions
    are told apart by uid, for one may be shown twice: when it is marked, and when the object is
    gone. `owner` is the object's uid, `clock` says the time in seconds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._expected: dict[K, _Expected] = {}

    def expect(self, key: K, owner: str, creations: int = 0, deletions: Iterable[str] = ()) -> None:
        """In place of whatever was expected before."""
        self._expected[key] = _Expected(owner, self._clock(), creations, set(deletions))

    def creation_observed(self, key: K, count: int = 1) -> None:
        if (expected := self._expected.get(key)) is not None:
            expected.creations -= count

    def deletion_observed(self, key: K, uid: str) -> None:
        if (expected := self._expected.get(key)) is not None:
            expected.deletions.discard(uid)

    def are_fulfilled(self, key: K, owner: str) -> bool:
        """Also when there are none, or they are too old to come true."""
        expected = self._expected.get(key)
        if expected is None or expected.owner != owner:
            return True
        if expected.creations <= 0 and not expected.deletions:
            return True
        return self._clock() - expected.since > SECONDS_MAX

    def forget(self, key: K) -> None:
        self._expected.pop(key, None)
