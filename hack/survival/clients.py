# SPDX-License-Identifier: Apache-2.0
"""Writers, readers and watchers over a few contended ConfigMaps, noting all they do and see."""

from __future__ import annotations

import asyncio
import itertools
import json
import random
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from hack.survival import history, wire
from hack.survival.history import Call, Chain, Record

NAMESPACE = "survival"
PATH = f"/api/v1/namespaces/{NAMESPACE}/configmaps"
KEY_PREFIX = f"/registry/configmaps/{NAMESPACE}/"
OBJECTS = 24
# Written last; who has seen it has seen all.
END = "the-end"
END_NONCE = "end"

_PAUSE_SECONDS = 0.05
_FILLER = "x" * 400

_OUTCOMES = {404: history.ABSENT, 410: history.REFUSED, 503: history.REFUSED}


@dataclass(slots=True)
class Load:
    """What runs against these servers, and what it notes. `stop` ends writers and readers."""

    servers: Sequence[wire.Server]
    record: Record = field(default_factory=Record)
    stop: asyncio.Event = field(default_factory=asyncio.Event)
    nonces: Any = field(default_factory=itertools.count)
    # Up to which revision the oracle has heard of.
    heard: Callable[[], int] = lambda: 0
    until_heard: Callable[[int], Awaitable[None]] | None = None
    # Counts for the report: answers by status, watches resumed, lists after a 410.
    counts: dict[str, int] = field(default_factory=dict)

    def count(self, what: str) -> None:
        self.counts[what] = self.counts.get(what, 0) + 1


class Client:
    """One connection, opened again when it breaks, each time to any of the servers."""

    def __init__(self, load: Load, seed: int) -> None:
        self.load = load
        self.chance = random.Random(seed)
        self._connection: wire.Connection | None = None

    async def connection(self) -> wire.Connection:
        if self._connection is None:
            server = self.chance.choice(self.load.servers)
            self._connection = await wire.Connection.open(server)
        return self._connection

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    async def call(self, call: Call, method: str, path: str, **request: Any) -> wire.Answer | None:
        """Note a call and how it went; None where no answer came."""
        try:
            connection = await self.connection()
        except wire.Broken:
            await asyncio.sleep(_PAUSE_SECONDS)
            return None
        call.began = time.monotonic()
        self.load.record.calls.append(call)
        try:
            answer = await connection.request(method, path, **request)
        except wire.Broken:
            answer = None
            self.close()
        call.ended = time.monotonic()
        if answer is None:
            self.load.count("broken")
            return None
        call.status = answer.status
        self.load.count(str(answer.status))
        call.outcome = _outcome(call, answer)
        if answer.status >= 500:
            _check_status(answer)
            await asyncio.sleep(_PAUSE_SECONDS)
        return answer

    async def write(self, call: Call, method: str, path: str, **request: Any) -> None:
        answer = await self.call(call, method, path, **request)
        if answer is not None and call.outcome == history.OK:
            call.revision = history.revision_of(answer.json())


def _outcome(call: Call, answer: wire.Answer) -> str:
    if answer.status < 300:
        return history.OK
    if answer.status == 409:
        return history.EXISTS if call.verb == "create" else history.CONFLICT
    return _OUTCOMES.get(answer.status, history.UNKNOWN)


def _check_status(answer: wire.Answer) -> None:
    """Whatever goes wrong, it is told as a Status, and that coming back is worth while."""
    status = answer.json()
    assert status["kind"] == "Status", answer
    assert status["code"] == answer.status, answer
    assert status["reason"] == "Timeout" or "retry-after" in answer.headers, answer


def _configmap(name: str, nonce: str, app: str, **metadata: Any) -> dict[str, Any]:
    return {
        "kind": "ConfigMap",
        "apiVersion": "v1",
        "metadata": {"name": name, "labels": {"app": app}, **metadata},
        "data": {history.NONCE: nonce, "filler": _FILLER + nonce},
    }


async def write(load: Load, seed: int) -> None:
    """Creates, updates, patches, deletes and reads, one after the other, until stopped."""
    client = Client(load, seed)
    actions = (create, create, update, patch, patch, patch, delete, get, get, listed)
    while not load.stop.is_set():
        await client.chance.choice(actions)(client, f"o{client.chance.randrange(OBJECTS)}")
    client.close()


