# SPDX-License-Identifier: Apache-2.0
"""TokenRequest: a signed token for a ServiceAccount, bound to an object if the client says so.

Mirrors `pkg/registry/core/serviceaccount/storage/token.go`. Nothing is kept: the token holds as
long as the ServiceAccount and what it is bound to are there.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from pyk8s.admission import interface as admission
from pyk8s.apimachinery import errors, field, times
from pyk8s.apimachinery.gojson import quoted_string
from pyk8s.apimachinery.gvk import (
    GroupResource,
    GroupVersionKind,
    Object,
    parse_group_version,
)
from pyk8s.apis.validation import reviews
from pyk8s.componenthelpers import tokensigning
from pyk8s.registry.context import RequestContext
from pyk8s.registry.store import Store

TOKEN_REQUEST = GroupVersionKind("authentication.k8s.io", "v1", "TokenRequest")

_SECONDS_DEFAULT = 3600

# What a kubelet asks for by default; such a token holds for a year, so that software that does
# not read it again goes on working, and says from when on it should have been read again.
# Upstream: WarnOnlyBoundTokenExpirationSeconds, ExpirationExtensionSeconds.
_SECONDS_EXTENDED = 60 * 60 + 7
_SECONDS_EXTENSION = 24 * 365 * 60 * 60

_Bound = dict[str, Mapping[str, Any]]


class TokenRequests:
    """`audiences` are the server's own, which a token is for when none are named."""

    def __init__(
        self,
        stores: Mapping[str, Store],
        issuer: tokensigning.Issuer | None,
        audiences: Sequence[str],
    ) -> None:
        self._accounts = stores["serviceaccounts"]
        self._bindable = {"Pod": stores["pods"], "Secret": stores["secrets"]}
        self._nodes = stores["minions"]
        self._issuer = issuer
        self._audiences = list(audiences)

    async def create(self, context: RequestContext, name: str, request: Object) -> Object:
        """The request, its status filled in."""
        if self._issuer is None:
            raise errors.not_implemented(
                "the server signs no tokens without --service-account-signing-key-file"
            )
        _check_addressed(request["metadata"], context.namespace, name)
        account = (await self._accounts.get(context.namespace, name)).object()
        self._complete(request, account)
        now = time.time()
        request["metadata"]["creationTimestamp"] = _moment(now)
        faults = reviews.validate_token_request(request)
        if faults:
            raise errors.invalid(TOKEN_REQUEST.group_kind, "", faults)
        await self._admit(context, name, request)
        bound = await self._bound(context.namespace, name, request["spec"].get("boundObjectRef"))
        spec = request["spec"]
        token = self._issuer.sign(
            claims(account, bound, spec, extends=self._extends(spec, bound), now=int(now))
        )
        expires = _moment(now + spec["expirationSeconds"])
        request["status"] = {"token": token, "expirationTimestamp": expires}
        return request

    def _complete(self, request: Object, account: Object) -> None:
        metadata, owner = request["metadata"], account["metadata"]
        metadata["name"], metadata["namespace"] = owner["name"], owner["namespace"]
        if metadata.setdefault("uid", owner["uid"]) != owner["uid"]:
            why = (
                f"the UID in the token request ({metadata['uid']}) does not match the UID of the "
                f"service account ({owner['uid']})"
            )
            kind = GroupResource(TOKEN_REQUEST.group, TOKEN_REQUEST.kind)
            raise errors.conflict(kind, owner["name"], why)
        spec = request.setdefault("spec", {})
        if spec.get("expirationSeconds") is None:
            spec["expirationSeconds"] = _SECONDS_DEFAULT
        if not spec.get("audiences"):
            spec["audiences"] = list(self._audiences)
        # Go writes it out where it is not set.
        spec.setdefault("boundObjectRef", None)

    async def _admit(self, context: RequestContext, name: str, request: Object) -> None:
        attributes = admission.Attributes(
            operation=admission.CREATE,
            resource=self._accounts.resource.gvr,
            kind=TOKEN_REQUEST,
            namespace=context.namespace,
            name=name,
            user=context.user,
            subresource="token",
            obj=request,
            dry_run=context.dry_run,
            warnings=context.warnings,
        )
        await self._accounts.admission.admit(attributes)
        await self._accounts.admission.validate(attributes)

    async def _bound(self, namespace: str, account: str, reference: Object | None) -> _Bound:
        """What the token is bound to, by its name among the claims."""
        if not reference:
            return {}
        group, version = parse_group_version(reference.get("apiVersion") or "")
        kind, name = reference.get("kind") or "", reference.get("name") or ""
        if group or kind not in ("Pod", "Secret", "Node"):
            shown = f"{group}/{version}, Kind={kind}"
            raise errors.bad_request(f"cannot bind token to object of type {shown}")
        if kind == "Node":
            found = (await self._nodes.get("", name)).object()
        else:
            found = (await self._bindable[kind].get(namespace, name)).object()
        bound: _Bound = {kind.lower(): found["metadata"]}
        if kind == "Pod":
            _check_account(found, account)
            bound.update(await self._node_of(found))
        uid = reference.get("uid")
        if uid and uid != found["metadata"]["uid"]:
            why = (
                f"the UID in the bound object reference ({uid}) does not match the UID in record. "
                "The object might have been deleted and then recreated"
            )
            raise errors.conflict(GroupResource(group, kind), name, why)
        return bound

    async def _node_of(self, pod: Object) -> _Bound:
        name = pod["spec"].get("nodeName")
        if not name:
            return {}
        try:
            return {"node": (await self._nodes.get("", name)).object()["metadata"]}
        except errors.StatusError as error:
            if error.reason != errors.NOT_FOUND:
                raise
        return {"node": {"name": name}}

    def _extends(self, spec: Object, bound: _Bound) -> bool:
        return (
            "pod" in bound
            and spec["expirationSeconds"] == _SECONDS_EXTENDED
            and set(spec["audiences"]) <= set(self._audiences)
        )


