# SPDX-License-Identifier: Apache-2.0
"""JSONPath: what a path selects, and which texts are none."""

from typing import Any

import pytest

from pyk8s.apimachinery import jsonpath

OBJECT: dict[str, Any] = {
    "spec": {
        "replicas": 3,
        "ratio": 0.5,
        "on": True,
        "nothing": None,
        "ports": [80, 443, 8443],
        "names": {"a": "1", "b": "2"},
    },
    "metadata": {"labels": {"example.com/app": "web", "app": "x"}},
    "status": {
        "conditions": [
            {"type": "Ready", "status": "True", "n": 1},
            {"type": "Synced", "status": "False", "n": 2, "reason": "it's late"},
        ]
    },
}


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        pytest.param(".spec.replicas", [3], id="field"),
        pytest.param("$.spec.replicas", [3], id="root"),
        pytest.param(".spec.missing", [], id="missing-key"),
        pytest.param(".spec.missing.deeper", [], id="missing-parent"),
        pytest.param(".spec.replicas.deeper", [], id="field-of-a-number"),
        pytest.param(".spec.ports.first", [], id="field-of-a-list"),
        pytest.param(".spec.nothing", [None], id="null"),
        pytest.param(".spec.nothing.deeper", [], id="field-of-null"),
        pytest.param(".spec.nothing[0]", [], id="index-of-null"),
        pytest.param(r".metadata.labels.example\.com/app", ["web"], id="escaped-dot"),
        pytest.param(r".metadata.labels['example\.com/app']", ["web"], id="key-escaped-dot"),
        pytest.param(".metadata.labels['example.com/app']", [], id="key-with-a-bare-dot"),
        pytest.param(".metadata.labels['app']", ["x"], id="key"),
        pytest.param(".spec.ports[0]", [80], id="index"),
        pytest.param(".spec.ports[-1]", [8443], id="index-from-the-end"),
        pytest.param(".spec.ports[1:]", [443, 8443], id="slice"),
        pytest.param(".spec.ports[:-1]", [80, 443], id="slice-from-the-end"),
        pytest.param(".spec.ports[0:3:2]", [80, 8443], id="stride"),
        pytest.param(".spec.ports[2:2]", [], id="empty-slice"),
        pytest.param(".spec.ports[*]", [80, 443, 8443], id="every-item"),
        pytest.param(".spec.ports[0,2]", [80, 8443], id="union-of-indices"),
        pytest.param(".spec['replicas','on']", [3, True], id="union-of-keys"),
        pytest.param(".spec.names.*", ["1", "2"], id="wildcard"),
        pytest.param("..type", ["Ready", "Synced"], id="descent"),
        pytest.param(
            '.status.conditions[?(@.type=="Ready")].status', ["True"], id="filter-double-quotes"
        ),
        pytest.param(
            ".status.conditions[?(@.type == 'Synced')].status", ["False"], id="filter-spaces"
        ),
        pytest.param(".status.conditions[?(@.type=='None')].status", [], id="filter-nothing"),
        pytest.param(".status.conditions[?(@.type!='Ready')].n", [2], id="filter-unequal"),
        pytest.param(".status.conditions[?(@.n>1)].type", ["Synced"], id="filter-greater"),
        pytest.param(".status.conditions[?(@.n<=1)].type", ["Ready"], id="filter-at-most"),
        pytest.param(".status.conditions[?(@.reason)].type", ["Synced"], id="filter-exists"),
        pytest.param(
            '.status.conditions[?(@.reason=="it\'s late")].type', ["Synced"], id="filter-quote"
        ),
        pytest.param(".status.conditions[*].type", ["Ready", "Synced"], id="field-of-every-item"),
        pytest.param(".spec.ports[?(@>100)]", [443, 8443], id="filter-of-numbers"),
    ],
)
def test_selects(path: str, expected: list[Any]) -> None:
    """What is not there yields nothing; everything else keeps its order."""
    assert jsonpath.compile_path(path)(OBJECT) == expected


@pytest.mark.parametrize(
    "path",
    [
        pytest.param(".spec.ports[3]", id="index-out-of-bounds"),
        pytest.param(".spec.ports[-4]", id="negative-index-out-of-bounds"),
        pytest.param(".spec.ports[1:9]", id="slice-out-of-bounds"),
        pytest.param(".spec.ports[2:1]", id="slice-backwards"),
        pytest.param(".spec.names[0]", id="index-of-an-object"),
        pytest.param(".spec.replicas[0:1]", id="slice-of-a-number"),
        pytest.param(".spec.names[?(@.a)]", id="filter-of-an-object"),
        pytest.param(".status.conditions[?(@.type==1)].n", id="text-against-number"),
        pytest.param(".spec.ports[?(@>1.5)]", id="integer-against-float"),
        pytest.param(".status.conditions[?(@.*=='x')]", id="several-against-one"),
    ],
)
def test_refuses_values_that_do_not_fit(path: str) -> None:
    """A path that does not fit its value is an error, not an empty answer."""
    with pytest.raises(jsonpath.EvaluationError):
        jsonpath.compile_path(path)(OBJECT)


@pytest.mark.parametrize(
    "path",
    [
        pytest.param(".spec.ports[", id="open-bracket"),
        pytest.param(".spec.ports[x]", id="no-index"),
        pytest.param(".spec.ports[]", id="empty-brackets"),
        pytest.param(".spec.ports[-:1]", id="lone-minus"),
        pytest.param(".spec.ports[0:1:0]", id="no-stride"),
        pytest.param('.spec["replicas"]', id="double-quoted-key"),
        pytest.param(".spec.ports[?(@.a==1]", id="open-filter"),
        pytest.param(".spec.ports[?(@.a==1)", id="unclosed-filter"),
        pytest.param(".spec.ports[?(@.a=~'x')]", id="unknown-operator"),
        pytest.param("....a", id="double-descent"),
        pytest.param("spec", id="identifier"),
        pytest.param(".a}", id="brace"),
        pytest.param(".spec.ports[?(@.a==1.2.3)]", id="bad-number"),
    ],
)
def test_refuses_texts_that_are_no_path(path: str) -> None:
    """A text that is not a path is found out when it is compiled."""
    with pytest.raises(jsonpath.ParseError):
        jsonpath.compile_path(path)
