# SPDX-License-Identifier: Apache-2.0
"""StatusError: every answer that is not a success, as the v1 Status a client branches on.

One function per case of apimachinery's `api/errors`; reason, code, message and details are
upstream's, because clients compare reasons and users search for messages. Storage raises its own
errors; `registry` translates them into these, once.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from pyk8s.apimachinery import field
from pyk8s.apimachinery.gojson import quoted_string
from pyk8s.apimachinery.gvk import GroupKind, GroupResource

UNAUTHORIZED = "Unauthorized"
FORBIDDEN = "Forbidden"
NOT_FOUND = "NotFound"
ALREADY_EXISTS = "AlreadyExists"
CONFLICT = "Conflict"
GONE = "Gone"
EXPIRED = "Expired"
INVALID = "Invalid"
SERVER_TIMEOUT = "ServerTimeout"
TIMEOUT = "Timeout"
TOO_MANY_REQUESTS = "TooManyRequests"
BAD_REQUEST = "BadRequest"
METHOD_NOT_ALLOWED = "MethodNotAllowed"
NOT_ACCEPTABLE = "NotAcceptable"
REQUEST_ENTITY_TOO_LARGE = "RequestEntityTooLarge"
UNSUPPORTED_MEDIA_TYPE = "UnsupportedMediaType"
INTERNAL_ERROR = "InternalError"
SERVICE_UNAVAILABLE = "ServiceUnavailable"


class StatusError(Exception):
    """An API failure. `status` is the complete v1 Status; `code` its HTTP status code."""

    def __init__(
        self,
        code: int,
        reason: str,
        message: str,
        details: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.reason = reason
        self.message = message
        self.details = details
        # Extra response headers, such as WWW-Authenticate or Allow.
        self.headers: list[tuple[str, str]] = []
        # Where an expired list may go on, inconsistently; shown as metadata.continue.
        self.continue_token = ""

    @property
    def status(self) -> dict[str, Any]:
        status: dict[str, Any] = {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {"continue": self.continue_token} if self.continue_token else {},
            "status": "Failure",
            "message": self.message,
            "reason": self.reason,
        }
        if self.details:
            status["details"] = self.details
        status["code"] = self.code
        if not self.reason:
            del status["reason"]
        return status

    @property
    def retry_after_seconds(self) -> int:
        """What the Retry-After header says; 0 means no such header."""
        return int((self.details or {}).get("retryAfterSeconds", 0))


def _details(name: str, group: str, kind: str, **more: Any) -> dict[str, Any]:
    details = {"name": name, "group": group, "kind": kind, **more}
    return {key: value for key, value in details.items() if value not in ("", None, [])}


def not_found(resource: GroupResource, name: str) -> StatusError:
    message = f"{resource} {quoted_string(name)} not found"
    return StatusError(404, NOT_FOUND, message, _details(name, resource.group, resource.resource))


def already_exists(resource: GroupResource, name: str) -> StatusError:
    message = f"{resource} {quoted_string(name)} already exists"
    return StatusError(
        409, ALREADY_EXISTS, message, _details(name, resource.group, resource.resource)
    )


def generate_name_conflict(resource: GroupResource, name: str) -> StatusError:
    """All tries of generateName met existing objects: the client may try again."""
    message = (
        f"{resource} {quoted_string(name)} already exists, the server was not able to generate "
        "a unique name for the object"
    )
    details = _details(name, resource.group, resource.resource, retryAfterSeconds=1)
    return StatusError(409, ALREADY_EXISTS, message, details)


def conflict(resource: GroupResource, name: str, why: str) -> StatusError:
    message = f"Operation cannot be fulfilled on {resource} {quoted_string(name)}: {why}"
    return StatusError(409, CONFLICT, message, _details(name, resource.group, resource.resource))


def apply_conflict(causes: Sequence[dict[str, str]], message: str) -> StatusError:
    return StatusError(409, CONFLICT, message, {"causes": list(causes)})


def invalid(kind: GroupKind, name: str, faults: Iterable[field.Error]) -> StatusError:
    """422 with one cause per fault; several faults are printed in brackets, none twice."""
    faults = list(faults)
    messages = list(dict.fromkeys(fault.message for fault in faults))
    text = messages[0] if len(messages) == 1 else "[" + ", ".join(messages) + "]"
    message = f"{kind} {quoted_string(name)} is invalid: {text}"
    causes = [fault.cause() for fault in faults]
    return StatusError(422, INVALID, message, _details(name, kind.group, kind.kind, causes=causes))


def bad_request(message: str) -> StatusError:
    return StatusError(400, BAD_REQUEST, message)


def unauthorized(message: str = "Unauthorized") -> StatusError:
    return StatusError(401, UNAUTHORIZED, message)


def forbidden(
    resource: GroupResource,
    name: str,
    why: str,
    causes: Sequence[dict[str, str]] = (),
) -> StatusError:
    if not resource.resource:
        message = f"forbidden: {why}"
    elif name:
        message = f"{resource} {quoted_string(name)} is forbidden: {why}"
    else:
        message = f"{resource} is forbidden: {why}"
    details = _details(name, resource.group, resource.resource, causes=list(causes))
    return StatusError(403, FORBIDDEN, message, details)


def gone(message: str) -> StatusError:
    return StatusError(410, GONE, message)


def resource_expired(message: str) -> StatusError:
    return StatusError(410, EXPIRED, message)


def timeout(message: str, retry_after_seconds: int = 0) -> StatusError:
    details = {"retryAfterSeconds": retry_after_seconds} if retry_after_seconds else {}
    return StatusError(504, TIMEOUT, f"Timeout: {message}", details)


def too_large_resource_version(wanted: int, current: int) -> StatusError:
    """A read asked for a revision that has not happened; the client comes back in a second."""
    message = f"Timeout: Too large resource version: {wanted}, current: {current}"
    cause = {"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}
    return StatusError(504, TIMEOUT, message, {"causes": [cause], "retryAfterSeconds": 1})


def server_timeout(resource: GroupResource, verb: str, retry_after_seconds: int) -> StatusError:
    message = (
        f"The {verb} operation against {resource} could not be completed at this time, "
        "please try again."
    )
    details = _details(verb, resource.group, resource.resource)
    details["retryAfterSeconds"] = retry_after_seconds
    return StatusError(500, SERVER_TIMEOUT, message, details)


def too_many_requests(message: str, retry_after_seconds: int = 1) -> StatusError:
    return StatusError(429, TOO_MANY_REQUESTS, message, {"retryAfterSeconds": retry_after_seconds})


def service_unavailable(message: str, retry_after_seconds: int = 1) -> StatusError:
    return StatusError(
        503, SERVICE_UNAVAILABLE, message, {"retryAfterSeconds": retry_after_seconds}
    )


def method_not_supported(resource: GroupResource, action: str) -> StatusError:
    message = f"{action} is not supported on resources of kind {quoted_string(str(resource))}"
    return StatusError(
        405, METHOD_NOT_ALLOWED, message, _details("", resource.group, resource.resource)
    )


def method_not_allowed() -> StatusError:
    """A known path, reached with a method that nothing there serves."""
    message = "the server does not allow this method on the requested resource"
    return StatusError(405, METHOD_NOT_ALLOWED, message, {})


def page_not_found() -> StatusError:
    """A path that names nothing served."""
    return StatusError(404, NOT_FOUND, "the server could not find the requested resource", {})


def not_acceptable(accepted: Iterable[str]) -> StatusError:
    message = "only the following media types are accepted: " + ", ".join(accepted)
    return StatusError(406, NOT_ACCEPTABLE, message)


def unsupported_media_type(accepted: Iterable[str]) -> StatusError:
    message = (
        "the body of the request was in an unknown format - accepted media types include: "
        + ", ".join(accepted)
    )
    return StatusError(415, UNSUPPORTED_MEDIA_TYPE, message)


def request_entity_too_large(message: str) -> StatusError:
    return StatusError(413, REQUEST_ENTITY_TOO_LARGE, f"Request entity too large: {message}")


def internal_error(message: str) -> StatusError:
    details = {"causes": [{"message": message}]}
    return StatusError(500, INTERNAL_ERROR, f"Internal error occurred: {message}", details)


def not_implemented(message: str) -> StatusError:
    """What this server does not do yet; upstream has no such answer, so the reason is its own."""
    return StatusError(501, "NotImplemented", message)
