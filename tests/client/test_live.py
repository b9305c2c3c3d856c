# SPDX-License-Identifier: Apache-2.0
"""The client against a running server: verbs, errors, informers, leaders, events."""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator

import objects
import pytest
from cluster import ControlPlane, eventually

from pyk8s.apimachinery import errors, meta
from pyk8s.client import discovery, events, kubeconfig, leaderelection, reflector, resources, rest
from pyk8s.client.client import APPLY_PATCH, Client, DeleteOptions, ListOptions, Patch, WatchOptions
from pyk8s.client.informer import SharedInformer


@pytest.fixture
async def client(control_plane: ControlPlane) -> AsyncIterator[Client]:
    connection = rest.RESTClient(kubeconfig.load(str(control_plane.kubeconfig)), qps=0)
    yield Client(connection)
    await connection.close()


async def test_verbs(client: Client, namespace: str) -> None:
    """An object's whole life, with the failures on its way."""
    obj = objects.configmap("a", one="1")
    created = await client.create(resources.CONFIGMAPS, obj, namespace)
    with pytest.raises(errors.StatusError) as again:
        await client.create(resources.CONFIGMAPS, obj, namespace)
    assert (again.value.code, again.value.reason) == (409, errors.ALREADY_EXISTS)
    await client.update(resources.CONFIGMAPS, {**created, "data": {"one": "2"}})
    with pytest.raises(errors.StatusError) as stale:
        await client.update(resources.CONFIGMAPS, {**created, "data": {"one": "3"}})
    assert stale.value.reason == errors.CONFLICT
    name = (namespace, "a")
    merged = await client.patch(resources.CONFIGMAPS, name, Patch(content={"data": {"two": "2"}}))
    assert merged["data"] == {"one": "2", "two": "2"}
    own = {"apiVersion": "v1", "kind": "ConfigMap", "data": {"three": "3"}}
    applied = Patch(content=own, type=APPLY_PATCH, field_manager="test", force=True)
    assert (await client.patch(resources.CONFIGMAPS, name, applied))["data"]["three"] == "3"
    with pytest.raises(errors.StatusError) as other:
        await client.delete(resources.CONFIGMAPS, "a", namespace, DeleteOptions(uid="other"))
    assert other.value.reason == errors.CONFLICT
    gone = await client.delete(
        resources.CONFIGMAPS, "a", namespace, DeleteOptions(uid=meta.uid(created))
    )
    assert gone["kind"] == "Status"
    with pytest.raises(errors.StatusError) as missing:
        await client.get(resources.CONFIGMAPS, "a", namespace)
    assert missing.value.message == 'configmaps "a" not found'


async def test_pages(client: Client, namespace: str) -> None:
    """All of it, in pages of one revision."""
    for number in range(7):
        await client.create(resources.CONFIGMAPS, objects.configmap(f"c{number}"), namespace)
    found = [
        [meta.name(item) for item in page["items"]]
        async for page in client.pages(resources.CONFIGMAPS, namespace, ListOptions(limit=3))
    ]
    assert found == [["c0", "c1", "c2"], ["c3", "c4", "c5"], ["c6"]]


async def test_watch(client: Client, namespace: str) -> None:
    """Events by iteration; a revision that is gone is an error with its reason."""
    before = await client.list(resources.CONFIGMAPS, namespace)
    options = WatchOptions(resource_version=meta.resource_version(before), timeout_seconds=1)
    async with await client.watch(resources.CONFIGMAPS, namespace, options) as stream:
        await client.create(resources.CONFIGMAPS, objects.configmap("a"), namespace)
        await client.delete(resources.CONFIGMAPS, "a", namespace)
        seen = [(event.type, meta.name(event.object)) async for event in stream]
    assert seen == [("ADDED", "a"), ("DELETED", "a")]


async def test_metadata_only(client: Client, namespace: str) -> None:
    """Names without contents."""
    await client.create(resources.CONFIGMAPS, objects.configmap("a", one="1"), namespace)
    obj = await client.get_metadata(resources.CONFIGMAPS, "a", namespace)
    assert (obj["kind"], meta.name(obj), "data" in obj) == ("PartialObjectMetadata", "a", False)


