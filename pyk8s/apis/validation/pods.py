# SPDX-License-Identifier: Apache-2.0
"""Rules of Pods, and of the templates that hold one.

The order of the checks is upstream's, for the faults of one answer are listed in it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pyk8s.apimachinery import field, names
from pyk8s.apimachinery.gvk import Object
from pyk8s.apis.validation import (
    checks,
    containers,
    meta,
    netaddr,
    pod_annotations,
    pod_resources,
    scheduling,
    security,
    volumes,
    windows,
)
from pyk8s.apis.validation.options import POD_TEMPLATE, PodOptions

Spec = Mapping[str, Any]

RESTART_POLICIES = ("Always", "OnFailure", "Never")
DNS_POLICIES = ("ClusterFirstWithHostNet", "ClusterFirst", "Default", "None")
_PREEMPTION_POLICIES = ("PreemptLowerPriority", "Never")
_NAMESERVERS_MAX = 3
_SEARCHES_MAX = 32
_SEARCH_CHARACTERS_MAX = 2048
_HOSTNAME_CHARACTERS_MAX = 64
INT32_MAX = (1 << 31) - 1

_METADATA = field.Path("metadata")
_SPEC = field.Path("spec")


def validate_pod(pod: Object) -> list[field.Error]:
    """A Pod on create."""
    errors = validate_pod_content(pod)
    spec = pod["spec"]
    if spec.get("ephemeralContainers"):
        errors.append(
            field.forbidden(_SPEC.child("ephemeralContainers"), "cannot be set on create")
        )
    if spec.get("nodeName") and spec.get("schedulingGates"):
        detail = "cannot be set until all schedulingGates have been cleared"
        errors.append(field.forbidden(_SPEC.child("nodeName"), detail))
    annotated = pod["metadata"].get("annotations")
    if annotated:
        errors += pod_annotations.validate_agreement(annotated, spec, _SPEC)
    return errors


def validate_pod_content(pod: Object, *, ratcheting: bool = False) -> list[field.Error]:
    """What must hold of a Pod's metadata and spec at any time; see `PodOptions.ratcheting`."""
    metadata, spec = pod["metadata"], pod["spec"]
    options = PodOptions(pod_name=metadata.get("name", ""), ratcheting=ratcheting)
    errors = meta.validate_object_meta(pod, namespaced=True, name_rule=names.is_dns1123_subdomain)
    annotated = metadata.get("annotations")
    if annotated:
        at = _METADATA.child("annotations")
        errors += pod_annotations.validate_annotations(annotated, spec, at)
    errors += validate_pod_spec(spec, _SPEC, options)
    if not spec.get("serviceAccountName"):
        errors += _validate_no_tokens(spec)
    for kind in ("containers", "initContainers"):
        for index, container in enumerate(spec.get(kind, ())):
            at = _SPEC.child(kind).index(index)
            errors += containers.validate_image_whitespace(container, at)
    return errors


def _validate_no_tokens(spec: Spec) -> list[field.Error]:
    errors = []
    for index, volume in enumerate(spec.get("volumes", ())):
        for number, source in enumerate((volume.get("projected") or {}).get("sources", ())):
            if "serviceAccountToken" in source:
                at = _SPEC.child("volumes").index(index).child("projected", "sources")
                detail = "must not be specified when serviceAccountName is not set"
                errors.append(
                    field.forbidden(at.index(number).child("serviceAccountToken"), detail)
                )
    return errors


def validate_pod_template(template: Object, path: field.Path) -> list[field.Error]:
    """A PodTemplateSpec inside another object, such as `spec.template`."""
    metadata, spec = template.get("metadata") or {}, template["spec"]
    errors: list[field.Error] = []
    if "labels" in metadata:
        errors += meta.validate_labels(metadata["labels"], path.child("labels"))
    annotated = metadata.get("annotations")
    if annotated:
        at = path.child("annotations")
        errors += meta.validate_annotations(annotated, at)
        errors += pod_annotations.validate_annotations(annotated, spec, at)
    errors += validate_pod_spec(spec, path.child("spec"), POD_TEMPLATE)
    if annotated:
        errors += pod_annotations.validate_agreement(annotated, spec, path.child("spec"))
    if spec.get("ephemeralContainers"):
        at = path.child("spec", "ephemeralContainers")
        errors.append(field.forbidden(at, "ephemeral containers not allowed in pod template"))
    return errors


