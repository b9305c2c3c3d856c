# SPDX-License-Identifier: Apache-2.0
"""Defaults of a Pod and of every template that holds one.

A template gets what `default_pod_spec` fills in. A Pod gets a little more: requests from limits,
service links, host ports. Mirrors upstream's `pkg/apis/core/v1/defaults.go` and the defaults its
generated code takes from the types.
"""

from __future__ import annotations

from typing import Any

from pyk8s.apimachinery.gvk import Object
from pyk8s.apis.defaults import pod_resources, volumes
from pyk8s.apis.defaults.images import default_pull_policy

Container = dict[str, Any]


def default_pod(pod: Object) -> None:
    """Fill in a Pod of v1, in place."""
    pod.setdefault("metadata", {})
    spec = pod.setdefault("spec", {})
    default_pod_spec(spec)
    for container in spec.get("containers", ()):
        _request_limits(container)
    for container in spec.get("initContainers", ()):
        _request_limits(container)
    if "resources" in spec:
        pod_resources.default_pod_resources(spec)
    spec.setdefault("enableServiceLinks", True)
    if spec.get("hostNetwork"):
        _publish_ports(spec)


def default_pod_template(template: Object) -> None:
    """Fill in a PodTemplateSpec, in place: less than a Pod gets, so that a template does not
    change with what the server learns to default."""
    template.setdefault("metadata", {})
    default_pod_spec(template.setdefault("spec", {}))


def default_pod_spec(spec: dict[str, Any]) -> None:
    """Fill in what Pods and templates share, in place."""
    if not spec.get("dnsPolicy"):
        spec["dnsPolicy"] = "ClusterFirst"
    if not spec.get("restartPolicy"):
        spec["restartPolicy"] = "Always"
    if "securityContext" not in spec:
        spec["securityContext"] = {}
    if "terminationGracePeriodSeconds" not in spec:
        spec["terminationGracePeriodSeconds"] = 30
    if not spec.get("schedulerName"):
        spec["schedulerName"] = "default-scheduler"
    account = spec.get("serviceAccountName") or spec.get("serviceAccount")
    if account:
        # The deprecated name follows the current one.
        spec["serviceAccountName"] = spec["serviceAccount"] = account
    for container in spec.get("containers", ()):
        _default_container(container)
    for container in spec.get("initContainers", ()):
        _default_container(container)
    for container in spec.get("ephemeralContainers", ()):
        _default_container(container)
    for volume in spec.get("volumes", ()):
        volumes.default_volume(volume)
    if "overhead" in spec:
        pod_resources.round_up_to_milli(spec["overhead"])


def _default_container(container: Container) -> None:
    if not container.get("imagePullPolicy"):
        container["imagePullPolicy"] = default_pull_policy(container.get("image", ""))
    if not container.get("terminationMessagePath"):
        container["terminationMessagePath"] = "/dev/termination-log"
    if not container.get("terminationMessagePolicy"):
        container["terminationMessagePolicy"] = "File"
    resources = container.get("resources")
    if resources is None:
        container["resources"] = {}
    elif resources:
        default_resource_requirements(resources)
    for port in container.get("ports", ()):
        if not port.get("protocol"):
            port["protocol"] = "TCP"
    for variable in container.get("env", ()):
        if "valueFrom" in variable:
            _default_env_source(variable["valueFrom"])
    for name in ("livenessProbe", "readinessProbe", "startupProbe"):
        if name in container:
            _default_probe(container[name])
    if "lifecycle" in container:
        for name in ("postStart", "preStop"):
            _default_handler(container["lifecycle"].get(name) or {})


def default_resource_requirements(resources: dict[str, Any]) -> None:
    """Round limits and requests up to a thousandth, the finest the API keeps."""
    for name in ("limits", "requests"):
        if name in resources:
            pod_resources.round_up_to_milli(resources[name])


def _default_env_source(source: dict[str, Any]) -> None:
    if "fieldRef" in source and not source["fieldRef"].get("apiVersion"):
        source["fieldRef"]["apiVersion"] = "v1"
    if "resourceFieldRef" in source:
        source["resourceFieldRef"].setdefault("divisor", "0")
    if "fileKeyRef" in source:
        source["fileKeyRef"].setdefault("optional", False)


def _default_probe(probe: dict[str, Any]) -> None:
    if not probe.get("timeoutSeconds"):
        probe["timeoutSeconds"] = 1
    if not probe.get("periodSeconds"):
        probe["periodSeconds"] = 10
    if not probe.get("successThreshold"):
        probe["successThreshold"] = 1
    if not probe.get("failureThreshold"):
        probe["failureThreshold"] = 3
    _default_handler(probe)


def _default_handler(handler: dict[str, Any]) -> None:
    if "httpGet" in handler:
        action = handler["httpGet"]
        if not action.get("path"):
            action["path"] = "/"
        if not action.get("scheme"):
            action["scheme"] = "HTTP"
    if "grpc" in handler:
        handler["grpc"].setdefault("service", "")


def _request_limits(container: Container) -> None:
    resources = container["resources"]
    if "limits" not in resources:
        return
    requests = resources.setdefault("requests", {})
    for name, limit in resources["limits"].items():
        requests.setdefault(name, limit)


def _publish_ports(spec: dict[str, Any]) -> None:
    for name in ("containers", "initContainers"):
        for container in spec.get(name, ()):
            for port in container.get("ports", ()):
                if not port.get("hostPort"):
                    port["hostPort"] = port.get("containerPort", 0)