async def test_discovery_has_every_resource_once(client: Client) -> None:
    """Aggregated and older documents tell the same."""
    aggregated = await discovery.preferred_resources(client)
    assert not aggregated.failed
    found = {resource.gvr: resource for resource in aggregated.resources}
    assert found[resources.PODS].kind == "Pod"
    assert found[resources.PODS].namespaced
    assert {"list", "watch", "deletecollection"} <= found[resources.PODS].verbs
    assert len({gvr.group_resource for gvr in found}) == len(found) == len(aggregated.resources)
    legacy = await discovery._legacy(client, await client.get_path("/apis"), {})
    grouped = {r.gvr: r for r in aggregated.resources if r.gvr.group}
    assert {r.gvr: r for r in legacy} == grouped


@pytest.mark.parametrize("watch_list", [pytest.param(True, id="WatchList"), False])
async def test_informer(client: Client, namespace: str, watch_list: bool) -> None:
    """It holds what the server holds, after writes of every kind."""
    source = reflector.ResourceListWatcher(
        client=client, resource=resources.CONFIGMAPS, namespace=namespace
    )
    for number in range(20):
        await client.create(resources.CONFIGMAPS, objects.configmap(f"c{number}"), namespace)
    informer = SharedInformer(source)
    informer._reflector._uses_watch_list = watch_list
    task = asyncio.ensure_future(informer.run())
    await informer.wait_until_synced()
    assert len(informer.indexer) == 20
    for number in range(20):
        if number % 2:
            await client.delete(resources.CONFIGMAPS, f"c{number}", namespace)
        else:
            change = Patch(content={"data": {"n": str(number)}})
            await client.patch(resources.CONFIGMAPS, (namespace, f"c{number}"), change)
    listed = await client.list(resources.CONFIGMAPS, namespace)
    wanted = {meta.namespaced_name(o): meta.resource_version(o) for o in listed["items"]}

    def held() -> dict:
        return {key: meta.resource_version(informer.indexer.get(key)) for key in informer.indexer}

    await eventually(lambda: held() == wanted, "the cache is the server's state")
    task.cancel()
    await asyncio.wait({task})


async def test_server_that_is_not_there() -> None:
    """A refused connection is told at once, as no answer."""
    connection = rest.RESTClient(kubeconfig.ClientConfig(server="http://127.0.0.1:1"), qps=0)
    with pytest.raises(rest.ServerUnreachable, match="GET /api/v1/namespaces/default/pods/a"):
        await Client(connection).get(resources.PODS, "a", "default")
    told = {family.name: family.samples for family in connection.metrics.collect()}
    assert told["rest_client_requests_total"] == [(("<error>", "GET", "127.0.0.1:1"), 1)]
    await connection.close()


async def test_asked_to_come_back() -> None:
    """429 with Retry-After is tried again, a body that is no Status becomes an error."""
    answers = [
        b"HTTP/1.1 429 Too Many Requests\r\nRetry-After: 0\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 0\r\nContent-Length: 0\r\n\r\n",
        b'HTTP/1.1 200 OK\r\nContent-Length: 14\r\n\r\n{"kind":"Pod"}',
        b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 4\r\n\r\nbusy",
    ]

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError):
            while answers:
                await reader.readuntil(b"\r\n\r\n")
                writer.write(answers.pop(0))
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    connection = rest.RESTClient(kubeconfig.ClientConfig(server=f"http://127.0.0.1:{port}"))
    client = Client(connection)
    assert await client.get(resources.PODS, "a", "ns") == {"kind": "Pod"}
    with pytest.raises(errors.StatusError) as failed:
        await client.get(resources.PODS, "a", "ns")
    assert (failed.value.code, failed.value.reason) == (503, errors.SERVICE_UNAVAILABLE)
    assert failed.value.message.endswith(": busy")
    told = {family.name: family.samples for family in connection.metrics.collect()}
    host = f"127.0.0.1:{port}"
    assert sorted(told["rest_client_requests_total"]) == [
        (("200", "GET", host), 1), (("429", "GET", host), 1), (("503", "GET", host), 2)
    ]  # fmt: skip
    assert sorted(told["rest_client_request_retries_total"]) == [
        (("429", "GET", host), 1), (("503", "GET", host), 1)
    ]  # fmt: skip
    (whole,) = told["rest_client_request_duration_seconds"]
    assert (whole.labels, whole.value.count) == (("GET", host), 2)
    (waited,) = told["rest_client_rate_limiter_duration_seconds"]
    assert waited.value.count == 4
    await connection.close()
    server.close()
    await server.wait_closed()


