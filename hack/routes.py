#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Derive `pyk8s/apis/routes.tsv` from the API classes of the official Python client.

    hack/routes.py            print the table
    hack/routes.py --write    write it into the package

The client is generated from upstream's swagger, so that its methods are the routes of the release.
Only group versions that are generally available are kept: those a server serves by default.
"""

from __future__ import annotations

import argparse
import ast
import importlib.util
import re
import sys
import textwrap
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TABLE = ROOT / "pyk8s" / "apis" / "routes.tsv"

HEADER = """\
# The resources and subresources that Kubernetes 1.37 serves by default; written by hack/routes.py.
# A kind of another group version than the resource's is written with it; `deletes` is what a
# DELETE that ends the object answers with: the object, or a Status.
# apiVersion\tresource\tscope\tkind\tverbs\tdeletes
"""

_MODULES = re.compile(r"^(?!.*(alpha|beta)\d).*_v\d+_api\.py$")
_PATH = re.compile(
    r"^/(?:api/(?P<core>v\d+)|apis/(?P<group>[^/]+)/(?P<version>[^/]+))"
    r"(?P<namespace>/namespaces/\{namespace\})?/(?P<resource>[^/{]+)"
    r"(?P<name>/\{name\})?(?:/(?P<sub>[^/{]+))?(?P<path>/\{path\})?$"
)
_MODEL = re.compile(r"^(?P<prefix>[A-Z][A-Za-z]*?)??(?P<version>V\d+)(?P<kind>[A-Z]\w+)$")
_VERBS = {"POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete", "GET": "get"}
# The models of other groups than that of the route which returns them.
_FOREIGN = {
    "V1Eviction": "policy/v1/Eviction",
    "V1Scale": "autoscaling/v1/Scale",
    "AuthenticationV1TokenRequest": "authentication.k8s.io/v1/TokenRequest",
}


@dataclass(frozen=True, kw_only=True)
class Operation:
    """One method of an API class. `model` is what it answers with on success; `named` the type
    in whose name the path parameter {name} is explained."""

    name: str
    method: str
    path: str
    queries: tuple[str, ...]
    model: str
    named: str


def client_api_directory() -> Path:
    spec = importlib.util.find_spec("kubernetes")
    if spec is None or not spec.submodule_search_locations:
        raise SystemExit("the package kubernetes is not installed: pip install 'pyk8s[test]'")
    return Path(spec.submodule_search_locations[0]) / "client" / "api"


def operations(directory: Path) -> Iterator[Operation]:
    """Every operation on a resource, by reading the source: importing it takes longer."""
    for path in sorted(directory.iterdir()):
        if not _MODULES.match(path.name):
            continue
        functions = {f.name: f for f in _methods(path.read_text())}
        for name, function in functions.items():
            if name.endswith("_serialize"):
                public = name[1 : -len("_serialize")]
                operation = _operation(public, function, functions[public + "_with_http_info"])
                if _PATH.match(operation.path):
                    yield operation


def _methods(source: str) -> Iterator[ast.FunctionDef]:
    """The two methods of each operation that tell; parsing the others takes most of the time."""
    for chunk in source.split("\n    def ")[1:]:
        name = chunk.partition("(")[0]
        if name.endswith(("_with_http_info", "_serialize")):
            body = chunk.partition("\n    @")[0]
            (function,) = ast.parse(textwrap.dedent("    def " + body)).body
            assert isinstance(function, ast.FunctionDef)
            yield function


def _operation(name: str, serialize: ast.FunctionDef, call: ast.FunctionDef) -> Operation:
    keywords: dict[str, str] = {}
    queries: list[str] = []
    for node in ast.walk(serialize):
        if isinstance(node, ast.keyword) and isinstance(node.value, ast.Constant):
            keywords[node.arg or ""] = node.value.value
        elif isinstance(node, ast.Call) and _is_query_append(node.func):
            queries.append(ast.literal_eval(node.args[0].elts[0]))  # type: ignore[attr-defined]
    responses: dict[str, str | None] = {}
    for node in call.body:
        if isinstance(node, ast.AnnAssign) and ast.unparse(node.target) == "_response_types_map":
            responses = ast.literal_eval(node.value)  # type: ignore[arg-type]
    named = [
        word
        for argument in call.args.args
        if argument.arg == "name" and argument.annotation
        for word in re.findall(r"name of the (\w+)", ast.unparse(argument.annotation))
    ]
    return Operation(
        name=name,
        method=keywords["method"],
        path=keywords["resource_path"],
        queries=tuple(queries),
        model=next((model for model in responses.values() if model), ""),
        named=named[0] if named else "",
    )


def _is_query_append(function: ast.expr) -> bool:
    return (
        isinstance(function, ast.Attribute)
        and function.attr == "append"
        and isinstance(function.value, ast.Name)
        and function.value.id == "_query_params"
    )


@dataclass
class _Row:
    kind: str = ""
    namespaced: bool = False
    deletes: str = "-"

    def __post_init__(self) -> None:
        self.verbs: set[str] = set()


def table(found: Iterable[Operation]) -> str:
    rows: dict[tuple[str, str], _Row] = {}
    for operation in found:
        match = _PATH.match(operation.path)
        assert match
        version = match["core"] or f"{match['group']}/{match['version']}"
        resource = match["resource"] + (f"/{match['sub']}" if match["sub"] else "")
        _add(rows.setdefault((version, resource), _Row()), operation, match)
    lines = [
        "\t".join(
            (
                *key,
                "Namespaced" if row.namespaced else "Cluster",
                row.kind,
                ",".join(sorted(row.verbs)),
                row.deletes,
            )
        )
        for key, row in sorted(rows.items())
    ]
    return HEADER + "".join(line + "\n" for line in lines)


def _add(row: _Row, operation: Operation, match: re.Match[str]) -> None:
    row.namespaced |= match["namespace"] is not None
    collection = not match["name"]
    verb = _VERBS.get(operation.method)
    if verb is None:
        return  # HEAD and OPTIONS reach a proxy; discovery has no word for them.
    if collection and verb in ("get", "delete"):
        verb = {"get": "list", "delete": "deletecollection"}[verb]
    row.verbs.add(verb)
    # The swagger lists the query parameter for componentstatuses too, which cannot be watched.
    if verb == "list" and "watch" in operation.queries and match["resource"] != "componentstatuses":
        row.verbs.add("watch")
    if verb == "delete" and not match["sub"]:
        row.deletes = "status" if operation.model in ("V1Status", "object") else "object"
    if verb == "list":
        return
    kind = operation.named if operation.model == "str" else _kind_of(operation.model)
    if kind and verb != "delete":
        row.kind = kind


def _kind_of(model: str) -> str:
    if model in _FOREIGN:
        return _FOREIGN[model]
    match = _MODEL.match(model)
    return match["kind"] if match and match["kind"] != "Status" else ""


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--write", action="store_true", help=f"write {TABLE.relative_to(ROOT)}")
    arguments = parser.parse_args()
    text = table(operations(client_api_directory()))
    if arguments.write:
        TABLE.write_text(text)
    else:
        sys.stdout.write(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
