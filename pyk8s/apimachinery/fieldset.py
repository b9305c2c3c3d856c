# SPDX-License-Identifier: Apache-2.0
"""Sets of fields, in the form managedFields stores them (FieldsV1).

A set is a trie of plain dicts, keyed by path elements as they are written on the wire, so that
the set is its own encoding:

    f:<name>    a field of a struct or a key of a map
    k:<keys>    the element of an associative list with these key fields, as JSON
    v:<value>   an element of a set
    i:<index>   an element by position

    {"f:spec": {"f:replicas": {}, "f:template": {...}}, "f:metadata": {"f:labels": {".": {}, ...}}}

A node is in the set when it has no children or a child named `.`; a node is there without being
in the set only for its children. The root stands for the object itself, which is in no set.

Sets are values: no function changes its arguments, and results share nodes with them. Keys are
kept in upstream's order (`.` first, then by element). Mirrors structured-merge-diff's `fieldpath`.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from pyk8s.apimachinery import codec, gojson

# A set, or a node of one. Nested: the values are nodes too.
FieldSet = dict[str, Any]
Path = tuple[str, ...]
Filter = Callable[[FieldSet], FieldSet]

SELF = "."
ANY = "*"


class MalformedFields(ValueError):
    """A client's FieldsV1 that upstream's decoder would refuse."""


def field(name: str) -> str:
    return "f:" + name


def value(item: Any) -> str:
    """The element of a set's member."""
    return "v:" + scalar(item)


def scalar(item: Any) -> str:
    """A key's or a member's JSON inside a path element; one that is no scalar prints too."""
    kind = item.__class__
    if kind is dict or kind is list or (kind is str and len(item) > _KEPT_CHARACTERS_MAX):
        return gojson.encoded(item)
    return _scalar(item)


# Names come again and again, so their JSON is kept; what clients may make long is not.
_KEPT_CHARACTERS_MAX = 253


@functools.lru_cache(maxsize=16384, typed=True)
def _scalar(item: Any) -> str:
    return gojson.encoded(item)


def is_member(node: FieldSet) -> bool:
    return not node or SELF in node


def owned(children: FieldSet) -> FieldSet:
    """The node of something that is in the set itself, beside its children."""
    return {SELF: {}, **children} if children else children


def from_paths(paths: Iterable[Path]) -> FieldSet:
    found: FieldSet = {}
    for path in paths:
        node: FieldSet = {}
        for element in reversed(path):
            node = {element: node}
        found = union(found, node)
    return found


def named(*names: str) -> Path:
    """The path of a field by names alone: named("spec", "replicas")."""
    return tuple(map(field, names))


def ordered(node: FieldSet) -> FieldSet:
    """The node with its keys in upstream's order; children are taken as they are."""
    if len(node) < 2:
        return node
    keys = list(node)
    wanted = sorted(keys)
    # Fields sort as text, before everything else; the rest by what the element says.
    if wanted[-1][0] != "f":
        wanted.sort(key=_order)
    return node if keys == wanted else {key: node[key] for key in wanted}


def _order(element: str) -> tuple[Any, ...]:
    return _rank(element) if len(element) > _KEPT_CHARACTERS_MAX else _kept_rank(element)


def _rank(element: str) -> tuple[Any, ...]:
    kind, rest = element[:1], element[2:]
    if kind == "f":
        return 1, rest
    if kind == "k":
        keys = codec.decode_json(rest)
        return 2, tuple((name, _value_rank(keys[name])) for name in sorted(keys))
    if kind == "v":
        return 3, _value_rank(codec.decode_json(rest))
    if kind == "i":
        return 4, int(rest)
    return (0,)


_kept_rank = functools.lru_cache(maxsize=16384)(_rank)


def _value_rank(item: Any) -> tuple[Any, ...]:
    if isinstance(item, bool):
        return 3, item
    if isinstance(item, int | float):
        return 1, item
    if isinstance(item, str):
        return 2, item
    return (6, "") if item is None else (4, gojson.encoded(item))


def union(a: FieldSet, b: FieldSet) -> FieldSet:
    if not a or a is b:
        return b
    return _union(a, b) if b else a


def _union(a: FieldSet, b: FieldSet) -> FieldSet:
    out = a
    for key, theirs in b.items():
        mine = a.get(key)
        joined = theirs if mine is None else _union_node(mine, theirs)
        if joined is not mine:
            if out is a:
                out = dict(a)
            out[key] = joined
    return out if len(out) == len(a) else ordered(out)


def _union_node(mine: FieldSet, theirs: FieldSet) -> FieldSet:
    if mine is theirs:
        return mine
    if not theirs:
        return mine if is_member(mine) else owned(mine)
    if not mine:
        return theirs if is_member(theirs) else owned(theirs)
    return _union(mine, theirs)


def difference(a: FieldSet, b: FieldSet) -> FieldSet:
    """What is in a and not in b, by exact path: children outlive a parent that b has."""
    out = a
    for key, theirs in b.items():
        mine = a.get(key)
        if mine is None or key == SELF:
            continue
        left = _difference_node(mine, theirs)
        if left is mine:
            continue
        if out is a:
            out = dict(a)
        if left is None:
            del out[key]
        else:
            out[key] = left
    return out


def _difference_node(mine: FieldSet, theirs: FieldSet) -> FieldSet | None:
    stays = is_member(mine) and not is_member(theirs)
    return _node(difference(mine, theirs), stays)


