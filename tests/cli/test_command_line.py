# SPDX-License-Identifier: Apache-2.0
"""Flags: what they become, and the one line that tells what is wrong with them."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pyk8s.cli import (
    apiserver,
    controller_manager,
    flags,
    main,
    ranges,
    up,
    up_components,
    up_options,
)
from pyk8s.cli.flags import UsageError
from pyk8s.controllers.manager import ManagerOptions
from pyk8s.controllers.options import Options
from pyk8s.server.options import APIServerOptions
from pyk8s.serving.component import SecureServing

ETCD = "--etcd-servers=http://127.0.0.1:2379"


@pytest.mark.parametrize(
    ("read", "text", "value"),
    [
        pytest.param(flags.port, "0", 0, id="any port"),
        pytest.param(flags.port, "65535", 65535, id="highest port"),
        pytest.param(flags.ip_address, "::1", "::1", id="IPv6"),
        pytest.param(flags.ip_range, "10.96.0.0/12", "10.96.0.0/12", id="range"),
        pytest.param(flags.ip_range, "10.0.0.0/24,fd00::/108", "10.0.0.0/24,fd00::/108", id="two"),
        pytest.param(flags.port_range, "30000-32767", (30000, 32767), id="ports"),
        pytest.param(flags.names, "a, b", ("a", "b"), id="names"),
        pytest.param(flags.urls, "unix:///a,http://b", ("unix:///a", "http://b"), id="urls"),
        pytest.param(flags.duration, "1h2m3.5s", 3723.5, id="duration"),
        pytest.param(flags.duration, "150ms", 0.15, id="milliseconds"),
        pytest.param(flags.duration, "0", 0.0, id="no time"),
    ],
)
def test_flag_values(read: Callable[[str], Any], text: str, value: Any) -> None:
    """Each notation becomes its value."""
    assert read(text) == value


@pytest.mark.parametrize(
    ("read", "text"),
    [
        pytest.param(flags.port, "65536", id="port too high"),
        pytest.param(flags.port, "-1", id="port below 0"),
        pytest.param(flags.port, "²", id="no ASCII digit"),
        pytest.param(flags.positive, "0", id="not positive"),
        pytest.param(flags.ip_address, "localhost", id="a name"),
        pytest.param(flags.ip_range, "10.96.0.0/33", id="no CIDR"),
        pytest.param(flags.ip_range, "10.0.0.0/24,10.1.0.0/24", id="two of a family"),
        pytest.param(flags.port_range, "32767-30000", id="ports reversed"),
        pytest.param(flags.port_range, "30000", id="no range"),
        pytest.param(flags.names, "a,,b", id="empty name"),
        pytest.param(flags.urls, "localhost:2379", id="no URL"),
        pytest.param(flags.duration, "60", id="no unit"),
        pytest.param(flags.duration, "1s2", id="rest"),
        pytest.param(flags.duration, "", id="empty duration"),
    ],
)
def test_flag_values_that_are_none(read: Callable[[str], Any], text: str) -> None:
    """The message repeats what was given."""
    with pytest.raises(argparse.ArgumentTypeError, match=r"^'.*' is "):
        read(text)


def test_apiserver_defaults() -> None:
    """A flag that is not given leaves its option alone."""
    expected = APIServerOptions(etcd_servers=("http://127.0.0.1:2379",))
    assert apiserver.parse([ETCD]) == expected


def test_apiserver_flags() -> None:
    """kube-apiserver's names and notations become options."""
    options = apiserver.parse(
        [
            "--etcd-servers", "https://a:2379,https://b:2379",
            "--etcd-cafile=ca", "--etcd-certfile=c", "--etcd-keyfile=k",
            "--bind-address=::", "--secure-port=1", "--advertise-address=192.0.2.1",
            "--tls-cert-file=t", "--tls-private-key-file=p", "--client-ca-file=x",
            "--service-account-key-file=one", "--service-account-key-file=two",
            "--service-node-port-range=1-2", "--request-timeout=1m30s", "-v", "4",
            "--min-request-timeout=7", "--etcd-compaction-interval=0",
        ]
    )  # fmt: skip
    assert options == APIServerOptions(
        etcd_servers=("https://a:2379", "https://b:2379"),
        etcd_cafile="ca",
        etcd_certfile="c",
        etcd_keyfile="k",
        bind_address="::",
        secure_port=1,
        advertise_address="192.0.2.1",
        tls_cert_file="t",
        tls_private_key_file="p",
        client_ca_file="x",
        service_account_key_files=("one", "two"),
        service_node_port_range=(1, 2),
        request_timeout_seconds=90.0,
        log_level=4,
        min_request_timeout_seconds=7,
        etcd_compaction_interval_seconds=0.0,
    )
    assert options.etcd.key_file == "k"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        pytest.param([], "--etcd-servers must be specified", id="no etcd"),
        pytest.param(
            [ETCD, "--tls-cert-file=a"],
            "--tls-cert-file and --tls-private-key-file go together",
            id="half a pair",
        ),
        pytest.param(
            [ETCD, "--audit-log-path=-"],
            "kube-apiserver's --audit-log-path has no effect here yet: leave it out",
            id="kube-apiserver's",
        ),
        pytest.param(
            [ETCD, "--etcd_servers=x"],
            "unknown flag --etcd_servers: see pyk8s apiserver --help",
            id="underscores",
        ),
        pytest.param(
            [ETCD, "--secure=1"],
            "unknown flag --secure: see pyk8s apiserver --help",
            id="abbreviation",
        ),
        pytest.param(
            [ETCD, "--secure-port=x"],
            "--secure-port: 'x' is not a port (0 to 65535): see pyk8s apiserver --help",
            id="value",
        ),
        pytest.param(
            [ETCD, "extra"], "unknown argument 'extra': see pyk8s apiserver --help", id="argument"
        ),
    ],
)
def test_apiserver_mistakes(arguments: list[str], message: str) -> None:
    """One line says what is wrong."""
    with pytest.raises(UsageError) as caught:
        apiserver.parse(arguments)
    assert str(caught.value) == message


