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
from pyk8s.aggregator.follow import Follower
from pyk8s.aggregator.proxy import Proxy
from pyk8s.aggregator.registration import Registration
from pyk8s.aggregator.resolver import Resolver
from pyk8s.aggregator.transport import TransportError, Transports, says_who
from pyk8s.apimachinery.gvk import GroupVersion
from pyk8s.auth import requestheader
from pyk8s.endpoints.dispatcher import Dispatcher
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


class Aggregator:
    """`start` once storage is synced, before requests are served; `stop` at the end."""

    def __init__(
        self,
        stores: Stores,
        dispatcher: Dispatcher,
        local: Callable[[], tuple[GroupVersion, ...]],
        options: Options,
    ) -> None:
        """`local` says which group versions this server serves itself."""
        self._dispatcher = dispatcher
        self._options = options
        self._resolver = Resolver(stores, to_endpoints=options.to_endpoints)
        self._transports = Transports(options.cert_file, options.key_file)
        self._availability = Availability(stores, self._resolver, self._transports)
        self._says_who = says_who(options.request_headers)
        store = stores["apiregistration.k8s.io/apiservices"]
        self._follower = Follower(store, self._changed)
        self.registration = Registration(store, local)
        # By name; what is not told as gone yet.
        self._services: dict[str, APIService] = {}
        self._relays: dict[str, tuple[APIService, Relay | None, str]] = {}

    async def start(self) -> None:
        """Afterwards every group version goes where its APIService says. Raises StatusError."""
        await self._follower.start()
        await self.registration.start()

    async def stop(self) -> None:
        await self.registration.stop()
        await self._follower.stop()
        await self._availability.stop()

    # --- changes

    def _changed(self, key: str, item: storage.Item | None) -> None:
        name = key.rpartition("/")[2]
        before = self._services.pop(name, None)
        if item is None:
            self._removed(name, before)
            return
        obj = item.object()
        service = self._services[name] = apiservice.read(obj)
        self._availability.changed(service)
        if service.service is not None:
            self._delegate(service)
        elif before is not None and before.service is not None:
            self._take_back(before)

    def _removed(self, name: str, before: APIService | None) -> None:
        self._availability.removed(name)
        if before is not None and before.service is not None:
            self._take_back(before)

    def _take_back(self, service: APIService) -> None:
        self._relays.pop(service.name, None)
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
        self._dispatcher.delegate(service.group_version, proxy.handle)

    def _relay_to(self, service: APIService) -> tuple[Relay | None, str]:
        """Kept while what it was made from stays."""
        known = self._relays.get(service.name)
        if known is not None and _trust(known[0]) == _trust(service):
            return known[1:]
        way, fault = None, ""
        try:
            way = self._transports.verifying(service)
        except (TransportError, OSError, ssl.SSLError) as error:
            fault = str(error)
            _log.warning("APIService %s: %s", service.name, fault)
        self._relays[service.name] = service, way, fault
        return way, fault


def _trust(service: APIService) -> object:
    return service.service, service.ca_bundle, service.insecure
