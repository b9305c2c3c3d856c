# SPDX-License-Identifier: Apache-2.0
"""The operations that the OpenAPI documents describe, as data both versions are rendered from.

    Resource -> Operation, one per method and path -> openapi_v2 | openapi_v3

Paths, ids, actions, parameters and media types are kube-apiserver's; `kubectl` finds a kind by an
operation's group, version and kind, and decides by its parameters and media types what the server
can do. Custom resources get the same operations, without the formats that need compiled types.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace

from pyk8s.apimachinery.gvk import GroupVersion, GroupVersionKind
from pyk8s.apis import openapi_parameters as parameters
from pyk8s.apis import schemas
from pyk8s.apis.openapi_operations import (
    ANY_MEDIA,
    CBOR,
    COMPILED_MEDIA,
    DELETE_OPTIONS,
    JSON,
    PATCH,
    PROTOBUF,
    STATUS,
    STRING,
    WATCH_EVENT,
    YAML,
    Operation,
    camel,
    prefix_of,
    tag_of,
)
from pyk8s.apis.openapi_parameters import Parameter
from pyk8s.apis.scheme import Resource, Subresource

# Finds the definition of a kind; raises KeyError.
NameOf = Callable[[GroupVersionKind], str]

PATCH_MEDIA = (
    "application/json-patch+json",
    "application/merge-patch+json",
    "application/strategic-merge-patch+json",
    "application/apply-patch+yaml",
    "application/apply-patch+cbor",
)
CUSTOM_MEDIA = (JSON, YAML)
CUSTOM_PATCH_MEDIA = (
    "application/json-patch+json",
    "application/merge-patch+json",
    "application/apply-patch+yaml",
)

# Subresources that hand the connection on; each is reached by these methods.
_PROXY_METHODS = ("delete", "get", "head", "options", "patch", "post", "put")
_STREAM_METHODS = ("get", "post")
_CONNECT = {
    "attach": _STREAM_METHODS,
    "exec": _STREAM_METHODS,
    "portforward": _STREAM_METHODS,
    "proxy": _PROXY_METHODS,
}
_DEPRECATED_WATCH = "deprecated: use the 'watch' parameter with a list operation instead"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Target:
    """What the operations of one path have in common.

    `noun` is how ids call it (NamespacedPodStatus), `kind` what travels, `named` the kind whose
    name the path holds, `of` the words of descriptions.
    """

    resource: Resource
    path: str
    noun: str
    kind: GroupVersionKind
    definition: str
    named: str
    read: str
    path_parameters: tuple[Parameter, ...] = field(default=())

    @property
    def group_version(self) -> GroupVersion:
        return self.resource.group_version

    @property
    def is_custom(self) -> bool:
        return not schemas.has_definition(self.resource.gvk)

    @property
    def produces(self) -> tuple[str, ...]:
        return CUSTOM_MEDIA if self.is_custom else COMPILED_MEDIA


def of_resource(resource: Resource, name_of: NameOf) -> Iterator[Operation]:
    """Every operation of a resource and its subresources."""
    collection = _target(resource, name_of)
    item = _item_of(collection)
    yield from _collection_operations(collection, name_of)
    yield from _item_operations(item, resource.verbs)
    if resource.namespaced and "list" in resource.verbs:
        yield _list(_all_namespaces(collection), name_of)
    yield from _watches(collection, item)
    for subresource in resource.subresources.values():
        yield from _subresource_operations(item, subresource, name_of)


def _target(resource: Resource, name_of: NameOf) -> _Target:
    scope = "/namespaces/{namespace}" if resource.namespaced else ""
    return _Target(
        resource=resource,
        path=f"{prefix_of(resource.group_version)}{scope}/{resource.resource}",
        noun=("Namespaced" if resource.namespaced else "") + resource.kind,
        kind=resource.gvk,
        definition=name_of(resource.gvk),
        named=resource.kind,
        read=f"the specified {resource.kind}",
        path_parameters=(parameters.NAMESPACE,) if resource.namespaced else (),
    )


def _item_of(collection: _Target) -> _Target:
    return replace(
        collection,
        path=collection.path + "/{name}",
        path_parameters=(parameters.name(collection.named), *collection.path_parameters),
    )


def _all_namespaces(collection: _Target) -> _Target:
    resource = collection.resource
    return replace(
        collection,
        path=f"{prefix_of(resource.group_version)}/{resource.resource}",
        noun=f"{resource.kind}ForAllNamespaces",
        path_parameters=(),
    )


def _collection_operations(target: _Target, name_of: NameOf) -> Iterator[Operation]:
    verbs = target.resource.verbs
    if "list" in verbs:
        yield _list(target, name_of)
    if "create" in verbs:
        yield _create(target, f"create {_with_article(target.resource.kind)}")
    if "deletecollection" in verbs:
        yield replace(
            _base(target, "delete", parameters.DELETE_COLLECTION),
            action="deletecollection",
            id=_id("delete", target, f"Collection{target.noun}"),
            description=f"delete collection of {target.resource.kind}",
            body=DELETE_OPTIONS,
            body_required=False,
            responses={200: STATUS},
        )


def _list(target: _Target, name_of: NameOf) -> Operation:
    resource = target.resource
    watchable = "watch" in resource.verbs
    return replace(
        _base(target, "get", parameters.LIST),
        action="list",
        id=_id("list", target, target.noun),
        description=f"list {'or watch ' if watchable else ''}objects of kind {resource.kind}",
        produces=(*target.produces, *_stream_media(target)),
        responses={
            200: name_of(GroupVersionKind(resource.group, resource.version, resource.list_kind))
        },
    )


def _stream_media(target: _Target) -> tuple[str, ...]:
    if target.is_custom:
        return ()
    return (f"{JSON};stream=watch", f"{PROTOBUF};stream=watch", f"{CBOR}-seq")


def _item_operations(target: _Target, verbs: Iterable[str]) -> Iterator[Operation]:
    if "get" in verbs:
        yield replace(
            _base(target, "get"),
            action="get",
            id=_id("read", target, target.noun),
            description=f"read {target.read}",
            responses={200: target.definition},
        )
    if "update" in verbs:
        yield replace(
            _base(target, "put", parameters.WRITE),
            action="put",
            id=_id("replace", target, target.noun),
            description=f"replace {target.read}",
            body=target.definition,
            responses={200: target.definition, 201: target.definition},
        )
    if "patch" in verbs:
        yield replace(
            _base(target, "patch", parameters.PATCH),
            action="patch",
            id=_id("patch", target, target.noun),
            description=f"partially update {target.read}",
            body=PATCH,
            consumes=CUSTOM_PATCH_MEDIA if target.is_custom else PATCH_MEDIA,
            responses={200: target.definition, 201: target.definition},
        )
    if "delete" in verbs:
        yield _delete(target)


def _delete(target: _Target) -> Operation:
    answer = target.definition if target.resource.returns_deleted_object else STATUS
    return replace(
        _base(target, "delete", parameters.DELETE),
        action="delete",
        id=_id("delete", target, target.noun),
        description=f"delete {_with_article(target.resource.kind)}",
        body=DELETE_OPTIONS,
        body_required=False,
        responses={200: answer, 202: answer},
    )


def _create(target: _Target, description: str) -> Operation:
    return replace(
        _base(target, "post", parameters.WRITE),
        action="post",
        id=_id("create", target, target.noun),
        description=description,
        body=target.definition,
        responses=dict.fromkeys((200, 201, 202), target.definition),
    )


def _watches(collection: _Target, item: _Target) -> Iterator[Operation]:
    """The paths under /watch that predate the `watch` parameter, still served."""
    if "watch" not in collection.resource.verbs:
        return
    kind = collection.resource.kind
    of_list = f"changes to a list of {kind}"
    yield _watch(item, "watch", collection.noun, f"changes to an object of kind {kind}")
    yield _watch(collection, "watchlist", f"{collection.noun}List", of_list)
    if collection.resource.namespaced:
        everywhere = _all_namespaces(collection)
        yield _watch(everywhere, "watchlist", f"{kind}ListForAllNamespaces", of_list)


def _watch(target: _Target, action: str, noun: str, what: str) -> Operation:
    prefix = prefix_of(target.group_version)
    below_watch = replace(target, path=f"{prefix}/watch{target.path.removeprefix(prefix)}")
    return replace(
        _base(below_watch, "get", parameters.LIST),
        action=action,
        id=_id("watch", target, noun),
        description=f"watch {what}. {_DEPRECATED_WATCH}.",
        produces=(*target.produces, *_stream_media(target)),
        responses={200: WATCH_EVENT},
    )


def _subresource_operations(
    item: _Target, subresource: Subresource, name_of: NameOf
) -> Iterator[Operation]:
    is_connect = subresource.name in _CONNECT
    parent = item.resource.kind
    target = replace(
        item,
        path=f"{item.path}/{subresource.name}",
        noun=item.noun + subresource.name.capitalize(),
        kind=subresource.kind,
        definition=STRING if is_connect else name_of(subresource.kind),
        read=f"{subresource.name} of the specified {parent}",
    )
    if subresource.kind.kind != parent:
        target = _named_after_kind(target)
    if is_connect:
        yield from _connects(target, subresource.name)
    elif subresource.name == "log":
        yield _log(target)
    else:
        yield from _item_operations(target, subresource.verbs)
        if "create" in subresource.verbs:
            yield _create(target, f"create {subresource.name} of {_with_article(parent)}")


def _named_after_kind(target: _Target) -> _Target:
    """The path's {name} explained as that of the kind which travels."""
    _, *others = target.path_parameters
    return replace(target, path_parameters=(parameters.name(target.kind.kind), *others))


