# SPDX-License-Identifier: Apache-2.0
"""What `pyk8s up` starts beside the API server, and with which flags."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pyk8s.cli.up_options import UpOptions
    from pyk8s.server.certificates import Files


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientComponent:
    """A `pyk8s` command that knows the API server over HTTP alone. `flags` are those it gets
    beside `--kubeconfig`. One that is waited for says on its ready pipe when it is ready, or has
    made what the API server then shows at `makes`."""

    flags: Callable[[UpOptions, Files], Sequence[str]]
    is_waited_for: bool = False
    makes: str = ""


CLIENT_COMPONENTS: Mapping[str, ClientComponent] = {
    # Only one runs here; a Lease left by a killed one would have to run out first.
    "controller-manager": ClientComponent(
        flags=lambda options, files: (
            "--leader-elect=false",
            "--controllers=*,bootstrap-signer-controller,token-cleaner-controller",
            f"--service-account-private-key-file={files.service_account_key}",
            f"--root-ca-file={files.ca_cert}",
            f"--cluster-signing-cert-file={files.ca_cert}",
            f"--cluster-signing-key-file={files.ca_key}",
            *options.ranges.controller_manager(),
        ),
        # Without which no Pod is taken.
        makes="/api/v1/namespaces/default/serviceaccounts/default",
    ),
    "scheduler": ClientComponent(
        flags=lambda options, files: (
            "--leader-elect=false",
            f"--config={options.scheduler_config}",
        )
    ),
    "node": ClientComponent(
        flags=lambda options, files: (
            f"--simulated={options.nodes}",
            f"--client-ca-file={files.ca_cert}",
            f"--tls-cert-file={files.kubelet_cert}",
            f"--tls-private-key-file={files.kubelet_key}",
            "--simulated-volumes",
        ),
        is_waited_for=True,
    ),
    "metrics-server": ClientComponent(
        flags=lambda options, files: (
            f"--bind-address={_metrics_address(options)}",
            f"--advertise-address={_metrics_address(options)}",
            "--secure-port=0",
            f"--tls-cert-file={files.metrics_server_cert}",
            f"--tls-private-key-file={files.metrics_server_key}",
            f"--kubelet-certificate-authority={files.ca_cert}",
            "--kubelet-preferred-address-types=InternalIP,ExternalIP,Hostname",
            "--kubelet-use-node-status-port",
        ),
        is_waited_for=True,
    ),
}


BUILT = ("etcd", "apiserver", *CLIENT_COMPONENTS)


def _metrics_address(options: UpOptions) -> str:
    """Only the API servers here are to reach it, unless this one has an address of its own."""
    unspecified = ("0.0.0.0", "::")
    return "127.0.0.1" if options.bind_address in unspecified else options.bind_address


def unserved_plugins(components: Sequence[str]) -> tuple[str, ...]:
    """Those that rest on a component that does not run here: without controllers no claim or
    volume could ever be removed, no namespace would have the ServiceAccount `default`, and no Node
    would take a Pod."""
    if "controller-manager" in components:
        return ()
    return ("ServiceAccount", "StorageObjectInUseProtection", "TaintNodesByCondition")
