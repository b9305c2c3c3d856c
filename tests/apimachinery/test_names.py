# SPDX-License-Identifier: Apache-2.0
"""Name rules."""

from collections.abc import Callable

import pytest

from pyk8s.apimachinery import names

Rule = Callable[[str], list[str]]

VALID = [
    (names.is_dns1123_label, ["a", "0", "a-b", "a" * 63]),
    (names.is_dns1123_subdomain, ["a", "a.b", "0.1-2", "a" * 253]),
    (names.is_dns1035_label, ["a", "a-0"]),
    (names.is_wildcard_dns1123_subdomain, ["*.a", "*.a.b"]),
    (names.is_qualified_name, ["a", "A.b_c-d", "x.y/Z", "a" * 63, "a" * 253 + "/b"]),
    (names.is_valid_label_value, ["", "a", "A_b.c-d", "a" * 63]),
    (names.is_valid_port_name, ["http", "a-1", "1a"]),
    (names.is_valid_percent, ["0%", "150%"]),
    (names.is_http_header_name, ["X-Header", "a"]),
    (names.is_env_var_name, ["A", "_a.b-c", ".a"]),
    (names.is_relaxed_env_var_name, ["1", "a b", "~", ".."]),
    (names.is_config_map_key, ["a", ".a", "A_b.c-d", "a" * 253]),
    (names.is_path_segment_name, ["a", "system:node", "...", "a b", ""]),
    (names.is_valid_ip, ["1.2.3.4", "::1", "2001:db8::ffff"]),
    (names.is_valid_ip_for_legacy_field, ["FE80::1"]),
    (names.is_valid_cidr, ["10.0.0.0/8", "0.0.0.0/0", "1.1.1.1/32", "2001:db8::/64"]),
    (names.is_valid_cidr_for_legacy_field, ["2001:DB8::/64"]),
]


@pytest.mark.parametrize(
    ("rule", "value"),
    [pytest.param(r, v, id=f"{r.__name__}-{v[:20]}") for r, values in VALID for v in values],
)
def test_accepts(rule: Rule, value: str) -> None:
    """What the rule allows has no fault."""
    assert rule(value) == []


INVALID = [
    (names.is_dns1123_label, ["", "A", "a_", "-a", "a-", "a\n", "ä"]),
    (names.is_dns1123_subdomain, ["", "A.b", "a..b", "a.", ".a", "a_b", "a\n"]),
    (names.is_dns1035_label, ["", "0a", "a.b", "A"]),
    (names.is_wildcard_dns1123_subdomain, ["*", "a.b", "*.*.a", "*a.b"]),
    (names.is_qualified_name, ["", "/a", "a/", "a/b/c", "A/b", "a b", "-a", "a" * 64]),
    (names.is_valid_label_value, ["-", "a b", "a/b", "a" * 64, "a\n"]),
    (names.is_valid_port_name, ["", "80", "a--b", "-a", "a-", "A", "a" * 16]),
    (names.is_valid_percent, ["", "1", "%", "-1%", "1.5%"]),
    (names.is_http_header_name, ["", "a b", "a_b", "a:"]),
    (names.is_env_var_name, ["", "1a", "a=b", "a b", ".", "..", "..a"]),
    (names.is_relaxed_env_var_name, ["", "a=b", "ä", "a\t"]),
    (names.is_config_map_key, ["", ".", "..", "..a", "a/b", "a b", "a" * 254]),
    (names.is_path_segment_name, [".", "..", "a/b", "a%b"]),
    (names.is_valid_ip, ["", "1.2.3", "300.1.1.1", "::g", "fe80::1%eth0", "1.2.3.4 "]),
    (names.is_valid_cidr, ["", "10.0.0.0", "10.0.0.0/33", "10.0.0.0/-1", "/8", "10.0.0.0/"]),
]


