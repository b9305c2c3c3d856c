# SPDX-License-Identifier: Apache-2.0
"""What a client is warned of about a Pod or a template that is valid, but hardly meant so.

Mirrors `pkg/api/pod/warnings.go` and the deprecated node labels of `pkg/api/node`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pyk8s.apimachinery import field, gojson
from pyk8s.apimachinery.gvk import Object
from pyk8s.apis import pod_amounts, pods
from pyk8s.componenthelpers import tokenvolume

Spec = Mapping[str, Any]

_DEPRECATED_LABELS = {
    "beta.kubernetes.io/arch": 'deprecated since v1.14; use "kubernetes.io/arch" instead',
    "beta.kubernetes.io/os": 'deprecated since v1.14; use "kubernetes.io/os" instead',
    "failure-domain.beta.kubernetes.io/region": (
        'deprecated since v1.17; use "topology.kubernetes.io/region" instead'
    ),
    "failure-domain.beta.kubernetes.io/zone": (
        'deprecated since v1.17; use "topology.kubernetes.io/zone" instead'
    ),
    "beta.kubernetes.io/instance-type": (
        'deprecated since v1.17; use "node.kubernetes.io/instance-type" instead'
    ),
}
_DEPRECATED_ANNOTATIONS = {
    "scheduler.alpha.kubernetes.io/critical-pod": (
        'non-functional in v1.16+; use the "priorityClassName" field instead'
    ),
    "security.alpha.kubernetes.io/sysctls": (
        'non-functional in v1.11+; use the "sysctls" field instead'
    ),
    "security.alpha.kubernetes.io/unsafe-sysctls": (
        'non-functional in v1.11+; use the "sysctls" field instead'
    ),
}
DEPRECATED_VOLUMES = {
    "photonPersistentDisk": "deprecated in v1.11, non-functional in v1.16+",
    "gitRepo": "deprecated in v1.11, and disabled by default in v1.33+",
    "scaleIO": "deprecated in v1.16, non-functional in v1.22+",
    "flocker": "deprecated in v1.22, non-functional in v1.25+",
    "storageos": "deprecated in v1.22, non-functional in v1.25+",
    "quobyte": "deprecated in v1.22, non-functional in v1.25+",
    "glusterfs": "deprecated in v1.25, non-functional in v1.26+",
    "cephfs": "deprecated in v1.28, non-functional in v1.31+",
    "rbd": "deprecated in v1.28, non-functional in v1.31+",
}
VOLUME_PATHS = {"storageos": "storageOS"}
_SECCOMP_POD = "seccomp.security.alpha.kubernetes.io/pod"
_SECCOMP_CONTAINER = "container.seccomp.security.alpha.kubernetes.io/"
_APP_ARMOR = "container.apparmor.security.beta.kubernetes.io/"
_SECCOMP = 'non-functional in v1.27+; use the "seccompProfile" field instead'
_REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
_PREFERRED = "preferredDuringSchedulingIgnoredDuringExecution"
_NULL_SELECTOR = "a null labelSelector results in matching no pod"
_NOWHERE = field.Path()


def warnings_for_pod(pod: Object) -> list[str]:
    return _warnings(pod.get("metadata") or {}, pod["spec"], _NOWHERE, template=False)


def warnings_for_template(template: Object, path: field.Path) -> list[str]:
    """`path` is the template's, such as `spec.template`."""
    return _warnings(template.get("metadata") or {}, template["spec"], path, template=True)


def _warnings(metadata: Spec, spec: Spec, path: field.Path, *, template: bool) -> list[str]:
    at = path.child("spec")
    warnings: list[str] = []
    for key in spec.get("nodeSelector", ()):
        if key in _DEPRECATED_LABELS:
            where = at.child("nodeSelector").key(key)
            warnings.append(f"{where}: {_DEPRECATED_LABELS[key]}")
    affinity = spec.get("affinity") or {}
    if affinity:
        warnings += _node_affinity(affinity.get("nodeAffinity") or {}, at)
    if "topologySpreadConstraints" in spec:
        warnings += _spread(spec["topologySpreadConstraints"], at)
    annotations = metadata.get("annotations") or {}
    for key in annotations:
        if key in _DEPRECATED_ANNOTATIONS:
            where = path.child("metadata", "annotations").key(key)
            warnings.append(f"{where}: {_DEPRECATED_ANNOTATIONS[key]}")
    if "volumes" in spec:
        warnings += _volumes(spec["volumes"], at.child("volumes"))
    warnings += _duplicates(spec.get("hostAliases", ()), "ip", at.child("hostAliases"))
    secrets = spec.get("imagePullSecrets", ())
    warnings += _duplicates(secrets, "name", at.child("imagePullSecrets"))
    for index, secret in enumerate(secrets):
        if not secret.get("name"):
            where = at.child("imagePullSecrets").index(index).child("name")
            warnings.append(f'{where}: invalid empty name ""')
    warnings += _fractions(spec.get("overhead") or {}, at.child("overhead"))
    if annotations:
        warnings += _profiles(annotations, spec, path, template=template)
    warnings += _containers(spec, at)
    if spec.get("terminationGracePeriodSeconds", 0) < 0:
        where = at.child("terminationGracePeriodSeconds")
        detail = "must be >= 0; negative values are invalid and will be treated as 1"
        warnings.append(f"{where}: {detail}")
    return warnings + (_pod_affinity(affinity, at) if affinity else [])


