# SPDX-License-Identifier: Apache-2.0
"""The aggregation layer, put together: APIServices in, delegated group versions out."""

from __future__ import annotations

import logging
import ssl
from collections.abc import Callable
from dataclasses import dataclass, field

from pyk8s.aggregator import apiservice
from pyk8s.aggregator.apiservice import APIService
from pyk8s.aggregator.availability import Availability
from pyk8s.aggregator.discovery import RemoteDiscovery
from pyk8s.aggregator.downloads import Source
from pyk8s.aggregator.follow import Follower
from pyk8s.aggregator.openapi import RemoteOpenAPI
from pyk8s.aggregator.proxy import Proxy
from pyk8s.aggregator.registration import Registration
from pyk8s.aggregator.resolver import Resolver
from pyk8s.aggregator.transport import TransportError, Transports, says_who
from pyk8s.apimachinery.gvk import GroupVersion
from pyk8s.apis.discovery import Registered
from pyk8s.auth import requestheader
from pyk8s.endpoints.discovery import Discovery
from pyk8s.endpoints.dispatcher import Dispatcher
from pyk8s.endpoints.openapi import Delegated, OpenAPI
from pyk8s.endpoints.relay import Relay
from pyk8s.registry.builder import Stores
from pyk8s.storage import interface as storage

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """kube-apiserver's flags: --enable-aggregator-routing, --proxy-client-cert-file and
    --proxy-client-key-file, --aggregator-reject-forwarding-redirect, --requestheader-*."""

    to_endpoints: bool = True
    cert_file: str = ""
    key_file: str = ""
    rejects_redirects: bool = True
    request_headers: requestheader.Names = field(default_factory=requestheader.Names)


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """What this server publishes, of its own groups and of others."""

    discovery: Discovery
    openapi: OpenAPI


class Aggregator:
    """`start` once storage is synced, before requests are served; `stop` at the end."""

    def __init__(
        self,
        stores: Stores,
        dispatcher: Dispatcher,
        published: Published,
        local: Callable[[], tuple[GroupVersion, ...]],
        options: Options,
    ) -> None:
        """`local` says which group versions this server serves itself. Raises OSError and
        ssl.SSLError for files that cannot be used."""
        self._dispatcher = dispatcher
        self._published = published
        self._options = options
        self._says_who = says_who(options.request_headers)
        self._resolver = Resolver(stores, to_endpoints=options.to_endpoints)
        self._transports = Transports(options.cert_file, options.key_file)
        self._availability = Availability(stores, self._resolver, self._transports)
        self._discovery = RemoteDiscovery(self._publish)
        self._openapi = RemoteOpenAPI(self._publish_openapi)
        store = stores["apiregistration.k8s.io/apiservices"]
        self._follower = Follower(store, self._changed)
        self.registration = Registration(store, local)
        self._started = False
        # By name.
        self._services: dict[str, APIService] = {}
        self._proxies: dict[str, Proxy] = {}
        self._relays: dict[str, tuple[APIService, Relay | None, str]] = {}

    async def start(self) -> None:
        """Afterwards every group version goes where its APIService says. Raises StatusError."""
        await self._follower.start()
        self._started = True
        self._publish()
        await self.registration.start()

    async def stop(self) -> None:
        await self.registration.stop()
        await self._follower.stop()
        await self._discovery.downloads.stop()
        await self._openapi.stop()
        for name in list(self._relays):
            self._hang_up(name)
        await self._availability.stop()

    # --- changes

    def _changed(self, key: str, item: storage.Item | None) -> None:
        name = key.rpartition("/")[2]
        before = self._services.pop(name, None)
        if item is None:
            self._availability.removed(name)
        else:
            service = self._services[name] = apiservice.read(item.object())
            self._availability.changed(service)
            if service.service is not None:
                self._delegate(service)
        leads_away = name in self._services and self._services[name].service is not None
        if before is not None and before.service is not None and not leads_away:
            self._take_back(before)
        self._publish()

    def _take_back(self, service: APIService) -> None:
        self._hang_up(service.name)
        self._proxies.pop(service.name, None)
        self._discovery.removed(service.name)
        self._openapi.removed(service.name)
        self._publish_openapi()
        self._dispatcher.take_back(service.group_version)

    def _delegate(self, service: APIService) -> None:
        way, fault = self._relay_to(service)
        proxy = Proxy(
            service=service,
            resolver=self._resolver,
            relay=way,
            fault=fault,
            says_who=self._says_who,
            rejects_redirects=self._options.rejects_redirects,
        )
        self._proxies[service.name] = proxy
        self._dispatcher.delegate(service.group_version, proxy.handle)
        source = Source(service=service, relay=way, resolver=self._resolver)
        self._discovery.downloads.changed(source)
        self._openapi.changed(source)
        self._publish_openapi()

    def _relay_to(self, service: APIService) -> tuple[Relay | None, str]:
        """Kept while what it was made from stays."""
        known = self._relays.get(service.name)
        if known is not None and _trust(known[0]) == _trust(service):
            return known[1:]
        self._hang_up(service.name)
        way, fault = None, ""
        try:
            way = self._transports.verifying(service)
        except (TransportError, OSError, ssl.SSLError) as error:
            fault = str(error)
            _log.warning("APIService %s: %s", service.name, fault)
        self._relays[service.name] = service, way, fault
        return way, fault

    def _hang_up(self, name: str) -> None:
        _, way, _ = self._relays.pop(name, (None, None, ""))
        if way is not None and way.idle is not None:
            way.idle.close()

    # --- what is published

    def _publish(self) -> None:
        if not self._started:
            return
        self._published.discovery.set_registered(
            [
                Registered(
                    group_version=service.group_version,
                    group_priority=service.group_priority,
                    version_priority=service.version_priority,
                    local=service.service is None,
                    version=self._discovery.version(service.name),
                )
                for service in self._services.values()
            ]
        )

    def _publish_openapi(self) -> None:
        proxies = sorted(
            self._proxies.values(),
            key=lambda proxy: (-proxy.service.group_priority, proxy.service.name),
        )
        names = [proxy.service.name for proxy in proxies]
        self._published.openapi.set_others(
            v2=[part for name in names if (part := self._openapi.v2(name)) is not None],
            v3={
                path: Delegated(entry, proxy.handle)
                for proxy in proxies
                for path, entry in self._openapi.v3(proxy.service.name).items()
            },
        )


def _trust(service: APIService) -> object:
    return service.service, service.ca_bundle, service.insecure
