# SPDX-License-Identifier: Apache-2.0
"""What a node is by itself: its name, labels, taints, ports and images."""

from __future__ import annotations

from collections.abc import Iterator

from plain.cluster import MAX_SCORE, Cluster, Object, Scores, name, normalized

from pyk8s.componenthelpers import nodeaffinity, taints

NODE_NAME = "node(s) didn't match the requested node name"
UNSCHEDULABLE = "node(s) were unschedulable"
NODE_AFFINITY = "node(s) didn't match Pod's node affinity/selector"
ADDED_AFFINITY = "node(s) didn't match scheduler-enforced node affinity"
PORTS = "node(s) didn't have free ports for the requested pod ports"

_CORDON = {"key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule"}
_MIB = 1024 * 1024


def filter_name(cluster: Cluster, pod: Object, node: Object) -> str:
    wanted = pod["spec"].get("nodeName")
    return NODE_NAME if wanted and wanted != name(node) else ""


def filter_unschedulable(cluster: Cluster, pod: Object, node: Object) -> str:
    if not (node.get("spec") or {}).get("unschedulable"):
        return ""
    tolerated = taints.is_tolerated(_CORDON, pod["spec"].get("tolerations") or ())
    return "" if tolerated else UNSCHEDULABLE


def filter_affinity(
    cluster: Cluster, pod: Object, node: Object, added: Object | None = None
) -> str:
    if added is not None:
        enforced = {"affinity": {"nodeAffinity": added}}
        if not nodeaffinity.RequiredNodeAffinity(enforced).matches(node):
            return ADDED_AFFINITY
    return "" if nodeaffinity.RequiredNodeAffinity(pod["spec"]).matches(node) else NODE_AFFINITY


def score_affinity(
    cluster: Cluster, pod: Object, feasible: list[Object], added: Object | None = None
) -> Scores:
    preferred = nodeaffinity.preferred_of(pod["spec"])
    enforced = nodeaffinity.preferred_of({"affinity": {"nodeAffinity": added or {}}})
    return normalized({name(n): preferred.score(n) + enforced.score(n) for n in feasible})


def filter_taints(cluster: Cluster, pod: Object, node: Object) -> str:
    found = taints.find_untolerated(
        (node.get("spec") or {}).get("taints") or (), pod["spec"].get("tolerations") or ()
    )
    if found is None:
        return ""
    return "node(s) had untolerated taint(s)"


def score_taints(cluster: Cluster, pod: Object, feasible: list[Object]) -> Scores:
    soft = [
        each
        for each in pod["spec"].get("tolerations") or ()
        if each.get("effect") in (None, "", taints.PREFER_NO_SCHEDULE)
    ]
    counts = {}
    for node in feasible:
        of_node = (node.get("spec") or {}).get("taints") or ()
        preferred = [taint for taint in of_node if taint["effect"] == taints.PREFER_NO_SCHEDULE]
        counts[name(node)] = sum(not taints.is_tolerated(taint, soft) for taint in preferred)
    return normalized(counts, reverse=True)


def host_ports(pod: Object) -> Iterator[tuple[str, str, int]]:
    spec = pod["spec"]
    sidecars = [c for c in spec.get("initContainers") or () if c.get("restartPolicy") == "Always"]
    for container in [*sidecars, *(spec.get("containers") or ())]:
        for port in container.get("ports") or ():
            if port.get("hostPort"):
                ip = port.get("hostIP") or "0.0.0.0"
                yield ip, port.get("protocol") or "TCP", port["hostPort"]


def filter_ports(cluster: Cluster, pod: Object, node: Object) -> str:
    taken = [port for each in cluster.pods_on(node) for port in host_ports(each)]
    for ip, *wanted in host_ports(pod):
        for other_ip, *other in taken:
            if wanted == other and (ip == other_ip or "0.0.0.0" in (ip, other_ip)):
                return PORTS
    return ""


def score_images(cluster: Cluster, pod: Object, feasible: list[Object]) -> Scores:
    spec = pod["spec"]
    containers = [*(spec.get("initContainers") or ()), *(spec.get("containers") or ())]
    wanted = [each.get("image", "") for each in containers]
    wanted += [each["image"]["reference"] for each in spec.get("volumes") or () if "image" in each]
    most, least = 1000 * _MIB * len(wanted), 23 * _MIB
    scores = {}
    for node in feasible:
        total = 0
        for image in map(_normalized_image, wanted):
            having = [other for other in cluster.nodes if image in _images(other)]
            if node in having:
                # As large as the first node said.
                total += int(_images(having[0])[image] * (len(having) / len(cluster.nodes)))
        total = max(least, min(total, most))
        scores[name(node)] = MAX_SCORE * (total - least) // (most - least)
    return scores


def _images(node: Object) -> dict[str, int]:
    return {
        each: image.get("sizeBytes", 0)
        for image in (node.get("status") or {}).get("images") or ()
        for each in image.get("names") or ()
    }


def _normalized_image(image: str) -> str:
    return image if image.rfind(":") > image.rfind("/") else f"{image}:latest"