def validate_pod_spec(spec: Spec, path: field.Path, options: PodOptions) -> list[field.Error]:
    """A defaulted PodSpec, of a Pod or of a template."""
    errors: list[field.Error] = []
    if "terminationGracePeriodSeconds" not in spec:
        errors.append(field.required(path.child("terminationGracePeriodSeconds")))
    sound, faults = volumes.validate_volumes(
        spec.get("volumes", ()), path.child("volumes"), options
    )
    errors += faults
    claims = spec.get("resourceClaims", ())
    around = containers.Surroundings(
        spec=spec,
        volumes=sound,
        claim_names={claim["name"] for claim in claims if claim.get("name")},
    )
    if claims:
        errors += _validate_resource_claims(claims, path.child("resourceClaims"))
    errors += containers.validate_containers(around, path.child("containers"))
    if "initContainers" in spec:
        errors += containers.validate_init_containers(around, path.child("initContainers"))
    if "ephemeralContainers" in spec:
        at = path.child("ephemeralContainers")
        errors += containers.validate_ephemeral_containers(around, at)
    if "resources" in spec:
        errors += pod_resources.validate_pod_resources(spec, path.child("resources"))
    errors += _validate_policies(spec, path, options)
    errors += _validate_placement(spec, path, options)
    errors += _validate_host(spec, path)
    return errors + _validate_identity(spec, path)


def _validate_policies(spec: Spec, path: field.Path, options: PodOptions) -> list[field.Error]:
    errors: list[field.Error] = []
    if spec.get("hostNetwork"):
        errors += _validate_host_ports(spec, path, options)
    policy = spec.get("restartPolicy")
    if policy not in RESTART_POLICIES:
        errors += checks.required_one_of(policy, path.child("restartPolicy"), RESTART_POLICIES)
    policy = spec.get("dnsPolicy")
    if policy not in DNS_POLICIES:
        errors += checks.required_one_of(policy, path.child("dnsPolicy"), DNS_POLICIES)
    return errors


def _validate_placement(spec: Spec, path: field.Path, options: PodOptions) -> list[field.Error]:
    errors: list[field.Error] = []
    if "nodeSelector" in spec:
        errors += meta.validate_labels(spec["nodeSelector"], path.child("nodeSelector"))
    if spec.get("securityContext"):
        errors += security.validate_pod(spec, path)
    if "affinity" in spec:
        at = path.child("affinity")
        errors += scheduling.validate_affinity(spec["affinity"], at, options)
    if "dnsConfig" in spec or spec.get("dnsPolicy") == "None":
        errors += _validate_dns_config(spec, path.child("dnsConfig"))
    for index, gate in enumerate(spec.get("readinessGates", ())):
        at = path.child("readinessGates").index(index).child("conditionType")
        errors += checks.qualified_name(gate.get("conditionType", ""), at)
    if "schedulingGates" in spec:
        at = path.child("schedulingGates")
        errors += scheduling.validate_gates(spec["schedulingGates"], at)
    if "topologySpreadConstraints" in spec:
        at = path.child("topologySpreadConstraints")
        constraints = spec["topologySpreadConstraints"]
        errors += scheduling.validate_topology_spread(constraints, at, options)
    return errors


def _validate_host(spec: Spec, path: field.Path) -> list[field.Error]:
    errors: list[field.Error] = []
    if _mentions_windows(spec):
        errors += windows.validate_host_process(spec, path)
    if spec.get("hostUsers", True):
        return errors
    detail = "when `pod.Spec.HostUsers` is false"
    for name, shown in (
        ("hostNetwork", "hostNetwork"),
        ("hostPID", "HostPID"),
        ("hostIPC", "HostIPC"),
    ):
        if spec.get(name):
            errors.append(field.forbidden(path.child(shown), detail))
    return errors


def _mentions_windows(spec: Spec) -> bool:
    if "windowsOptions" in (spec.get("securityContext") or ()):
        return True
    return any(
        "windowsOptions" in (container.get("securityContext") or ())
        for kind in ("initContainers", "containers", "ephemeralContainers")
        for container in spec.get(kind, ())
    )


_NAME_RULES = (
    ("serviceAccountName", names.is_dns1123_subdomain),
    ("nodeName", names.is_dns1123_subdomain),
    ("hostname", names.is_dns1123_label),
    ("subdomain", names.is_dns1123_label),
    ("priorityClassName", names.is_dns1123_subdomain),
    ("runtimeClassName", names.is_dns1123_subdomain),
)


def _validate_identity(spec: Spec, path: field.Path) -> list[field.Error]:
    errors: list[field.Error] = []
    for name, rule in _NAME_RULES:
        if spec.get(name):
            errors += checks.follows(rule, spec[name], path.child(name))
    deadline = spec.get("activeDeadlineSeconds")
    if deadline is not None and not 1 <= deadline <= INT32_MAX:
        detail = names.range_message(1, INT32_MAX)
        errors.append(field.invalid(path.child("activeDeadlineSeconds"), deadline, detail))
    if spec.get("hostnameOverride"):
        errors += _validate_hostname_override(spec, path)
    if "tolerations" in spec:
        at = path.child("tolerations")
        errors += scheduling.validate_tolerations(spec["tolerations"], at)
    if "hostAliases" in spec:
        errors += _validate_host_aliases(spec["hostAliases"], path.child("hostAliases"))
    if "preemptionPolicy" in spec:
        errors += checks.required_one_of(
            spec["preemptionPolicy"], path.child("preemptionPolicy"), _PREEMPTION_POLICIES
        )
    if "overhead" in spec:
        errors += pod_resources.validate_overhead(spec["overhead"], path.child("overhead"))
    if "os" in spec:
        errors += windows.validate_os(spec, path)
    return errors


