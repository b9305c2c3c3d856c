# SPDX-License-Identifier: Apache-2.0
"""DefaultStorageClass and DefaultIngressClass: who names no class gets the one marked as default.

Mirror `plugin/pkg/admission/storage/storageclass/setdefault` and
`plugin/pkg/admission/network/defaultingressclass`. Of several that are marked the newest counts.
"""

from __future__ import annotations

from collections.abc import Iterable

from pyk8s.admission import interface
from pyk8s.admission.objects import Objects
from pyk8s.apimachinery import meta
from pyk8s.apimachinery.gvk import GroupResource, Object
from pyk8s.componenthelpers.quota import CLAIMS

STORAGE_CLASSES = GroupResource("storage.k8s.io", "storageclasses")
INGRESSES = GroupResource("networking.k8s.io", "ingresses")
INGRESS_CLASSES = GroupResource("networking.k8s.io", "ingressclasses")

_DEFAULT_STORAGE_CLASS = (
    "storageclass.kubernetes.io/is-default-class",
    "storageclass.beta.kubernetes.io/is-default-class",
)
_DEFAULT_INGRESS_CLASS = ("ingressclass.kubernetes.io/is-default-class",)
_STORAGE_CLASS_ANNOTATION = "volume.beta.kubernetes.io/storage-class"
_INGRESS_CLASS_ANNOTATION = "kubernetes.io/ingress.class"


class _DefaultClass(interface.Plugin):
    operations = frozenset({interface.CREATE})
    # The field that names the class, the annotation that did before, and what marks a default.
    field = ""
    annotation = ""
    marks: tuple[str, ...] = ()

    def __init__(self, classes: Objects) -> None:
        self._classes = classes

    async def admit(self, attributes: interface.Attributes) -> None:
        obj = attributes.object
        if attributes.subresource or self.annotation in meta.annotations(obj):
            return
        spec = obj.setdefault("spec", {})
        if spec.get(self.field) is not None:
            return
        default = newest_marked(await self._classes.list(), self.marks)
        if default is not None:
            spec[self.field] = meta.name(default)


class DefaultStorageClass(_DefaultClass):
    resources = frozenset({CLAIMS})
    field = "storageClassName"
    annotation = _STORAGE_CLASS_ANNOTATION
    marks = _DEFAULT_STORAGE_CLASS


class DefaultIngressClass(_DefaultClass):
    resources = frozenset({INGRESSES})
    field = "ingressClassName"
    annotation = _INGRESS_CLASS_ANNOTATION
    marks = _DEFAULT_INGRESS_CLASS


def newest_marked(classes: Iterable[Object], marks: tuple[str, ...]) -> Object | None:
    """Of those made in the same second the first by name."""
    marked = [
        each
        for each in sorted(classes, key=meta.name)
        if any(meta.annotations(each).get(mark) == "true" for mark in marks)
    ]
    return max(marked, key=lambda each: meta.of(each)["creationTimestamp"], default=None)
