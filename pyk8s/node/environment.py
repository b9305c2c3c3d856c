# SPDX-License-Identifier: Apache-2.0
"""The environment of a container and the files of its volumes, from objects: no I/O.

Mirrors makeEnvironmentVariables of `pkg/kubelet/kubelet_pods.go`, `pkg/fieldpath` and
`third_party/forked/golang/expansion`. `Sources` are the ConfigMaps and Secrets that a pod names,
and the tokens its volumes hold.
"""

from __future__ import annotations

import base64
import posixpath
import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from pyk8s.apimachinery import meta
from pyk8s.apimachinery.gojson import quoted_string
from pyk8s.apimachinery.gvk import Object

_REFERENCE = re.compile(r"\$(\$|\(([^()]*)\))")
_SUBSCRIPT = re.compile(r"metadata\.(labels|annotations)\['(.+)'\]")


class Reference(NamedTuple):
    """A ConfigMap or a Secret of the pod's namespace."""

    kind: str
    name: str


class Token(NamedTuple):
    """One of the pod's ServiceAccount; an empty audience is the API server's own."""

    audience: str
    seconds: int


Source = Reference | Token
Sources = Mapping[Source, Mapping[str, bytes]]

# The one key of a Token among the sources.
TOKEN = "token"
_TOKEN_SECONDS = 3600


def data_of(obj: Object) -> dict[str, bytes]:
    """The content of a ConfigMap or a Secret."""
    binary = {k: base64.b64decode(v) for k, v in (obj.get("binaryData") or {}).items()}
    text = obj.get("data") or {}
    if obj.get("kind") == "Secret":
        return {key: base64.b64decode(value) for key, value in text.items()}
    return binary | {key: value.encode() for key, value in text.items()}


def references(container: Object) -> set[Reference]:
    """What the environment of the container is made from."""
    return {reference for reference, _, _ in _wanted(container)}


def volume_references(pod: Object) -> set[Source]:
    """What the volumes of the pod are made from."""
    return {
        reference
        for volume in pod["spec"].get("volumes") or ()
        for source in _parts(volume)
        if (reference := _reference(source)) is not None
    }


def _parts(volume: Object) -> tuple[Object, ...]:
    """The volume itself, and what is projected into it."""
    return (volume, *((volume.get("projected") or {}).get("sources") or ()))


def _reference(source: Object) -> Source | None:
    """What the files of a volume are made from; None for those that come from elsewhere."""
    if chosen := source.get("configMap"):
        return Reference("ConfigMap", chosen.get("name", ""))
    if chosen := source.get("secret"):
        return Reference("Secret", chosen.get("name") or chosen.get("secretName", ""))
    if chosen := source.get("serviceAccountToken"):
        seconds = chosen.get("expirationSeconds") or _TOKEN_SECONDS
        return Token(chosen.get("audience", ""), seconds)
    return None


def _wanted(container: Object) -> Iterator[tuple[Reference, str, str]]:
    for entry in container.get("envFrom") or ():
        for field, kind in (("configMapRef", "ConfigMap"), ("secretRef", "Secret")):
            if source := entry.get(field):
                yield Reference(kind, source.get("name", "")), "", ""
    for entry in container.get("env") or ():
        source = entry.get("valueFrom") or {}
        for field, kind in (("configMapKeyRef", "ConfigMap"), ("secretKeyRef", "Secret")):
            if chosen := source.get(field):
                yield Reference(kind, chosen.get("name", "")), chosen["key"], entry["name"]


def environment(pod: Object, container: Object, sources: Sources) -> dict[str, str]:
    """Variables by name. What comes from a source that is not there is left out."""
    found: dict[str, str] = {}
    for entry in container.get("envFrom") or ():
        prefix = entry.get("prefix", "")
        for field, kind in (("configMapRef", "ConfigMap"), ("secretRef", "Secret")):
            if source := entry.get(field):
                content = sources.get(Reference(kind, source.get("name", "")), {})
                found |= {prefix + key: _text(value) for key, value in content.items()}
    chosen = {
        name: _text(sources[reference][key])
        for reference, key, name in _wanted(container)
        if name and key in sources.get(reference, {})
    }
    for entry in container.get("env") or ():
        name = entry["name"]
        if "valueFrom" not in entry:
            found[name] = expand(entry.get("value", ""), found)
        elif name in chosen:
            found[name] = chosen[name]
        elif path := (entry["valueFrom"].get("fieldRef") or {}).get("fieldPath"):
            found[name] = field_of(pod, path)
    return found


