# SPDX-License-Identifier: Apache-2.0
"""The storage contract: get, list, count, and what resourceVersion means to them."""

from __future__ import annotations

import asyncio
import base64
import json

import pytest

from pyk8s.storage import errors

FUTURE = str(2**62)


def token(**values):
    return base64.urlsafe_b64encode(json.dumps(values).encode()).decode().rstrip("=")


async def test_get_of_a_missing_key_raises(pods):
    """get raises KeyNotFound naming the key."""
    with pytest.raises(errors.KeyNotFound) as caught:
        await pods.get("a")
    assert caught.value.key == pods.key("a")


async def test_get_sees_every_acknowledged_write(pods):
    """A get without resourceVersion is linearizable: right after a write it shows that write."""
    await pods.create("a")
    for n in range(30):
        written = await pods.relabel("a", n=str(n))
        assert (await pods.get("a")).revision == written.revision


@pytest.mark.parametrize("version", ["", "0", "1"])
async def test_get_accepts_every_kind_of_resource_version(pods, version):
    """ "" is fresh, 0 and N are satisfied by what is there."""
    item = await pods.create("a")
    await pods.settle()
    assert (await pods.get("a", version=version)).data == item.data


async def test_get_not_older_than_a_write(pods):
    """N shows at least the write of revision N."""
    item = await pods.create("a")
    assert (await pods.get("a", version=str(item.revision))).revision == item.revision


@pytest.mark.parametrize("version", ["x", "-1", "1.5", "0x1", "99999999999999999999999"])
async def test_an_unreadable_resource_version_is_refused(pods, version):
    """What is not an unsigned 64 bit decimal raises InvalidToken with Go's words."""
    with pytest.raises(errors.InvalidToken, match=r"strconv\.ParseUint: parsing"):
        await pods.get("a", version=version)
    with pytest.raises(errors.InvalidToken, match="invalid resource version: resourceVersion"):
        await pods.list(resource_version=version)
    with pytest.raises(errors.InvalidToken, match="resourceVersion: Invalid value"):
        await pods.watch(version=version)


async def test_list_is_empty_without_objects(pods):
    """An empty list has no items, a revision, and no continue token."""
    result = await pods.list()
    assert list(result.items) == []
    assert result.revision > 0
    assert result.continue_token == ""
    assert result.remaining is None


async def test_list_in_key_order(pods):
    """Items come in order of their keys, in which `a-b/` precedes `a/`."""
    for namespace, name in [("b", "1"), ("a", "2"), ("a-b", "3"), ("a", "1"), ("ab", "0")]:
        await pods.create(name, namespace)
    listed = [item.key for item in (await pods.list()).items]
    wanted = [("a-b", "3"), ("a", "1"), ("a", "2"), ("ab", "0"), ("b", "1")]
    assert listed == [pods.key(name, namespace) for namespace, name in wanted]


async def test_list_of_one_namespace(pods):
    """A namespace is taken whole: `a` does not mean `ab`."""
    for namespace in ("a", "ab", "b"):
        await pods.create("x", namespace)
    assert [item.key for item in (await pods.list("a")).items] == [pods.key("x", "a")]
    assert list((await pods.list("none")).items) == []


async def test_list_follows_changes(pods):
    """Lists between writes show objects that came, changed, and went, and came again."""
    for name in "cab":
        await pods.create(name)
    assert pods.names((await pods.list()).items) == ["a", "b", "c"]
    await pods.delete("b")
    assert pods.names((await pods.list()).items) == ["a", "c"]
    await pods.create("b")
    await pods.create("aa")
    await pods.delete("a")
    assert pods.names((await pods.list()).items) == ["aa", "b", "c"]


async def test_list_by_labels_and_fields(pods):
    """Selectors pick by labels, by fields, and by both."""
    await pods.create("a", node="n1", labels={"app": "x"})
    await pods.create("b", node="n2", labels={"app": "x"})
    await pods.create("c", node="n1")
    assert pods.names((await pods.list(selector="app=x")).items) == ["a", "b"]
    assert pods.names((await pods.list(fields="spec.nodeName=n1")).items) == ["a", "c"]
    both = await pods.list(selector="app", fields="spec.nodeName=n1")
    assert pods.names(both.items) == ["a"]
    assert pods.names((await pods.list(fields="spec.nodeName!=n1")).items) == ["b"]


async def test_list_by_an_indexed_field_follows_changes(pods):
    """Objects move from one value of an indexed field to another."""
    for name in "ab":
        await pods.create(name)
    await pods.bind("a", "n1")
    await pods.bind("b", "n1")
    assert pods.names((await pods.list(fields="spec.nodeName=n1")).items) == ["a", "b"]
    await pods.bind("a", "n2")
    await pods.delete("b")
    assert pods.names((await pods.list(fields="spec.nodeName=n1")).items) == []
    assert pods.names((await pods.list(fields="spec.nodeName=n2")).items) == ["a"]
    assert pods.names((await pods.list(fields="spec.nodeName=")).items) == []


