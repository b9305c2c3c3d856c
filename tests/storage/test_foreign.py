# SPDX-License-Identifier: Apache-2.0
"""Values in etcd that this server did not write."""

from __future__ import annotations

import pytest

from pyk8s.storage import errors

BUILT_IN = (
    b'{"kind":"Pod","apiVersion":"v1","metadata":{"name":"a","namespace":"default",'
    b'"uid":"u","creationTimestamp":"2024-01-01T00:00:00Z"},"spec":{"x":"\\u003cb\\u003e"}}\n'
)
CUSTOM = (
    b'{"apiVersion":"example.com/v1","kind":"Foo","metadata":{"annotations":{},"name":"a",'
    b'"namespace":"default"},"spec":{"replicas":1}}\n'
)
SPACED = b'{ "metadata": {"resourceVersion": "5", "name": "a"}, "kind": "Foo", "apiVersion": "v1" }'
INVOLVED = (
    b'{"kind":"Event","apiVersion":"v1","metadata":{"name":"a"},'
    b'"involvedObject":{"resourceVersion":"0"}}'
)
# TypeMeta, then a Pod with its metadata's name and namespace, then two empty texts.
PROTOBUF = (
    b"k8s\x00\x0a\x09\x0a\x02v1\x12\x03Pod"
    b"\x12\x10\x0a\x0e\x0a\x01a\x1a\x07default\x32\x00\x1a\x00\x22\x00"
)
TORN_PROTOBUF = PROTOBUF[:-8]


async def put(near_pods, name, value, revision=0):
    result = await near_pods.backend._keyspace.put_if(near_pods.key(name), value, revision=revision)
    assert result.revision
    return result.revision


@pytest.mark.parametrize(
    "value",
    [
        pytest.param(BUILT_IN, id="built-in"),
        pytest.param(CUSTOM, id="custom"),
        pytest.param(SPACED, id="other-order"),
        pytest.param(INVOLVED, id="resourceVersion-elsewhere"),
        pytest.param(PROTOBUF, id="protobuf"),
    ],
)
async def test_json_of_another_writer_is_read(pods, near_pods, value):
    """Whatever the order of keys, the object is shown with the revision of its write, once."""
    watch = await pods.watch()
    revision = await put(near_pods, "a", value)
    shown = (await watch.event()).item
    watch.close()
    got, listed = await pods.get("a"), (await pods.list()).items[0]
    for item in (shown, got, listed):
        assert item.object()["metadata"]["resourceVersion"] == str(revision)
        assert item.data.count(b'"resourceVersion":"%d"' % revision) == 1
        assert item.data.startswith((b'{"kind":', b'{"apiVersion":'))
        assert item.data == got.data


async def test_protobuf_becomes_json(pods, near_pods):
    """What a kube-apiserver stored is shown as if it had been stored as JSON, and is JSON once
    it is written again."""
    await put(near_pods, "a", PROTOBUF)
    shown = (await pods.get("a")).object()
    assert shown["metadata"].pop("resourceVersion")
    assert shown == {
        "kind": "Pod",
        "apiVersion": "v1",
        "metadata": {"name": "a", "namespace": "default"},
        "spec": {"containers": []},
        "status": {},
    }
    await pods.relabel("a", x="y")
    stored, _ = await near_pods.backend._keyspace.get(near_pods.key("a"))
    assert stored.value.startswith(b'{"kind":"Pod"')


async def test_another_writers_object_can_be_updated_and_deleted(pods, near_pods):
    """An update starts from the other server's JSON; one that changes nothing writes nothing."""
    revision = await put(near_pods, "a", BUILT_IN)
    assert (await pods.update("a", lambda obj: None)).revision == revision
    updated = await pods.relabel("a", x="y")
    assert updated.object()["spec"] == {"x": "<b>"}
    deleted = await pods.delete("a")
    assert deleted.object()["metadata"]["labels"] == {"x": "y"}


@pytest.mark.parametrize(
    ("value", "message"),
    [
        pytest.param(TORN_PROTOBUF, "cannot be read: unexpected EOF", id="torn-protobuf"),
        pytest.param(b"{", "cannot be read", id="torn"),
        pytest.param(b"[]", "cannot be read", id="not-an-object"),
        pytest.param(b'{"kind":"Pod","apiVersion":"v1"}', "cannot be read", id="no-metadata"),
    ],
)
async def test_an_unreadable_value_is_named(pods, near_pods, value, message):
    """get and list raise Corrupt naming the key; other namespaces are served; once the value is
    gone all is well."""
    await pods.create("fine")
    await pods.create("b", "other")
    revision = await put(near_pods, "a", value)
    for attempt in (pods.get("a"), pods.list(), pods.list("default")):
        with pytest.raises(errors.Corrupt, match=message) as caught:
            await attempt
        assert caught.value.key == pods.key("a")
    assert pods.names((await pods.list("other")).items) == ["b"]
    await near_pods.backend._keyspace.delete_if(pods.key("a"), revision=revision)
    assert pods.names((await pods.list("default")).items) == ["fine"]
    await pods.create("a")


async def test_an_unreadable_value_ends_watches(cached_pods, near_pods):
    """A change that cannot be read cannot be told: watches end, and resuming is refused."""
    start = await cached_pods.create("fine")
    watch = await cached_pods.watch()
    await put(near_pods, "a", TORN_PROTOBUF)
    assert await watch.ended()
    with pytest.raises(errors.ResourceExpired):
        await cached_pods.watch(version=str(start.revision))


@pytest.mark.parametrize(
    ("labels", "spec"),
    [
        pytest.param(b"{}", b"[]", id="indexed-field"),
        pytest.param(b'{"app":5}', b"{}", id="label"),
        pytest.param(b'["app"]', b"{}", id="labels"),
    ],
)
async def test_an_object_of_the_wrong_shape_is_corrupt(cached_pods, near_pods, labels, spec):
    """What selectors cannot read ends watches that select, and fails such lists; the cache goes
    on."""
    watch = await cached_pods.watch(selector="app=x")
    value = b'{"kind":"Pod","apiVersion":"v1","metadata":{"labels":%b},"spec":%b}' % (labels, spec)
    await put(near_pods, "a", value)
    assert await watch.ended()
    with pytest.raises(errors.Corrupt, match="cannot be read"):
        await cached_pods.list(selector="app=x")
    await cached_pods.create("b", "other", labels={"app": "x"})
    assert cached_pods.names((await cached_pods.list("other", selector="app=x")).items) == ["b"]


async def test_keys_of_other_programs_are_passed_over(cached_pods, near_pods):
    """Writes under unknown prefixes move the revision on, and nothing else."""
    key = near_pods.key("x").replace("/pods/", "/unknown/")
    result = await near_pods.backend._keyspace.put_if(key, b"\xff", revision=0)
    listed = await cached_pods.list()
    assert list(listed.items) == []
    assert listed.revision >= result.revision