def test_ranges_of_up() -> None:
    """Load balancers have addresses unless that is unwanted; nodes get ranges when asked for."""
    given = up_options.parse([]).ranges
    assert given == ranges.Ranges()
    assert f"--service-load-balancer-range={ranges.DEFAULT_SERVICE_LOAD_BALANCER_RANGE}" in (
        given.controller_manager()
    )
    none = up_options.parse(["--service-load-balancer-range="]).ranges.controller_manager()
    assert not any(flag.startswith("--service-load-balancer-range") for flag in none)
    for_nodes = ["--allocate-node-cidrs", "--service-cluster-ip-range=10.0.0.0/16"]
    nodes = up_options.parse(for_nodes).ranges
    assert nodes.cluster_cidr == ranges.DEFAULT_CLUSTER_CIDR
    flags_of_nodes = ("--allocate-node-cidrs=true", "--service-cluster-ip-range=10.0.0.0/16")
    assert {*flags_of_nodes} <= {*nodes.controller_manager()}
    with pytest.raises(UsageError, match="--allocate-node-cidrs alone"):
        up_options.parse(["--cluster-cidr=10.1.0.0/16"])


def test_up_defaults() -> None:
    """Without flags: everything that is built, for this machine alone."""
    assert up_options.parse([]) == up_options.UpOptions(components=up_components.BUILT)
    assert {"etcd", "apiserver", "controller-manager"} <= set(up_components.BUILT)
    assert up_options.parse(["--components=apiserver"]).components == ("apiserver",)
    assert "node" not in up_options.parse(["--nodes=0"]).components


def test_controller_manager_flags() -> None:
    """kube-controller-manager's names and notations become options."""
    assert controller_manager.parse([]) == ManagerOptions()
    arguments = [
        "--kubeconfig=k", "--controllers=*,-namespace-controller", "--leader-elect=false",
        "--kube-api-qps=20", "--kube-api-burst=30", "--bind-address=::1",
        "--secure-port=10257", "--tls-cert-file=c", "--tls-private-key-file=k",
        "--client-ca-file=ca", "--authorization-always-allow-paths=/healthz,/metrics",
    ]  # fmt: skip
    assert controller_manager.parse(arguments) == ManagerOptions(
        kubeconfig="k",
        controllers=("*", "-namespace-controller"),
        leader_elect=False,
        kube_api_qps=20.0,
        kube_api_burst=30,
        serving=SecureServing(
            bind_address="::1",
            secure_port=10257,
            tls_cert_file="c",
            tls_private_key_file="k",
            client_ca_file="ca",
            authorization_always_allow_paths=("/healthz", "/metrics"),
        ),
    )


def test_flags_of_single_controllers() -> None:
    """They become the settings that controllers are made with."""
    arguments = [
        "--node-monitor-grace-period=1m", "--node-eviction-rate=0", "--allocate-node-cidrs",
        "--cluster-cidr=10.244.0.0/16,fd00::/48", "--terminated-pod-gc-threshold=1",
        "--endpoint-updates-batch-period=500ms", "--endpointslice-updates-batch-period=0",
    ]  # fmt: skip
    assert controller_manager.parse(arguments).settings == Options(
        node_monitor_grace_period=60.0,
        node_eviction_rate=0.0,
        allocate_node_cidrs=True,
        cluster_cidr="10.244.0.0/16,fd00::/48",
        terminated_pod_gc_threshold=1,
        endpoint_updates_batch_period=0.5,
        endpointslice_updates_batch_period=0.0,
    )


