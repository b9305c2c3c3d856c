# SPDX-License-Identifier: Apache-2.0
"""What names, keys and other short strings may look like.

Every rule is `(value) -> list[str]`: what is wrong with the value, in upstream's words, and an
empty list when nothing is. The words and patterns are those of apimachinery's `util/validation`
and `api/validate/content`; lengths count bytes of UTF-8, as they do there.
"""

from __future__ import annotations

import ipaddress
import random
import re
from collections.abc import Iterable

DNS1123_LABEL_BYTES_MAX = 63
DNS1123_SUBDOMAIN_BYTES_MAX = 253
DNS1035_LABEL_BYTES_MAX = 63
LABEL_BYTES_MAX = 63
PORT_NAME_BYTES_MAX = 15

_DNS1123_LABEL = "[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_DNS1123_SUBDOMAIN = _DNS1123_LABEL + r"(\." + _DNS1123_LABEL + ")*"
_DNS1123_LABEL_UNDERSCORE = "_?[a-z0-9]([-_a-z0-9]*[a-z0-9])?"
_DNS1123_SUBDOMAIN_UNDERSCORE = (
    _DNS1123_LABEL_UNDERSCORE + r"(\." + _DNS1123_LABEL_UNDERSCORE + ")*"
)
_DNS1035_LABEL = "[a-z]([-a-z0-9]*[a-z0-9])?"
_WILDCARD_SUBDOMAIN = r"\*\." + _DNS1123_SUBDOMAIN
_LABEL_KEY = "([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]"
_LABEL_VALUE = "(" + _LABEL_KEY + ")?"
_C_IDENTIFIER = "[A-Za-z_][A-Za-z0-9_]*"
_PERCENT = "[0-9]+%"
_HTTP_HEADER = "[-A-Za-z0-9]+"
_ENV_VAR = "[-._a-zA-Z][-._a-zA-Z0-9]*"
_CONFIG_MAP_KEY = "[-._a-zA-Z0-9]+"
_HTTP_PATH = r"[A-Za-z0-9/\-._~%!$&'()*+,;=:]+"

_dns1123_label = re.compile(_DNS1123_LABEL).fullmatch
_dns1123_subdomain = re.compile(_DNS1123_SUBDOMAIN).fullmatch
_dns1123_subdomain_underscore = re.compile(_DNS1123_SUBDOMAIN_UNDERSCORE).fullmatch
_dns1035_label = re.compile(_DNS1035_LABEL).fullmatch
_wildcard_subdomain = re.compile(_WILDCARD_SUBDOMAIN).fullmatch
_label_key = re.compile(_LABEL_KEY).fullmatch
_label_value = re.compile(_LABEL_VALUE).fullmatch
_c_identifier = re.compile(_C_IDENTIFIER).fullmatch
_percent = re.compile(_PERCENT).fullmatch
_http_header = re.compile(_HTTP_HEADER).fullmatch
_env_var = re.compile(_ENV_VAR).fullmatch
_config_map_key = re.compile(_CONFIG_MAP_KEY).fullmatch
_http_path = re.compile(_HTTP_PATH).fullmatch
_port_name_characters = re.compile("[-a-z0-9]+").fullmatch
_port_name_letter = re.compile("[a-z]").search
_printable_ascii_without_equals = re.compile("[ -<>-~]*").fullmatch

EMPTY = "must be non-empty"


def bytes_length(text: str) -> int:
    """The length upstream's limits mean: bytes of UTF-8."""
    return len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))


def max_length_message(bytes_max: int) -> str:
    return f"must be no more than {bytes_max} bytes"


def pattern_message(message: str, pattern: str, *examples: str) -> str:
    """The explanation of a pattern that did not match, with examples that would."""
    used = f"regex used for validation is '{pattern}')"
    if not examples:
        return f"{message} ({used}"
    shown = " or ".join(f"'{example}', " for example in examples)
    return f"{message} (e.g. {shown}{used}"


def range_message(low: int, high: int) -> str:
    return f"must be between {low} and {high}, inclusive"


