# SPDX-License-Identifier: Apache-2.0
"""metrics.k8s.io over HTTP: who may asks, and is answered from the last two samples."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from aiohttp import web

from pyk8s.apimachinery import codec, errors, labels, meta
from pyk8s.apimachinery.gvk import Object
from pyk8s.client import rest
from pyk8s.client.informer import SharedInformer
from pyk8s.componentbase import health, version
from pyk8s.metricsserver import api, openapi, questions
from pyk8s.metricsserver.access import Access
from pyk8s.metricsserver.sampler import Sampler
from pyk8s.metricsserver.samples import Samples

_PREFIX = f"/apis/{api.API_VERSION}"

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
# (object, samples, now) -> what is known of its use
_Measure = Callable[[Object, Samples, datetime], Object | None]

_MEASURES: Mapping[str, _Measure] = {"nodes": api.of_node, "pods": api.of_pod}


def _now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricsServer:
    """`nodes` and `pods` say who there is, `node_selector` who of the nodes counts."""

    nodes: SharedInformer
    pods: SharedInformer
    sampler: Sampler
    access: Access
    node_selector: labels.Selector = labels.EVERYTHING
    now: Callable[[], datetime] = field(default=_now)

    def application(self) -> web.Application:
        application = web.Application(middlewares=[self._guard])
        for path, handler in (
            (r"/{endpoint:healthz|livez|readyz}", self._health),
            (r"/{endpoint:healthz|livez|readyz}/{check}", self._health),
            ("/version", _document(version.info)),
            ("/apis", _groups),
            (f"/apis/{api.GROUP}", _document(api.group)),
            (_PREFIX, _document(api.resource_list)),
            ("/openapi/v2", _document(openapi.v2)),
            ("/openapi/v3", _document(openapi.v3_paths)),
            (openapi.V3_PATH, _document(openapi.v3)),
            (_PREFIX + "/{resource:nodes}", self._list),
            (_PREFIX + "/{resource:pods}", self._list),
            (_PREFIX + "/{resource:nodes}/{name}", self._get),
            (_PREFIX + "/namespaces/{namespace}/{resource:pods}", self._list),
            (_PREFIX + "/namespaces/{namespace}/{resource:pods}/{name}", self._get),
        ):
            application.router.add_get(path, handler)
        return application

    @web.middleware
    async def _guard(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            if not self.access.is_open(request.path):
                await self._admit(request)
            return await handler(request)
        except errors.StatusError as error:
            return _status(error)
        except rest.ServerUnreachable as error:
            return _status(errors.internal_error(str(error)))
        except web.HTTPMethodNotAllowed:
            return _status(errors.method_not_allowed())
        except web.HTTPNotFound:
            return _status(errors.page_not_found())

    async def _admit(self, request: web.Request) -> None:
        certificate = request.get_extra_info("peercert")
        authorization = request.headers.get("Authorization", "")
        user = await self.access.user_of(certificate, request.headers, authorization)
        await self.access.check(user, request.path, _attributes(request))

    # --- health

    async def _health(self, request: web.Request) -> web.Response:
        name, _, check = request.path.strip("/").partition("/")
        checks: dict[str, health.Check] = {"ping": health.ping}
        if name != "livez":
            checks |= {
                "metric-informer-sync": _must(lambda: self.nodes.has_synced),
                "metadata-informer-sync": _must(lambda: self.pods.has_synced),
                "metric-storage-ready": _must(lambda: not self.sampler.last_scrape_failed),
            }
        asked = health.Checks(name, checks)
        query = {key: request.query.getall(key) for key in request.query}
        report = await (asked.one(check) if check else asked.all(query))
        if report is None:
            raise errors.page_not_found()
        return web.Response(text=report.text, status=report.status_code)

    # --- metrics

    async def _list(self, request: web.Request) -> web.Response:
        served = api.SERVED[request.match_info["resource"]]
        form = questions.form_of(request.headers.get("Accept", ""), wanted="Table")
        if request.query.get("watch") in ("1", "true"):
            raise errors.method_not_supported(served.unknown, "watch")
        match = questions.selectors_of(request.query, served).match
        measure = _MEASURES[served.resource]
        chosen = sorted(filter(match, self._sources(request)), key=meta.namespaced_name)
        found = []
        if chosen:
            samples, now = await self.sampler.fresh(), self.now()
            found = [item for each in chosen if (item := measure(each, samples, now)) is not None]
        if form.kind:
            return _table(request, found, form)
        return _json(api.list_of(served, found))

    async def _get(self, request: web.Request) -> web.Response:
        served, name = api.SERVED[request.match_info["resource"]], request.match_info["name"]
        form = questions.form_of(request.headers.get("Accept", ""), wanted="Table")
        source = next((o for o in self._sources(request) if meta.name(o) == name), None)
        if source is None:
            raise errors.not_found(served.source, name)
        samples = await self.sampler.fresh()
        found = _MEASURES[served.resource](source, samples, self.now())
        if found is None:
            namespace = meta.namespace(source)
            shown = f"{namespace}/{name}" if namespace else name
            raise errors.not_found(served.unknown, shown)
        return _table(request, [found], form) if form.kind else _json(found)

    def _sources(self, request: web.Request) -> Sequence[Object]:
        if request.match_info["resource"] == "nodes":
            return self.nodes.lister.list(selector=self.node_selector)
        return self.pods.lister.list(request.match_info.get("namespace", ""))


def _attributes(request: web.Request) -> dict[str, str]:
    """Of the resource asked for; empty for other paths, which stand for themselves."""
    info = request.match_info
    resource = info.get("resource", "")
    if not resource:
        return {}
    verb = "get" if "name" in info else "list"
    if request.query.get("watch") in ("1", "true"):
        verb = "watch"
    found = {
        "verb": verb,
        "group": api.GROUP,
        "version": api.VERSION,
        "resource": resource,
        "name": info.get("name", ""),
        "namespace": info.get("namespace", ""),
    }
    return {key: value for key, value in found.items() if value}


def _must(holds: Callable[[], bool]) -> health.Check:
    async def check() -> None:
        if not holds():
            raise health.NotHealthy("not so")

    return check


# --- answers


def _json(document: Any, status: int = 200) -> web.Response:
    body = codec.encode_json(document)
    return web.Response(body=body, status=status, content_type=questions.JSON)


def _status(error: errors.StatusError) -> web.Response:
    return _json(error.status, error.code)


def _table(request: web.Request, items: Sequence[Object], form: questions.Form) -> web.Response:
    included = questions.include_object(request.query)
    return _json(api.table(items, included, form.version))


def _document(make: Callable[[], Object]) -> Handler:
    async def answer(request: web.Request) -> web.Response:
        return _json(make())

    return answer


async def _groups(request: web.Request) -> web.Response:
    accept = request.headers.get("Accept", "")
    form = questions.form_of(accept, wanted="APIGroupDiscoveryList")
    if not form.kind:
        return _json(api.group_list())
    content = f"{questions.JSON};g=apidiscovery.k8s.io;v={form.version};as={form.kind}"
    body = codec.encode_json(api.aggregated(form.version))
    return web.Response(body=body, headers={"Content-Type": content})
