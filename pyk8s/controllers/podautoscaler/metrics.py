# SPDX-License-Identifier: Apache-2.0
"""What Pods use, by the word of metrics.k8s.io. Mirrors upstream's `metrics/client.go`."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from pyk8s.apimachinery import durations, errors, meta, times
from pyk8s.apimachinery.gvk import GroupVersionResource, Object
from pyk8s.client.client import Client, ListOptions
from pyk8s.componenthelpers import podrequests
from pyk8s.controllers.podautoscaler.replicas import NoProposal, PodMetric

POD_METRICS = GroupVersionResource("metrics.k8s.io", "v1beta1", "pods")


async def of_pods(
    client: Client, namespace: str, selector: str, resource: str, container: str = ""
) -> Mapping[str, PodMetric]:
    """By the name of the Pod; Pods of which the server knows nothing are missing. Raises
    NoProposal, and ServerUnreachable."""
    try:
        listed = await client.list(POD_METRICS, namespace, ListOptions(label_selector=selector))
    except errors.StatusError as error:
        text = f"unable to fetch metrics from resource metrics API: {error}"
        if error.reason == errors.NOT_FOUND:
            text += " (get pods.metrics.k8s.io)"
        raise NoProposal(text) from error
    if not listed.get("items"):
        raise NoProposal("no metrics returned from resource metrics API")
    return parse(listed["items"], resource, container)


def parse(items: list[Object], resource: str, container: str = "") -> dict[str, PodMetric]:
    """A Pod counts only if all of its containers, or the one named, are told of. Raises
    NoProposal."""
    found = {}
    for item in items:
        amounts = [_amount(each, resource) for each in _of(item, container)]
        if all(amount is not None for amount in amounts):
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
        raise NoProposal(f"container {container} not present in metrics for pod {where}")
    return named


def _amount(container: Mapping[str, Any], resource: str) -> int | None:
    text = (container.get("usage") or {}).get(resource)
    return None if text is None else podrequests.milli(podrequests.nanos(text))