def _check_addressed(metadata: Object, namespace: str, name: str) -> None:
    for key, actual in (("name", name), ("namespace", namespace)):
        claimed = metadata.get(key)
        if claimed and claimed != actual:
            what = "name" if key == "name" else "namespace"
            detail = f"must match the service account {what} if specified"
            fault = field.invalid(field.Path("metadata", key), claimed, detail)
            raise errors.invalid(TOKEN_REQUEST.group_kind, name, [fault])


def _check_account(pod: Object, account: str) -> None:
    if pod["spec"].get("serviceAccountName") != account:
        raise errors.bad_request(
            f"cannot bind token for serviceaccount {quoted_string(account)} to pod running with "
            "different serviceaccount name."
        )


def claims(
    account: Object, bound: _Bound, spec: Object, *, extends: bool, now: int
) -> dict[str, Any]:
    """The claims of a token, but for the issuer."""
    metadata = account["metadata"]
    own: dict[str, Any] = {
        "namespace": metadata["namespace"],
        **{kind: _reference(found) for kind, found in sorted(bound.items())},
        "serviceaccount": _reference(metadata),
    }
    seconds = spec["expirationSeconds"]
    if extends:
        own["warnafter"] = now + seconds
        seconds = _SECONDS_EXTENSION
    return {
        "sub": tokensigning.user_name(metadata["namespace"], metadata["name"]),
        "aud": spec["audiences"],
        "iat": now,
        "nbf": now,
        "exp": now + seconds,
        "jti": str(uuid.uuid4()),
        "kubernetes.io": own,
    }


def _reference(metadata: Mapping[str, Any]) -> dict[str, str]:
    return {key: metadata[key] for key in ("name", "uid") if metadata.get(key)}


def _moment(seconds: float) -> str:
    return times.format(datetime.fromtimestamp(seconds, UTC))
