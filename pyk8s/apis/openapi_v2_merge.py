# SPDX-License-Identifier: Apache-2.0
"""OpenAPI v2 of several servers in one document. Pure; arguments stay as they are.

A path belongs to the first that has it. Definitions and parameters of one name that say the same
are one; where they differ, the later one gets another name. Mirrors kube-openapi's
`pkg/aggregator`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from pyk8s.apis import schemas

Document = dict[str, Any]

_PARAMETERS = "#/parameters/"


def of_paths(document: Document, prefix: str) -> Document:
    """The part that describes the paths below the prefix, with what it refers to. Raises
    ValueError for what is no OpenAPI document."""
    paths = {
        path: item for path, item in _section(document, "paths").items() if path.startswith(prefix)
    }
    sections = {
        schemas.REF_PREFIX: _section(document, "definitions"),
        _PARAMETERS: _section(document, "parameters"),
    }
    reached: dict[str, set[str]] = {start: set() for start in sections}
    waiting: list[Any] = [paths]
    while waiting:
        value = waiting.pop()
        for start, section in sections.items():
            for name in schemas.references(value, start):
                if name in section and name not in reached[start]:
                    reached[start].add(name)
                    waiting.append(section[name])
    definitions, parameters = sections.values()
    return {
        "paths": paths,
        "definitions": {n: definitions[n] for n in sorted(reached[schemas.REF_PREFIX])},
        "parameters": {n: parameters[n] for n in sorted(reached[_PARAMETERS])},
    }


def _section(document: Document, name: str) -> Document:
    section = document.get(name) or {}
    if not isinstance(section, dict) or not all(isinstance(v, dict) for v in section.values()):
        raise ValueError(f"{name} is not an object of objects")
    return section


def merge(document: Document, others: Iterable[Document]) -> Document:
    """The document with what `of_paths` made of others, in order of priority."""
    paths = dict(document.get("paths") or {})
    definitions = dict(document.get("definitions") or {})
    parameters = dict(document.get("parameters") or {})
    for other in others:
        renamed = _names_for(schemas.REF_PREFIX, other["definitions"], definitions)
        renamed |= _names_for(_PARAMETERS, other["parameters"], parameters)

        def moved(value: Any, renamed: Mapping[str, str] = renamed) -> Any:
            return _with_references(value, lambda reference: renamed.get(reference, reference))

        for path, item in other["paths"].items():
            paths.setdefault(path, moved(item))
        for start, section, into in (
            (schemas.REF_PREFIX, other["definitions"], definitions),
            (_PARAMETERS, other["parameters"], parameters),
        ):
            for name, value in section.items():
                new = renamed.get(start + name, start + name).removeprefix(start)
                into[new] = _united(into[new], value) if new in into else moved(value)
    return {
        **document,
        "paths": dict(sorted(paths.items())),
        "definitions": dict(sorted(definitions.items())),
        "parameters": dict(sorted(parameters.items())),
    }


def _names_for(start: str, section: Document, taken: Document) -> dict[str, str]:
    """New references for those whose name means something else already."""
    renamed: dict[str, str] = {}
    for name, value in section.items():
        number = 2
        new = name
        while new in taken and not _say_the_same(taken[new], value):
            new = f"{name}_v{number}"
            number += 1
        if new != name:
            renamed[start + name] = start + new
    return renamed


def _say_the_same(one: Document, other: Document) -> bool:
    """But for the kinds they are: options are a kind in every group."""
    return _without_kinds(one) == _without_kinds(other)


def _without_kinds(value: Document) -> Document:
    return {key: part for key, part in value.items() if key != schemas.GVK_EXTENSION}


def _united(one: Document, other: Document) -> Document:
    kinds = list(one.get(schemas.GVK_EXTENSION) or ())
    more = [kind for kind in other.get(schemas.GVK_EXTENSION) or () if kind not in kinds]
    return {**one, schemas.GVK_EXTENSION: [*kinds, *more]} if more else one


def _with_references(value: Any, renamed: Callable[[str], str]) -> Any:
    if isinstance(value, list):
        return [_with_references(each, renamed) for each in value]
    if not isinstance(value, dict):
        return value
    return {
        key: renamed(part)
        if key == "$ref" and isinstance(part, str)
        else _with_references(part, renamed)
        for key, part in value.items()
    }
