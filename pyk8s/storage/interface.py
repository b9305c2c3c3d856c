# SPDX-License-Identifier: Apache-2.0
"""The storage contract. Bare etcd and the cacher over it both fulfil it, by one test suite.

Revisions are etcd's: one global order over all objects of all resources. An object's
resourceVersion is the revision of its last write, in decimal. Nothing acknowledged is lost; a
read without resourceVersion sees every write acknowledged before it began (linearizable); a
watch yields every change of its range after its start, once, in revision order, without gaps.

Mirrors apiserver's `storage.Interface`, with encoded bytes in place of decoded objects: an
`Item` is shared and immutable, and whoever wants a tree to change decodes one of his own.
"""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol, TypeVar

from pyk8s.apimachinery import codec, fields, labels
from pyk8s.apimachinery.gvk import GroupResource, Object
from pyk8s.storage import errors

ADDED = "ADDED"
MODIFIED = "MODIFIED"
DELETED = "DELETED"
BOOKMARK = "BOOKMARK"

# Marks the bookmark that ends the initial events of a WatchList.
INITIAL_EVENTS_END = "k8s.io/initial-events-end"

EXACT = "Exact"
NOT_OLDER_THAN = "NotOlderThan"


_View = TypeVar("_View")


class Views(NamedTuple):
    """What an Item has decoded so far; None for what nobody asked for."""

    labels: Mapping[str, str] | None
    fields: Mapping[str, str] | None
    indexed: tuple[str, ...] | None


class Item:
    """One object at one revision, encoded: JSON of its storage version, resourceVersion set.

    Shared between cache, watchers and responses, so never changed. `object()` decodes a tree
    that belongs to the caller. For a deleted object `revision` is that of the deletion.
    `encodings` remembers other representations of the same bytes (a Table row, protobuf), keyed
    by whoever makes them. What selectors look at is decoded when the first one asks.
    """

    __slots__ = ("_encodings", "_fields", "_indexed", "_labels", "data", "key", "revision")

    def __init__(self, key: str, revision: int, data: bytes) -> None:
        self.key = key
        self.revision = revision
        self.data = data
        self._labels: Mapping[str, str] | None = None
        self._fields: Mapping[str, str] | None = None
        self._indexed: tuple[str, ...] | None = None
        self._encodings: dict[Hashable, bytes] | None = None

    def object(self) -> Object:
        decoded: Object = codec.decode_json(self.data)
        return decoded

    @property
    def encodings(self) -> dict[Hashable, bytes]:
        if self._encodings is None:
            self._encodings = {}
        return self._encodings

    @property
    def labels(self) -> Mapping[str, str]:
        """Raises Corrupt for what is no Kubernetes object, as do the next two."""
        if self._labels is None:
            self._labels = self._read(_labels_of)
        return self._labels

    def fields(self, config: ResourceConfig) -> Mapping[str, str]:
        """The selectable fields."""
        if self._fields is None:
            self._fields = self._read(lambda obj: _shared(config.fields_of(obj)))
        return self._fields

    def indexed(self, config: ResourceConfig) -> tuple[str, ...]:
        """The values of the fields in `config.indexes`."""
        if self._indexed is None:
            self._indexed = self._read(lambda obj: index_values(config, obj))
        return self._indexed

    def note_indexed(self, values: tuple[str, ...]) -> None:
        """Spare the decoding, where whoever made the item had the tree: its `index_values`."""
        self._indexed = values

    @property
    def remembered(self) -> Views:
        return Views(self._labels, self._fields, self._indexed)

    def _read(self, view: Callable[[Object], _View]) -> _View:
        try:
            return view(self.object())
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            why = f"object at {self.key} cannot be read: {error!r}"
            raise errors.Corrupt(why, self.key) from error


def _labels_of(obj: Object) -> Mapping[str, str]:
    return _shared(obj["metadata"].get("labels") or {})


def _shared(values: Mapping[str, str]) -> Mapping[str, str]:
    # Namespaces, nodes, phases and label values are the same for many objects.
    return {sys.intern(key): sys.intern(value) for key, value in values.items()}


