# SPDX-License-Identifier: Apache-2.0
"""A sample API server, and a control plane that it can be registered with."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import sampleserver
from cluster import Http, wait_until
from registering import TRUST, await_condition, registration, services, slices
from sampleserver import Object, SampleServer


@pytest.fixture
def sample(http: Http, namespace: str, tmp_path: Path) -> Iterator[SampleServer]:
    """It runs, and the Service `sample` leads to it; nothing is registered."""

    def trust() -> Object | None:
        answer = http("GET", TRUST)
        return answer.json() if answer.status == 200 else None

    found = wait_until(trust, "the ConfigMap of the cluster's trust is there")
    names = [f"sample.{namespace}.svc"]
    proxy_ca = found["data"]["requestheader-client-ca-file"]
    with SampleServer(tmp_path / "pki", names, proxy_ca) as server:
        http.create(services(namespace), sampleserver.service("sample"))
        http.create(slices(namespace), server.endpoint_slice("sample"))
        yield server


@pytest.fixture
def registered(http: Http, namespace: str, sample: SampleServer) -> Iterator[SampleServer]:
    """The sample server, its API available."""
    with registration(http, sample.api_service(namespace, "sample")):
        await_condition(http, "True", "Passed")
        sample.seen.clear()
        yield sample
