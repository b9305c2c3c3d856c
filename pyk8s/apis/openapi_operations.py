# SPDX-License-Identifier: Apache-2.0
"""Operations: one method of one path, as both versions of the OpenAPI documents render it.

What is here concerns every operation, and those of discovery; the operations of resources are
made in openapi_paths.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from pyk8s.apimachinery.gvk import GroupVersion, GroupVersionKind
from pyk8s.apis.openapi_parameters import Parameter

META = "io.k8s.apimachinery.pkg.apis.meta.v1"
STATUS = f"{META}.Status"
DELETE_OPTIONS = f"{META}.DeleteOptions"
PATCH = f"{META}.Patch"
WATCH_EVENT = f"{META}.WatchEvent"
# What a response is that has no definition.
STRING = "string"

JSON, YAML = "application/json", "application/yaml"
PROTOBUF, CBOR = "application/vnd.kubernetes.protobuf", "application/cbor"
ANY_MEDIA = ("*/*",)
COMPILED_MEDIA = (JSON, YAML, PROTOBUF, CBOR)

RESPONSE_DESCRIPTIONS = {200: "OK", 201: "Created", 202: "Accepted", 401: "Unauthorized"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One method of one path. `responses` names the definition of each success; an operation
    without `kind` belongs to discovery."""

    path: str
    method: str
    id: str
    description: str
    tag: str
    responses: Mapping[int, str]
    action: str = ""
    kind: GroupVersionKind | None = None
    parameters: tuple[Parameter, ...] = ()
    body: str = ""
    body_required: bool = True
    consumes: tuple[str, ...] = ANY_MEDIA
    produces: tuple[str, ...] = COMPILED_MEDIA


def of_group_version(group_version: GroupVersion) -> Operation:
    """GET of the group version itself: its list of resources."""
    return Operation(
        path=f"{prefix_of(group_version)}/",
        method="get",
        id=f"get{camel(group_version)}APIResources",
        description="get available resources",
        tag=tag_of(group_version),
        responses={200: f"{META}.APIResourceList"},
    )


def of_group(group: str) -> Operation:
    """GET of a group: its versions."""
    return Operation(
        path=f"/apis/{group}/",
        method="get",
        id=f"get{group_camel(group)}APIGroup",
        description="get information of a group",
        tag=_lower_first(group_camel(group)),
        responses={200: f"{META}.APIGroup"},
    )


def of_server() -> tuple[Operation, ...]:
    """What a server has beside its groups; the first path segment names the document."""
    return (
        Operation(
            path="/api/",
            method="get",
            id="getCoreAPIVersions",
            description="get available API versions",
            tag="core",
            responses={200: f"{META}.APIVersions"},
        ),
        Operation(
            path="/apis/",
            method="get",
            id="getAPIVersions",
            description="get available API versions",
            tag="apis",
            responses={200: f"{META}.APIGroupList"},
        ),
        Operation(
            path="/version/",
            method="get",
            id="getCodeVersion",
            description="get the version information for this server",
            tag="version",
            responses={200: "io.k8s.apimachinery.pkg.version.Info"},
            produces=(JSON,),
        ),
        Operation(
            path="/openid/v1/jwks",
            method="get",
            id="getServiceAccountIssuerOpenIDKeyset",
            description="get service account issuer OpenID JSON Web Key Set "
            "(contains public token verification keys)",
            tag="openid",
            responses={200: STRING},
            produces=("application/jwk-set+json",),
        ),
        Operation(
            path="/.well-known/openid-configuration",
            method="get",
            id="getServiceAccountIssuerOpenIDConfiguration",
            description="get service account issuer OpenID configuration, also known as the "
            "'OIDC discovery doc'",
            tag="WellKnown",
            responses={200: STRING},
            produces=(JSON,),
        ),
    )


def by_path(operations: Iterable[Operation]) -> dict[str, dict[str, Operation]]:
    """Operations by path, sorted, then by method."""
    paths: dict[str, dict[str, Operation]] = {}
    for operation in operations:
        paths.setdefault(operation.path, {})[operation.method] = operation
    return {path: dict(sorted(paths[path].items())) for path in sorted(paths)}


def shared_parameters(operations: Iterable[Operation]) -> tuple[Parameter, ...]:
    """The parameters that all operations of one path have: documents state them at the path."""
    first, *others = (operation.parameters for operation in operations)
    return tuple(p for p in first if all(p in other for other in others))


def named(operation: Operation) -> Iterator[str]:
    """The definitions that an operation names itself."""
    for name in (operation.body, *operation.responses.values()):
        if name not in ("", STRING):
            yield name


def gvk_object(gvk: GroupVersionKind) -> dict[str, str]:
    """As the extension x-kubernetes-group-version-kind writes it."""
    return {"group": gvk.group, "kind": gvk.kind, "version": gvk.version}


def prefix_of(group_version: GroupVersion) -> str:
    group, version = group_version
    return f"/apis/{group}/{version}" if group else f"/api/{version}"


@functools.cache
def camel(group_version: GroupVersion) -> str:
    return group_camel(group_version.group) + group_version.version.capitalize()


@functools.cache
def group_camel(group: str) -> str:
    """`rbac.authorization.k8s.io` -> `RbacAuthorization`, the legacy group -> `Core`."""
    if not group:
        return "Core"
    words = group.removesuffix(".k8s.io").replace("-", ".").split(".")
    return "".join(word[:1].upper() + word[1:] for word in words)


def tag_of(group_version: GroupVersion) -> str:
    return f"{_lower_first(group_camel(group_version.group))}_{group_version.version}"


def _lower_first(word: str) -> str:
    return word[:1].lower() + word[1:]