_DNS1123_LABEL_FAULT = pattern_message(
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and "
    "must start and end with an alphanumeric character",
    _DNS1123_LABEL,
    "my-name",
    "123-abc",
)
_DNS1123_SUBDOMAIN_FAULT = pattern_message(
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or "
    "'.', and must start and end with an alphanumeric character",
    _DNS1123_SUBDOMAIN,
    "example.com",
)
_DNS1123_SUBDOMAIN_UNDERSCORE_FAULT = pattern_message(
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '_', "
    "'-' or '.', and must start and end with an alphanumeric character",
    _DNS1123_SUBDOMAIN_UNDERSCORE,
    "example.com",
)
_DNS1035_LABEL_FAULT = pattern_message(
    "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an "
    "alphabetic character, and end with an alphanumeric character",
    _DNS1035_LABEL,
    "my-name",
    "abc-123",
)
_WILDCARD_SUBDOMAIN_FAULT = pattern_message(
    "a wildcard DNS-1123 subdomain must start with '*.', followed by a valid DNS subdomain, "
    "which must consist of lower case alphanumeric characters, '-' or '.' and end with an "
    "alphanumeric character",
    _WILDCARD_SUBDOMAIN,
    "*.example.com",
)
_LABEL_KEY_FAULT = pattern_message(
    "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an "
    "alphanumeric character",
    _LABEL_KEY,
    "MyName",
    "my.name",
    "123-abc",
)
_LABEL_VALUE_FAULT = pattern_message(
    "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or "
    "'.', and must start and end with an alphanumeric character",
    _LABEL_VALUE,
    "MyValue",
    "my_value",
    "12345",
)
_C_IDENTIFIER_FAULT = pattern_message(
    "a valid C identifier must start with alphabetic character or '_', followed by a string of "
    "alphanumeric characters or '_'",
    _C_IDENTIFIER,
    "my_name",
    "MY_NAME",
    "MyName",
)
_PERCENT_FAULT = pattern_message(
    "a valid percent string must be a numeric string followed by an ending '%'",
    _PERCENT,
    "1%",
    "93%",
)
_HTTP_HEADER_FAULT = pattern_message(
    "a valid HTTP header must consist of alphanumeric characters or '-'",
    _HTTP_HEADER,
    "X-Header-Name",
)
_ENV_VAR_FAULT = pattern_message(
    "a valid environment variable name must consist of alphabetic characters, digits, '_', "
    "'-', or '.', and must not start with a digit",
    _ENV_VAR,
    "my.env-name",
    "MY_ENV.NAME",
    "MyEnvName1",
)
_RELAXED_ENV_VAR_FAULT = (
    "a valid environment variable name must consist only of printable ASCII characters other "
    "than '='"
)
_CONFIG_MAP_KEY_FAULT = pattern_message(
    "a valid config key must consist of alphanumeric characters, '-', '_' or '.'",
    _CONFIG_MAP_KEY,
    "key.name",
    "KEY_NAME",
    "key-name",
)
_INVALID_IP = "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)"
_INVALID_CIDR = "must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)"


def is_dns1123_label(value: str) -> list[str]:
    faults = _too_long(value, DNS1123_LABEL_BYTES_MAX)
    if not _dns1123_label(value):
        dotted = _dns1123_subdomain(value)
        faults.append("must not contain dots" if dotted else _DNS1123_LABEL_FAULT)
    return faults


def is_dns1123_subdomain(value: str) -> list[str]:
    faults = _too_long(value, DNS1123_SUBDOMAIN_BYTES_MAX)
    if not _dns1123_subdomain(value):
        faults.append(_DNS1123_SUBDOMAIN_FAULT)
    return faults


def is_dns1123_subdomain_with_underscore(value: str) -> list[str]:
    faults = _too_long(value, DNS1123_SUBDOMAIN_BYTES_MAX)
    if not _dns1123_subdomain_underscore(value):
        faults.append(_DNS1123_SUBDOMAIN_UNDERSCORE_FAULT)
    return faults


def is_dns1035_label(value: str) -> list[str]:
    faults = _too_long(value, DNS1035_LABEL_BYTES_MAX)
    if not _dns1035_label(value):
        faults.append(_DNS1035_LABEL_FAULT)
    return faults


