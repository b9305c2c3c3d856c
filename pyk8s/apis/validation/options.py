# SPDX-License-Identifier: Apache-2.0
"""What a Pod's rules depend on besides the Pod: where it stands, and what was stored before."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class PodOptions:
    """`pod_name` is known for a Pod and empty for a template."""

    pod_name: str = ""
    # A spec inside a template: what only a running Pod may hold is refused.
    template: bool = False
    # On update: the stored selectors hold values that today's rules refuse, so they may stay.
    ratcheting: bool = False


POD_TEMPLATE = PodOptions(template=True)