def _text(content: bytes) -> str:
    return content.decode("utf-8", "replace")


def field_of(pod: Object, path: str) -> str:
    """What the downward API gives for the path; empty for what the pod does not have yet."""
    if found := _SUBSCRIPT.fullmatch(path):
        value = (meta.of(pod).get(found[1]) or {}).get(found[2], "")
        return str(value)
    spec, status = pod["spec"], pod.get("status") or {}
    known: dict[str, Any] = {
        "metadata.name": meta.name(pod),
        "metadata.namespace": meta.namespace(pod),
        "metadata.uid": meta.uid(pod),
        "spec.nodeName": spec.get("nodeName"),
        "spec.serviceAccountName": spec.get("serviceAccountName"),
        "status.hostIP": status.get("hostIP"),
        "status.podIP": status.get("podIP"),
        "status.podIPs": ",".join(each["ip"] for each in status.get("podIPs") or ()),
    }
    return known.get(path) or ""


def expand(text: str, known: Mapping[str, str]) -> str:
    """`$(NAME)` becomes the value, `$$` a dollar; what is not known stays as it is."""

    def value(found: re.Match[str]) -> str:
        if found[1] == "$":
            return "$"
        return known.get(found[2], found[0])

    return _REFERENCE.sub(value, text)


# --- files


class File(NamedTuple):
    """Where the content of a file is: a key of a source, or `content` itself."""

    reference: Source | None = None
    key: str = ""
    content: bytes = b""


def file_at(pod: Object, container: Object, path: str) -> File | None:
    """What is mounted there from ConfigMaps, Secrets, tokens and the downward API; None for other
    paths."""
    path = posixpath.normpath(path)
    if path == "/etc/hostname":
        return File(content=f"{hostname(pod)}\n".encode())
    mounts = [m for m in container.get("volumeMounts") or () if _is_under(path, m["mountPath"])]
    if not mounts:
        return None
    mount = max(mounts, key=lambda m: len(m["mountPath"]))
    inside = posixpath.relpath(path, mount["mountPath"])
    inside = posixpath.normpath(posixpath.join(mount.get("subPath", ""), inside))
    for volume in pod["spec"].get("volumes") or ():
        if volume["name"] == mount["name"]:
            return _in_volume(pod, volume, inside)
    return None


def _is_under(path: str, directory: str) -> bool:
    directory = posixpath.normpath(directory)
    return path == directory or path.startswith(directory.rstrip("/") + "/")


def _in_volume(pod: Object, volume: Object, inside: str) -> File | None:
    for source in reversed(_parts(volume)):
        if (found := _in_source(pod, source, inside)) is not None:
            return found
    return None


def _in_source(pod: Object, source: Object, inside: str) -> File | None:
    reference = _reference(source)
    if isinstance(reference, Token):
        is_it = inside == source["serviceAccountToken"]["path"]
        return File(reference, TOKEN) if is_it else None
    if reference is not None:
        items = (source.get("configMap") or source["secret"]).get("items")
        keys = {item["path"]: item["key"] for item in items or ()}
        if items is None or inside in keys:
            return File(reference, keys.get(inside, inside))
        return None
    for item in (source.get("downwardAPI") or {}).get("items") or ():
        if item["path"] == inside and "fieldRef" in item:
            return File(content=_downward(pod, item["fieldRef"]["fieldPath"]).encode())
    return None


def _downward(pod: Object, path: str) -> str:
    """As field_of; and all labels or annotations, a line each. Upstream's FormatMap."""
    if path in ("metadata.labels", "metadata.annotations"):
        entries = (meta.of(pod).get(path.removeprefix("metadata.")) or {}).items()
        return "\n".join(f"{key}={quoted_string(value)}" for key, value in sorted(entries))
    return field_of(pod, path)


def hostname(pod: Object) -> str:
    return pod["spec"].get("hostname") or meta.name(pod)