class Wire:
    """A server that answers each request with the next of these bytes, and then hangs up; what
    it was asked is kept."""

    def __init__(self, *answers: bytes) -> None:
        self._answers = [*answers]
        self.asked: list[str] = []

    async def __aenter__(self) -> Client:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        port = self._server.sockets[0].getsockname()[1]
        self._rest = rest.RESTClient(
            kubeconfig.ClientConfig(server=f"http://127.0.0.1:{port}"), qps=0
        )
        return Client(self._rest)

    async def __aexit__(self, *_: object) -> None:
        await self._rest.close()
        self._server.close()
        await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError):
            while self._answers:
                head = await reader.readuntil(b"\r\n\r\n")
                self.asked.append(head.split(b" ", 1)[0].decode())
                lengths = re.findall(rb"(?i)content-length: (\d+)", head)
                await reader.readexactly(sum(map(int, lengths)))
                answer = self._answers.pop(0)
                if not answer:
                    break
                writer.write(answer)
        writer.close()


LATER = b"HTTP/1.1 429 Too Many Requests\r\nRetry-After: 0\r\nContent-Length: 0\r\n\r\n"
POD = b'HTTP/1.1 200 OK\r\nContent-Length: 14\r\n\r\n{"kind":"Pod"}'


async def test_watch_is_asked_to_come_back() -> None:
    """As any request is; half a line at the end of a stream is no event."""
    event = b'{"type":"ADDED","object":{"metadata":{"name":"a"}}}\n{"type":"ADD'
    stream = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(event) + event
    wire = Wire(LATER, LATER, stream)
    async with wire as client, await client.watch(resources.PODS, "ns", WatchOptions()) as events:
        assert [meta.name(each.object) async for each in events] == ["a"]
    assert wire.asked == ["GET"] * 3


async def test_nobody_is_asked_for_ever() -> None:
    """Ten times more, then the refusal is the answer."""
    wire = Wire(*[LATER] * 20)
    async with wire as client:
        with pytest.raises(errors.StatusError) as refused:
            await client.get(resources.PODS, "a", "ns")
    assert (refused.value.code, refused.value.reason) == (429, errors.TOO_MANY_REQUESTS)
    assert len(wire.asked) == 1 + rest.RETRIES_MAX


async def test_connection_that_breaks_under_a_read() -> None:
    """It is sent again, for reading twice harms nobody."""
    wire = Wire(b"", POD)
    async with wire as client:
        assert await client.get(resources.PODS, "a", "ns") == {"kind": "Pod"}
    assert wire.asked == ["GET", "GET"]


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
async def test_connection_that_breaks_under_a_write(method: str) -> None:
    """Whether it was carried out is not known, so it is not sent again, be the connection new or
    one that has served before."""
    pod = {"metadata": {"name": "a", "namespace": "ns"}}
    wire = Wire(POD, b"", POD)
    async with wire as client:
        writes = {
            "POST": lambda: client.create(resources.PODS, pod),
            "PUT": lambda: client.update(resources.PODS, pod),
            "DELETE": lambda: client.delete(resources.PODS, "a", "ns"),
            "PATCH": lambda: client.patch(resources.PODS, ("ns", "a"), Patch(content={})),
        }
        await client.get(resources.PODS, "a", "ns")
        with pytest.raises(rest.ServerUnreachable):
            await writes[method]()
    assert wire.asked == ["GET", method]


