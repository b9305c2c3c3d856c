# SPDX-License-Identifier: Apache-2.0
"""The Leases by which API servers can be counted."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from cluster import ControlPlane, Http

from pyk8s.admission import interface as admission
from pyk8s.apis import scheme
from pyk8s.auth.authenticator import ANONYMOUS_USER
from pyk8s.registry import builder
from pyk8s.registry.context import RequestContext
from pyk8s.registry.deletion import DeleteOptions
from pyk8s.registry.services.ranges import ServiceRanges
from pyk8s.server import identity
from pyk8s.storage import cacher
from pyk8s.storage import interface as storage
from pyk8s.storage.interface import EtcdOptions

LEASES = "/apis/coordination.k8s.io/v1/namespaces/kube-system/leases"
OURS = f"{LEASES}?labelSelector=apiserver.kubernetes.io%2Fidentity%3Dkube-apiserver"


def leases(http: Http) -> list[dict]:
    return http.get(OURS).json()["items"]


def test_names() -> None:
    """A server keeps its name; another port, host or worker has another."""
    names = {
        identity.name_of(host, port, worker)
        for host in ("a", "b")
        for port in (1, 2)
        for worker in (0, 1)
    }
    assert len(names) == 8
    assert identity.name_of("a", 1) in names
    assert all(name.startswith("apiserver-") and len(name) == 36 for name in names)


def test_each_worker_holds_a_lease(tmp_path: Path) -> None:
    """Two workers are two servers. Started again, each has its Lease back with a new holder."""
    flags = (f"--data-dir={tmp_path}/data", "--components=apiserver", "--workers=2")
    plane = ControlPlane(*flags, "--secure-port=0")
    http = Http(plane.access)
    before = leases(http)
    assert len(before) == 2
    for lease in before:
        spec, name = lease["spec"], lease["metadata"]["name"]
        assert spec["holderIdentity"].startswith(f"{name}_")
        assert spec["leaseDurationSeconds"] == 3600
        assert spec["acquireTime"] == spec["renewTime"]
        assert lease["metadata"]["labels"]["kubernetes.io/hostname"]
    http.close()
    plane.stop()
    again = ControlPlane(*flags, f"--secure-port={plane.access.port}")
    http = Http(again.access)
    after = leases(http)
    assert [x["metadata"]["uid"] for x in after] == [x["metadata"]["uid"] for x in before]
    holders = [x["spec"]["holderIdentity"] for x in (*before, *after)]
    assert len(set(holders)) == 4
    http.close()
    again.stop()


@pytest_asyncio.fixture
async def stores(etcd_options: EtcdOptions) -> AsyncIterator[builder.Stores]:
    """The registry over a prefix of its own, with the namespaces of the system."""
    backend = cacher.open(etcd_options)
    ranges = ServiceRanges.parse("10.96.0.0/12", (30000, 32767))
    options = builder.Options(
        key_prefix=etcd_options.prefix, event_ttl_seconds=3600, service_ranges=ranges
    )
    made = builder.build(scheme.builtin().resources, backend, admission.Chain([]), options)
    await backend.start()
    yield made
    await backend.stop()


async def names_held(stores: builder.Stores) -> list[str]:
    listed = await stores["leases"].list(storage.ListOptions())
    return [item.object()["metadata"]["name"] for item in listed.items]


async def test_a_removed_lease_comes_back(stores: builder.Stores) -> None:
    """Whoever deletes it: the next renewal makes it again, and only renews it otherwise."""
    lease = identity.IdentityLease(stores, "apiserver-a", "host")
    await lease.renew()
    first = (await stores["leases"].get("kube-system", "apiserver-a")).object()
    await lease.renew()
    second = (await stores["leases"].get("kube-system", "apiserver-a")).object()
    assert first["spec"]["acquireTime"] == second["spec"]["acquireTime"]
    assert first["spec"]["renewTime"] < second["spec"]["renewTime"]
    context = RequestContext(user=ANONYMOUS_USER, namespace="kube-system")
    await stores["leases"].delete(context, "apiserver-a", DeleteOptions())
    assert await names_held(stores) == []
    await lease.renew()
    assert await names_held(stores) == ["apiserver-a"]


@pytest.mark.parametrize(
    ("spec", "is_removed"),
    [
        pytest.param({"renewTime": "2020-01-01T00:00:00.000000Z"}, True, id="old"),
        pytest.param({"renewTime": "2120-01-01T00:00:00.000000Z"}, False, id="renewed"),
        pytest.param({}, True, id="never renewed"),
    ],
)
async def test_expired_leases_are_removed(
    stores: builder.Stores, spec: dict, is_removed: bool
) -> None:
    """What was not renewed for its duration goes; what is no server's Lease stays."""
    await make(stores, "theirs", spec, {identity.COMPONENT_LABEL: identity.COMPONENT})
    await make(stores, "another", spec, {})
    await identity.IdentityLease(stores, "apiserver-a", "host").remove_expired()
    assert await names_held(stores) == (["another"] if is_removed else ["another", "theirs"])


async def make(stores: builder.Stores, name: str, spec: dict, labels: dict[str, str]) -> None:
    obj = {
        "kind": "Lease",
        "apiVersion": "coordination.k8s.io/v1",
        "metadata": {"name": name, "namespace": "kube-system", "labels": labels},
        "spec": {"holderIdentity": "h", "leaseDurationSeconds": 3600, **spec},
    }
    context = RequestContext(user=ANONYMOUS_USER, namespace="kube-system")
    await stores["leases"].create(context, obj)
