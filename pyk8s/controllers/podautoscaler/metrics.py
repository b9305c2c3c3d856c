# SPDX-License-Identifier: Apache-2.0
"""What Pods and other things use, by the word of metrics.k8s.io, custom.metrics.k8s.io and
external.metrics.k8s.io. Mirrors upstream's `metrics/client.go` and the clients of `k8s.io/metrics`.

All amounts are thousandths.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from typing import Any, NamedTuple, Protocol
from urllib.parse import quote

from pyk8s.apimachinery import durations, errors, meta, times
from pyk8s.apimachinery.gvk import GroupKind, GroupVersionResource, Object
from pyk8s.client import rest
from pyk8s.client.client import Client, ListOptions
from pyk8s.componenthelpers import podrequests
from pyk8s.controllers.podautoscaler.replicas import NoProposal, PodMetric

POD_METRICS = GroupVersionResource("metrics.k8s.io", "v1beta1", "pods")
CUSTOM, EXTERNAL = "custom.metrics.k8s.io", "external.metrics.k8s.io"

# Those this client reads, best first; a server may prefer another.
_CUSTOM_VERSIONS = ("v1beta2", "v1beta1")
_EXTERNAL_VERSION = "v1beta1"
# Upstream: metricServerDefaultMetricWindow.
_DEFAULT_WINDOW_SECONDS = 60


class Asked(NamedTuple):
    """The Pods of a namespace that a selector finds, and what of; of one container, or of all."""

    namespace: str
    selector: str
    resource: str
    container: str = ""


class Metric(NamedTuple):
    """One of another kind than resources; `selector` chooses among its series."""

    name: str
    selector: str = ""


class Metrics(Protocol):
    """Everything here raises NoProposal where nothing is known, and ServerUnreachable."""

    async def of_resource(self, asked: Asked) -> Mapping[str, PodMetric]:
        """By the name of the Pod; Pods of which the server knows nothing are missing."""
        ...

    async def of_pods(
        self, namespace: str, selector: str, metric: Metric
    ) -> Mapping[str, PodMetric]:
        """The same of any metric."""
        ...

    async def of_object(
        self, namespace: str, reference: Object, resource: str, metric: Metric
    ) -> int:
        """`reference` is a CrossVersionObjectReference, `resource` what its kind is called in
        URLs: `deployments.apps`."""
        ...

    async def external(self, namespace: str, metric: Metric) -> Sequence[int]:
        """The values of all series."""
        ...


class RESTMetrics:
    """Metrics behind an API server."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def of_resource(self, asked: Asked) -> Mapping[str, PodMetric]:
        options = ListOptions(label_selector=asked.selector)
        try:
            listed = await self._client.list(POD_METRICS, asked.namespace, options)
        except errors.StatusError as error:
            raise _failed("resource", error, "pods.metrics.k8s.io") from error
        if not listed.get("items"):
            raise NoProposal("no metrics returned from resource metrics API")
        return parse(listed["items"], asked.resource, asked.container)

    async def of_pods(
        self, namespace: str, selector: str, metric: Metric
    ) -> Mapping[str, PodMetric]:
        query = {"labelSelector": selector, "metricLabelSelector": metric.selector}
        items = await self._custom("pods", (namespace, "pods", "*", metric.name), query)
        if not items:
            raise NoProposal("no metrics returned from custom metrics API")
        return {each["describedObject"]["name"]: _pod_metric(each) for each in items}

    async def of_object(
        self, namespace: str, reference: Object, resource: str, metric: Metric
    ) -> int:
        where: tuple[str, ...] = (resource, reference["name"], metric.name)
        if group_kind(reference) == GroupKind("", "Namespace"):
            # An autoscaler looks at no other namespace than its own.
            where = ("metrics", metric.name)
        query = {"metricLabelSelector": metric.selector}
        items = await self._custom(where[0], (namespace, *where), query)
        if len(items) != 1:
            raise NoProposal(
                "unable to fetch metrics from custom metrics API: the custom metrics API server "
                f"returned {len(items)} results when we asked for exactly one"
            )
        return _milli(items[0])

    async def external(self, namespace: str, metric: Metric) -> Sequence[int]:
        path = _path(EXTERNAL, _EXTERNAL_VERSION, "namespaces", namespace, metric.name)
        try:
            items = await self._items(path, {"labelSelector": metric.selector})
        except errors.StatusError as error:
            raise _failed("external", error, f"{metric.name}.{EXTERNAL}") from error
        if not items:
            raise NoProposal("no metrics returned from external metrics API")
        return [_milli(each) for each in items]

    async def _custom(
        self, resource: str, where: Sequence[str], query: Mapping[str, str]
    ) -> list[Object]:
        try:
            version = await self._custom_version()
            return await self._items(_path(CUSTOM, version, "namespaces", *where), query)
        except errors.StatusError as error:
            raise _failed("custom", error, f"{resource}.{CUSTOM}") from error

    async def _custom_version(self) -> str:
        """Which is served now: servers of custom metrics come and go."""
        try:
            group = await self._client.get_path(f"/apis/{CUSTOM}")
        except errors.StatusError as error:
            if error.reason != errors.NOT_FOUND:
                raise
            group = {}
        served = [each["version"] for each in group.get("versions") or ()]
        preferred = (group.get("preferredVersion") or {}).get("version")
        why = f"no custom metrics API ({CUSTOM}) registered"
        for version in (preferred, *_CUSTOM_VERSIONS) if served else ():
            if version in served and version in _CUSTOM_VERSIONS:
                return str(version)
            why = "no known available metric versions found"
        raise NoProposal(f"unable to fetch metrics from custom metrics API: {why}")

    async def _items(self, path: str, query: Mapping[str, str]) -> list[Object]:
        document = await self._client.get_path(path, query=query)
        found: list[Object] = document.get("items") or []
        return found


