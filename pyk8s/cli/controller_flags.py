# SPDX-License-Identifier: Apache-2.0
"""Flags of single controllers, with kube-controller-manager's names and defaults."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import fields
from typing import TYPE_CHECKING, Any

from pyk8s.apimachinery import durations
from pyk8s.cli import flags

if TYPE_CHECKING:
    from pyk8s.controllers.options import Options


def _rate(text: str) -> float:
    """Zero or more."""
    try:
        number = float(text)
    except ValueError:
        number = -1.0
    if not 0 <= number < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of 0 or more")
    return number


def _share(text: str) -> float:
    number = _rate(text)
    if number > 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number between 0 and 1")
    return number


def _seconds(text: str) -> float:
    seconds = flags.duration(text)
    if seconds <= 0:
        raise argparse.ArgumentTypeError(f"{text!r} is not a duration above 0")
    return seconds


# Flag, reader, name of the value, what it is for.
_FLAGS: tuple[tuple[str, Callable[[str], Any], str, str], ...] = (
    ("node-monitor-period", _seconds, "DURATION", "how often nodes are looked at"),
    ("node-monitor-grace-period", _seconds, "DURATION", "how long a node may be silent"),
    ("node-startup-grace-period", _seconds, "DURATION", "how long a new node may be silent"),
    ("node-eviction-rate", _rate, "N", "nodes a second whose pods are evicted, in a healthy zone"),
    ("secondary-node-eviction-rate", _rate, "N", "the same in an unhealthy zone"),
    ("large-cluster-size-threshold", flags.natural, "N",
     "a zone of no more nodes has none evicted while unhealthy"),
    ("unhealthy-zone-threshold", _share, "SHARE", "how many nodes make a zone unhealthy"),
    ("terminated-pod-gc-threshold", flags.natural, "N",
     "how many finished pods may stay, 0 for any number"),
    ("allocate-node-cidrs", flags.boolean, "BOOL", "give each node a range for its pods"),
    ("cluster-cidr", flags.ip_range, "CIDRS", "what the ranges of nodes are taken from"),
    ("service-cluster-ip-range", flags.ip_range, "CIDRS", "of which no node may get a part"),
    ("node-cidr-mask-size", flags.natural, "BITS", "of one address family"),
    ("node-cidr-mask-size-ipv4", flags.natural, "BITS", "of IPv4 ranges"),
    ("node-cidr-mask-size-ipv6", flags.natural, "BITS", "of IPv6 ranges"),
    ("endpoint-updates-batch-period", flags.duration, "DURATION",
     "how long changes of pods are gathered before Endpoints are written"),
    ("endpointslice-updates-batch-period", flags.duration, "DURATION",
     "the same for EndpointSlices"),
    ("max-endpoints-per-slice", flags.positive, "N", "in an EndpointSlice"),
    ("mirroring-max-endpoints-per-subset", flags.positive, "N", "mirrored of custom Endpoints"),
    ("service-load-balancer-range", flags.ip_range, "CIDRS",
     "addresses for Services of type LoadBalancer; without it they stay pending"),
    ("service-account-private-key-file", str, "FILE", "signs the tokens that Secrets hold"),
    ("root-ca-file", str, "FILE", "CA that is put beside them, and into every namespace"),
    ("cluster-signing-cert-file", str, "FILE", "CA that signs certificate requests"),
    ("cluster-signing-key-file", str, "FILE", "its key"),
    *(
        (f"cluster-signing-{signer}-{part}-file", str, "FILE", f"{what} of {signer} alone")
        for signer in ("kubelet-serving", "kubelet-client", "kube-apiserver-client",
                       "legacy-unknown")
        for part, what in (("cert", "the CA"), ("key", "the CA's key"))
    ),
    ("cluster-signing-duration", _seconds, "DURATION",
     "how long a certificate is valid that asks for no less"),
    ("legacy-service-account-token-clean-up-period", _seconds, "DURATION",
     "after how long without use such a token goes"),
    ("horizontal-pod-autoscaler-sync-period", _seconds, "DURATION",
     "how often a workload is looked at"),
    ("horizontal-pod-autoscaler-downscale-stabilization", _seconds, "DURATION",
     "how long a higher recommendation holds"),
    ("horizontal-pod-autoscaler-tolerance", _rate, "SHARE",
     "by how much use may differ from the target"),
    ("horizontal-pod-autoscaler-cpu-initialization-period", _seconds, "DURATION",
     "how long after its start a pod may not be judged by its use of CPU"),
    ("horizontal-pod-autoscaler-initial-readiness-delay", _seconds, "DURATION",
     "how long after its start a pod counts as never ready"),
)  # fmt: skip


def add(parser: argparse.ArgumentParser) -> None:
    from pyk8s.controllers.options import Options

    defaults = Options()
    for name, read, value, purpose in _FLAGS:
        default = getattr(defaults, name.replace("-", "_"))
        shown = _shown(default, value)
        more: dict[str, Any] = {"nargs": "?", "const": True} if read is flags.boolean else {}
        # What is not given is not there either: the defaults stand in Options alone.
        more["default"] = argparse.SUPPRESS
        parser.add_argument(f"--{name}", type=read, metavar=value, help=purpose + shown, **more)


def _shown(default: object, value: str) -> str:
    if isinstance(default, bool) or not isinstance(default, int | float):
        return ""
    if value == "DURATION":
        return f" (default: {durations.format(round(default * durations.SECOND))})"
    return f" (default: {default:g})" if default else ""


def take(values: dict[str, Any]) -> Options:
    """The settings among the parsed values, which are taken away. Raises UsageError for flags
    that do not fit each other."""
    from pyk8s.controllers.certificates import signing
    from pyk8s.controllers.certificates.authority import CannotSign
    from pyk8s.controllers.nodeipam.pools import pools
    from pyk8s.controllers.options import Options
    from pyk8s.controllers.serviceaccount import tokens

    named = [field.name for field in fields(Options) if field.name in values]
    options = Options(**{name: values.pop(name) for name in named})
    try:
        if options.allocate_node_cidrs:
            pools(options)
        if options.service_account_private_key_file:
            tokens.issuer(options)
        tokens.root_ca(options)
        signing.check(options)
    except (ValueError, CannotSign) as error:
        raise flags.UsageError(str(error)) from None
    except OSError as error:
        raise flags.UsageError(f"cannot read {error.filename}: {error.strerror}") from None
    return options
