# SPDX-License-Identifier: Apache-2.0
"""The API server, put together: storage, registry, endpoints, the listening socket.

    start:  stores -> storage synced -> routes -> system objects -> listen -> ready
    stop:   not ready any more -> out of the endpoints -> watches end -> requests finish
            -> storage closes

`run` is what `pyk8s apiserver` calls. Everything is made here and handed down explicitly.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import logging
import signal
import socket
import time
from collections.abc import Callable

from pyk8s.aggregator import aggregator
from pyk8s.aggregator.aggregator import Aggregator
from pyk8s.apimachinery import errors
from pyk8s.apis import scheme
from pyk8s.auth import authorizer
from pyk8s.componentbase import health
from pyk8s.endpoints import (
    discovery,
    filters,
    install,
    issuer,
    openapi,
    relay,
    reviews,
    version,
)
from pyk8s.endpoints import health as health_pages
from pyk8s.endpoints.dispatcher import Dispatcher
from pyk8s.endpoints.endpoint import Handler
from pyk8s.endpoints.handlers.actions import Actions
from pyk8s.endpoints.handlers.connect import Connections
from pyk8s.endpoints.handlers.watch import Watches
from pyk8s.endpoints.request import ASGIApp
from pyk8s.registry import binding, builder, eviction, locations, tokens
from pyk8s.registry.services.ranges import ServiceRanges
from pyk8s.server import (
    admission,
    authentication,
    authentication_trust,
    bootstrap,
    certificates,
    identity,
    listener,
    serving,
)
from pyk8s.server.authentication_trust import ClusterAuthenticationTrust
from pyk8s.server.options import APIServerOptions
from pyk8s.server.presence import Addresses, Presence
from pyk8s.server.service_upkeep import ServiceUpkeep
from pyk8s.storage import cacher
from pyk8s.storage import errors as storage_errors
from pyk8s.storage import interface as storage

_log = logging.getLogger(__name__)

# An etcd that was started in the same moment takes a second or two; one that has not answered
# by then is not there.
_ETCD_WAIT_SECONDS = 15.0
_ETCD_RETRY_SECONDS = 0.05


class StartError(Exception):
    """The server cannot start; one line for the operator."""


class APIServer:
    """One API server process. `start` returns once it serves; `stop` once nothing is left."""

    def __init__(self, options: APIServerOptions) -> None:
        self._options = options
        self._backend: storage.Backend = cacher.open(options.etcd)
        self._watches = Watches(options.min_request_timeout_seconds)
        self._authorization = authorizer.Union(
            [authorizer.AllowedPaths(), authorizer.PrivilegedGroups(), authorizer.BasicUsers()]
        )
        self._stopping = False
        self._system_objects_made = False
        self._service_ranges = ServiceRanges.parse(
            options.service_cluster_ip_range, options.service_node_port_range
        )
        self._service_upkeep: ServiceUpkeep | None = None
        self._identity: identity.IdentityLease | None = None
        self._presence: Presence | None = None
        resources = scheme.builtin().resources
        self._published = aggregator.Published(
            discovery=discovery.Discovery(resources, f"{socket.gethostname()}:6443"),
            openapi=openapi.OpenAPI(resources),
        )
        self._aggregator: Aggregator | None = None
        self._trust: ClusterAuthenticationTrust | None = None
        self._server: serving.Server | None = None
        self._port = options.secure_port

    async def start(self) -> None:
        """Raises StartError, CertificateError, TokenFileError, KeyFileError, BundleError,
        ListenError or ServingError."""
        options = self._options
        listening = self._listener()
        stores = self._build_stores()
        await self._start_storage()
        address, port = listening.getsockname()[:2]
        self._port = port
        app = self._app(stores)
        try:
            assert self._aggregator is not None
            await self._aggregator.start()
            await self._make_system_objects(stores, address, port)
        except errors.StatusError as error:
            raise StartError(f"cannot make the objects of the system: {error}") from error
        tls = serving.tls_context(
            options.tls_cert_file,
            options.tls_private_key_file,
            options.client_ca_file,
            options.requestheader_client_ca_file,
        )
        self._server = serving.Server(
            app,
            tls,
            serving.ServerOptions(grace_seconds=options.shutdown_grace_seconds),
            on_stopping=self._watches.close_all,
        )
        await self._server.start(listening)
        _log.info("serving: address=%s port=%s", address, port)

    async def stop(self) -> None:
        self._stopping = True
        if self._presence is not None:
            await self._presence.stop()
        if self._server is not None:
            await self._server.stop()
        if self._service_upkeep is not None:
            await self._service_upkeep.stop()
        if self._aggregator is not None:
            await self._aggregator.stop()
        if self._trust is not None:
            await self._trust.stop()
        if self._identity is not None:
            await self._identity.stop()
        await self._backend.stop()

    def _listener(self) -> socket.socket:
        options = self._options
        if options.listen_fd >= 0:
            return socket.socket(fileno=options.listen_fd)
        return listener.listen(
            options.bind_address, options.secure_port, reuse_port=options.workers_share_port
        )

    async def _start_storage(self) -> None:
        """Try until etcd answers: it may have been started in the same moment."""
        deadline = time.monotonic() + _ETCD_WAIT_SECONDS
        while True:
            try:
                await self._backend.start()
            except storage_errors.Unavailable as error:
                if time.monotonic() > deadline:
                    servers = ", ".join(self._options.etcd_servers)
                    message = (
                        f"etcd does not answer at {servers}: {error}; start it there, or name "
                        "the right place with --etcd-servers"
                    )
                    raise StartError(message) from None
                await asyncio.sleep(_ETCD_RETRY_SECONDS)
            else:
                return

    def _build_stores(self) -> builder.Stores:
        stores: builder.Stores = {}

        chain = admission.build_chain(self._options, stores, self._authorization)
        prefix = self._options.etcd_prefix.rstrip("/")
        resources = scheme.builtin().resources
        built = builder.build(
            resources,
            self._backend,
            chain,
            builder.Options(
                key_prefix=prefix,
                event_ttl_seconds=int(self._options.event_ttl_seconds),
                service_ranges=self._service_ranges,
            ),
        )
        stores.update(built)
        return stores

    async def _make_system_objects(self, stores: builder.Stores, address: str, port: int) -> None:
        await bootstrap.ensure_namespaces(stores)
        await bootstrap.ensure_priority_classes(stores)
        await bootstrap.ensure_token_tracking(stores)
        own = self._options.advertise_address or advertised(address)
        service = bootstrap.MasterService(
            cluster_ip=certificates.first_service_ip(self._options.service_cluster_ip_range),
            addresses=(own,),
            secure_port=port,
        )
        self._service_upkeep = ServiceUpkeep(stores, self._service_ranges, service)
        await self._service_upkeep.prepare()
        await self._service_upkeep.start()
        hostname = socket.gethostname()
        name = identity.name_of(hostname, port, self._options.worker)
        self._identity = identity.IdentityLease(stores, name, hostname)
        await self._identity.start()
        self._trust = ClusterAuthenticationTrust(stores, authentication_trust.read(self._options))
        self._trust.start()
        prefix = self._options.etcd_prefix.rstrip("/")
        addresses = Addresses(self._backend, prefix, own)
        self._presence = Presence(stores, service, addresses)
        await self._presence.announce()
        self._presence.start()
        self._system_objects_made = True

    # --- the application

    def _app(self, stores: builder.Stores) -> ASGIApp:
        options = self._options
        authenticating = authentication.build(options, stores)
        dispatcher = self._dispatcher(stores, authenticating)
        self._aggregator = self._make_aggregator(stores, dispatcher)
        limit = filters.InFlightLimit(
            options.max_requests_inflight,
            options.max_mutating_requests_inflight,
            dispatcher.is_delegated,
        )
        return filters.chain(
            dispatcher.handle,
            authenticate=authenticating.union,
            authorize=self._authorization,
            limit=limit,
            request_timeout_seconds=options.request_timeout_seconds,
        )

    def _dispatcher(
        self,
        stores: builder.Stores,
        authenticating: authentication.Authentication,
    ) -> Dispatcher:
        resources = scheme.builtin().resources
        paths, prefixes = self._paths()
        address = self._options.service_account_issuer
        paths.update(issuer.handlers(address, self._external_host(), authenticating.keys))
        dispatcher = Dispatcher(paths, prefixes)
        review_kinds = reviews.Reviews(self._authorization, authenticating.tokens)
        actions = _actions(stores, authenticating)
        connections = self._connections(stores)
        for resource in resources:
            if resource.stored:
                store = stores[resource.storage_prefix]
                more = {**actions.of(resource), **connections.of(resource)}
                dispatcher.install(install.route(resource, store, self._watches, more))
                continue
            route = review_kinds.route(resource, install.decoder(resource.gvk))
            route = route or actions.route(resource)
            dispatcher.install(route or install.unserved(resource))
        return dispatcher

    def _make_aggregator(self, stores: builder.Stores, dispatcher: Dispatcher) -> Aggregator:
        options = self._options
        # Said here, where it is an operator's error and not a condition of every APIService.
        serving.client_context("", options.proxy_client_cert_file, options.proxy_client_key_file)
        return Aggregator(
            stores,
            dispatcher,
            self._published,
            lambda: scheme.builtin().group_versions,
            aggregator.Options(
                to_endpoints=options.enable_aggregator_routing,
                cert_file=options.proxy_client_cert_file,
                key_file=options.proxy_client_key_file,
                rejects_redirects=options.aggregator_reject_forwarding_redirect,
                request_headers=options.request_headers,
            ),
        )

    def _connections(self, stores: builder.Stores) -> Connections:
        options = self._options
        kubelet_tls = serving.client_context(
            options.kubelet_certificate_authority,
            options.kubelet_client_certificate,
            options.kubelet_client_key,
        )
        return Connections(
            locations=locations.Locations(
                stores,
                options.kubelet_preferred_address_types,
                is_local=ipaddress.ip_address(options.bind_address).is_loopback,
            ),
            relay=relay.Relay(kubelet_tls=kubelet_tls),
            authorize=self._authorization,
            chain=stores["pods"].admission,
        )

    def _external_host(self) -> str:
        """Where clients are told to find this server: upstream's ExternalAddress."""
        address = self._options.advertise_address or advertised(self._options.bind_address)
        host = f"[{address}]" if ":" in address else address
        return f"{host}:{self._port}"

    def _paths(self) -> tuple[dict[str, Handler], dict[str, Handler]]:
        documents, published = self._published.discovery, self._published.openapi
        paths: dict[str, Handler] = {
            "/api": documents.handle,
            "/apis": documents.handle,
            "/version": version.version,
            "/openapi/v2": published.v2,
            "/openapi/v3": published.v3_index,
        }
        prefixes: dict[str, Handler] = {
            "/api/": documents.handle,
            "/apis/": documents.handle,
            "/openapi/v3/": published.v3,
        }
        live = {"ping": health.ping, "etcd": self._backend.check}
        ready = {
            **live,
            "informer-sync": self._check_synced,
            "poststarthook/start-system-namespaces-controller": self._check_system_objects,
            "poststarthook/start-kubernetes-service-controller": self._check_system_objects,
            "autoregister-completion": self._check_registered,
            "shutdown": self._check_running,
        }
        for name, checks in (("livez", live), ("healthz", live), ("readyz", ready)):
            found, single = health_pages.handlers(name, checks)
            paths.update(found)
            prefixes[f"/{name}/"] = single
        return paths, prefixes

    async def _check_synced(self) -> None:
        if not self._backend.synced:
            raise health.NotHealthy("the watch caches follow no etcd")

    async def _check_system_objects(self) -> None:
        if not self._system_objects_made:
            raise health.NotHealthy("the system's own objects are not made yet")

    async def _check_registered(self) -> None:
        missing = self._aggregator.registration.missing if self._aggregator else ("all",)
        if missing:
            raise health.NotHealthy(f"missing APIService: [{' '.join(missing)}]")

    async def _check_running(self) -> None:
        if self._stopping:
            raise health.NotHealthy("the server is stopping")


