# SPDX-License-Identifier: Apache-2.0
"""Storage errors become API errors: here, and nowhere else.

Mirrors apiserver's `storage/errors`: what etcd could not do is never told as success, and a
client learns when it is worth coming back.
"""

from __future__ import annotations

from pyk8s.apimachinery import errors as api
from pyk8s.apimachinery.gvk import GroupResource
from pyk8s.storage import errors as storage


def status_error(
    error: storage.StorageError, resource: GroupResource, name: str, verb: str
) -> api.StatusError:
    """`verb` is the request's (`get`, `create`, …), named in timeouts."""
    match error:
        case storage.KeyNotFound():
            return api.not_found(resource, name)
        case storage.KeyExists():
            return api.already_exists(resource, name)
        case storage.PreconditionFailed():
            return api.conflict(resource, name, str(error))
        case storage.InvalidToken():
            return api.bad_request(str(error))
        case storage.ResourceExpired():
            return _expired(error)
        case storage.TooLargeRevision():
            return api.too_large_resource_version(error.wanted, error.current)
        case storage.Unavailable():
            return api.service_unavailable(str(error))
        case storage.OutOfSpace():
            return api.service_unavailable(str(error), retry_after_seconds=10)
        case storage.TooLarge():
            return api.request_entity_too_large(str(error))
        case storage.OutcomeUnknown():
            return api.server_timeout(resource, verb, 1)
        case _:
            return api.internal_error(str(error))


def _expired(error: storage.ResourceExpired) -> api.StatusError:
    expired = api.resource_expired(str(error))
    expired.continue_token = error.continue_token
    return expired
