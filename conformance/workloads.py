# SPDX-License-Identifier: Apache-2.0
"""What tests of workloads share: small templates, and waiting for what controllers do."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from cluster import wait_until

from conformance import steps
from conformance.client import Client, Events, Object, Resource

APPS = "apps/v1"
WEBSERVER, OTHER_WEBSERVER = "httpd:2.4", "nginx:1.27"
HASH = "pod-template-hash"
REVISION = "deployment.kubernetes.io/revision"

# A condition that nobody reports: a pod with this gate never becomes ready, whatever its image.
_GATE = {"conditionType": "conformance.example.com/never"}


def template(labels: Mapping[str, str], image: str = WEBSERVER, **spec: Any) -> Object:
    """A Pod template whose container runs until it is stopped, and stops at once."""
    container = {"name": "webserver", "image": image}
    made = {"terminationGracePeriodSeconds": 0, "containers": [container], **spec}
    return {"metadata": {"labels": dict(labels)}, "spec": made}


def stuck_template(labels: Mapping[str, str]) -> Object:
    """One whose pods never become ready: its image does not exist, and where nodes only pretend
    to run containers the gate stays shut."""
    return template(labels, "httpd:no-such-tag", readinessGates=[_GATE])


def workload(name: str, replicas: int, labels: Mapping[str, str], **spec: Any) -> Object:
    """The fields that a Deployment, a ReplicaSet and a StatefulSet share."""
    made = {
        "replicas": replicas,
        "selector": {"matchLabels": dict(labels)},
        "template": template(labels),
        **spec,
    }
    return {"metadata": {"name": name, "labels": dict(labels)}, "spec": made}


def with_image(image: str) -> Callable[[Object], None]:
    """The edit that gives the template's container this image."""

    def edit(obj: Object) -> None:
        container_of(obj)["image"] = image

    return edit


def container_of(obj: Object) -> Object:
    found: Object = obj["spec"]["template"]["spec"]["containers"][0]
    return found


def selector(labels: Mapping[str, str]) -> str:
    return ",".join(f"{key}={value}" for key, value in labels.items())


def until(resource: Resource, name: str, condition: Callable[[Object], Any], what: str) -> Object:
    """The first version of the object that is as wanted."""
    last: Object = {}

    def look() -> bool:
        last.clear()
        last.update(resource.get(name))
        return bool(condition(last))

    try:
        wait_until(look, f"{name}: {what}")
    except AssertionError as error:
        raise AssertionError(f"{error}: {last.get('spec')} {last.get('status')}") from None
    return last


def until_seen(
    events: Events, condition: Callable[[Object], Any], kinds: Iterable[str] = ("ADDED", "MODIFIED")
) -> Object:
    """The first of these events whose object is as wanted; earlier ones are passed over."""
    for kind, obj in events:
        if kind in kinds and condition(obj):
            return obj
    raise AssertionError("the watch ended before it was seen")


def count(obj: Object, field: str) -> int:
    """A number of the status, where 0 is left out."""
    return int((obj.get("status") or {}).get(field) or 0)


def owner_of(obj: Object) -> str:
    """The uid of its controller; empty if it has none."""
    references = obj["metadata"].get("ownerReferences") or ()
    return next((each["uid"] for each in references if each.get("controller")), "")


def is_ready(pod: Object) -> bool:
    conditions = (pod.get("status") or {}).get("conditions") or ()
    return any((c["type"], c["status"]) == ("Ready", "True") for c in conditions)


def living(pods: Iterable[Object]) -> list[Object]:
    """Those that are not on their way out."""
    return [pod for pod in pods if "deletionTimestamp" not in pod["metadata"]]


def until_ready(client: Client, namespace: str, labels: str, wanted: int) -> list[Object]:
    """As many pods as wanted, and no other, run and are ready."""
    pods = client.resource("v1", "pods", namespace)

    def ready() -> list[Object]:
        found = living(pods.list(labels)["items"])
        running = [p for p in found if p["status"]["phase"] == "Running" and is_ready(p)]
        return running if len(running) == len(found) == wanted else []

    if not wanted:
        wait_until(lambda: not living(pods.list(labels)["items"]), f"no pod of {labels} runs")
        return []
    made: list[Object] = wait_until(ready, f"{wanted} pods of {labels} are ready")
    return made


def validate_status(resource: Resource, name: str, labels: str) -> None:
    """The subresource status is read, updated and patched, and a watch sees both, whatever the
    controller makes of it afterwards."""
    version = resource.list(labels)["metadata"]["resourceVersion"]
    assert resource.status.get(name)["metadata"]["name"] == name
    update = {
        "type": "StatusUpdate",
        "status": "True",
        "reason": "E2E",
        "message": "Set from e2e test",
    }
    patch = {"type": "StatusPatched", "status": "True"}

    def append(obj: Object) -> None:
        obj["status"].setdefault("conditions", []).append(update)

    with resource.watch(version, labels) as events:
        updated = steps.change(resource.status, name, append)
        assert _has(updated, update)
        until_seen(events, lambda obj: _has(obj, update))
        patched = resource.status.patch(name, {"status": {"conditions": [patch]}})
        assert [each["type"] for each in patched["status"]["conditions"]] == ["StatusPatched"]
        until_seen(events, lambda obj: _has(obj, patch))


def _has(obj: Object, condition: Object) -> bool:
    found = (obj.get("status") or {}).get("conditions") or ()
    return any(condition.items() <= each.items() for each in found)


def scale_both_ways(resource: Resource, name: str) -> None:
    """Of one replica, by the subresource scale: to two by an update, to four by a patch."""
    scales = resource.subresource("scale")
    scale = scales.get(name)
    assert (scale["kind"], scale["spec"]["replicas"]) == ("Scale", 1)
    scale["metadata"].pop("resourceVersion")
    scale["spec"]["replicas"] = 2
    assert scales.update(scale)["spec"]["replicas"] == 2
    assert resource.get(name)["spec"]["replicas"] == 2
    assert scales.patch(name, {"spec": {"replicas": 4}})["spec"]["replicas"] == 4
    assert resource.get(name)["spec"]["replicas"] == 4