def _actions(stores: builder.Stores, authenticating: authentication.Authentication) -> Actions:
    pods = stores["pods"]
    return Actions(
        decoder=install.decoder,
        bindings=binding.Bindings(pods, stores["minions"]),
        evictions=eviction.Evictions(pods, stores["poddisruptionbudgets"]),
        token_requests=tokens.TokenRequests(
            stores, authenticating.issuer, authenticating.tokens.audiences
        ),
    )


def advertised(bound: str) -> str:
    """The address other hosts reach this server by: the bound one, or this host's own where it
    is bound to all or to none but itself. Upstream: DefaultAdvertiseAddress."""
    address = ipaddress.ip_address(bound)
    if not (address.is_unspecified or address.is_loopback):
        return bound
    with contextlib.closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as probe:
        try:
            # Nothing is sent: connecting a datagram socket only picks the route.
            probe.connect(("192.0.2.1", 9))
        except OSError:
            return "127.0.0.1" if address.is_unspecified else bound
        host: str = probe.getsockname()[0]
        return host


async def run(options: APIServerOptions, *, ready: Callable[[], None] | None = None) -> None:
    """Serve until SIGTERM or SIGINT. `ready` is called once requests are answered."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    server = APIServer(options)
    try:
        await server.start()
        if ready is not None:
            ready()
        await stop.wait()
    finally:
        await server.stop()
