# SPDX-License-Identifier: Apache-2.0
"""Objects on the road a request takes: decoded, defaulted, prepared and validated by Strategies.

Tables of rejected objects name a kind, changes to the sound manifest of that kind (testdata/
sound.yaml), and the sentences that must come back.
"""

from __future__ import annotations

import copy
import functools
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pyk8s.apimachinery import field, gvk, yamlcodec
from pyk8s.apimachinery.gvk import Object
from pyk8s.apis import decode, scheme
from pyk8s.auth.user import UserInfo
from pyk8s.registry import strategies
from pyk8s.registry.context import RequestContext
from pyk8s.registry.strategy import Strategy

UID = "7b0f5b8e-0000-4000-8000-000000000001"
GONE = object()


@functools.cache
def _sound() -> Mapping[str, Object]:
    text = (Path(__file__).parent / "testdata" / "sound.yaml").read_text()
    documents = [yamlcodec.decode_yaml(part) for part in text.split("\n---\n")]
    return {document["kind"]: document for document in documents}


def kinds() -> list[str]:
    """Every kind that has a sound manifest."""
    return list(_sound())


def manifest(kind: str, changes: Mapping[str, Any] | None = None) -> Object:
    """The sound manifest, with values set at paths of words such as `spec versions 0 name`, or
    taken away (GONE)."""
    obj = copy.deepcopy(_sound()[kind])
    for path, value in (changes or {}).items():
        *parents, last = path.split()
        target: Any = obj
        for step in parents:
            target = target[int(step)] if isinstance(target, list) else target.setdefault(step, {})
        if value is GONE:
            del target[last]
        elif isinstance(target, list) and int(last) == len(target):
            target.append(copy.deepcopy(value))
        elif isinstance(target, list):
            target[int(last)] = copy.deepcopy(value)
        else:
            target[last] = copy.deepcopy(value)
    return obj


def strategy(obj: Object) -> Strategy:
    """The Strategy of the object's kind."""
    return strategies.strategy_for(scheme.builtin().by_kind[gvk.kind_of(obj)])


def context() -> RequestContext:
    user = UserInfo("jane", uid="42", groups=("dev", "system:authenticated"))
    return RequestContext(user=user, namespace="default")


def decoded(obj: Object) -> Object:
    """As it leaves decoding: structure checked, defaults filled in."""
    found, unknown = decode.to_internal(copy.deepcopy(obj), gvk.kind_of(obj))
    assert unknown == []
    strategy(found).default(found)
    return found


def created(obj: Object) -> tuple[Object, list[field.Error]]:
    """What a create makes of a manifest, and what is wrong with it."""
    found = decoded(obj)
    found["metadata"]["uid"] = UID
    rules = strategy(found)
    rules.prepare_for_create(context(), found)
    return found, rules.validate(context(), found)


def stored(kind: str, changes: Mapping[str, Any] | None = None) -> Object:
    """A manifest as a create leaves it in storage."""
    found, faults = created(manifest(kind, changes))
    assert faults == []
    found["metadata"]["resourceVersion"] = "1"
    return found


def changed(obj: Object, changes: Mapping[str, Any]) -> Object:
    """A copy of a stored object with the changes of a client."""
    updated = copy.deepcopy(obj)
    for path, value in changes.items():
        *parents, last = path.split()
        target: Any = updated
        for step in parents:
            target = target[int(step)] if isinstance(target, list) else target.setdefault(step, {})
        if value is GONE:
            del target[last]
        else:
            target[int(last) if isinstance(target, list) else last] = copy.deepcopy(value)
    return updated


def updated(existing: Object, changes: Mapping[str, Any]) -> tuple[Object, list[field.Error]]:
    """What a PUT with the changes makes of a stored object, and what is wrong with it."""
    found = decoded(changed(existing, changes))
    rule = strategy(found).update_rule("")
    before = copy.deepcopy(existing)
    rule.prepare(context(), found, existing)
    assert existing == before, "the stored object is not the Strategy's to change"
    return found, rule.validate(context(), found, existing)


def subresource_updated(
    existing: Object, changes: Mapping[str, Any], subresource: str = "status"
) -> tuple[Object, list[field.Error]]:
    """The same through a subresource."""
    found = decoded(changed(existing, changes))
    rule = strategy(found).update_rule(subresource)
    rule.prepare(context(), found, existing)
    return found, rule.validate(context(), found, existing)


def messages(faults: list[field.Error]) -> list[str]:
    return [fault.message for fault in faults]
