# SPDX-License-Identifier: Apache-2.0
"""Who asks a metrics server, and may they.

    client certificate of the API server in front -> the user it names in headers
    client certificate of a user, or a token      -> that user
    user -> SubjectAccessReview

Mirrors apiserver's delegated authentication and authorization. Nobody is anonymous here: without
credentials only the health checks answer.
"""

from __future__ import annotations

import logging
import ssl
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from pyk8s.apimachinery import errors
from pyk8s.apimachinery.gojson import quoted_string
from pyk8s.apimachinery.gvk import GroupResource, Object
from pyk8s.client import informer
from pyk8s.client.client import Client
from pyk8s.client.reflector import ResourceListWatcher
from pyk8s.client.resources import CONFIGMAPS
from pyk8s.serving import certificate, requestheader
from pyk8s.serving.delegation import (
    ALWAYS_ALLOWED_PATHS,
    Delegation,
    User,
    always_allowed_by,
    bearer_token,
    user_of_certificate,
)
from pyk8s.serving.requestheader import Authorities, Config, Headers

_log = logging.getLogger(__name__)

SYSTEM_MASTERS = "system:masters"


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessOptions:
    """`given` is what flags say, and goes before what the cluster says of the same; nothing is
    looked up there with `skip_lookup`."""

    given: Config = field(default_factory=Config)
    skip_lookup: bool = False
    always_allowed_paths: Collection[str] = ALWAYS_ALLOWED_PATHS


class Access:
    """Follows ConfigMap kube-system/extension-apiserver-authentication; what it says counts for
    the next connection to `tls`, and what it says no more for the next request."""

    def __init__(self, client: Client, tls: ssl.SSLContext, options: AccessOptions) -> None:
        self._delegation = Delegation(client)
        self._tls = tls
        self._options = options
        # To everybody, unasked.
        self.is_open = always_allowed_by(options.always_allowed_paths)
        self._config = Config()
        self._authorities = Authorities(self._config)
        source = ResourceListWatcher(
            client=client,
            resource=CONFIGMAPS,
            namespace=requestheader.NAMESPACE,
            field_selector=f"metadata.name={requestheader.CONFIG_MAP}",
        )
        self._informer = informer.SharedInformer(source, name=requestheader.CONFIG_MAP)
        self._informer.add_event_handler(
            informer.Handler(
                on_add=lambda found, _: self._believe(found),
                on_update=lambda _, found: self._believe(found),
                on_delete=lambda _: self._believe({}),
            )
        )
        self._believe({})

    async def run(self) -> None:
        """Until cancelled."""
        if not self._options.skip_lookup:
            await self._informer.run()

    async def wait_until_known(self) -> None:
        """Whom the cluster believes, if it says so."""
        if not self._options.skip_lookup:
            await self._informer.wait_until_synced()

    def _believe(self, config_map: Object) -> None:
        try:
            config = merged(self._options.given, requestheader.of_config_map(config_map))
            authorities = Authorities(config)
        except (ValueError, ssl.SSLError) as error:
            _log.error("%s is of no use: %s", requestheader.CONFIG_MAP, error)
            return
        self._config, self._authorities = config, authorities
        for known in (config.client_ca, config.proxy_ca):
            if known:
                certificate.trust(self._tls, known)

    # --- one request

    async def user_of(
        self, shown: Mapping[str, Any] | None, headers: Headers, authorization: str
    ) -> User:
        """`shown` is the verified certificate of the connection. Raises StatusError, 401 where
        nobody can be told, and ServerUnreachable."""
        if shown and self._authorities.signed_proxy(shown):
            user = requestheader.user_of(headers, shown, self._config)
            if user is not None:
                return user
        if shown and self._authorities.signed_client(shown):
            user = user_of_certificate(shown)
            if user is not None:
                return user
        user = await self._delegation.user_of_token(bearer_token(authorization))
        if user is None:
            raise errors.unauthorized()
        return user

    async def check(self, user: User, path: str, resource: Mapping[str, str]) -> None:
        """`resource` is empty for a path that is none. Raises StatusError, 403 for a user who may
        not, and ServerUnreachable."""
        if SYSTEM_MASTERS in user.groups:
            return
        if resource:
            allowed = await self._delegation.may(user, resourceAttributes=resource)
        else:
            attributes = {"path": path, "verb": "get"}
            allowed = await self._delegation.may(user, nonResourceAttributes=attributes)
        if not allowed:
            raise _forbidden(user, path, resource)


def merged(given: Config, found: Config) -> Config:
    """What flags say goes before what the cluster says, of clients and of proxies each."""
    if given.proxy_ca:
        return replace(given, client_ca=given.client_ca or found.client_ca)
    return replace(found, client_ca=given.client_ca or found.client_ca)


def _forbidden(user: User, path: str, resource: Mapping[str, str]) -> errors.StatusError:
    who = f"User {quoted_string(user.name)} cannot"
    if not resource:
        return errors.forbidden(GroupResource("", ""), "", f"{who} get path {quoted_string(path)}")
    what = (
        f"{who} {resource['verb']} resource {quoted_string(resource['resource'])} in API group "
        f"{quoted_string(resource['group'])}"
    )
    namespace = resource.get("namespace")
    where = f"in the namespace {quoted_string(namespace)}" if namespace else "at the cluster scope"
    group_resource = GroupResource(resource["group"], resource["resource"])
    return errors.forbidden(group_resource, resource.get("name", ""), f"{what} {where}")
