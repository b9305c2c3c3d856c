# SPDX-License-Identifier: Apache-2.0
"""Finds the benchmark and hands it the rest of the line."""

from __future__ import annotations

import importlib
import sys

# What there is, and what it measures.
BENCHMARKS = {
    "api": "an API server under load: creates, gets, lists, patches, watch fan-out",
    "cluster": "nodes, pods and a Deployment under `pyk8s up`, then all of it at rest",
    "storage": "the watch cache over etcd, without HTTP",
    "cost": "memory, start and idle CPU of an API server with many objects",
    "validation": "defaulting and validation in the create of one Pod",
    "decode": "the schema walk of a Pod",
    "apply": "managedFields and server-side apply on a Pod",
    "protobuf": "a Pod in protobuf, beside JSON",
    "scheduler": "the scheduler beside an API server, and its core in memory",
}


def main() -> None:
    name, *rest = sys.argv[1:] or ["api"]
    if name in ("-h", "--help"):
        print("usage: hack/bench [WHAT] [flags]\n")
        for known, text in BENCHMARKS.items():
            print(f"  {known:<10} {text}")
        return
    if name.startswith("-"):
        name, rest = "api", [name, *rest]
    if name not in BENCHMARKS:
        raise SystemExit(f"hack/bench: there is no benchmark {name!r}: see hack/bench --help")
    importlib.import_module(f"hack.benchmarks.{name}").main(rest)


main()
