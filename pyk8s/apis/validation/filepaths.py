# SPDX-License-Identifier: Apache-2.0
"""Checks of a path inside a volume or an image.

Each returns the faults of one value at one path of the object.
"""

from __future__ import annotations

from pyk8s.apimachinery import field


def local_descending(value: str, path: field.Path) -> list[field.Error]:
    errors = []
    if value.startswith("/"):
        errors.append(field.invalid(path, value, "must be a relative path"))
    return errors + no_backsteps(value, path)


def no_backsteps(value: str, path: field.Path) -> list[field.Error]:
    if ".." in value and ".." in value.split("/"):
        return [field.invalid(path, value, "must not contain '..'")]
    return []


def local_non_reserved(value: str, path: field.Path) -> list[field.Error]:
    """A file's place in a volume: relative, without `..`, not starting with `..`."""
    errors = local_descending(value, path)
    if value.startswith("..") and not value.startswith("../"):
        errors.append(field.invalid(path, value, "must not start with '..'"))
    return errors
