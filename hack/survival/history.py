# SPDX-License-Identifier: Apache-2.0
"""Everything that clients saw, against what happened.

    truth   per name, the revisions at which it changed and to what: from etcd, not from us
    calls   what a client asked, when, and what it was told
    chains  what one watcher saw from a list on, over as many watches as it took

A call is placed on the line of revisions: an acknowledged write at its own, a read at the first
revision where its answer was true and that is not before the *floor*, which is what some client
knew to have happened when the call began. As writes have their places given, placing each read
as early as can be finds an order if there is one. The places respect real time over all objects
at once, so what is checked is stricter than linearizability of each object.
"""

from __future__ import annotations

import hashlib
import json
from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

NONCE = "nonce"

# Outcomes of a call.
OK = "ok"
REFUSED = "refused"  # 410, 503: surely not done
CONFLICT = "conflict"  # 409 to an update of another revision
EXISTS = "exists"  # 409 to a create
ABSENT = "absent"  # 404
UNKNOWN = "unknown"  # 500, 504, a lost connection: done or not done


class State(NamedTuple):
    """An object as far as it is compared. `digest` covers all but the resourceVersion."""

    nonce: str
    uid: str
    app: str
    digest: str


def state_of(obj: dict[str, Any]) -> State:
    metadata = {k: v for k, v in obj["metadata"].items() if k != "resourceVersion"}
    # The items of a list need not name their kind.
    rest = {k: v for k, v in obj.items() if k not in ("kind", "apiVersion")}
    text = json.dumps({**rest, "metadata": metadata}, sort_keys=True).encode()
    return State(
        obj.get("data", {}).get(NONCE, ""),
        metadata.get("uid", ""),
        metadata.get("labels", {}).get("app", ""),
        hashlib.blake2b(text, digest_size=8).hexdigest(),
    )


def revision_of(obj: dict[str, Any]) -> int:
    return int(obj["metadata"]["resourceVersion"])


class Truth:
    """All changes in order, as etcd tells them."""

    def __init__(self) -> None:
        self.changes: list[tuple[int, str, State | None]] = []
        self._by_name: dict[str, tuple[list[int], list[State | None]]] = defaultdict(
            lambda: ([], [])
        )
        self.by_nonce: dict[str, list[tuple[int, str]]] = defaultdict(list)
        self.deletions: dict[str, int] = {}

    def add(self, revision: int, name: str, state: State | None) -> None:
        revisions, states = self._by_name[name]
        previous = states[-1] if states else None
        self.changes.append((revision, name, state))
        revisions.append(revision)
        states.append(state)
        if state is not None:
            self.by_nonce[state.nonce].append((revision, name))
        elif previous is not None:
            self.deletions[previous.uid] = revision

    @property
    def names(self) -> Iterable[str]:
        return list(self._by_name)

    def at(self, name: str, revision: int) -> State | None:
        """The state of a name as of a revision."""
        revisions, states = self._by_name[name]
        index = bisect_right(revisions, revision)
        return states[index - 1] if index else None

    def written_at(self, name: str, revision: int) -> State | None:
        """The state that was written exactly then."""
        revisions, states = self._by_name[name]
        index = bisect_left(revisions, revision)
        return states[index] if revisions[index : index + 1] == [revision] else None

    def stretches(self, name: str) -> Iterable[tuple[int, int, State | None]]:
        """Each state with the first revision it holds at and the last."""
        revisions, states = self._by_name[name]
        first, state = 0, None
        for revision, following in zip(revisions, states, strict=True):
            yield first, revision - 1, state
            first, state = revision, following
        yield first, 2**63, state

    def contents(self, revision: int, app: str = "") -> dict[str, State]:
        found = {name: self.at(name, revision) for name in self.names}
        return {n: s for n, s in found.items() if s is not None and app in ("", s.app)}

    def between(self, after: int, until: int) -> Sequence[tuple[int, str, State | None]]:
        first = bisect_right(self.changes, after, key=lambda change: change[0])
        last = bisect_right(self.changes, until, key=lambda change: change[0])
        return self.changes[first:last]