def is_wildcard_dns1123_subdomain(value: str) -> list[str]:
    """`*.example.com`: the star stands alone as the first label."""
    faults = _too_long(value, DNS1123_SUBDOMAIN_BYTES_MAX)
    if not _wildcard_subdomain(value):
        faults.append(_WILDCARD_SUBDOMAIN_FAULT)
    return faults


def is_fully_qualified_name(value: str) -> list[str]:
    """At least three labels, as a finalizer's or an API service's name needs."""
    faults = is_dns1123_subdomain(value)
    if faults:
        return [",".join(faults)]
    if value.count(".") < 2:
        return ["should be a domain with at least three segments separated by dots"]
    return []


def is_qualified_name(value: str) -> list[str]:
    """A label key, annotation key, finalizer, condition type …: `[prefix/]name`."""
    if value.count("/") > 1:
        return [
            f"a valid label key {_LABEL_KEY_FAULT} with an optional DNS subdomain prefix and '/' "
            "(e.g. 'example.com/MyName')"
        ]
    prefix, slash, name = value.rpartition("/")
    faults = []
    if slash:
        prefix_faults = is_dns1123_subdomain(prefix) if prefix else [EMPTY]
        faults = [f"prefix part {fault}" for fault in prefix_faults]
    if not name:
        faults.append(f"name part {EMPTY}")
    elif bytes_length(name) > LABEL_BYTES_MAX:
        faults.append(f"name part {max_length_message(LABEL_BYTES_MAX)}")
    if not _label_key(name):
        faults.append(f"name part {_LABEL_KEY_FAULT}")
    return faults


def is_valid_label_value(value: str) -> list[str]:
    faults = _too_long(value, LABEL_BYTES_MAX)
    if not _label_value(value):
        faults.append(_LABEL_VALUE_FAULT)
    return faults


def is_c_identifier(value: str) -> list[str]:
    return [] if _c_identifier(value) else [_C_IDENTIFIER_FAULT]


def is_in_range(value: int, low: int, high: int) -> list[str]:
    return [] if low <= value <= high else [range_message(low, high)]


def is_valid_port_num(value: int) -> list[str]:
    return is_in_range(value, 1, 65535)


def is_valid_user_id(value: int) -> list[str]:
    return is_in_range(value, 0, 0xFFFFFFFF)


is_valid_group_id = is_valid_user_id


def is_valid_port_name(value: str) -> list[str]:
    """An IANA service name (RFC 6335), lower case only."""
    faults = _too_long(value, PORT_NAME_BYTES_MAX)
    if not _port_name_characters(value):
        faults.append("must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)")
    if not _port_name_letter(value):
        faults.append("must contain at least one letter (a-z)")
    if "--" in value:
        faults.append("must not contain consecutive hyphens")
    if value.startswith("-") or value.endswith("-"):
        faults.append("must not begin or end with a hyphen")
    return faults


def is_valid_percent(value: str) -> list[str]:
    return [] if _percent(value) else [_PERCENT_FAULT]


def is_http_header_name(value: str) -> list[str]:
    return [] if _http_header(value) else [_HTTP_HEADER_FAULT]


def is_env_var_name(value: str) -> list[str]:
    """The old rule, which still guards the names that become files or keys."""
    faults = [] if _env_var(value) else [_ENV_VAR_FAULT]
    return faults + _dot_faults(value)


def is_relaxed_env_var_name(value: str) -> list[str]:
    """The rule for a container's env since 1.34: printable ASCII without `=`."""
    faults = [] if value else [f"environment variable name {EMPTY}"]
    if not _printable_ascii_without_equals(value):
        faults.append(_RELAXED_ENV_VAR_FAULT)
    return faults


def is_config_map_key(value: str) -> list[str]:
    """A key of a ConfigMap or Secret: it becomes a file name."""
    faults = _too_long(value, DNS1123_SUBDOMAIN_BYTES_MAX)
    if not _config_map_key(value):
        faults.append(_CONFIG_MAP_KEY_FAULT)
    return faults + _dot_faults(value)


def is_http_path(value: str) -> list[str]:
    """The path part of a domain-prefixed path such as `acme.io/foo`."""
    return [] if _http_path(value) else [pattern_message("Invalid path", _HTTP_PATH)]


def is_path_segment_name(value: str) -> list[str]:
    """What may be one segment of a URL path; the rule for names of RBAC objects."""
    if value in (".", ".."):
        return [f"may not be '{value}'"]
    return is_path_segment_prefix(value)


