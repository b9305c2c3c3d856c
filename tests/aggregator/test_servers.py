# SPDX-License-Identifier: Apache-2.0
"""API servers that share an etcd do all of it side by side."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import sampleserver
from cluster import ControlPlane, Http, wait_until
from registering import API_SERVICES, NAME, TRUST, await_condition, registration, services, slices
from sampleserver import FLUNDERS, SampleServer

from pyk8s.aggregator import registration as local


@pytest.fixture(scope="module")
def workers() -> Iterator[ControlPlane]:
    """Two API server processes on one port."""
    plane = ControlPlane("--ephemeral", "--secure-port=0", "--components=apiserver", "--workers=2")
    yield plane
    plane.stop()


def register(http: Http, directory: Path) -> SampleServer:
    found = wait_until(
        lambda: answer.json() if (answer := http("GET", TRUST)).status == 200 else None,
        "the ConfigMap of the cluster's trust is there",
    )
    proxy_ca = found["data"]["requestheader-client-ca-file"]
    server = SampleServer(directory, ["sample.default.svc"], proxy_ca)
    http.create(services("default"), sampleserver.service("sample"))
    return server


def test_several_servers(workers: ControlPlane, tmp_path: Path) -> None:
    """Each of them passes requests on, lists the group, and agrees with the others about it."""
    http = Http(workers.access)
    with register(http, tmp_path) as sample:
        http.create(slices("default"), sample.endpoint_slice("sample"))
        with registration(http, sample.api_service("default", "sample")):
            await_condition(http, "True", "Passed")

            def everywhere() -> bool:
                """With connections enough that each server has had one."""
                for _ in range(12):
                    other = Http(workers.access)
                    found = other("GET", FLUNDERS).status, other("GET", "/apis").json()["groups"]
                    other.close()
                    if found[0] != 200 or found[1][-1]["name"] != sampleserver.GROUP:
                        return False
                return True

            wait_until(everywhere, "every server knows the group")
            version = http("GET", f"{API_SERVICES}/{NAME}").json()["metadata"]["resourceVersion"]
            judged = len(sample.seen)
            # Something that makes all of them judge again, and comes out the same.
            http.patch(f"{slices('default')}/sample", {"metadata": {"labels": {"a": "b"}}})
            wait_until(lambda: len(sample.seen) >= judged + 2, "each has judged again")
            after = http("GET", f"{API_SERVICES}/{NAME}").json()["metadata"]["resourceVersion"]
            assert after == version
    http.close()


def test_deleted_and_changed(workers: ControlPlane) -> None:
    """A server that starts brings back what was deleted or changed, and removes what an earlier
    one registered and it does not serve; what nobody manages stays."""
    http = Http(workers.access)
    try:
        http("DELETE", f"{API_SERVICES}/v1.batch")
        wait_until(
            lambda: "batch" not in [g["name"] for g in http("GET", "/apis").json()["groups"]],
            "legacy discovery lists it no longer",
        )
        assert http("GET", "/apis/batch/v1/jobs").status == 200
        assert http("GET", "/apis/batch").json()["name"] == "batch"
        http.patch(f"{API_SERVICES}/v1.apps", {"spec": {"versionPriority": 99}})
        label = {local.MANAGED_LABEL: "onstart"}
        for group, labels in (("former.example.com", label), ("own.example.com", {})):
            spec = {
                "group": group,
                "version": "v1",
                "groupPriorityMinimum": 1,
                "versionPriority": 1,
            }
            metadata = {"name": f"v1.{group}", "labels": labels}
            http.create(API_SERVICES, {"metadata": metadata, "spec": spec})
        workers.restart_server()
        http.close()
        http = Http(workers.access)
        wait_until(
            lambda: http("GET", f"{API_SERVICES}/v1.former.example.com").status == 404,
            "the former one is gone",
        )
        assert http("GET", f"{API_SERVICES}/v1.batch").status == 200
        apps = http("GET", f"{API_SERVICES}/v1.apps").json()
        assert apps["spec"]["versionPriority"] == 15
        assert http("GET", f"{API_SERVICES}/v1.own.example.com").status == 200
        assert http("GET", TRUST).status == 200
    finally:
        http.close()
