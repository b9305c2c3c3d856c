# SPDX-License-Identifier: Apache-2.0
"""Discovery documents of other servers, read with distrust. Pure.

What they say goes on to every client in this server's own document, so only what a discovery
document may hold comes through; anything else raises Garbage. Mirrors apiserver's
`ConvertGroupVersionIntoToDiscovery`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from pyk8s.apimachinery import codec
from pyk8s.apimachinery.gvk import GroupVersion

Document = dict[str, Any]

CURRENT = "Current"
STALE = "Stale"


class Garbage(Exception):
    """This is no discovery document; says why."""


def parse(body: bytes) -> Document:
    try:
        document = codec.decode_json(body)
    except ValueError as error:
        raise Garbage(f"not JSON: {error}") from error
    if not isinstance(document, dict):
        raise Garbage("not an object")
    return document


def unknown(version: str) -> Document:
    """Of a group version whose server has not said what it serves."""
    return {"version": version, "freshness": STALE}


# --- APIGroupDiscoveryList


def of_aggregated(document: Document, group_version: GroupVersion) -> Document:
    """The version in a server's aggregated document; without resources where it is not there.
    Raises Garbage."""
    for group in _objects(document, "items"):
        if _mapping(group, "metadata").get("name", "") != group_version.group:
            continue
        for version in _objects(group, "versions"):
            if version.get("version") == group_version.version:
                return _version(group_version, map(_resource, _objects(version, "resources")))
    return _version(group_version, ())


def _version(group_version: GroupVersion, resources: Iterable[Document]) -> Document:
    return {
        "version": group_version.version,
        "resources": list(resources),
        "freshness": CURRENT,
    }


def _resource(entry: Document) -> Document:
    found = {
        "resource": _text(entry, "resource"),
        "responseKind": _kind(_mapping(entry, "responseKind")),
        "scope": _text(entry, "scope"),
        "singularResource": _text(entry, "singularResource"),
        "verbs": _texts(entry, "verbs"),
        **_names(entry),
    }
    subresources = [
        {
            "subresource": _text(each, "subresource"),
            "responseKind": _kind(_mapping(each, "responseKind")),
            "verbs": _texts(each, "verbs"),
        }
        for each in _objects(entry, "subresources")
    ]
    return {**found, "subresources": subresources} if subresources else found


# --- APIResourceList


def of_legacy(document: Document, group_version: GroupVersion) -> Document:
    """From `/apis/GROUP/VERSION` as it was before. Raises Garbage."""
    if document.get("kind") not in (None, "", "APIResourceList"):
        raise Garbage(f"not an APIResourceList but {document['kind']!r}")
    if "resources" not in document:
        raise Garbage("without resources")
    entries = _objects(document, "resources")
    found: dict[str, Document] = {}
    for entry in entries:
        if "/" not in (name := _text(entry, "name")):
            found[name] = _from_legacy(name, entry)
    for entry in entries:
        name, slash, subresource = _text(entry, "name").partition("/")
        if slash:
            parent = found.setdefault(name, _parent_of(name, entry))
            parent.setdefault("subresources", []).append(
                {
                    "subresource": subresource,
                    "responseKind": _kind(entry),
                    "verbs": _texts(entry, "verbs"),
                }
            )
    return _version(group_version, found.values())


def _from_legacy(name: str, entry: Document) -> Document:
    return {
        "resource": name,
        "responseKind": _kind(entry),
        "scope": _scope(entry),
        "singularResource": _text(entry, "singularName"),
        "verbs": _texts(entry, "verbs"),
        **_names(entry),
    }


def _parent_of(name: str, entry: Document) -> Document:
    """A resource that is there for its subresources alone."""
    kind = {"group": "", "version": "", "kind": ""}
    return {
        "resource": name,
        "responseKind": kind,
        "scope": _scope(entry),
        "singularResource": "",
        "verbs": [],
    }


def _scope(entry: Document) -> str:
    return "Namespaced" if entry.get("namespaced") else "Cluster"


# --- fields


def _names(entry: Document) -> Document:
    lists = {key: _texts(entry, key) for key in ("shortNames", "categories")}
    return {key: names for key, names in lists.items() if names}


def _kind(entry: Mapping[str, Any]) -> Document:
    return {key: _text(entry, key) for key in ("group", "version", "kind")}


def _text(entry: Mapping[str, Any], key: str) -> str:
    value = entry.get(key) or ""
    if not isinstance(value, str):
        raise Garbage(f"{key} is not a string")
    return value


def _texts(entry: Mapping[str, Any], key: str) -> list[str]:
    values = entry.get(key) or []
    if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
        raise Garbage(f"{key} is not a list of strings")
    return values


def _mapping(entry: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    value = entry.get(key) or {}
    if not isinstance(value, dict):
        raise Garbage(f"{key} is not an object")
    return value


def _objects(entry: Mapping[str, Any], key: str) -> list[Document]:
    values = entry.get(key) or []
    if not isinstance(values, list) or not all(isinstance(value, dict) for value in values):
        raise Garbage(f"{key} is not a list of objects")
    return values
