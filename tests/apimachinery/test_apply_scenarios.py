# SPDX-License-Identifier: Apache-2.0
"""Server-side apply by example: the scenarios of `apply/*.yaml`, each a life of one object.

A scenario gives a `kind`, `steps` by managers, and what is to be seen in the end:

    steps      each `apply: MANAGER` or `update: MANAGER` with a `body`; an update's body is a JSON
               merge patch of the live object; `force`, `subresource` and `seconds` (of the
               request's time) where they matter; `conflict` lists what the step is refused for,
               `error` is the message it fails with, `unchanged` says that nothing is written
    object     a part of the object, exact at its leaves and lists
    absent     dotted paths that lead nowhere
    owners     every entry of managedFields (`NAME`, `NAME Update`, `NAME Apply status` ...) with
               every field in it
    times      seconds of entries
"""

from __future__ import annotations

import copy
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from pyk8s.apimachinery import errors, fieldset, managedfields, mergepatch
from pyk8s.apimachinery.fieldmanager import FieldManager, Writer
from pyk8s.apimachinery.gvk import GroupVersionKind, parse_group_version
from pyk8s.apimachinery.typedschema import Compiler
from pyk8s.apis import decode, schemas

_FOLDER = Path(__file__).with_name("apply")
_COMPILER = Compiler(schemas.resolve)
_GROUP = "example.com"
_CUSTOM: dict[str, Any] = yaml.safe_load((_FOLDER / "schemas.yml").read_text())
_VERSIONS = {
    "Deployment": "apps/v1",
    "DaemonSet": "apps/v1",
    "CustomResourceDefinition": "apiextensions.k8s.io/v1",
}


def _scenarios() -> list[Any]:
    found = []
    for path in sorted(_FOLDER.glob("*.yaml")):
        for scenario in yaml.safe_load(path.read_text()):
            found.append(pytest.param(scenario, id=f"{path.stem}: {scenario['name']}"))
    return found


@cache
def _field_manager(kind: str, subresource: str) -> FieldManager:
    reset = ("status",) if not subresource else ("spec",) if subresource == "status" else ()
    if kind in _CUSTOM:
        gvk = GroupVersionKind(_GROUP, "v1", kind)
        schema = _COMPILER.custom_resource(_CUSTOM[kind])
        zero = {"apiVersion": f"{_GROUP}/v1", "kind": kind}
    else:
        group, version = parse_group_version(_VERSIONS.get(kind, "v1"))
        gvk = GroupVersionKind(group, version, kind)
        schema = _COMPILER.definition(schemas.REF_PREFIX + schemas.definition_of(gvk))
        zero = decode.walker(gvk)({"apiVersion": str(gvk.group_version), "kind": kind}).obj
    filters = {str(gvk.group_version): fieldset.excluding(fieldset.named(*reset))} if reset else {}
    return FieldManager(gvk=gvk, schema=schema, zero=zero, subresource=subresource, reset=filters)


class _Life:
    """An object through the writes of a scenario."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self.live: dict[str, Any] | None = None

    def take(self, step: dict[str, Any]) -> None:
        fields = _field_manager(self.kind, step.get("subresource", ""))
        manager = step.get("apply", step.get("update"))
        now = f"2026-01-01T00:00:{step.get('seconds', 0):02d}Z"
        writer = Writer(manager, now, step.get("force", False))
        before = copy.deepcopy(self.live)
        body = copy.deepcopy(step.get("body") or {})
        if "apply" in step:
            after = fields.apply(self.live, self._complete(fields, body), writer)
        else:
            base = self.live or self._complete(fields, {})
            sent = mergepatch.apply(copy.deepcopy(base), body)
            entries = managedfields.of(sent)
            after = self._decoded(fields, sent)
            if entries == []:  # which decoding leaves away, though it asks for something
                after = managedfields.put(after, entries)
            after = managedfields.put(after, fields.update(self.live, after, writer))
        assert self.live == before, "a write changed the live object in place"
        if step.get("unchanged"):
            assert after == self.live
        self.live = self._decoded(fields, copy.deepcopy(after))
        self.live["metadata"].setdefault("uid", "1")

    def _complete(self, fields: FieldManager, body: dict[str, Any]) -> dict[str, Any]:
        known = {"apiVersion": fields.api_version, "kind": self.kind}
        return {**known, **body, "metadata": {"name": "x", **(body.get("metadata") or {})}}

    def _decoded(self, fields: FieldManager, obj: dict[str, Any]) -> dict[str, Any]:
        if self.kind in _CUSTOM:
            return obj
        return decode.to_internal(obj, fields.gvk)[0]


@pytest.mark.parametrize("scenario", _scenarios())
def test_scenario(scenario: dict[str, Any]) -> None:
    """The object and its owners are what the scenario says, and refusals name their fields."""
    life = _Life(scenario["kind"])
    for step in scenario["steps"]:
        before = life.live
        if "conflict" not in step and "error" not in step:
            life.take(step)
            continue
        with pytest.raises(errors.StatusError) as refused:
            life.take(step)
        _check_refusal(step, refused.value)
        assert life.live is before
    assert life.live is not None
    if "object" in scenario:
        _check_part(scenario["object"], life.live, "")
    for path in scenario.get("absent", ()):
        assert not _reaches(life.live, path.split(".")), f"{path} is there"
    if "owners" in scenario:
        assert _owners(life.live) == {
            name: sorted(paths or []) for name, paths in scenario["owners"].items()
        }
    for name, seconds in scenario.get("times", {}).items():
        assert _entries(life.live)[name].get("time", "none")[-3:-1] in (f"{seconds:02d}",)


def _check_refusal(step: dict[str, Any], refused: errors.StatusError) -> None:
    if "error" in step:
        assert refused.message == step["error"]
        assert refused.code == step.get("code", 500)
        return
    causes = refused.status["details"]["causes"]
    assert [f"{cause['message']}: {cause['field']}" for cause in causes] == step["conflict"]
    assert {cause["reason"] for cause in causes} == {"FieldManagerConflict"}
    assert refused.code == 409
    if "message" in step:
        assert refused.message == step["message"].rstrip("\n")


def _check_part(part: Any, whole: Any, path: str) -> None:
    if isinstance(part, dict) and part:
        assert isinstance(whole, dict), f"{path} is no object: {whole}"
        for key, item in part.items():
            assert key in whole, f"{path}.{key} is not there"
            _check_part(item, whole[key], f"{path}.{key}")
    else:
        assert whole == part, path


def _reaches(value: Any, path: list[str]) -> bool:
    for key in path:
        if not isinstance(value, dict) or key not in value:
            return False
        value = value[key]
    return True


def _entries(obj: dict[str, Any]) -> dict[str, dict[str, Any]]:
    found = {}
    for entry in managedfields.of(obj) or ():
        name = [entry["manager"], entry["operation"], entry.get("subresource", "")]
        found[" ".join(part for part in name if part and part != "Apply")] = entry
    return found


def _owners(obj: dict[str, Any]) -> dict[str, list[str]]:
    return {
        name: sorted(fieldset.path_text(path) for path in fieldset.paths(entry["fieldsV1"]))
        for name, entry in _entries(obj).items()
    }


def test_there_are_sixty_scenarios() -> None:
    """Every rule of ownership has its example, and no two share a name."""
    names = [param.id for param in _scenarios()]
    assert len(names) == len(set(names)) >= 60