def group_kind(reference: Object) -> GroupKind:
    return GroupKind((reference.get("apiVersion") or "").rpartition("/")[0], reference["kind"])


def _path(group: str, version: str, *parts: str) -> str:
    return "/".join(["/apis", group, version, *(quote(part, safe="*") for part in parts)])


def _failed(api: str, error: errors.StatusError, what: str) -> NoProposal:
    """In client-go's words for an answer that is not of the API's own."""
    text = str(error)
    if error.reason in (errors.NOT_FOUND, errors.SERVICE_UNAVAILABLE) and not error.details:
        text = f"{rest.generic_message(error.code)} (get {what})"
    return NoProposal(f"unable to fetch metrics from {api} metrics API: {text}")


# --- what the servers say


def parse(items: Iterable[Object], resource: str, container: str = "") -> dict[str, PodMetric]:
    """A Pod counts only if all of its containers, or the one named, are told of. Raises
    NoProposal."""
    found = {}
    for item in items:
        amounts = [_amount(each, resource) for each in _of(item, container)]
        if amounts and all(amount is not None for amount in amounts):
            found[meta.name(item)] = PodMetric(
                sum(amount for amount in amounts if amount is not None),
                times.parse(item["timestamp"]),
                timedelta(microseconds=durations.parse(item["window"]) / 1000),
            )
    return found


def _of(item: Object, container: str) -> list[dict[str, Any]]:
    containers: list[dict[str, Any]] = item.get("containers") or []
    if not container:
        return containers
    named = [each for each in containers if each.get("name") == container]
    if not named:
        where = "/".join(meta.namespaced_name(item))
        raise NoProposal(
            f"failed to get container metrics: container {container} not present in metrics for "
            f"pod {where}"
        )
    return named


def _amount(container: Mapping[str, Any], resource: str) -> int | None:
    text = (container.get("usage") or {}).get(resource)
    return None if text is None else podrequests.milli(podrequests.nanos(text))


def _milli(item: Object) -> int:
    return podrequests.milli(podrequests.nanos(item["value"]))


def _pod_metric(item: Object) -> PodMetric:
    # v1beta1 calls it `window`.
    seconds = item.get("windowSeconds", item.get("window"))
    window = timedelta(seconds=_DEFAULT_WINDOW_SECONDS if seconds is None else seconds)
    return PodMetric(_milli(item), times.parse(item["timestamp"]), window)