async def test_write_that_was_refused_is_sent_again() -> None:
    """The server said that it did nothing."""
    wire = Wire(LATER, POD)
    async with wire as client:
        assert await client.create(resources.PODS, {"metadata": {"name": "a"}}, "ns")
    assert wire.asked == ["POST", "POST"]


# --- leaders


async def test_one_leader_and_a_successor(client: Client, namespace: str) -> None:
    """Of three candidates one leads; when it goes, it gives the Lease back and another does."""
    leading: list[str] = []

    async def candidate(identity: str) -> None:
        options = leaderelection.Options(
            namespace=namespace, name="leader", identity=identity, lease_duration_seconds=60,
            renew_deadline_seconds=1.0, retry_period_seconds=0.05,
        )  # fmt: skip

        async def lead() -> None:
            leading.append(identity)
            await asyncio.Event().wait()

        await leaderelection.LeaderElector(client, options).run(lead)

    tasks = {name: asyncio.ensure_future(candidate(name)) for name in "abc"}
    for count in (1, 2, 3):
        await eventually(lambda: len(leading) >= count, "there is a leader")  # noqa: B023
        await asyncio.sleep(0.3)
        assert len(leading) == count
        lease = await client.get(resources.LEASES, "leader", namespace)
        assert lease["spec"]["holderIdentity"] == leading[-1]
        tasks[leading[-1]].cancel()
        await asyncio.wait({tasks[leading[-1]]})
    assert sorted(leading) == ["a", "b", "c"]


async def test_leader_whose_lease_was_taken_stops(client: Client, namespace: str) -> None:
    """Its work is cancelled and it says so."""
    options = leaderelection.Options(
        namespace=namespace, name="taken", identity="me",
        renew_deadline_seconds=0.5, retry_period_seconds=0.05,
    )  # fmt: skip
    begun, ended = asyncio.Event(), asyncio.Event()

    async def lead() -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    elector = leaderelection.LeaderElector(client, options)
    running = asyncio.ensure_future(elector.run(lead))
    await begun.wait()
    thief = {"spec": {"holderIdentity": "thief", "leaseDurationSeconds": 60}}
    await client.patch(resources.LEASES, (namespace, "taken"), Patch(content=thief))
    async with asyncio.timeout(10):
        with pytest.raises(leaderelection.LeadershipLost):
            await running
    assert ended.is_set()
    lease = await client.get(resources.LEASES, "taken", namespace)
    assert lease["spec"]["holderIdentity"] == "thief"


# --- events


async def test_events_are_counted_and_combined(client: Client, namespace: str) -> None:
    """The same news again is a count; many of one reason become one that says so."""
    about = await client.create(resources.CONFIGMAPS, objects.configmap("a"), namespace)
    recorder = events.EventRecorder(client, "tester")
    for _ in range(3):
        recorder.event(about, events.NORMAL, "Same", "it happened")
    for number in range(13):
        recorder.event(about, events.WARNING, "Various", f"failure {number}")
    await recorder.drain(10)
    listed = (await client.list(resources.EVENTS, namespace))["items"]
    same = [event for event in listed if event["reason"] == "Same"]
    assert [(event["count"], event["message"]) for event in same] == [(3, "it happened")]
    assert same[0]["involvedObject"]["uid"] == meta.uid(about)
    various = [event for event in listed if event["reason"] == "Various"]
    assert len(various) == 11
    combined = [event for event in various if event["message"].startswith("(combined from")]
    assert [(event["count"], event["type"]) for event in combined] == [(3, "Warning")]


async def test_who_talks_too_much_is_not_heard(client: Client, namespace: str) -> None:
    """25 events about one object at once are enough."""
    about = await client.create(resources.CONFIGMAPS, objects.configmap("a"), namespace)
    recorder = events.EventRecorder(client, "tester")
    for _ in range(40):
        recorder.event(about, events.NORMAL, "Same", "it happened")
    await recorder.drain(10)
    (event,) = (await client.list(resources.EVENTS, namespace))["items"]
    assert event["count"] == 25
