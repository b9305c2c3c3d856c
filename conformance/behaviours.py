# SPDX-License-Identifier: Apache-2.0
"""Which test proves which official behaviour.

A test names its behaviour in its docstring, over as many lines as it takes.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

NAMES = Path(__file__).parent / "names"

# What a behaviour needs: the API server alone; one that calls webhooks or aggregated servers;
# controllers and nodes that only pretend to run containers; real containers.
CLASSES = ("api", "webhooks", "controllers", "nodes")


class BehaviourError(Exception):
    """A test without an official name, or two tests of the same."""


def official_names() -> dict[str, str]:
    """Every official name, with its class."""
    return {
        name: group
        for group in CLASSES
        for name in (NAMES / f"{group}.txt").read_text().splitlines()
    }


def name_of(function: Callable[..., Any]) -> str:
    return " ".join((inspect.getdoc(function) or "").split())


def by_name(functions: Iterable[Callable[..., Any]]) -> dict[str, Callable[..., Any]]:
    """The test of each behaviour. Raises BehaviourError."""
    known = official_names()
    found: dict[str, Callable[..., Any]] = {}
    for function in functions:
        name, where = name_of(function), f"{function.__module__}.{function.__name__}"
        if name not in known:
            raise BehaviourError(f"{where}: no conformance test is named {name!r}")
        if name in found:
            raise BehaviourError(f"{where}: {found[name].__name__} proves {name!r} already")
        found[name] = function
    return found
