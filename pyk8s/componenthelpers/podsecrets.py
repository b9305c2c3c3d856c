# SPDX-License-Identifier: Apache-2.0
"""Which Secrets a Pod names. Mirrors VisitPodSecretNames of `pkg/api/v1/pod/util.go`."""

from __future__ import annotations

from collections.abc import Iterator

from pyk8s.apimachinery.gvk import Object

_CONTAINERS = ("containers", "initContainers", "ephemeralContainers")
# Kind of volume, and its field that refers to a Secret.
_REFERENCES = (
    ("cephfs", "secretRef"),
    ("cinder", "secretRef"),
    ("flexVolume", "secretRef"),
    ("rbd", "secretRef"),
    ("scaleIO", "secretRef"),
    ("iscsi", "secretRef"),
    ("storageos", "secretRef"),
    ("csi", "nodePublishSecretRef"),
)


def names(spec: Object) -> Iterator[str]:
    """From a PodSpec; one name may come more than once."""
    for reference in spec.get("imagePullSecrets") or ():
        yield reference.get("name", "")
    for kind in _CONTAINERS:
        for container in spec.get(kind) or ():
            yield from _of_container(container)
    for volume in spec.get("volumes") or ():
        yield from _of_volume(volume)


def _of_container(container: Object) -> Iterator[str]:
    for source in container.get("envFrom") or ():
        if (chosen := source.get("secretRef")) is not None:
            yield chosen.get("name", "")
    for variable in container.get("env") or ():
        if (chosen := (variable.get("valueFrom") or {}).get("secretKeyRef")) is not None:
            yield chosen.get("name", "")


def _of_volume(volume: Object) -> Iterator[str]:
    for kind in ("secret", "azureFile"):
        if name := (volume.get(kind) or {}).get("secretName"):
            yield name
    for kind, field in _REFERENCES:
        if (chosen := (volume.get(kind) or {}).get(field)) is not None:
            yield chosen.get("name", "")
    for source in (volume.get("projected") or {}).get("sources") or ():
        if (chosen := source.get("secret")) is not None:
            yield chosen.get("name", "")
