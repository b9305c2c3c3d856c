# SPDX-License-Identifier: Apache-2.0
"""Defaults of the core group's kinds."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from pyk8s.apimachinery.gvk import GroupVersionKind, Object
from pyk8s.apis.defaults import pods

DEFAULTERS: Mapping[GroupVersionKind, Callable[[Object], None]] = {
    GroupVersionKind("", "v1", "Pod"): pods.default_pod,
}