def node_selector_term_warnings(term: Spec, path: field.Path) -> list[str]:
    """Deprecated labels in a NodeSelectorTerm; also for the affinity of volumes."""
    warnings = []
    for index, expression in enumerate(term.get("matchExpressions", ())):
        key = expression.get("key", "")
        if key in _DEPRECATED_LABELS:
            where = path.child("matchExpressions").index(index).child("key")
            warnings.append(f"{where}: {key} is {_DEPRECATED_LABELS[key]}")
    return warnings


def _node_affinity(affinity: Spec, path: field.Path) -> list[str]:
    at = path.child("affinity", "nodeAffinity")
    warnings = []
    terms = (affinity.get(_REQUIRED) or {}).get("nodeSelectorTerms", ())
    for index, term in enumerate(terms):
        where = at.child(_REQUIRED, "nodeSelectorTerms").index(index)
        warnings += node_selector_term_warnings(term, where)
    for index, term in enumerate(affinity.get(_PREFERRED, ())):
        where = at.child(_PREFERRED).index(index).child("preference")
        warnings += node_selector_term_warnings(term.get("preference") or {}, where)
    return warnings


def _spread(constraints: Sequence[Spec], path: field.Path) -> list[str]:
    warnings = []
    for index, constraint in enumerate(constraints):
        at = path.child("topologySpreadConstraints").index(index)
        key = constraint.get("topologyKey", "")
        if key in _DEPRECATED_LABELS:
            where = at.child("topologyKey")
            warnings.append(f"{where}: {key} is {_DEPRECATED_LABELS[key]}")
        if constraint.get("labelSelector") is None:
            warnings.append(f"{at.child('labelSelector')}: {_NULL_SELECTOR}")
    return warnings


def _volumes(volumes: Sequence[Spec], path: field.Path) -> list[str]:
    warnings = []
    for index, volume in enumerate(volumes):
        for kind in volume:
            if kind in DEPRECATED_VOLUMES:
                where = path.index(index).child(VOLUME_PATHS.get(kind, kind))
                warnings.append(f"{where}: {DEPRECATED_VOLUMES[kind]}")
        template = (volume.get("ephemeral") or {}).get("volumeClaimTemplate")
        if template is not None:
            where = path.index(index).child("ephemeral", "volumeClaimTemplate", "spec")
            warnings += claim_spec_warnings(template.get("spec") or {}, where)
    return warnings + _token_paths(volumes, path)


def claim_spec_warnings(spec: Spec, path: field.Path) -> list[str]:
    """A claim's request that is no whole number of bytes."""
    requests = (spec.get("resources") or {}).get("requests", {})
    storage = requests.get("storage")
    if storage is None or pod_amounts.amount(storage).denominator == 1:
        return []
    where = path.child("resources", "requests").key("storage")
    return [f'{where}: fractional byte value "{storage}" is invalid, must be an integer']


_ITEM_PATHS = {"configMap": "configMap", "secret": "secrets", "downwardAPI": "downwardAPI"}


def _token_paths(volumes: Sequence[Spec], path: field.Path) -> list[str]:
    """Files of one volume that would stand where its token does."""
    warnings: list[str] = []
    for index, volume in enumerate(volumes):
        projected = volume.get("projected")
        if projected is not None and projected != tokenvolume.KNOWN:
            warnings += _token_paths_of(projected.get("sources", ()), path.index(index))
    return warnings


def _token_paths_of(sources: Sequence[Spec], path: field.Path) -> list[str]:
    tokens = {
        source["serviceAccountToken"].get("path")
        for source in sources
        if "serviceAccountToken" in source
    }
    warnings = []
    at = path.child("projected", "sources")
    for source in sources if tokens else ():
        for kind, shown in _ITEM_PATHS.items():
            for number, item in enumerate((source.get(kind) or {}).get("items", ())):
                if item.get("path") in tokens:
                    where = at.child(shown).index(number)
                    quoted = gojson.quoted_string(item["path"])
                    warnings.append(
                        f"{where}: has duplicated path with ServiceAccountToken {quoted}"
                    )
        bundle = source.get("clusterTrustBundle") or {}
        if bundle.get("path") in tokens:
            where = at.child("ClusterTrustBundle")
            quoted = gojson.quoted_string(bundle["path"])
            warnings.append(f"{where}: has duplicated path with ServiceAccountToken {quoted}")
    return warnings