@dataclass(slots=True)
class Call:
    """`verb` is create, update, patch, delete, get, list. `revision` is what the answer said:
    of the object, or of the list. `told` is the object, or None; `listed` the objects of a list.
    `expected` is the revision an update asked for. `fresh` marks reads that must be current,
    `exact` a list that must be of that revision; `app` is its selector."""

    verb: str
    name: str
    began: float
    ended: float = 0.0
    outcome: str = UNKNOWN
    status: int = 0
    revision: int = 0
    nonce: str = ""
    uid: str = ""
    expected: int = 0
    told: State | None = None
    listed: dict[str, State] | None = None
    fresh: bool = True
    exact: int = 0
    app: str = ""


@dataclass(slots=True)
class Chain:
    """What a watcher of `app` ("" for all) saw: `state` at revision `start`, then the events.
    `complete_to` is a revision up to which it claims to have seen all."""

    app: str
    start: int
    state: dict[str, State]
    events: list[tuple[int, str, str, State]] = field(default_factory=list)
    complete_to: int = 0
    resumed: int = 0


@dataclass(slots=True)
class Record:
    calls: list[Call] = field(default_factory=list)
    chains: list[Chain] = field(default_factory=list)


def check(record: Record, truth: Truth) -> list[str]:
    """What is wrong, in words; empty when nothing is."""
    found = [*_check_writes(record, truth), *_check_order(record, truth)]
    for chain in record.chains:
        found += _check_chain(chain, truth)
    return found


# -- Writes --------------------------------------------------------------------------------


def _check_writes(record: Record, truth: Truth) -> Iterable[str]:
    issued = {call.nonce for call in record.calls if call.nonce}
    deleted: set[str] = set()
    for call in record.calls:
        where = truth.by_nonce.get(call.nonce, []) if call.nonce else []
        if len(where) > 1:
            yield f"written twice: {_show(call)} at {where}"
        if call.nonce and call.outcome == OK and where != [(call.revision, call.name)]:
            yield f"an acknowledged write is lost: {_show(call)}, etcd has {where}"
        if where and call.outcome not in (OK, UNKNOWN):
            yield f"a refused write happened: {_show(call)} at {where}"
        if call.verb == "delete" and call.outcome == OK:
            if call.uid in deleted:
                yield f"one object was deleted twice: {_show(call)}"
            if call.uid not in truth.deletions:
                yield f"an acknowledged deletion is lost: {_show(call)}"
            deleted.add(call.uid)
        if call.status and call.outcome == UNKNOWN and call.status not in (500, 504):
            yield f"an answer nobody expects: {_show(call)}"
    for revision, name, state in truth.changes:
        if state is not None and state.nonce not in issued:
            yield f"nobody wrote what {name} holds at {revision}: {state}"


# -- Order ---------------------------------------------------------------------------------


class _Times:
    """The earliest moment at which a revision may have come into being."""

    def __init__(self, record: Record, truth: Truth) -> None:
        began = {call.nonce: call.began for call in record.calls if call.nonce}
        self._revisions: list[int] = []
        self._earliest: list[float] = []
        latest = float("-inf")
        for revision, _, state in truth.changes:
            if state is not None:
                latest = max(latest, began.get(state.nonce, latest))
            self._revisions.append(revision)
            self._earliest.append(latest)

    def earliest(self, revision: int) -> float:
        index = bisect_right(self._revisions, revision)
        return self._earliest[index - 1] if index else float("-inf")