def is_path_segment_prefix(value: str) -> list[str]:
    """As is_path_segment_name, for a generateName, which `.` may still begin."""
    return [f"may not contain '{part}'" for part in ("/", "%") if part in value]


def is_valid_ip(value: str) -> list[str]:
    """An IPv4 or IPv6 address in canonical form, as new API fields take it."""
    faults = is_valid_ip_for_legacy_field(value)
    if faults:
        return faults
    canonical = str(ipaddress.ip_address(value))
    return [] if value == canonical else [f'must be in canonical form ("{canonical}")']


def is_valid_ip_for_legacy_field(value: str, valid_old: Iterable[str] = ()) -> list[str]:
    """Fields that predate strict checks: not canonical is fine, as is what stood there before.

    Leading zeros and IPv4-mapped IPv6 are refused (StrictIPCIDRValidation, on since 1.36).
    """
    if value in valid_old:
        return []
    address = _parse_ip(_without_leading_zeros(value))
    if address is None:
        return [_INVALID_IP]
    if _parse_ip(value) is None:
        return ["must not have leading 0s"]
    if address.version == 6 and address.ipv4_mapped:
        return ["must not be an IPv4-mapped IPv6 address"]
    return []


def is_valid_cidr(value: str) -> list[str]:
    """A subnet in canonical form, as new API fields take it."""
    faults = is_valid_cidr_for_legacy_field(value)
    if faults:
        return faults
    canonical = str(ipaddress.ip_network(value))
    return [] if value == canonical else [f'must be in canonical form ("{canonical}")']


def is_valid_cidr_for_legacy_field(value: str, valid_old: Iterable[str] = ()) -> list[str]:
    """Fields that predate strict checks; see is_valid_ip_for_legacy_field."""
    if value in valid_old:
        return []
    text, slash, length = value.rpartition("/")
    address = _parse_ip(_without_leading_zeros(text))
    if not slash or address is None or not (length.isascii() and length.isdigit()):
        return [_INVALID_CIDR]
    if int(length[-9:]) > address.max_prefixlen or len(length) > 9:
        return [_INVALID_CIDR]
    if _parse_ip(text) is None or (length[0] == "0" and length != "0"):
        return ["must not have leading 0s in IP or prefix length"]
    if address.version == 6 and address.ipv4_mapped:
        return ["must not have an IPv4-mapped IPv6 address"]
    host_bits = address.max_prefixlen - int(length)
    if int(address) & ((1 << host_bits) - 1):
        return ["must not have bits set beyond the prefix length"]
    return []


_GENERATED_ALPHABET = "bcdfghjklmnpqrstvwxz2456789"
_GENERATED_CHARACTERS = 5
_GENERATED_BASE_CHARACTERS_MAX = DNS1123_LABEL_BYTES_MAX - _GENERATED_CHARACTERS
_random = random.SystemRandom()


def generate_name(base: str) -> str:
    """`base` (cut so that the whole fits a DNS label) and five random characters.

    The alphabet has no vowels, so that no words come about, and no characters that look alike.
    """
    suffix = "".join(_random.choices(_GENERATED_ALPHABET, k=_GENERATED_CHARACTERS))
    return base[:_GENERATED_BASE_CHARACTERS_MAX] + suffix


def _too_long(value: str, bytes_max: int) -> list[str]:
    return [max_length_message(bytes_max)] if bytes_length(value) > bytes_max else []


def _dot_faults(value: str) -> list[str]:
    if value in (".", ".."):
        return [f"must not be '{value}'"]
    return ["must not start with '..'"] if value.startswith("..") else []


def _parse_ip(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    # Upstream knows no zones, the standard library does.
    if "%" in text:
        return None
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None


_leading_zeros = re.compile(r"(?<![0-9a-fA-F:.])0+(?=[0-9])|(?<=\.)0+(?=[0-9])")


def _without_leading_zeros(text: str) -> str:
    """An IPv4 address, or an IPv6 address's dotted end, as a lenient parser reads it."""
    if "." not in text:
        return text
    head, colon, dotted = text.rpartition(":")
    return head + colon + _leading_zeros.sub("", dotted)