def index_values(config: ResourceConfig, obj: Object) -> tuple[str, ...]:
    """The values of the fields in `config.indexes`, in that order."""
    values = config.fields_of(obj)
    return tuple(sys.intern(values.get(name, "")) for name in config.indexes)


@dataclass(frozen=True, slots=True, kw_only=True)
class ResourceConfig:
    """What storage must know of one resource.

    `key_prefix` ends in a slash (`/registry/pods/`). `fields_of` reads the selectable fields
    from an object of the storage version. `indexes` names fields for which lists and watches
    with an equality selector touch only matching objects; namespaces are always indexed.
    `ttl_seconds` is how long an object lives after its last write, None for ever.
    """

    group_resource: GroupResource
    key_prefix: str
    namespaced: bool
    fields_of: Callable[[Object], Mapping[str, str]]
    indexes: tuple[str, ...] = ()
    ttl_seconds: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Predicate:
    """Which objects a list or watch wants. An empty selector wants all."""

    label_selector: labels.Selector = labels.EVERYTHING
    field_selector: fields.Selector = fields.EVERYTHING

    @property
    def is_everything(self) -> bool:
        return self.label_selector.is_everything and self.field_selector.is_everything

    def matches(self, item: Item, config: ResourceConfig) -> bool:
        """Raises Corrupt when the item cannot be read."""
        if not self.label_selector.is_everything and not self.label_selector.matches(item.labels):
            return False
        return self.field_selector.is_everything or self.field_selector.matches(item.fields(config))


EVERYTHING = Predicate()


@dataclass(frozen=True, slots=True, kw_only=True)
class Preconditions:
    """Demands a delete or update makes of the object it finds; empty means no demand."""

    uid: str = ""
    resource_version: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ListOptions:
    """`namespace` empty lists all namespaces. `limit` 0 means no limit.

    `resource_version` "" asks for the most recent state (linearizable), "0" for whatever is at
    hand, N for N exactly or not older, as `resource_version_match` says ("" is upstream's
    legacy rule: not older, but exact when `limit` is set). `continue_token` excludes both.
    """

    namespace: str = ""
    predicate: Predicate = EVERYTHING
    resource_version: str = ""
    resource_version_match: str = ""
    limit: int = 0
    continue_token: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ListResult:
    """`items` in key order. `remaining` is None when unknown: upstream leaves it out whenever a
    selector is set. `continue_token` is empty on the last page."""

    items: Sequence[Item]
    revision: int
    continue_token: str = ""
    remaining: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchOptions:
    """`resource_version` "" or "0": the state at hand as ADDED events, then changes; N: the
    changes after N. With `send_initial_events` the state (as fresh as `resource_version` says,
    "" meaning linearizable) comes first, ended by a bookmark marked `initial_events_end`;
    without it set to True, "" starts after the most recent state is sent as ADDED events too.
    `send_initial_events` False with "" starts from now. Bookmarks come only where allowed.
    """

    namespace: str = ""
    predicate: Predicate = EVERYTHING
    resource_version: str = ""
    send_initial_events: bool | None = None
    allow_bookmarks: bool = False


class WatchEvent:
    """One change as one watcher sees it; the same instance goes to all who see it alike.

    `item` is the object to show: for DELETED its last state, carrying the revision of the change
    that removed it (or took it out of the selection). A BOOKMARK has no item, only `revision`.
    `encodings` memoises the finished wire form per representation, so that it is made once.
    """

    __slots__ = ("encodings", "initial_events_end", "item", "revision", "type")

    def __init__(
        self, type: str, revision: int, item: Item | None, initial_events_end: bool = False
    ) -> None:
        self.type = type
        self.revision = revision
        self.item = item
        self.initial_events_end = initial_events_end
        self.encodings: dict[Hashable, bytes] = {}


class Batch(list[WatchEvent]):
    """Events that are handed out together. The same instance goes to all watchers that have the
    same to read, and `encodings` memoises the joined wire form, so that it is joined once."""

    __slots__ = ("encodings",)

    def __init__(self, events: Iterable[WatchEvent]) -> None:
        super().__init__(events)
        self.encodings: dict[Hashable, bytes] = {}


