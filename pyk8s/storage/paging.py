# SPDX-License-Identifier: Apache-2.0
"""What a list asks for: at which revision, how fresh, from which key; and its continue tokens.

The rules of apiserver's `ValidateListOptions` and `continue.go`, as pure functions. A token is
base64url of `{"v":"meta.k8s.io/v1","rv":…,"start":…}` and so understood by every API server on
the same etcd. `rv` -1 goes on at the latest revision, after the one the list began at was
compacted away.
"""

from __future__ import annotations

import base64
import binascii
import posixpath
from dataclasses import dataclass

from pyk8s.apimachinery import codec
from pyk8s.storage import errors, versioner
from pyk8s.storage.interface import EXACT, NOT_OLDER_THAN, ListOptions, ResourceConfig

_VERSION = "meta.k8s.io/v1"
_LATEST = -1

EXPIRED = "The resourceVersion for the provided list is too old."
_INVALID = "continue key is not valid"
_CONTINUE_EXPIRED = (
    "The provided continue parameter is too old to display a consistent list result. You can "
    "start a new list without the continue parameter, or use the continue token in this response "
    "to retrieve the remainder of the results. Continuing with the provided token results in an "
    "inconsistent list - objects that were created, modified, or deleted between the time the "
    "first chunk was returned and now may show up in the list."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ListPlan:
    """A list made precise.

    `prefix` is the range. `start` is the first key wanted. `exact` is the revision to read at, 0
    where any is good; `at_least` how old the answer may be at most, None for linearizable.
    """

    prefix: str
    start: str
    exact: int = 0
    at_least: int | None = None
    limit: int = 0
    continues: bool = False


def plan(prefix: str, options: ListOptions) -> ListPlan:
    """Raises InvalidToken with upstream's texts."""
    if options.continue_token:
        return _plan_continue(prefix, options)
    try:
        revision = versioner.parse(options.resource_version)
    except errors.InvalidToken as error:
        raise errors.InvalidToken(f"invalid resource version: {error}") from error
    limit = options.limit
    match options.resource_version_match:
        case "":
            if revision and limit:
                return ListPlan(prefix=prefix, start=prefix, exact=revision, limit=limit)
        case match if match == EXACT:
            return ListPlan(prefix=prefix, start=prefix, exact=revision, limit=limit)
        case match if match != NOT_OLDER_THAN:
            raise errors.InvalidToken(f"unknown ResourceVersionMatch value: {match}")
    at_least = revision if options.resource_version else None
    # Whatever is at hand is answered whole, as upstream's cache does.
    if options.resource_version == "0":
        limit = 0
    return ListPlan(prefix=prefix, start=prefix, at_least=at_least, limit=limit)


def _plan_continue(prefix: str, options: ListOptions) -> ListPlan:
    try:
        start, revision = decode_continue(options.continue_token, prefix)
    except errors.InvalidToken as error:
        raise errors.InvalidToken(f"invalid continue token: {error}") from error
    if options.resource_version not in ("", "0"):
        raise errors.InvalidToken("specifying resource version is not allowed when using continue")
    exact = max(revision, 0)
    return ListPlan(prefix=prefix, start=start, exact=exact, limit=options.limit, continues=True)


def encode_continue(start: str, prefix: str, revision: int) -> str:
    assert start.startswith(prefix), (start, prefix)
    token = {"v": _VERSION, "rv": revision, "start": start[len(prefix) :]}
    return base64.urlsafe_b64encode(codec.encode_json(token)).rstrip(b"=").decode()


def after(key: str) -> str:
    """The smallest key behind `key`."""
    return key + "\0"


def expired(plan: ListPlan) -> errors.ResourceExpired:
    """The revision of a list is compacted away; a page says how to go on inconsistently."""
    if not plan.continues:
        return errors.ResourceExpired(EXPIRED)
    token = encode_continue(plan.start, plan.prefix, _LATEST)
    return errors.ResourceExpired(_CONTINUE_EXPIRED, token)


def decode_continue(token: str, prefix: str) -> tuple[str, int]:
    """The key to start from and the revision to read at; raises InvalidToken."""
    try:
        raw = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
        decoded = codec.decode_json(raw)
        version, revision, start = (decoded.get(key) for key in ("v", "rv", "start"))
    except (binascii.Error, codec.DecodeError, AttributeError, ValueError) as error:
        raise errors.InvalidToken(f"{_INVALID}: {error}") from error
    if version != _VERSION:
        raise errors.InvalidToken(
            f"{_INVALID}: server does not recognize this encoded version {version or ''}"
        )
    checked = _checked_revision(revision)
    return prefix + _checked_start(start), checked


def _checked_revision(revision: object) -> int:
    if type(revision) is not int or revision == 0:
        raise errors.InvalidToken(
            f"{_INVALID}: incorrect encoded start resourceVersion (version {_VERSION})"
        )
    return revision


def _checked_start(start: object) -> str:
    if not isinstance(start, str) or not start:
        raise errors.InvalidToken(f"{_INVALID}: encoded start key empty (version {_VERSION})")
    # A start such as ../secrets would leave the range the caller may read.
    key = start if start.startswith("/") else "/" + start
    if posixpath.normpath(key) != key or key.startswith("//"):
        raise errors.InvalidToken(f"{_INVALID}: {start}")
    return key[1:]


def prefix_of(config: ResourceConfig, namespace: str) -> str:
    """The range of all objects of a resource, or of those in one namespace."""
    return f"{config.key_prefix}{namespace}/" if namespace else config.key_prefix
