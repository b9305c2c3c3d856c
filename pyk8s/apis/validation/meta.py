# SPDX-License-Identifier: Apache-2.0
"""Rules of metadata, the same for every kind, and of label selectors."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from pyk8s.apimachinery import field
from pyk8s.apimachinery.gvk import Object

# Says what is wrong with a name; nothing means it is right.
NameRule = Callable[[str], list[str]]

PATH = field.Path("metadata")


def validate_object_meta(
    obj: Object, *, namespaced: bool, name_rule: NameRule, path: field.Path = PATH
) -> list[field.Error]:
    return []


def validate_object_meta_update(
    updated: Object, existing: Object, path: field.Path = PATH
) -> list[field.Error]:
    return []


def validate_labels(labels: Mapping[str, str], path: field.Path) -> list[field.Error]:
    return []


def validate_annotations(annotations: Mapping[str, str], path: field.Path) -> list[field.Error]:
    return []


def validate_label_selector(
    selector: Mapping[str, Any] | None, path: field.Path
) -> list[field.Error]:
    return []
