# SPDX-License-Identifier: Apache-2.0
"""What the official client knows of the routes, read once per test run."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import Any

import pytest

SCRIPT = Path(__file__).parents[2] / "hack" / "routes.py"


@pytest.fixture(scope="session")
def routes() -> Any:
    """hack/routes.py as a module."""
    spec = importlib.util.spec_from_file_location("hack_routes", SCRIPT)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def client_operations(routes: Any) -> tuple[Any, ...]:
    """The client's operations on resources, as hack/routes.py reads them."""
    return tuple(routes.operations(routes.client_api_directory()))
