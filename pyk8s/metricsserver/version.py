# SPDX-License-Identifier: Apache-2.0
"""The release whose API is served."""

from __future__ import annotations

import pyk8s


def info() -> dict[str, str]:
    """Of version.Info of apimachinery, what there is to tell."""
    major, minor, _ = pyk8s.KUBERNETES_VERSION.removeprefix("v").split(".")
    return {"major": major, "minor": minor, "gitVersion": pyk8s.GIT_VERSION}