def _node(children: FieldSet, member: bool) -> FieldSet | None:
    """`children` as a node that is in the set or not; None when nothing of it is left."""
    if SELF in children:
        if len(children) == 1:
            return {} if member else None
        if not member:
            return {key: node for key, node in children.items() if key != SELF}
        return children
    if member:
        return owned(children)
    return children or None


def recursive_difference(a: FieldSet, b: FieldSet) -> FieldSet:
    """What is in a and neither in b nor below anything in b."""
    out = a
    for key, theirs in b.items():
        mine = a.get(key)
        if mine is None or key == SELF:
            continue
        left = None if is_member(theirs) else _without(mine, theirs)
        if left is mine:
            continue
        if out is a:
            out = dict(a)
        if left is None:
            del out[key]
        else:
            out[key] = left
    return out


def _without(mine: FieldSet, theirs: FieldSet) -> FieldSet | None:
    return _node(recursive_difference(mine, theirs), is_member(mine))


def intersection(a: FieldSet, b: FieldSet) -> FieldSet:
    out: FieldSet = {}
    for key, mine in a.items():
        theirs = b.get(key)
        if theirs is None or key == SELF:
            continue
        common = _node(
            intersection(mine, theirs) if mine and theirs else {},
            is_member(mine) and is_member(theirs),
        )
        if common is not None:
            out[key] = common
    return out


def contains(whole: FieldSet, part: FieldSet) -> bool:
    return part is whole or part == whole or not difference(part, whole)


def has(fields: FieldSet, path: Path) -> bool:
    node = fields
    for element in path:
        if element not in node:
            return False
        node = node[element]
    return bool(path) and is_member(node)


def leaves(fields: FieldSet) -> FieldSet:
    """Only the members that have no members below them."""
    return {key: leaves(node) for key, node in fields.items() if key != SELF}


def excluding(*paths: Path) -> Filter:
    """A filter that takes these fields, and all below them, out of a set."""
    excluded = from_paths(paths)
    return lambda fields: recursive_difference(fields, excluded)


def including(*patterns: Path) -> Filter:
    """A filter that leaves only what is at or below a path of these; ANY stands for any element."""
    wanted: FieldSet = {}
    for pattern in patterns:
        node = wanted
        for element in pattern:
            node = node.setdefault(element, {})
    return lambda fields: _included(fields, wanted)


def _included(fields: FieldSet, wanted: FieldSet) -> FieldSet:
    if not wanted:
        return fields
    out: FieldSet = {}
    for key, node in fields.items():
        below = wanted.get(ANY, wanted.get(key))
        if below is None or key == SELF:
            continue
        kept = _node(_included(node, below), is_member(node))
        if kept is not None:
            out[key] = kept
    return out


def paths(fields: FieldSet, prefix: Path = ()) -> Iterator[Path]:
    """Every member's path: those of a level before those below it, each in order."""
    for element, node in fields.items():
        if element != SELF and is_member(node):
            yield (*prefix, element)
    for element, node in fields.items():
        if node:
            yield from paths(node, (*prefix, element))


def path_text(path: Path) -> str:
    """`.spec.containers[name="app"].image`, as conflicts show it."""
    return "".join(map(element_text, path))


def element_text(element: str) -> str:
    kind, rest = element[0], element[2:]
    if kind == "f":
        return "." + rest
    if kind == "k":
        keys = codec.decode_json(rest)
        pairs = (f"{name}={value_text(keys[name])}" for name in sorted(keys))
        return "[" + ",".join(pairs) + "]"
    if kind == "v":
        return f"[={value_text(codec.decode_json(rest))}]"
    return f"[{rest}]"


def value_text(item: Any) -> str:
    """A value as `value.ToString` prints it."""
    if isinstance(item, list):
        return "[" + ",".join(map(value_text, item)) + "]"
    if isinstance(item, dict):
        return "".join(f"{key}={value_text(item[key])}" for key in sorted(item))
    return gojson.quoted(item)


def parse(fields: Any) -> FieldSet:
    """A client's FieldsV1 as a set: elements in canonical form, unknown kinds of them dropped.

    Raises MalformedFields. Not for what this server stored itself: that is a set as it stands.
    """
    if fields is None:
        return {}
    if not isinstance(fields, dict):
        raise MalformedFields("expected an object of fields")
    return _parse_children(fields)


def _parse_children(raw: FieldSet) -> FieldSet:
    out: FieldSet = {}
    for key, below in raw.items():
        if key == SELF:
            continue
        element = _canonical(key)
        if element is None:
            continue
        if below is None:
            below = {}
        if not isinstance(below, dict):
            raise MalformedFields(f"expected an object of fields below {key}")
        children = _parse_children(below)
        node = owned(children) if SELF in below else children
        out[element] = _union_node(out[element], node) if element in out else node
    return ordered(out)


def _canonical(element: str) -> str | None:
    """None for a kind of element this release does not know, which is skipped."""
    if len(element) < 2:
        raise MalformedFields("key must be 2 characters long:")
    kind, colon, rest = element[0], element[1], element[2:]
    if colon != ":":
        raise MalformedFields(f"missing colon: {element}")
    if kind == "f":
        return element
    if kind not in "vki":
        return None
    try:
        if kind == "i":
            return f"i:{int(rest)}"
        decoded = codec.decode_json(rest)
    except ValueError as error:
        raise MalformedFields(str(error)) from error
    if kind == "k" and not isinstance(decoded, dict):
        raise MalformedFields(f"expected key fields: {element}")
    return f"{kind}:{gojson.encoded(decoded)}"