async def test_list_by_an_indexed_field_within_a_namespace(pods):
    """Index and namespace together select the objects that satisfy both."""
    await pods.create("a", "one", node="n1")
    await pods.create("b", "two", node="n1")
    assert pods.names((await pods.list("two", fields="spec.nodeName=n1")).items) == ["b"]


async def test_list_by_name(pods):
    """metadata.name picks one object of a namespace, or those of that name in all."""
    for namespace in ("one", "two"):
        await pods.create("a", namespace)
        await pods.create("b", namespace)
    assert pods.names((await pods.list("one", fields="metadata.name=a")).items) == ["a"]
    assert pods.names((await pods.list("one", fields="metadata.name=c")).items) == []
    assert len((await pods.list(fields="metadata.name=a")).items) == 2
    not_there = "metadata.name=a,metadata.namespace=two"
    assert pods.names((await pods.list("one", fields=not_there)).items) == []


async def test_list_revision_covers_all_items(pods):
    """The list's revision is at least that of its newest item, and of writes before it."""
    last = [await pods.create(name) for name in "abc"][-1]
    result = await pods.list()
    assert result.revision >= last.revision


async def test_linearizable_lists_under_writes(pods):
    """A list begun after a write was acknowledged contains it, whatever else goes on."""

    async def write_and_list(worker):
        for n in range(10):
            name = f"w{worker}-{n}"
            await pods.create(name)
            assert name in pods.names((await pods.list()).items)

    await asyncio.gather(*(write_and_list(worker) for worker in range(4)))


async def test_list_at_an_exact_revision(pods):
    """Exact shows the state of that revision, also after changes and deletions."""
    await pods.create("a")
    before = await pods.create("b")
    await pods.relabel("a", x="y")
    await pods.delete("b")
    version = str(before.revision)
    result = await pods.list(resource_version=version, resource_version_match="Exact")
    assert pods.names(result.items) == ["a", "b"]
    assert result.revision == before.revision
    assert "labels" not in result.items[0].object()["metadata"]


async def test_list_with_a_limit_at_a_revision_is_exact(pods):
    """Upstream's legacy rule: limit and resourceVersion N mean exactly N."""
    before = await pods.create("a")
    await pods.create("b")
    result = await pods.list(resource_version=str(before.revision), limit=10)
    assert pods.names(result.items) == ["a"]
    assert result.revision == before.revision


async def test_list_not_older_than(pods):
    """N without a limit shows the newest state, if that is not older."""
    before = await pods.create("a")
    await pods.create("b")
    await pods.settle()
    for options in ({}, {"resource_version_match": "NotOlderThan", "limit": 10}):
        result = await pods.list(resource_version=str(before.revision), **options)
        assert pods.names(result.items) == ["a", "b"]


async def test_list_of_what_is_at_hand_is_not_limited(pods):
    """resourceVersion 0 answers whole, limit or not, as upstream's watch cache does."""
    for name in "abc":
        await pods.create(name)
    await pods.settle()
    result = await pods.list(resource_version="0", limit=1)
    assert pods.names(result.items) == ["a", "b", "c"]
    assert result.continue_token == ""


@pytest.mark.usefixtures("impatient")
async def test_a_future_revision_is_too_large(pods):
    """get and list from a revision that does not come raise TooLargeRevision, after a while."""
    await pods.create("a")
    results = await asyncio.gather(
        pods.get("a", version=FUTURE),
        pods.list(resource_version=FUTURE),
        pods.list(resource_version=FUTURE, resource_version_match="Exact"),
        pods.list(resource_version=FUTURE, limit=1),
        return_exceptions=True,
    )
    for result in results:
        assert isinstance(result, errors.TooLargeRevision)
        assert str(result).startswith(f"Too large resource version: {FUTURE}, current: ")


async def test_an_unknown_match_is_refused(pods):
    """resourceVersionMatch is Exact, NotOlderThan or empty."""
    with pytest.raises(errors.InvalidToken, match="unknown ResourceVersionMatch value: Nearly"):
        await pods.list(resource_version="1", resource_version_match="Nearly")


async def page_through(pods, limit, **options):
    pages = [await pods.list(limit=limit, **options)]
    while pages[-1].continue_token:
        token = pages[-1].continue_token
        pages.append(await pods.list(limit=limit, continue_token=token, **options))
    return pages


async def test_paging_yields_everything_once(pods):
    """Pages together are the list, in order, all at one revision."""
    for n in range(7):
        await pods.create(f"p{n}", f"ns{n % 2}")
    pages = await page_through(pods, 3)
    whole = await pods.list()
    assert [item.data for page in pages for item in page.items] == [i.data for i in whole.items]
    assert [len(page.items) for page in pages] == [3, 3, 1]
    assert len({page.revision for page in pages}) == 1


async def test_remaining_items_are_counted(pods):
    """remaining says how many objects follow; None on the last page and with a selector."""
    for n in range(5):
        await pods.create(f"p{n}", labels={"app": "x"})
    pages = await page_through(pods, 2)
    assert [page.remaining for page in pages] == [3, 1, None]
    assert (await pods.list(limit=2, selector="app=x")).remaining is None


