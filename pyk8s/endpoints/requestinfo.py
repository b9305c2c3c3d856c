# SPDX-License-Identifier: Apache-2.0
"""RequestInfo: what a request asks for, read from method, path and query alone.

A pure function, so that authorization, limits and handlers agree about the request without
asking each other. Mirrors apiserver's `endpoints/request/requestinfo.go`.
"""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import parse_qs, unquote

from pyk8s.apimachinery import fields

_VERBS = {
    "POST": "create",
    "GET": "get",
    "HEAD": "get",
    "PUT": "update",
    "PATCH": "patch",
    "DELETE": "delete",
}

# Below /namespaces/NAME these are the namespace's own subresources, not resources in it.
_NAMESPACE_SUBRESOURCES = frozenset({"status", "finalize"})


@dataclass(slots=True, kw_only=True)
class RequestInfo:
    """`verb` is Kubernetes' for resource requests (`list`, `watch`, …) and the lower-case HTTP
    method for all others. `parts` is the path below the namespace: resource, name, subresource
    and what follows it (the path a proxy request asks for)."""

    path: str
    verb: str
    is_resource_request: bool = False
    group: str = ""
    version: str = ""
    namespace: str = ""
    resource: str = ""
    subresource: str = ""
    name: str = ""
    parts: tuple[str, ...] = ()


Query = dict[str, list[str]]


def parse_query(query_string: bytes) -> Query:
    if not query_string:
        return {}
    return parse_qs(query_string.decode("latin-1"), keep_blank_values=True)


def resolve(method: str, raw_path: str, query: Query) -> RequestInfo:
    """`raw_path` is still percent-encoded: an encoded slash separates nothing."""
    info = RequestInfo(path=raw_path, verb=method.lower())
    parts = [unquote(part) if "%" in part else part for part in raw_path.strip("/").split("/")]
    if parts[0] == "api":
        if len(parts) < 3:
            return info
        info.version = parts[1]
        rest = parts[2:]
    elif parts[0] == "apis":
        if len(parts) < 4:
            return info
        info.group, info.version = parts[1], parts[2]
        rest = parts[3:]
    else:
        return info
    info.is_resource_request = True
    info.verb = _VERBS.get(method, "")
    if rest[0] == "watch" and len(rest) > 1:
        # The old prefix form of a watch, still served.
        rest = rest[1:]
        info.verb = "watch" if info.verb == "get" else info.verb
    _resolve_resource(info, rest)
    _refine_verb(info, query)
    return info


def _resolve_resource(info: RequestInfo, rest: list[str]) -> None:
    if rest[0] == "namespaces" and len(rest) > 1:
        info.namespace = rest[1]
        if len(rest) > 2 and rest[2] not in _NAMESPACE_SUBRESOURCES:
            rest = rest[2:]
    info.parts = tuple(rest)
    info.resource = rest[0]
    if len(rest) > 1:
        info.name = rest[1]
    if len(rest) > 2:
        info.subresource = rest[2]


def _refine_verb(info: RequestInfo, query: Query) -> None:
    if info.name:
        return
    if info.verb in ("get", "watch"):
        watching = info.verb == "watch" or _is_true(query.get("watch"))
        info.verb = "watch" if watching else "list"
        # A list or watch of one name is authorized as access to that name.
        if selector := query.get("fieldSelector"):
            info.name = _selected_name(selector[0])
    elif info.verb == "delete":
        info.verb = "deletecollection"


def _is_true(values: list[str] | None) -> bool:
    """Upstream reads any value but 0 and false as true, the bare parameter included."""
    return values is not None and values[0].lower() not in ("0", "false")


def _selected_name(selector: str) -> str:
    try:
        name = fields.require_exact(fields.parse(selector), "metadata.name") or ""
    except ValueError:
        return ""
    return "" if "/" in name else name