def _log(target: _Target) -> Operation:
    return replace(
        _base(target, "get", parameters.LOG),
        action="get",
        id=_id("read", target, target.noun),
        description=f"read {target.read}",
        produces=("text/plain", *target.produces),
        responses={200: STRING},
    )


def _connects(target: _Target, subresource: str) -> Iterator[Operation]:
    for method in _CONNECT[subresource]:
        yield _connect(target, method, subresource, target.noun)
    if subresource == "proxy":
        below = replace(
            target,
            path=target.path + "/{path}",
            path_parameters=(*target.path_parameters, parameters.PATH),
        )
        for method in _PROXY_METHODS:
            yield _connect(below, method, subresource, f"{target.noun}WithPath")


def _connect(target: _Target, method: str, subresource: str, noun: str) -> Operation:
    kind = target.resource.kind
    return replace(
        _base(target, method, parameters.CONNECT[target.kind.kind], pretty=False),
        action="connect",
        id=_id("connect", target, method.capitalize() + noun),
        description=f"connect {method.upper()} requests to {subresource} of {kind}",
        produces=ANY_MEDIA,
        responses={200: STRING},
    )


def _base(
    target: _Target, method: str, query: tuple[Parameter, ...] = (), *, pretty: bool = True
) -> Operation:
    """What an operation has by its target; the caller replaces the rest."""
    every = (*target.path_parameters, *((parameters.PRETTY,) if pretty else ()), *query)
    return Operation(
        path=target.path,
        method=method,
        id="",
        description="",
        tag=tag_of(target.group_version),
        responses={},
        kind=target.kind,
        parameters=tuple(sorted(every, key=lambda p: (p.location != "path", p.name))),
        produces=target.produces,
    )


def _id(verb: str, target: _Target, noun: str) -> str:
    return f"{verb}{camel(target.group_version)}{noun}"


def _with_article(kind: str) -> str:
    """`a Pod`, `an Ingress`, and `Endpoints`, which is a plural."""
    if kind.endswith("s") and not kind.endswith("ss"):
        return kind
    return f"{'an' if kind[:1] in 'AEIOU' else 'a'} {kind}"