def test_controller_manager_mistakes(
    tmp_path: Path, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Exit status 1 and one line that says what is wrong."""
    monkeypatch.delenv("KUBECONFIG", raising=False)
    missing = tmp_path / "none"
    for arguments, message in (
        (["--leader-elect=maybe"], "--leader-elect: 'maybe' is neither true nor false: see "
         "pyk8s controller-manager --help"),
        ([f"--kubeconfig={missing}"], f"cannot read {missing}: No such file or directory"),
        (["--allocate-node-cidrs"], "--allocate-node-cidrs needs --cluster-cidr"),
        ([f"--root-ca-file={missing}"], f"cannot read {missing}: No such file or directory"),
        ([f"--service-account-private-key-file={missing}"],
         f"cannot read {missing}: No such file or directory"),
        ([f"--cluster-signing-cert-file={missing}"], "--cluster-signing-cert-file and "
         "--cluster-signing-key-file go together, as do those of each signer"),
        ([f"--cluster-signing-cert-file={missing}", f"--cluster-signing-key-file={missing}"],
         f"cannot read {missing}: No such file or directory"),
    ):  # fmt: skip
        assert controller_manager.main(arguments) == 1
        assert capsys.readouterr().err == f"pyk8s controller-manager: {message}\n"


def test_controller_manager_help(capsys: pytest.CaptureFixture) -> None:
    """Defaults are written as the flags take them."""
    with pytest.raises(SystemExit) as end:
        controller_manager.main(["--help"])
    assert end.value.code == 0
    text = " ".join(capsys.readouterr().out.split())
    assert "how often nodes are looked at (default: 5s)" in text
    assert "valid that asks for no less (default: 8760h0m0s)" in text
    assert "nodes a second whose pods are evicted, in a healthy zone (default: 0.1)" in text


def test_unknown_controller(tmp_path: Path) -> None:
    """Refused by name, and nothing is left open."""
    config = tmp_path / "kubeconfig"
    cluster = {"name": "a", "cluster": {"server": "http://127.0.0.1:1"}}
    context = {"name": "a", "context": {"cluster": "a", "user": "a"}}
    named = {"clusters": [cluster], "users": [{"name": "a", "user": {}}], "contexts": [context]}
    head = {"apiVersion": "v1", "kind": "Config", "current-context": "a"}
    config.write_text(json.dumps(head | named))
    command = [sys.executable, "-m", "pyk8s", "controller-manager", "--controllers=nope"]
    done = subprocess.run(
        [*command, f"--kubeconfig={config}"], capture_output=True, text=True, check=False
    )
    message = "'nope' is not in the list of known controllers"
    assert (done.returncode, done.stderr) == (1, f"pyk8s controller-manager: {message}\n")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        pytest.param(
            ["--components=kubelet"], "--components: there is no component 'kubelet'", id="none"
        ),
        pytest.param(
            ["--ephemeral", "--data-dir=x"],
            "--ephemeral makes a directory of its own: leave out --data-dir",
            id="two directories",
        ),
        pytest.param(
            ["--token-auth-file=/nowhere/t.csv"],
            "--token-auth-file: cannot read /nowhere/t.csv: No such file or directory",
            id="unreadable file",
        ),
    ],
)
def test_up_mistakes(arguments: list[str], message: str, capsys: pytest.CaptureFixture) -> None:
    """Exit status 1 and one line that says what is wrong."""
    assert up.main(arguments) == 1
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("", f"pyk8s up: {message}\n")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        pytest.param(["dwon"], "pyk8s: there is no command 'dwon': see pyk8s --help\n", id="none"),
    ],
)
def test_unknown_commands(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture
) -> None:
    """Refused by name, exit status 1."""
    assert main.main(arguments) == 1
    assert capsys.readouterr().err == message


def test_help(capsys: pytest.CaptureFixture) -> None:
    """The commands are listed without importing them."""
    assert main.main(["--help"]) == 0
    assert "apiserver" in capsys.readouterr().out


def test_token_file_is_found_from_anywhere(tmp_path: Path, monkeypatch: Any) -> None:
    """A relative path means the directory the command was given in."""
    (tmp_path / "t.csv").write_text("")
    monkeypatch.chdir(tmp_path)
    assert up_options.parse(["--token-auth-file=t.csv"]).token_auth_file == str(tmp_path / "t.csv")