def _duplicates(items: Sequence[Spec], name: str, path: field.Path) -> list[str]:
    if len(items) < 2:
        return []
    warnings = []
    seen: set[str] = set()
    for index, item in enumerate(items):
        value = item.get(name, "")
        if value in seen:
            where = path.index(index).child(name)
            warnings.append(f"{where}: duplicate {name} {gojson.quoted_string(value)}")
        seen.add(value)
    return warnings


def _fractions(amounts: Mapping[str, str], path: field.Path) -> list[str]:
    warnings = []
    for name in ("memory", "ephemeral-storage"):
        quantity = amounts.get(name)
        if quantity is not None and pod_amounts.amount(quantity).denominator != 1:
            detail = f'fractional byte value "{quantity}" is invalid, must be an integer'
            warnings.append(f"{path.key(name)}: {detail}")
    return warnings


def _profiles(
    annotations: Mapping[str, str], spec: Spec, path: field.Path, *, template: bool
) -> list[str]:
    warnings = []
    at = path.child("metadata", "annotations")
    context = spec.get("securityContext") or {}
    if _SECCOMP_POD in annotations and "seccompProfile" not in context:
        warnings.append(f"{at.key(_SECCOMP_POD)}: {_SECCOMP}")
    for container, _ in pods.each_container(spec, path):
        own = container.get("securityContext") or {}
        key = _SECCOMP_CONTAINER + container.get("name", "")
        if key in annotations and "seccompProfile" not in own:
            warnings.append(f"{at.key(key)}: {_SECCOMP}")
        key = _APP_ARMOR + container.get("name", "")
        fielded = "appArmorProfile" in own or "appArmorProfile" in context
        if template and key in annotations and not fielded:
            detail = 'deprecated since v1.30; use the "appArmorProfile" field instead'
            warnings.append(f"{at.key(key)}: {detail}")
    return warnings


def _containers(spec: Spec, path: field.Path) -> list[str]:
    warnings: list[str] = []
    ports: dict[tuple[int, str], list[tuple[field.Path, Spec]]] = {}
    overlaps: list[str] = []
    for container, at in pods.each_container(spec, path):
        resources = container.get("resources")
        if resources:
            for kind in ("limits", "requests"):
                if kind in resources:
                    warnings += _fractions(resources[kind], at.child("resources", kind))
        if len(container.get("env", ())) > 1:
            warnings += _hidden_variables(container["env"], at.child("env"))
        for index, port in enumerate(container.get("ports", ())):
            key = (port.get("containerPort", 0), port.get("protocol", ""))
            overlaps += _port_warnings(port, ports.setdefault(key, []), at, index)
    return warnings + overlaps


def _hidden_variables(variables: Sequence[Spec], path: field.Path) -> Iterable[str]:
    seen: set[str] = set()
    for index, variable in enumerate(variables):
        name = variable.get("name", "")
        if name not in seen:
            seen.add(name)
            continue
        reference, value = f"$({name})", variable.get("value", "")
        # A value that builds on the one before it is meant.
        if "valueFrom" in variable or value == reference or reference not in value:
            yield (
                f"{path.index(index)}: hides previous definition of {gojson.quoted_string(name)}, "
                "which may be dropped when using apply"
            )


def _port_warnings(
    port: Spec, others: list[tuple[field.Path, Spec]], path: field.Path, index: int
) -> list[str]:
    at = path.child("ports").index(index)
    host_ip, host_port = port.get("hostIP", ""), port.get("hostPort", 0)
    warnings = []
    if host_ip and not host_port:
        shown = (
            f"{{Name:{port.get('name', '')} HostPort:0 ContainerPort:{port.get('containerPort', 0)}"
            f" Protocol:{port.get('protocol', '')} HostIP:{host_ip}}}"
        )
        warnings.append(f"{at}: hostIP set without hostPort: {shown}")
    for where, other in others:
        other_ip, other_port = other.get("hostIP", ""), other.get("hostPort", 0)
        if (host_ip, host_port) == (other_ip, other_port):
            warnings.append(f"{at}: duplicate port definition with {where}")
        elif not host_port or not other_port:
            warnings.append(f"{at}: overlapping port definition with {where}")
        elif host_port == other_port and bool(host_ip) != bool(other_ip):
            warnings.append(f"{at}: dangerously ambiguous port definition with {where}")
    others.append((at, port))
    return warnings


def _pod_affinity(affinity: Spec, path: field.Path) -> list[str]:
    warnings = []
    for kind in ("podAffinity", "podAntiAffinity"):
        terms = affinity.get(kind) or {}
        at = path.child("affinity", kind)
        for index, term in enumerate(terms.get(_REQUIRED, ())):
            if term.get("labelSelector") is None:
                where = at.child(_REQUIRED).index(index).child("labelSelector")
                warnings.append(f"{where}: {_NULL_SELECTOR}")
        for index, weighted in enumerate(terms.get(_PREFERRED, ())):
            if (weighted.get("podAffinityTerm") or {}).get("labelSelector") is None:
                where = at.child(_PREFERRED).index(index).child("podAffinityTerm", "labelSelector")
                warnings.append(f"{where}: {_NULL_SELECTOR}")
    return warnings