class Outlet(Protocol):
    """Where events may go without waking the task that reads a watcher."""

    @property
    def is_open(self) -> bool:
        """Whether `put` would be taken by the client now, without waiting."""
        ...

    def put(self, batch: Batch) -> None:
        """Send it; called only where `is_open` just said so."""
        ...


class Watcher(Protocol):
    """One client's view of a range, in revision order. Used by one task; closed exactly once."""

    async def next_batch(self) -> Batch:
        """All events that are pending (of very many, the first), waiting for the first. Empty
        means the watch has ended and the client should come back with the last revision it saw:
        the server stops, the client read too slowly, or history was lost. Raises ResourceExpired
        when that is known."""
        ...

    def pass_to(self, outlet: Outlet) -> None:
        """While `next_batch` waits, what comes may go to an open outlet instead, in the same
        order; what an outlet raises comes out of `next_batch`. A watcher need not use it."""
        ...

    def bookmark_revision(self) -> int:
        """A revision up to which every event was handed out: what a bookmark may say now. 0
        while the initial state is not handed out."""
        ...

    def close(self) -> None:
        """Give everything back. Wakes a waiting `next_batch`, which then returns empty."""
        ...


# Gets the current item (None if there is none) and returns the object to store. It may be
# called again with fresher state when another writer was quicker, so it must not keep effects.
# What it raises ends the update and reaches the caller as it is.
UpdateFunction = Callable[[Item | None], Awaitable[Object]]

# Gets the item that is about to be deleted; raises to forbid it.
ValidateDeletion = Callable[[Item], Awaitable[None]]


class Storage(Protocol):
    """All objects of one resource. Every method raises only storage.errors and what callbacks
    raise. Objects handed in are encoded at once and not kept; metadata.resourceVersion in them
    is ignored and never stored.

    A deadline, where the caller has one, is an asyncio timeout around the call; a write that is
    cancelled may still happen.
    """

    config: ResourceConfig

    async def create(self, key: str, obj: Object) -> Item:
        """Raises KeyExists."""
        ...

    async def get(self, key: str, *, resource_version: str = "") -> Item:
        """ "" is linearizable, "0" whatever is at hand, N not older than N (TooLargeRevision
        when that does not come true within three seconds). Raises KeyNotFound."""
        ...

    async def list(self, options: ListOptions) -> ListResult: ...

    async def guaranteed_update(
        self,
        key: str,
        update: UpdateFunction,
        *,
        preconditions: Preconditions | None = None,
        ignore_not_found: bool = False,
    ) -> Item:
        """Read, change, write if nobody else wrote between; again from fresh state if so.

        The first try may start from cached state; whatever `update` raises on state that proves
        stale is discarded and tried again on fresh state. An unchanged object (equal as JSON)
        is not written: the current item comes back, revision unmoved, no event. Raises
        KeyNotFound unless `ignore_not_found`, and PreconditionFailed.
        """
        ...

    async def delete(
        self,
        key: str,
        *,
        preconditions: Preconditions | None = None,
        validate: ValidateDeletion | None = None,
    ) -> Item:
        """The last state, with the revision of the deletion. Raises KeyNotFound."""
        ...

    async def watch(self, options: WatchOptions) -> Watcher:
        """Raises ResourceExpired when the start lies before the history that is kept."""
        ...

    async def count(self) -> int:
        """How many objects there are, roughly now."""
        ...


class Backend(Protocol):
    """One etcd cluster under one prefix: makes the Storage of each resource."""

    def storage_for(self, config: ResourceConfig) -> Storage: ...

    async def start(self) -> None:
        """Connect, and read what reads will be answered from. Raises Unavailable."""
        ...

    async def stop(self) -> None:
        """End all watches cleanly, then the connections."""
        ...

    async def check(self) -> None:
        """A round trip to etcd, for health checks; raises Unavailable."""
        ...

    @property
    def synced(self) -> bool:
        """Whether reads can be answered: the caches hold a state etcd once had, and follow it."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class EtcdOptions:
    """How to reach etcd. `servers` are URLs (http, https, or unix and a path); the files are
    PEM, empty without TLS."""

    servers: tuple[str, ...]
    prefix: str = "/registry"
    ca_file: str = ""
    cert_file: str = ""
    key_file: str = ""
    compaction_interval_seconds: int = 300