def _validate_hostname_override(spec: Spec, path: field.Path) -> list[field.Error]:
    name = spec["hostnameOverride"]
    at = path.child("hostnameOverride")
    errors = checks.dns1123_subdomain(name, at)
    if len(name) > _HOSTNAME_CHARACTERS_MAX:
        errors.append(field.too_long(at, _HOSTNAME_CHARACTERS_MAX))
    if spec.get("setHostnameAsFQDN"):
        detail = "cannot be true when `hostnameOverride` is set"
        errors.append(field.forbidden(path.child("setHostnameAsFQDN"), detail))
    if spec.get("hostNetwork"):
        detail = "cannot be set when `hostNetwork` is true"
        errors.append(field.forbidden(at, detail))
    return errors


def _validate_host_ports(spec: Spec, path: field.Path, options: PodOptions) -> list[field.Error]:
    errors = []
    for index, container in enumerate(spec.get("containers", ())):
        for number, port in enumerate(container.get("ports", ())):
            host, own = port.get("hostPort", 0), port.get("containerPort", 0)
            # In a template 0 is fine: the Pod made from it gets the right number.
            if host == own or (options.template and not host):
                continue
            at = path.child("containers").index(index).child("ports").index(number)
            detail = "must match `containerPort` when `hostNetwork` is true"
            errors.append(field.invalid(at.child("hostPort"), host, detail))
    return errors


def _validate_resource_claims(
    claims: Sequence[Mapping[str, Any]], path: field.Path
) -> list[field.Error]:
    errors: list[field.Error] = []
    seen: set[str] = set()
    for index, claim in enumerate(claims):
        at = path.index(index)
        name = claim.get("name", "")
        if not name:
            errors.append(field.required(at.child("name")))
        elif name in seen:
            errors.append(field.duplicate(at.child("name"), name))
        else:
            errors += checks.dns1123_label(name, at.child("name"))
            seen.add(name)
        sources = [
            kind for kind in ("resourceClaimName", "resourceClaimTemplateName") if kind in claim
        ]
        if len(sources) > 1:
            detail = (
                "at most one of `resourceClaimName` or `resourceClaimTemplateName` may be specified"
            )
            errors.append(field.invalid(at, claim, detail))
        if not sources:
            detail = "must specify one of: `resourceClaimName`, `resourceClaimTemplateName`"
            errors.append(field.invalid(at, claim, detail))
        for kind in sources:
            errors += checks.dns1123_subdomain(claim[kind], at.child(kind))
    return errors


def _validate_dns_config(spec: Spec, path: field.Path) -> list[field.Error]:
    config = spec.get("dnsConfig")
    none = spec.get("dnsPolicy") == "None"
    if config is None:
        detail = "must provide `dnsConfig` when `dnsPolicy` is None"
        return [field.required(path, detail)] if none else []
    servers, searches = config.get("nameservers", ()), config.get("searches", ())
    at = path.child("nameservers")
    if none and not servers:
        detail = "must provide at least one DNS nameserver when `dnsPolicy` is None"
        return [field.required(at, detail)]
    errors: list[field.Error] = []
    if len(servers) > _NAMESERVERS_MAX:
        detail = f"must not have more than {_NAMESERVERS_MAX} nameservers"
        errors.append(field.invalid(at, servers, detail))
    for index, server in enumerate(servers):
        errors += netaddr.ip(server, at.index(index))
    errors += _validate_searches(searches, path.child("searches"))
    for index, option in enumerate(config.get("options", ())):
        if not option.get("name"):
            errors.append(field.required(path.child("options").index(index), "must not be empty"))
    return errors


def _validate_searches(searches: Sequence[str], path: field.Path) -> list[field.Error]:
    errors: list[field.Error] = []
    if len(searches) > _SEARCHES_MAX:
        detail = f"must not have more than {_SEARCHES_MAX} search paths"
        errors.append(field.invalid(path, searches, detail))
    if len(" ".join(searches)) > _SEARCH_CHARACTERS_MAX:
        detail = (
            f"must not have more than {_SEARCH_CHARACTERS_MAX} characters (including spaces) in "
            "the search list"
        )
        errors.append(field.invalid(path, searches, detail))
    for index, search in enumerate(searches):
        if search != ".":
            errors += checks.follows(
                names.is_dns1123_subdomain_with_underscore,
                search.removesuffix("."),
                path.index(index),
            )
    return errors


def _validate_host_aliases(
    aliases: Sequence[Mapping[str, Any]], path: field.Path
) -> list[field.Error]:
    errors: list[field.Error] = []
    for index, alias in enumerate(aliases):
        at = path.index(index)
        errors += netaddr.ip(alias.get("ip", ""), at.child("ip"))
        for number, name in enumerate(alias.get("hostnames", ())):
            where = at.child("hostnames").index(number)
            errors += checks.dns1123_subdomain(name, where)
    return errors