def _check_order(record: Record, truth: Truth) -> Iterable[str]:
    times = _Times(record, truth)
    calls = [call for call in record.calls if call.outcome not in (UNKNOWN, REFUSED)]
    moments = [(call.began, 0, n) for n, call in enumerate(calls)]
    moments += [(call.ended, 1, n) for n, call in enumerate(calls)]
    floors = [0] * len(calls)
    floor = 0
    for _, ends, number in sorted(moments):
        call = calls[number]
        if not ends:
            floors[number] = floor
            continue
        wrong = _check_contents(call, truth)
        if wrong:
            yield f"{wrong}: {_show(call)}"
            continue
        place = _place(call, floors[number], truth)
        if place is None:
            yield f"stale: {_show(call)}, yet {floors[number]} was known when it began"
        elif times.earliest(place) > call.ended:
            yield f"true only later, at {place}: {_show(call)}"
        elif call.fresh:
            floor = max(floor, place)


def _check_contents(call: Call, truth: Truth) -> str:
    """Whether an answer shows what was there at the revision it names."""
    if call.verb == "get" and call.outcome == OK:
        if truth.written_at(call.name, call.revision) != call.told:
            return "what was read was never written"
    elif call.listed is not None:
        if call.exact and call.revision != call.exact:
            return "another revision than asked for"
        if truth.contents(call.revision, call.app) != call.listed:
            return f"not the state at {call.revision}{_difference(call, truth)}"
    return ""


def _difference(call: Call, truth: Truth) -> str:
    there, listed = truth.contents(call.revision, call.app), call.listed or {}
    wrong = [name for name in there.keys() | listed.keys() if there.get(name) != listed.get(name)]
    return f" in {sorted(wrong)[:5]}"


def _place(call: Call, floor: int, truth: Truth) -> int | None:
    """The first revision, not before the floor, where the answer is true."""
    if not call.fresh or call.exact:
        return 0  # May be of any time that was.
    if call.verb == "list":
        return call.revision if call.revision >= floor else None
    if call.outcome == OK and call.verb == "delete":
        revision = truth.deletions.get(call.uid, 0)
        return revision if revision > floor else None
    if call.outcome == OK and call.verb != "get":
        return call.revision if call.revision > floor else None
    for first, last, state in truth.stretches(call.name):
        if last >= floor and _fits(call, first, state):
            return max(first, floor)
    return None


def _fits(call: Call, since: int, state: State | None) -> bool:
    if call.outcome == ABSENT:
        return state is None
    if call.outcome == EXISTS:
        return state is not None
    if call.outcome == CONFLICT:
        return state is None or since != call.expected
    return state is not None and since == call.revision


# -- Watches -------------------------------------------------------------------------------


def _check_chain(chain: Chain, truth: Truth) -> Iterable[str]:
    """Each change once, in order, as what it was; and a replay that is the list of the end."""
    there = truth.contents(chain.start, chain.app)
    if chain.state != there:
        yield f"a watch began with another state than that of {chain.start}"
        return
    end = max(chain.complete_to, chain.events[-1][0] if chain.events else 0)
    expected = list(_expected(chain, truth, end))
    for seen, wanted in zip(chain.events, expected, strict=False):
        if seen != wanted:
            yield f"a watch of app={chain.app or '*'} from {chain.start} saw {seen}, not {wanted}"
            return
    if len(chain.events) != len(expected):
        first = (chain.events + expected)[min(len(chain.events), len(expected))]
        lost = len(expected) - len(chain.events)
        yield f"a watch from {chain.start} to {end} lacks {lost} events, the first about {first}"


def _expected(chain: Chain, truth: Truth, end: int) -> Iterable[tuple[int, str, str, State]]:
    state = dict(chain.state)
    for revision, name, now in truth.between(chain.start, end):
        before = state.pop(name, None)
        if now is not None and chain.app in ("", now.app):
            state[name] = now
            yield revision, "MODIFIED" if before else "ADDED", name, now
        elif before is not None:
            yield revision, "DELETED", name, before


def _show(call: Call) -> str:
    at = f"@{call.revision}" if call.revision else ""
    status = f" ({call.status})" if call.status else ""
    return f"{call.verb} {call.name}{at} -> {call.outcome}{status}"