def _nonce(client: Client) -> str:
    return f"n{next(client.load.nonces)}"


async def create(client: Client, name: str) -> None:
    nonce = _nonce(client)
    body = _configmap(name, nonce, client.chance.choice("xy"))
    await client.write(Call("create", name, 0, nonce=nonce), "POST", PATH, body=body)


async def patch(client: Client, name: str) -> None:
    nonce = _nonce(client)
    body = _configmap(name, nonce, client.chance.choice("xy"))
    call = Call("patch", name, 0, nonce=nonce)
    kind = "merge-patch+json"
    await client.write(call, "PATCH", f"{PATH}/{name}", body=body, kind=kind)


async def update(client: Client, name: str) -> None:
    """Read, change, write on the condition that nobody else did."""
    read = await get(client, name)
    if read is None:
        return
    nonce, revision = _nonce(client), history.revision_of(read)
    body = _configmap(name, nonce, client.chance.choice("xy"), resourceVersion=str(revision))
    call = Call("update", name, 0, nonce=nonce, expected=revision)
    await client.write(call, "PUT", f"{PATH}/{name}", body=body)


async def delete(client: Client, name: str) -> None:
    call = Call("delete", name, 0)
    answer = await client.call(call, "DELETE", f"{PATH}/{name}")
    if answer is not None and call.outcome == history.OK:
        call.uid = answer.json()["details"]["uid"]


async def get(client: Client, name: str) -> dict[str, Any] | None:
    call = Call("get", name, 0, fresh=client.chance.random() < 0.8)
    path = f"{PATH}/{name}" + ("" if call.fresh else "?resourceVersion=0")
    answer = await client.call(call, "GET", path)
    if answer is None or call.outcome != history.OK:
        return None
    obj: dict[str, Any] = answer.json()
    call.revision, call.told = history.revision_of(obj), history.state_of(obj)
    return obj


async def listed(client: Client, name: str) -> None:
    """The whole list; or what is at hand; or what was just listed, once more."""
    app = client.chance.choice(("", "", "y"))
    call = Call("list", "*", 0, fresh=client.chance.random() < 0.7, app=app)
    query = f"?labelSelector={f'app%3D{app}' if app else ''}"
    await _list(client, call, PATH + query + ("" if call.fresh else "&resourceVersion=0"))
    if call.outcome == history.OK and client.chance.random() < 0.3:
        again = Call("list", "*", 0, exact=call.revision)
        query = f"?resourceVersion={call.revision}&resourceVersionMatch=Exact"
        await _list(client, again, PATH + query)


async def _list(client: Client, call: Call, path: str) -> None:
    answer = await client.call(call, "GET", path)
    if answer is not None and call.outcome == history.OK:
        body = answer.json()
        call.revision = history.revision_of(body)
        call.listed = _states(body["items"])


def _states(items: Sequence[dict[str, Any]]) -> dict[str, history.State]:
    return {item["metadata"]["name"]: history.state_of(item) for item in items}


async def page(load: Load, seed: int) -> None:
    """Lists in small pages, whatever is written meanwhile; the pages are of one revision."""
    client = Client(load, seed)
    while not load.stop.is_set():
        call = Call("list", "*", 0, fresh=False)
        items: list[dict[str, Any]] = []
        token = ""
        while True:
            query = f"?limit={client.chance.randrange(1, 6)}&continue={token}"
            answer = await client.call(Call("page", "*", 0, fresh=False), "GET", PATH + query)
            if answer is None or answer.status != 200:
                break
            body = answer.json()
            if call.revision not in (0, history.revision_of(body)):
                client.load.count("pages of two revisions")
            items += body["items"]
            token = body["metadata"].get("continue", "")
            call.revision = history.revision_of(body)
            if not token:
                call.outcome, call.listed = history.OK, _states(items)
                load.record.calls.append(call)
                break
            await asyncio.sleep(client.chance.random() * 0.05)
    client.close()


# -- Watchers ------------------------------------------------------------------------------


