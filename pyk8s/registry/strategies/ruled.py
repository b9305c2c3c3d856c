# SPDX-License-Identifier: Apache-2.0
"""The Strategy of most kinds: one that is told what to do by the functions of its kind.

`Rules` names the functions of `apis` that default, validate and warn; a kind without one of them
has nothing to do there.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

from pyk8s.apimachinery import field
from pyk8s.apimachinery.gvk import Object
from pyk8s.registry.context import RequestContext
from pyk8s.registry.strategies import metadata
from pyk8s.registry.strategy import Strategy


def _nothing(obj: Object) -> None:
    """Kinds without defaults."""


def _no_warnings(obj: Object) -> list[str]:
    return []


def _no_faults(updated: Object, existing: Object) -> list[field.Error]:
    return []


def _sound(obj: Object) -> list[field.Error]:
    return []


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """The functions of one kind."""

    default: Callable[[Object], None] = _nothing
    validate: Callable[[Object], list[field.Error]] = _sound
    validate_update: Callable[[Object, Object], list[field.Error]] = _no_faults
    validate_status_update: Callable[[Object, Object], list[field.Error]] = _no_faults
    warn: Callable[[Object], list[str]] = _no_warnings


class RuledStrategy(Strategy):
    """A Strategy that calls the functions in its `rules`. A status update takes the status, and
    the metadata in passing (`resetting` has the Strategy whose does not)."""

    rules: ClassVar[Rules]

    def default(self, obj: Object) -> None:
        self.rules.default(obj)

    def validate(self, context: RequestContext, obj: Object) -> list[field.Error]:
        return self.rules.validate(obj)

    def validate_update(
        self, context: RequestContext, updated: Object, existing: Object
    ) -> list[field.Error]:
        return self.rules.validate_update(updated, existing)

    def prepare_for_status_update(
        self, context: RequestContext, updated: Object, existing: Object
    ) -> None:
        metadata.put_back(updated, existing, {*updated, *existing} - {"metadata", "status"})

    def validate_status_update(
        self, context: RequestContext, updated: Object, existing: Object
    ) -> list[field.Error]:
        return self.rules.validate_status_update(updated, existing)

    def warnings_on_create(self, context: RequestContext, obj: Object) -> list[str]:
        return self.rules.warn(obj)

    def warnings_on_update(
        self, context: RequestContext, updated: Object, existing: Object
    ) -> list[str]:
        return self.rules.warn(updated)
