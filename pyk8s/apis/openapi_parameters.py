# SPDX-License-Identifier: Apache-2.0
"""The query and path parameters of the API, as the OpenAPI documents describe them."""

from __future__ import annotations

import functools
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """One parameter; `location` is `path` or `query`, `type` a JSON Schema type."""

    name: str
    description: str
    location: str = "query"
    type: str = "string"


def _query(name: str, description: str, type: str = "string") -> Parameter:
    return Parameter(name=name, description=description, type=type)


@functools.cache
def name(kind: str) -> Parameter:
    """The name in the path, explained as that of a kind."""
    return Parameter(name="name", location="path", description=f"name of the {kind}")


NAMESPACE = Parameter(
    name="namespace",
    location="path",
    description="object name and auth scope, such as for teams and projects",
)
PATH = Parameter(name="path", location="path", description="path to the resource")
PRETTY = _query(
    "pretty",
    "If 'true', the answer is printed with indentation. Browsers, curl and wget get that unasked.",
)

_DRY_RUN = _query(
    "dryRun",
    "When present, nothing is persisted. The only valid value is All: every stage is run, "
    "admission and validation included.",
)
_FIELD_MANAGER = _query(
    "fieldManager",
    "Who makes these changes, as managedFields will say: at most 128 printable characters. "
    "Required for apply, otherwise taken from the user agent.",
)
_FIELD_VALIDATION = _query(
    "fieldValidation",
    "What happens to unknown and duplicate fields of the request: Ignore drops them, Warn drops "
    "them and says so in a warning header, Strict fails the request with BadRequest. "
    "Warn is the default.",
)
_FORCE = _query(
    "force",
    "Apply only: take over fields that other managers own instead of failing with a conflict.",
    "boolean",
)
_CONTINUE = _query(
    "continue",
    "The continue value of the page before, to read the next one at the same state. A token too "
    "old is answered with 410 and a new token. Not for watches.",
)
_FIELD_SELECTOR = _query(
    "fieldSelector", "Restricts the objects by their fields. Defaults to everything."
)
_LABEL_SELECTOR = _query(
    "labelSelector", "Restricts the objects by their labels. Defaults to everything."
)
_SHARD_SELECTOR = _query(
    "shardSelector",
    "Restricts the objects to a shard of a hash range, such as "
    "shardRange(object.metadata.uid, '0x0', '0x8000000000000000').",
)
_LIMIT = _query(
    "limit",
    "The most objects that one answer may hold; when there are more, it carries a continue "
    "value. Not for watches.",
    "integer",
)
_RESOURCE_VERSION = _query(
    "resourceVersion",
    "From which state the request may be answered; with watch, after which state the changes "
    "begin. Unset asks for the most recent state.",
)
_RESOURCE_VERSION_MATCH = _query(
    "resourceVersionMatch",
    "How resourceVersion applies to a list: Exact or NotOlderThan. Defaults to unset.",
)
_SEND_INITIAL_EVENTS = _query(
    "sendInitialEvents",
    "With watch: begin with an event for every object there is, then a bookmark that carries the "
    "annotation k8s.io/initial-events-end. Demands resourceVersionMatch=NotOlderThan.",
    "boolean",
)
_TIMEOUT_SECONDS = _query(
    "timeoutSeconds", "How long a list or watch may last, whatever happens in it.", "integer"
)
_ALLOW_WATCH_BOOKMARKS = _query(
    "allowWatchBookmarks",
    "With watch: send events of type BOOKMARK, which tell how far the watch has come.",
    "boolean",
)
_WATCH = _query(
    "watch",
    "Answer with a stream of the changes after resourceVersion instead of a list.",
    "boolean",
)
_GRACE_PERIOD_SECONDS = _query(
    "gracePeriodSeconds",
    "Seconds until the object is deleted; 0 deletes it at once. Defaults to what the kind has.",
    "integer",
)
_IGNORE_READ_ERROR = _query(
    "ignoreStoreReadErrorWithClusterBreakingPotential",
    "Delete an object even though its stored form cannot be read, without finalizers and "
    "preconditions. It can break the cluster.",
    "boolean",
)
_ORPHAN_DEPENDENTS = _query(
    "orphanDependents",
    "Deprecated: use propagationPolicy. Whether dependents are kept without owner.",
    "boolean",
)
_PROPAGATION_POLICY = _query(
    "propagationPolicy",
    "What becomes of dependents: Orphan keeps them, Background deletes them afterwards, "
    "Foreground deletes them first.",
)

WRITE = (_DRY_RUN, _FIELD_MANAGER, _FIELD_VALIDATION)
PATCH = (*WRITE, _FORCE)
DELETE = (
    _DRY_RUN,
    _GRACE_PERIOD_SECONDS,
    _IGNORE_READ_ERROR,
    _ORPHAN_DEPENDENTS,
    _PROPAGATION_POLICY,
)
_SELECTION = (
    _CONTINUE,
    _FIELD_SELECTOR,
    _LABEL_SELECTOR,
    _LIMIT,
    _RESOURCE_VERSION,
    _RESOURCE_VERSION_MATCH,
    _SEND_INITIAL_EVENTS,
    _SHARD_SELECTOR,
    _TIMEOUT_SECONDS,
)
LIST = (_ALLOW_WATCH_BOOKMARKS, *_SELECTION, _WATCH)
DELETE_COLLECTION = (*_SELECTION, *DELETE)

_CONTAINER = _query(
    "container", "The container of the pod; may be left out when there is only one."
)
_STREAMS = (
    _query("stderr", "Redirect the standard error stream.", "boolean"),
    _query("stdin", "Redirect the standard input stream. Defaults to false.", "boolean"),
    _query("stdout", "Redirect the standard output stream.", "boolean"),
    _query("tty", "Allocate a terminal. Defaults to false.", "boolean"),
)
_PROXY = (_query("path", "The part of the URL that is passed on."),)

# By the kind of options that a connect subresource takes.
CONNECT: dict[str, tuple[Parameter, ...]] = {
    "NodeProxyOptions": _PROXY,
    "PodProxyOptions": _PROXY,
    "ServiceProxyOptions": _PROXY,
    "PodAttachOptions": (_CONTAINER, *_STREAMS),
    "PodExecOptions": (
        _query("command", "The command and its arguments, run without a shell."),
        _CONTAINER,
        *_STREAMS,
    ),
    "PodPortForwardOptions": (_query("ports", "The ports to forward; required over WebSockets."),),
}
LOG = (
    _CONTAINER,
    _query("follow", "Keep sending what is logged. Defaults to false.", "boolean"),
    _query(
        "insecureSkipTLSVerifyBackend",
        "Do not verify the certificate of the kubelet that has the log. Defaults to false.",
        "boolean",
    ),
    _query("limitBytes", "The most bytes to send; the last line may be cut.", "integer"),
    _query("previous", "The log of the container's previous run. Defaults to false.", "boolean"),
    _query("sinceSeconds", "Only what was logged in that many last seconds.", "integer"),
    _query("stream", "All, Stdout or Stderr; with tailLines only All. Defaults to All."),
    _query("tailLines", "Only that many lines from the end.", "integer"),
    _query("timestamps", "Begin each line with the time it was logged.", "boolean"),
)