async def test_a_limit_that_just_fits_has_no_next_page(pods):
    """As many objects as the limit: no token."""
    for name in "ab":
        await pods.create(name)
    assert (await pods.list(limit=2)).continue_token == ""


async def test_pages_do_not_see_later_changes(pods):
    """Between pages objects are made, changed and deleted: the list stays that of its start."""
    for n in range(6):
        await pods.create(f"p{n}")
    first = await pods.list(limit=2)
    await pods.delete("p3")
    await pods.relabel("p4", late="yes")
    await pods.create("p2a")
    rest = await pods.list(continue_token=first.continue_token)
    assert pods.names(rest.items) == ["p2", "p3", "p4", "p5"]
    assert "labels" not in rest.items[2].object()["metadata"]
    assert rest.revision == first.revision


async def test_paging_with_a_selector(pods):
    """Pages fill up with what matches, however sparse that is."""
    for n in range(40):
        await pods.create(f"p{n:02}", labels={"app": "x" if n % 13 == 0 else "y"})
    pages = await page_through(pods, 2, selector="app=x")
    found = [name for page in pages for name in pods.names(page.items)]
    assert found == ["p00", "p13", "p26", "p39"]
    assert len(pages[0].items) == 2


async def test_paging_in_a_namespace(pods):
    """Pages of one namespace do not run into the next."""
    for namespace in ("a", "b"):
        for n in range(3):
            await pods.create(f"p{n}", namespace)
    pages = await page_through(pods, 2, namespace="a")
    assert [item.key for page in pages for item in page.items] == [
        pods.key(f"p{n}", "a") for n in range(3)
    ]


async def test_a_continue_token_has_upstreams_form(pods):
    """base64url of version, revision, and the key after the last, without padding."""
    for name in "abc":
        await pods.create(name)
    page = await pods.list(limit=2)
    raw = page.continue_token + "=" * (-len(page.continue_token) % 4)
    assert json.loads(base64.urlsafe_b64decode(raw)) == {
        "v": "meta.k8s.io/v1",
        "rv": page.revision,
        "start": "default/b\0",
    }
    namespaced = await pods.list("default", limit=2)
    raw = namespaced.continue_token + "=" * (-len(namespaced.continue_token) % 4)
    assert json.loads(base64.urlsafe_b64decode(raw))["start"] == "b\0"


@pytest.mark.parametrize(
    ("value", "message"),
    [
        pytest.param("!!!", "continue key is not valid: ", id="not-base64"),
        pytest.param("YWJj", "continue key is not valid: ", id="not-json"),
        pytest.param("W10", "continue key is not valid: ", id="not-an-object"),
        pytest.param(
            token(v="v2", rv=1, start="a"),
            "server does not recognize this encoded version v2",
            id="version",
        ),
        pytest.param(
            token(v="meta.k8s.io/v1", rv=0, start="a"),
            "incorrect encoded start resourceVersion (version meta.k8s.io/v1)",
            id="revision",
        ),
        pytest.param(
            token(v="meta.k8s.io/v1", rv=1, start=""),
            "encoded start key empty (version meta.k8s.io/v1)",
            id="empty",
        ),
        pytest.param(
            token(v="meta.k8s.io/v1", rv=1, start="../secrets/a"),
            "continue key is not valid: ../secrets/a",
            id="traversal",
        ),
    ],
)
async def test_a_bad_continue_token_is_refused(pods, value, message):
    """Tokens that cannot be read, or lead out of the range, raise InvalidToken."""
    with pytest.raises(errors.InvalidToken) as caught:
        await pods.list(continue_token=value, limit=1)
    assert str(caught.value).startswith("invalid continue token: continue key is not valid")
    assert message in str(caught.value)


async def test_continue_excludes_a_resource_version(pods):
    """A token carries its revision; another one beside it is refused, but 0 is let pass."""
    for name in "ab":
        await pods.create(name)
    page = await pods.list(limit=1)
    with pytest.raises(errors.InvalidToken, match="specifying resource version is not allowed"):
        await pods.list(limit=1, continue_token=page.continue_token, resource_version="5")
    rest = await pods.list(limit=1, continue_token=page.continue_token, resource_version="0")
    assert pods.names(rest.items) == ["b"]


async def test_count(pods):
    """count says how many objects the resource has."""
    assert await pods.storage.count() == 0
    for namespace in ("a", "b"):
        await pods.create("x", namespace)
    await pods.settle()
    assert await pods.storage.count() == 2


async def test_resources_with_prefixes_of_each_other_stay_apart(etcd_options, pods):
    """`…/pods/` and `…/pods/sub/` are two resources; the longer prefix takes its keys."""
    prefix = etcd_options.prefix
    await pods.create("a")
    services = type(pods)(pods.backend, f"{prefix}/services/specs")
    await services.create("b")
    assert pods.names((await pods.list()).items) == ["a"]
    assert pods.names((await services.list()).items) == ["b"]
