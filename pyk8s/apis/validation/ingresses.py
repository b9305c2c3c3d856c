# SPDX-License-Identifier: Apache-2.0
"""Rules of Ingresses and IngressClasses.

Mirrors upstream's `pkg/apis/networking/validation/validation.go`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pyk8s.apimachinery import field, names
from pyk8s.apimachinery.gvk import Object
from pyk8s.apis.validation import checks, meta, netaddr

_SPEC = field.Path("spec")
_CLASS_ANNOTATION = "kubernetes.io/ingress.class"
_PATH_TYPES = frozenset({"Exact", "Prefix", "ImplementationSpecific"})
_PATH_PARTS = ("//", "/./", "/../", "%2f", "%2F")
_PATH_ENDS = ("/..", "/.")
_CONTROLLER_BYTES_MAX = 250
_SCOPES = frozenset({"Cluster", "Namespace"})
_NOT_AN_IP = "must be a DNS name, not an IP address"

Spec = Mapping[str, Any]


def validate_ingress(ingress: Object) -> list[field.Error]:
    found = _ingress(ingress)
    annotation = (ingress["metadata"].get("annotations") or {}).get(_CLASS_ANNOTATION)
    class_name = (ingress.get("spec") or {}).get("ingressClassName")
    if None not in (annotation, class_name) and annotation != class_name:
        path = field.Path("annotations", _CLASS_ANNOTATION)
        detail = "must match `ingressClassName` when both are specified"
        found.append(field.invalid(path, annotation, detail))
    return found


def validate_ingress_update(updated: Object, existing: Object) -> list[field.Error]:
    return meta.validate_object_meta_update(updated, existing) + _ingress(updated)


def _ingress(ingress: Object) -> list[field.Error]:
    found = meta.validate_object_meta(
        ingress, namespaced=True, name_rule=names.is_dns1123_subdomain
    )
    spec = ingress.get("spec") or {}
    rules = spec.get("rules") or []
    default = spec.get("defaultBackend")
    if not rules and default is None:
        detail = "either `defaultBackend` or `rules` must be specified"
        found.append(field.invalid(_SPEC, spec.get("rules"), detail))
    if default is not None:
        found += _backend(default, _SPEC.child("defaultBackend"))
    for index, rule in enumerate(rules):
        found += _rule(rule, _SPEC.child("rules").index(index))
    for index, tls in enumerate(spec.get("tls") or ()):
        found += _tls(tls, _SPEC.child("tls").index(index))
    class_name = spec.get("ingressClassName")
    if class_name is not None:
        found += checks.dns1123_subdomain(class_name, _SPEC.child("ingressClassName"))
    return found


def _tls(tls: Spec, path: field.Path) -> list[field.Error]:
    found = []
    for index, host in enumerate(tls.get("hosts") or ()):
        found += _host(host, path.child("hosts").index(index))
    secret = tls.get("secretName", "")
    if secret:
        found += checks.dns1123_subdomain(secret, path.child("secretName"))
    return found


def _host(host: str, path: field.Path) -> list[field.Error]:
    wildcard = "*" in host
    rule = names.is_wildcard_dns1123_subdomain if wildcard else names.is_dns1123_subdomain
    return checks.follows(rule, host, path)


def _rule(rule: Spec, path: field.Path) -> list[field.Error]:
    found = []
    host = rule.get("host", "")
    if host:
        where = path.child("host")
        if netaddr.parse_ip(host) is not None:
            found.append(field.invalid(where, host, _NOT_AN_IP))
        found += _host(host, where)
    http = rule.get("http")
    if http is None:
        return found
    where = path.child("http", "paths")
    paths = http.get("paths") or ()
    if not paths:
        found.append(field.required(where))
    for index, item in enumerate(paths):
        found += _path(item, where.index(index))
    return found


def _path(item: Spec, path: field.Path) -> list[field.Error]:
    kind = item.get("pathType")
    if kind is None:
        return [field.required(path.child("pathType"), "pathType must be specified")]
    text = item.get("path", "")
    where = path.child("path")
    absolute = [] if text.startswith("/") else [field.invalid(where, text, _ABSOLUTE)]
    if kind in ("Exact", "Prefix"):
        found = absolute
        for part in _PATH_PARTS:
            if part in text:
                found.append(field.invalid(where, text, f"must not contain '{part}'"))
        for end in _PATH_ENDS:
            if text.endswith(end):
                found.append(field.invalid(where, text, f"cannot end with '{end}'"))
    elif kind == "ImplementationSpecific":
        found = absolute if text else []
    else:
        found = [field.not_supported(path.child("pathType"), kind, _PATH_TYPES)]
    return found + _backend(item.get("backend") or {}, path.child("backend"))


_ABSOLUTE = "must be an absolute path"


def _backend(backend: Spec, path: field.Path) -> list[field.Error]:
    resource, service = backend.get("resource"), backend.get("service")
    if resource is not None and service is not None:
        detail = "cannot set both resource and service backends"
        return [field.invalid(path, "", detail)]
    if resource is not None:
        return _typed_reference(resource, path.child("resource"))
    if service is None:
        return [field.invalid(path, "", "resource or service backend is required")]
    name = service.get("name", "")
    where = path.child("service", "name")
    if name:
        # Services may be named by DNS-1123 labels since RelaxedServiceNameValidation.
        found = checks.dns1123_label(name, where)
    else:
        found = [field.required(where)]
    return found + _backend_port(service.get("port") or {}, path)


def _backend_port(port: Spec, path: field.Path) -> list[field.Error]:
    name, number = port.get("name", ""), port.get("number", 0)
    where = path.child("service", "port")
    if name and number:
        return [field.invalid(path, "", "cannot set both port name & port number")]
    if name:
        return checks.follows(names.is_valid_port_name, name, where.child("name"))
    if number:
        faults = names.is_valid_port_num(number)
        return checks.all_invalid(where.child("number"), number, faults)
    return [field.required(path, "port name or number is required")]


def _typed_reference(reference: Spec, path: field.Path) -> list[field.Error]:
    found = []
    group = reference.get("apiGroup")
    if group is not None:
        found += checks.dns1123_subdomain(group, path.child("apiGroup"))
    for key in ("kind", "name"):
        value = reference.get(key, "")
        if not value:
            found.append(field.required(path.child(key), f"{key} is required"))
        else:
            found += checks.follows(names.is_path_segment_name, value, path.child(key))
    return found


def validate_ingress_status_update(updated: Object, existing: Object) -> list[field.Error]:
    found = meta.validate_object_meta_update(updated, existing)
    balancer = (updated.get("status") or {}).get("loadBalancer") or {}
    path = field.Path("status", "loadBalancer", "ingress")
    for index, point in enumerate(balancer.get("ingress") or ()):
        where = path.index(index)
        if point.get("ip"):
            found += checks.follows(
                names.is_valid_ip_for_legacy_field, point["ip"], where.child("ip")
            )
        host = point.get("hostname")
        if host:
            found += checks.dns1123_subdomain(host, where.child("hostname"))
            if netaddr.parse_ip(host) is not None:
                found.append(field.invalid(where.child("hostname"), host, _NOT_AN_IP))
    return found


def validate_ingress_class(ingress_class: Object) -> list[field.Error]:
    found = meta.validate_object_meta(
        ingress_class, namespaced=False, name_rule=names.is_dns1123_subdomain
    )
    spec = ingress_class.get("spec") or {}
    controller = spec.get("controller", "")
    path = _SPEC.child("controller")
    if names.bytes_length(controller) > _CONTROLLER_BYTES_MAX:
        found.append(field.too_long(path, _CONTROLLER_BYTES_MAX))
    found += checks.domain_prefixed_path(controller, path)
    parameters = spec.get("parameters")
    if parameters is not None:
        found += _parameters(parameters, _SPEC.child("parameters"))
    return found


def _parameters(parameters: Spec, path: field.Path) -> list[field.Error]:
    found = _typed_reference(parameters, path)
    scope = parameters.get("scope")
    if scope is None:
        return [*found, field.required(path.child("scope"))]
    found += checks.one_of(scope, path.child("scope"), _SCOPES)
    namespace = parameters.get("namespace")
    where = path.child("namespace")
    if scope == "Namespace":
        if namespace is None:
            found.append(field.required(where, "`parameters.scope` is set to 'Namespace'"))
        else:
            found += checks.dns1123_label(namespace, where)
    if scope == "Cluster" and namespace is not None:
        found.append(field.forbidden(where, "`parameters.scope` is set to 'Cluster'"))
    return found


def validate_ingress_class_update(updated: Object, existing: Object) -> list[field.Error]:
    found = meta.validate_object_meta_update(updated, existing)
    controllers = [(obj.get("spec") or {}).get("controller") for obj in (updated, existing)]
    found += checks.immutable(controllers[0], controllers[1], _SPEC.child("controller"))
    return found + validate_ingress_class(updated)