class Watcher:
    """List, watch, and come back where it was whenever a watch ends, until it saw the end.

    `app` selects by label. `reading_pause` makes it stop reading now and then, for so long.
    """

    def __init__(self, load: Load, seed: int, app: str = "", reading_pause: float = 0.0) -> None:
        self._load = load
        self._client = Client(load, seed)
        self._chance = random.Random(seed)
        self._pause = reading_pause
        self.app = app
        self.chain: Chain | None = None
        self.has_seen_end = False
        self.has_begun = asyncio.Event()

    async def run(self) -> None:
        while not self.has_seen_end:
            try:
                if self.chain is None:
                    await self._begin()
                else:
                    await self._watch(self.chain)
            except wire.Broken:
                self._client.close()
                await asyncio.sleep(_PAUSE_SECONDS)
        self._client.close()

    @property
    def _selector(self) -> str:
        return f"labelSelector=app%3D{self.app}" if self.app else ""

    async def _begin(self) -> None:
        if self._chance.random() < 0.5:
            await self._begin_by_watching()
            return
        connection = await self._client.connection()
        answer = await connection.request("GET", f"{PATH}?{self._selector}")
        if answer.status != 200:
            self._load.count(f"list {answer.status}")
            await asyncio.sleep(_PAUSE_SECONDS)
            return
        body = answer.json()
        self._start_chain(history.revision_of(body), _states(body["items"]))

    async def _begin_by_watching(self) -> None:
        """A watch that tells the state first, and by a bookmark when that was all."""
        query = "watch=1&sendInitialEvents=true&resourceVersionMatch=NotOlderThan"
        path = f"{PATH}?{query}&allowWatchBookmarks=true&{self._selector}"
        connection = await self._client.connection()
        status, lines = await connection.stream(path)
        state: dict[str, history.State] = {}
        if status == 200:
            self._load.count("watch lists")
            async for line in lines:
                event = json.loads(line)
                if event["type"] == "ADDED":
                    name = event["object"]["metadata"]["name"]
                    state[name] = history.state_of(event["object"])
                    continue
                if event["type"] == "BOOKMARK":
                    self._start_chain(history.revision_of(event["object"]), state)
                break
        self._client.close()
        if self.chain is None:
            await asyncio.sleep(_PAUSE_SECONDS)

    def _start_chain(self, revision: int, state: dict[str, history.State]) -> None:
        self.chain = Chain(self.app, revision, state, complete_to=revision)
        self._load.record.chains.append(self.chain)
        self.has_seen_end = END in state
        self.has_begun.set()

    async def _watch(self, chain: Chain) -> None:
        last = max(chain.complete_to, chain.events[-1][0] if chain.events else 0)
        query = f"watch=1&allowWatchBookmarks=true&resourceVersion={last}&{self._selector}"
        connection = await self._client.connection()
        status, lines = await connection.stream(f"{PATH}?{query}")
        if status != 200:
            self._load.count(f"watch {status}")
            self._client.close()
            await asyncio.sleep(_PAUSE_SECONDS)
            return
        chain.resumed += 1
        self._load.count("watches")
        leave_after = self._chance.randrange(50, 1500)
        async for line in lines:
            if line and not self._take(chain, json.loads(line)):
                break
            leave_after -= 1
            if self.has_seen_end or not leave_after:
                break
            # Once nothing is written any more it reads on: thousands of events may be left.
            rests = self._pause and not self._load.stop.is_set()
            if rests and self._chance.random() < 0.01:
                await asyncio.sleep(self._pause)
        self._client.close()

    def _take(self, chain: Chain, event: dict[str, Any]) -> bool:
        """False when the watch is over."""
        kind, obj = event["type"], event["object"]
        if kind == "ERROR":
            self._load.count(f"watch {obj['code']}")
            if obj["code"] == 410:
                self.chain = None
            return False
        revision = history.revision_of(obj)
        if kind == "BOOKMARK":
            chain.complete_to = max(chain.complete_to, revision)
            return True
        name = obj["metadata"]["name"]
        chain.events.append((revision, kind, name, history.state_of(obj)))
        self._load.count("events")
        self.has_seen_end = name == END
        return True