@pytest.mark.parametrize(
    ("rule", "value"),
    [pytest.param(r, v, id=f"{r.__name__}-{v[:20]!r}") for r, values in INVALID for v in values],
)
def test_refuses(rule: Rule, value: str) -> None:
    """What the rule forbids has at least one fault."""
    assert rule(value)


LABEL = (
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and "
    "must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used "
    "for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')"
)
KEY = (
    "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an "
    "alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for "
    "validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')"
)


@pytest.mark.parametrize(
    ("rule", "value", "faults"),
    [
        (names.is_dns1123_label, "A", [LABEL]),
        (names.is_dns1123_label, "a.b", ["must not contain dots"]),
        (names.is_dns1123_label, "a" * 64, ["must be no more than 63 bytes"]),
        (
            names.is_dns1123_subdomain,
            "ü" * 127,
            [
                "must be no more than 253 bytes",
                "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric "
                "characters, '-' or '.', and must start and end with an alphanumeric character "
                "(e.g. 'example.com', regex used for validation is "
                r"'[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')",
            ],
        ),
        (names.is_qualified_name, "", ["name part must be non-empty", f"name part {KEY}"]),
        (names.is_qualified_name, "/a", ["prefix part must be non-empty"]),
        (
            names.is_qualified_name,
            "a/b/c",
            [
                f"a valid label key {KEY} with an optional DNS subdomain prefix and '/' "
                "(e.g. 'example.com/MyName')"
            ],
        ),
        (names.is_config_map_key, "..a", ["must not start with '..'"]),
        (names.is_config_map_key, "..", ["must not be '..'"]),
        (names.is_path_segment_name, "a/%", ["may not contain '/'", "may not contain '%'"]),
        (names.is_path_segment_name, "..", ["may not be '..'"]),
        (names.is_path_segment_prefix, "..", []),
        (names.is_valid_ip, "01.2.3.4", ["must not have leading 0s"]),
        (names.is_valid_ip, "FE80::1", ['must be in canonical form ("fe80::1")']),
        (names.is_valid_ip, "::ffff:1.2.3.4", ["must not be an IPv4-mapped IPv6 address"]),
        (names.is_valid_cidr, "10.0.0.1/8", ["must not have bits set beyond the prefix length"]),
        (names.is_valid_cidr, "10.0.0.0/08", ["must not have leading 0s in IP or prefix length"]),
        (names.is_valid_cidr, "::ffff:1.1.1.0/120", ["must not have an IPv4-mapped IPv6 address"]),
        (names.is_valid_cidr, "2001:DB8::/64", ['must be in canonical form ("2001:db8::/64")']),
        (names.is_fully_qualified_name, "a.b", [
            "should be a domain with at least three segments separated by dots"
        ]),
    ],
)  # fmt: skip
def test_messages(rule: Rule, value: str, faults: list[str]) -> None:
    """The faults are upstream's sentences, all of them, in upstream's order."""
    assert rule(value) == faults


def test_valid_before_stays_valid() -> None:
    """A legacy field keeps a value it already held, however odd."""
    assert names.is_valid_ip_for_legacy_field("010.0.0.1", ["010.0.0.1"]) == []
    assert names.is_valid_cidr_for_legacy_field("10.0.0.1/8", ["10.0.0.1/8"]) == []


@pytest.mark.parametrize(("port", "ok"), [(0, False), (1, True), (65535, True), (65536, False)])
def test_port_numbers(port: int, ok: bool) -> None:
    """A port is 1 to 65535."""
    expected = [] if ok else ["must be between 1 and 65535, inclusive"]
    assert names.is_valid_port_num(port) == expected


def test_generate_name() -> None:
    """A generated name keeps its base, fits a label and differs each time."""
    name = names.generate_name("web-")
    assert name.startswith("web-")
    assert len(name) == 9
    assert set(name[4:]) <= set("bcdfghjklmnpqrstvwxz2456789")
    assert names.generate_name("x" * 70)[:58] == "x" * 58
    assert len(names.generate_name("x" * 70)) == 63
    assert len({names.generate_name("") for _ in range(50)}) > 40
