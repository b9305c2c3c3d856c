# SPDX-License-Identifier: Apache-2.0
"""Strategic merge patch, by golden cases and by round trips."""

import copy
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from pyk8s.apimachinery import patcherrors, strategicpatch
from pyk8s.apimachinery.patchschema import PatchSchema

DATA = Path(__file__).parent / "testdata" / "strategicmerge"
DEFINITIONS = yaml.safe_load((DATA / "schema.yaml").read_text())
SCHEMA = PatchSchema(
    DEFINITIONS["Thing"], lambda reference: DEFINITIONS[reference.removeprefix("#/definitions/")]
)
CASES = [
    pytest.param(case, id=f"{path.stem}: {case['name']}")
    for path in sorted(DATA.glob("*.yaml"))
    if path.stem != "schema"
    for case in yaml.safe_load(path.read_text())
]


@pytest.mark.parametrize("case", CASES)
def test_golden(case: dict[str, Any]) -> None:
    """Each case yields its expected object or error, and leaves its arguments as they were."""
    original, patch = copy.deepcopy(case["original"]), copy.deepcopy(case["patch"])
    if "error" in case:
        with pytest.raises(patcherrors.PatchError) as error:
            strategicpatch.apply(original, patch, SCHEMA)
        assert f"{error.value.code} {error.value}".strip() == case["error"].strip()
    else:
        result = strategicpatch.apply(original, patch, SCHEMA)
        assert result == case["expected"]
    assert original == case["original"]
    assert patch == case["patch"]


def test_untouched_parts_are_shared() -> None:
    """What a patch does not name is not copied."""
    original = {"metadata": {"labels": {"a": "1"}}, "spec": {"containers": [{"name": "a"}]}}
    result = strategicpatch.apply(original, {"spec": {"replicas": 1}}, SCHEMA)
    assert result["metadata"] is original["metadata"]
    assert result["spec"]["containers"] is original["spec"]["containers"]


@pytest.mark.parametrize(
    ("patch", "word"), [([], "array"), ("x", "string"), (1, "number"), (True, "bool")]
)
def test_patch_must_be_an_object(patch: Any, word: str) -> None:
    """Another document is refused as Go's decoder refuses it."""
    with pytest.raises(patcherrors.MalformedPatchError, match=f"cannot unmarshal {word} into Go"):
        strategicpatch.apply({}, patch, SCHEMA)


names = st.sampled_from("abcdef")
words = st.text("xyz", min_size=1, max_size=2)


def keyed(key: str, keys: st.SearchStrategy[Any], **fields: st.SearchStrategy[Any]) -> Any:
    element = st.fixed_dictionaries({key: keys}, optional=fields)
    return st.lists(element, max_size=4, unique_by=lambda item: item[key])


containers = keyed(
    "name",
    names,
    image=words,
    args=st.lists(words, max_size=2),
    env=keyed("name", names, value=words),
    ports=keyed("port", st.integers(1, 5), protocol=words),
)
specs = st.fixed_dictionaries(
    {},
    optional={
        "replicas": st.integers(0, 3),
        "args": st.lists(words, max_size=2),
        "numbers": st.lists(st.integers(0, 5), unique=True, max_size=4),
        "containers": containers,
        "volumes": keyed("name", names, emptyDir=st.just({}), readOnly=st.booleans()),
        "strategy": st.fixed_dictionaries({}, optional={"type": words, "rolling": st.just({})}),
        "resources": st.dictionaries(names, st.integers(0, 2), max_size=2),
        "profiles": st.dictionaries(names, st.dictionaries(names, words, max_size=2), max_size=2),
    },
)
things = st.fixed_dictionaries({"spec": specs})


@given(things, things)
def test_two_way_patch_round_trip(original: dict[str, Any], modified: dict[str, Any]) -> None:
    """The patch made from two objects turns the one into the other, order included."""
    patch = strategicpatch.create_two_way(original, modified, SCHEMA)
    assert strategicpatch.apply(original, patch, SCHEMA) == modified


@given(things)
def test_no_difference_no_patch(thing: dict[str, Any]) -> None:
    """Equal objects differ by the empty patch."""
    assert strategicpatch.create_two_way(thing, copy.deepcopy(thing), SCHEMA) == {}


@pytest.mark.parametrize(
    ("original", "modified", "patch"),
    [
        pytest.param(
            {"containers": [{"name": "a", "image": "x"}, {"name": "b"}]},
            {"containers": [{"name": "c"}, {"name": "a", "image": "y"}]},
            {
                "containers": [
                    {"name": "c"},
                    {"name": "a", "image": "y"},
                    {"$patch": "delete", "name": "b"},
                ],
                "$setElementOrder/containers": [{"name": "c"}, {"name": "a"}],
            },
            id="elements",
        ),
        pytest.param(
            {"numbers": [1, 2]},
            {"numbers": [2, 3]},
            {
                "numbers": [3],
                "$deleteFromPrimitiveList/numbers": [1],
                "$setElementOrder/numbers": [2, 3],
            },
            id="primitives",
        ),
        pytest.param(
            {"strategy": {"type": "a", "rolling": {}}},
            {"strategy": {"type": "b"}},
            {"strategy": {"$retainKeys": ["type"], "rolling": None, "type": "b"}},
            id="retain keys",
        ),
        pytest.param(
            {"args": ["a"], "replicas": 1}, {"args": []}, {"args": [], "replicas": None}, id="plain"
        ),
    ],
)
def test_two_way_patch_form(
    original: dict[str, Any], modified: dict[str, Any], patch: dict[str, Any]
) -> None:
    """The patch has the directives client-go would write."""
    created = strategicpatch.create_two_way({"spec": original}, {"spec": modified}, SCHEMA)
    assert created == {"spec": patch}


KEYS = [
    *("spec", "metadata", "containers", "numbers", "args", "finalizers", "strategy", "name"),
    *("volumes", "resources", "keyless", "env", "port", "$patch", "$retainKeys"),
    *("$setElementOrder/containers", "$setElementOrder/numbers", "$setElementOrder"),
    *("$deleteFromPrimitiveList/numbers", "$deleteFromPrimitiveList/containers"),
]
SCALARS = (
    st.none() | st.booleans() | st.integers(0, 2) | st.sampled_from(["a", "delete", "replace"])
)
WILD = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=4)
    ),
    max_leaves=12,
)
WILD_OBJECTS = st.dictionaries(st.sampled_from(KEYS), WILD, max_size=3)


@given(things | st.just({}), WILD_OBJECTS)
def test_any_patch(original: dict[str, Any], patch: dict[str, Any]) -> None:
    """Whatever a client sends is applied or refused, and leaves no null and no directive."""
    before = copy.deepcopy((original, patch))
    try:
        result = strategicpatch.apply(original, patch, SCHEMA)
    except patcherrors.PatchError:
        assert (original, patch) == before
        return
    assert (original, patch) == before
    text = yaml.safe_dump(result)
    assert "$setElementOrder/" not in text
    assert "$patch" not in text


@given(WILD_OBJECTS, WILD_OBJECTS)
def test_any_object_and_patch(original: dict[str, Any], patch: dict[str, Any]) -> None:
    """An object of any form is patched or the patch refused, never worse."""
    try:
        result = strategicpatch.apply(original, patch, SCHEMA)
    except patcherrors.PatchError:
        return
    assert isinstance(result, dict)
