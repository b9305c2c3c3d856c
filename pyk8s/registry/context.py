# SPDX-License-Identifier: Apache-2.0
"""What a registry call knows of the request it serves."""

from __future__ import annotations

from dataclasses import dataclass, field

from pyk8s.auth.user import UserInfo


@dataclass(slots=True, kw_only=True)
class RequestContext:
    """Passed explicitly from the handler down. `api_group` is the group the client used, where
    one store serves several. `warnings` collects `Warning: 299` texts in
    order; duplicates are dropped when the response is written."""

    user: UserInfo
    namespace: str = ""
    api_group: str = ""
    dry_run: bool = False
    field_manager: str = ""
    warnings: list[str] = field(default_factory=list)
