# SPDX-License-Identifier: Apache-2.0
"""Reading flags as Kubernetes components do: one line per mistake, no abbreviations.

Types for argparse raise ArgumentTypeError with a text that follows the name of the flag.
"""

from __future__ import annotations

import argparse
import ipaddress
import re
from typing import NoReturn


class UsageError(Exception):
    """The command line makes no sense; one line that says what does."""


class Parser(argparse.ArgumentParser):
    """Raises UsageError where argparse would print its usage and exit."""

    def __init__(self, prog: str, description: str) -> None:
        super().__init__(prog=prog, description=description, allow_abbrev=False)

    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{message.removeprefix('argument ')}: see {self.prog} --help")


def port(text: str) -> int:
    """0 takes a free one."""
    if not text.isascii() or not text.isdigit() or int(text) > 65535:
        raise argparse.ArgumentTypeError(f"{text!r} is not a port (0 to 65535)")
    return int(text)


def boolean(text: str) -> bool:
    """As Go's strconv.ParseBool."""
    if text in ("1", "t", "T", "TRUE", "true", "True"):
        return True
    if text in ("0", "f", "F", "FALSE", "false", "False"):
        return False
    raise argparse.ArgumentTypeError(f"{text!r} is neither true nor false")


def positive(text: str) -> int:
    if not text.isascii() or not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number above 0")
    return int(text)


def natural(text: str) -> int:
    if not text.isascii() or not text.isdigit():
        raise argparse.ArgumentTypeError(f"{text!r} is not a number")
    return int(text)


def ip_address(text: str) -> str:
    """An address; empty stays empty, for argparse passes defaults through here as well."""
    if not text:
        return text
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not an IP address") from None


def ip_range(text: str) -> str:
    """One range, or an IPv4 and an IPv6 range joined by a comma."""
    parts = text.split(",")
    try:
        networks = [ipaddress.ip_network(part, strict=False) for part in parts]
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a CIDR, as 10.96.0.0/12 is") from None
    if len(networks) > 2 or len({network.version for network in networks}) < len(networks):
        raise argparse.ArgumentTypeError(f"{text!r} is more than one range per IP family")
    return text


def port_range(text: str) -> tuple[int, int]:
    match = re.fullmatch(r"(\d{1,5})-(\d{1,5})", text)
    low, high = (int(part) for part in match.groups()) if match else (1, 0)
    if not 0 < low <= high <= 65535:
        raise argparse.ArgumentTypeError(f"{text!r} is not a range of ports, as 30000-32767 is")
    return low, high


def names(text: str) -> tuple[str, ...]:
    """Comma-separated; none empty."""
    found = tuple(part.strip() for part in text.split(","))
    if not all(found):
        raise argparse.ArgumentTypeError(f"{text!r} is not a comma-separated list")
    return found


def urls(text: str) -> tuple[str, ...]:
    found = names(text)
    for url in found:
        if not url.startswith(("http://", "https://", "unix://")):
            raise argparse.ArgumentTypeError(f"{url!r} is not a URL, as http://127.0.0.1:2379 is")
    return found


_UNIT_SECONDS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "ns": 1e-9}
_DURATION_PART = re.compile(r"(\d+(?:\.\d*)?|\.\d+)(h|ms|us|µs|ns|m|s)")


def words(text: str) -> tuple[str, ...]:
    """Separated by commas."""
    return tuple(word.strip() for word in text.split(",") if word.strip())


def duration(text: str) -> float:
    """Seconds, from Go's notation: 1m30s."""
    seconds, end = 0.0, 0
    for part in _DURATION_PART.finditer(text):
        if part.start() != end:
            break
        seconds += float(part[1]) * _UNIT_SECONDS[part[2]]
        end = part.end()
    if text == "0":
        return 0.0
    if not text or end != len(text):
        raise argparse.ArgumentTypeError(f"{text!r} is not a duration, as 1m30s is")
    return seconds
